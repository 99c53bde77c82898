"""Who stands behind a token, a service account, the end of a stack: from the audit trail."""

from typing import Any

from django.db import migrations, models


def _last_actors(apps: Any, action: str) -> dict[str, str]:
    """Return the person of the last entry of an action for each target."""
    entries = apps.get_model("tenants", "AuditEntry").objects
    rows = entries.filter(action=action, actor_kind="user", is_refused=False).order_by("id")
    return dict(rows.values_list("target_id", "actor_id").iterator())


def fill(apps: Any, schema_editor: Any) -> None:
    """Fill in what was written down when it was made; what the trail does not tell stays empty."""
    tokens = apps.get_model("tenants", "ApiToken").objects
    for public_id, person in _last_actors(apps, "token.create").items():
        tokens.filter(public_id=public_id).update(created_by_id=person)
    accounts = apps.get_model("tenants", "User").objects.filter(is_service=True)
    for public_id, person in _last_actors(apps, "user.create").items():
        accounts.filter(public_id=public_id).update(made_by_id=person)
    stacks = apps.get_model("tenants", "Stack").objects.filter(expires_at__isnull=False)
    for public_id, person in _last_actors(apps, "stack.ephemeral").items():
        stacks.filter(public_id=public_id).update(end_set_by=[person])


class Migration(migrations.Migration):
    dependencies = [("tenants", "0041_slugs")]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="created_by_id",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="user",
            name="made_by_id",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="stack",
            name="end_set_by",
            field=models.JSONField(blank=True, default=list, editable=False),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
