"""Secrets that people may see: outputs of a stack, and what a run made, shown once."""

from django.db import transaction

from deployments.errors import NothingHanded
from deployments.models import Run
from deployments.runstatus import RunStatus
from tenants import access, audit, secrets
from tenants.actors import Actor
from tenants.models import Secret, Stack
from tenants.models.secrets import SecretKind

HAND_OVER = "secret.hand_over"


def handed_name(run: Run, name: str) -> str:
    """Return what a secret that a run hands over is called among the stack's secrets."""
    return f"run-{run.number}.{name}"


def handed_of(run: Run) -> list[Secret]:
    """Return the secrets of a run that wait to be seen, each with its `label`."""
    if not any(step["kind"] == HAND_OVER for step in run.steps_wanted):
        return []
    prefix = handed_name(run, "")
    rows = Secret.objects.filter(
        stack=run.stack, kind=SecretKind.HANDED, name__startswith=prefix
    ).order_by("name", "-version")
    found = list(rows.distinct("name"))
    for secret in found:
        secret.label = secret.name.removeprefix(prefix)
    return found


def show_handed(actor: Actor, run: Run, label: str) -> str:
    """Return a secret that a run handed over, and forget it. Raises NothingHanded."""
    access.require(actor, "secrets", run.stack)
    with transaction.atomic():
        run = Run.objects.with_stack().select_for_update(of=("self",), no_key=True).get(pk=run.pk)
        found = [one for one in handed_of(run) if one.label == label]
        if not found or run.status != RunStatus.APPLIED:
            raise NothingHanded(run=run)
        value = secrets.reveal(found[0], run.stack)
        Secret.objects.filter(stack=run.stack, kind=SecretKind.HANDED, name=found[0].name).delete()
        audit.record(actor, "stack.secret_shown", run.stack, after={"handed": label}, run=run)
    return value


def show_output(actor: Actor, stack: Stack, name: str) -> str | None:
    """Return a sensitive output of a stack; the trail keeps who saw it. None when there is none."""
    access.require(actor, "secrets", stack)
    rows = Secret.objects.filter(stack=stack, kind=SecretKind.OUTPUT, name=name)
    secret = rows.order_by("-version").first()
    if secret is None:
        return None
    with transaction.atomic():
        value = secrets.reveal(secret, stack)
        audit.record(actor, "stack.secret_shown", stack, after={"output": name})
    return value
