"""Pages of operations beside Terraform: forms, what steps found, how far they are, backups."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from deployments.models import Backup, Plan, RestorePoint, Run, StateVersion
from deployments.runstatus import RunStatus
from deployments.steps.errors import NotReady, WillEmpty
from tenants import secrets
from tenants.models import AuditEntry, Secret
from tests.factories import make_environment, make_run, make_step, make_tenant, make_user

pytestmark = pytest.mark.django_db
S = RunStatus
BLUEPRINTS = Path(__file__).parents[1] / "blueprints"
NAME = "250101-235000-oml-backup"


@pytest.fixture
def acme(settings, places):
    """Return the stack of an installed tenant with a bucket."""
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    stack = make_tenant("acme", blueprint="operated").stack
    stack.resource_count = 1
    stack.outputs = {"data_bucket": {"value": "data-acme"}}
    stack.save()
    return stack


@pytest.fixture
def alice(client, acme):
    """Return a browser of somebody who operates acme."""
    client.force_login(make_user("alice", role="operator", over=acme))
    return client


@pytest.fixture
def dana(client, acme):
    """Return a browser of an admin."""
    client.force_login(make_user("dana", role="admin"))
    return client


def seen(stack, name: str = NAME, hours: float = 1, component: str = "app") -> Backup:
    return Backup.objects.create(
        stack=stack,
        component=component,
        name=name,
        key=f"backups/{component}/{name}.tar.gz",
        size=3_400_000_000,
        taken_at=timezone.now() - timedelta(hours=hours),
        seen_at=timezone.now(),
    )


def page(client, name: str, *args: str, **query: str) -> str:
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == 200, response
    return response.content.decode()


def action(stack, name: str) -> str:
    return reverse("stack_action", args=[stack.public_id, name])


# -- forms -----------------------------------------------------------------------------------


def test_the_form_offers_the_backups_that_were_seen(alice, acme):
    seen(acme)
    seen(acme, "250102-235000-oml-backup", 0.5)
    html = page(alice, "stack_action", acme.public_id, "restore")
    newest, older = html.index("250102-235000"), html.index(f'value="{NAME}.tar.gz"')
    assert newest < older
    assert "Terraform only compares" not in html


def test_what_was_chosen_is_kept_on_the_run(alice, acme):
    seen(acme)
    data = {"p-backup": f"{NAME}.tar.gz", "p-note": "as agreed", "reason": "a test"}
    response = alice.post(action(acme, "restore"), data)
    run = Run.objects.get()
    assert response["Location"] == reverse("run", args=[run.public_id])
    assert run.params == {"backup": f"{NAME}.tar.gz", "note": "as agreed"}
    html = page(alice, "run", run.public_id)
    assert "<dt>Backup</dt>" in html
    assert f"{NAME}.tar.gz" in html


def test_a_choice_that_is_gone_is_refused_and_nothing_typed_is_lost(alice, acme):
    seen(acme)
    data = {"p-backup": "250303-other.tar.gz", "p-note": "as agreed", "reason": "why"}
    html = alice.post(action(acme, "restore"), data).content.decode()
    assert not Run.objects.exists()
    assert 'value="as agreed"' in html
    assert "not one of the available choices" in html


def test_a_link_may_choose_the_restore_point(alice, acme):
    point = RestorePoint.objects.create(stack=acme, run=make_run(acme, S.APPLIED))
    html = page(alice, "stack_action", acme.public_id, "rollback", point=point.public_id)
    assert f'value="{point.public_id}" selected' in html


def test_a_change_of_a_shared_environment_names_its_tenants(client, settings):
    environment = make_environment("sharedlab")
    for name in ("acme", "globex"):
        stack = make_tenant(name, environment).stack
        stack.resource_count = 1
        stack.save()
    client.force_login(make_user("dana", role="admin"))
    html = page(client, "stack_action", environment.stack.public_id, "change")
    assert "2 tenants stand on it: acme, globex." in html


# -- a run -----------------------------------------------------------------------------------


def found(stack) -> Run:
    """Return a run that waits for a yes to what its step found."""
    finding = WillEmpty(
        bucket="data-acme", objects=12_345, versions=20_000, markers=3, size="3.4 GB", bytes=1
    )
    now = timezone.now()
    run = make_run(
        stack,
        S.PLANNED,
        action="empty",
        action_label="Empty the bucket",
        action_kind="destroy",
        steps_wanted=[{"kind": "s3.empty", "params": {"bucket": "{{ outputs.data_bucket }}"}}],
        findings=[{**finding.to_json(), "about": "data-acme", "is_loud": True}],
        asks_name=True,
        started_at=now,
        planned_at=now,
        plan_expires_at=now + timedelta(days=1),
    )
    from deployments import facts

    Plan.objects.create(run=run, digest="ab" * 32, facts=facts.portal_facts(stack))
    make_step(run, phase="plan", kind="s3.look", ended_at=now)
    return run


def test_what_will_be_done_stands_where_the_plan_stands(alice, acme):
    html = page(alice, "run", found(acme).public_id)
    assert "12345 objects in 20000 versions" in html
    assert "3.4 GB" in html
    assert "Empty the bucket: acme?" in html
    assert "Terraform is asked" not in html
    assert 'id="plan"' not in html
    assert "Plan JSON" not in html


def test_emptying_asks_for_the_name_in_full(alice, acme):
    run = found(acme)
    data = {"plan_digest": "ab" * 32, "typed_name": "acm"}
    html = alice.post(reverse("run_confirm", args=[run.public_id]), data).content.decode()
    assert "Type “acme” in full" in html
    run.refresh_from_db()
    assert run.status == S.PLANNED
    data["typed_name"] = "acme"
    alice.post(reverse("run_confirm", args=[run.public_id]), data)
    run.refresh_from_db()
    assert run.status == S.APPLY_QUEUED


def verifying(stack, **fields) -> Run:
    run = make_run(
        stack,
        fields.pop("status", S.VERIFYING),
        action="ready",
        steps_wanted=[{"kind": "probe.http", "params": {"url": "{{ outputs.url }}"}}],
        started_at=timezone.now(),
        **fields,
    )
    stages = [
        {"name": "name acme.example.test", "answer": "192.0.2.7"},
        {"name": "GET / → 302", "answer": ""},
        {"name": "GET /accounts/login/ → 200", "answer": ""},
    ]
    told = {"stages": stages, "done": 1, "total": 3, "text": "503"}
    make_step(run, phase="verify", kind="probe.http", progress=told)
    return run


def test_the_page_shows_each_stage_of_the_probe(alice, acme):
    run = verifying(acme)
    for name in ("run", "run_live"):
        html = page(alice, name, run.public_id)
        assert "Wait for an answer" in html
        assert "192.0.2.7" in html
        assert "<b>GET / → 302</b><small>503</small>" in html
        assert "Planning" not in html


def test_applied_but_not_ready_is_said_as_such(alice, acme):
    why = NotReady(url="https://acme.example.test", stage="GET / → 302", limit="60", answer="503")
    run = verifying(acme, status=S.ERRORED, error=why.to_json(), error_kind="step")
    html = page(alice, "run", run.public_id)
    assert "Applied, but not ready." in html
    assert "did not get past “GET / → 302” within 60 min" in html
    assert "Nothing was changed" not in html


# -- secrets ---------------------------------------------------------------------------------


def handing(stack, status=S.APPLIED) -> Run:
    run = make_run(stack, status, steps_wanted=[{"kind": "secret.hand_over", "params": {}}])
    secrets.store(stack, f"run-{run.number}.admin_password", "Kp3-very-new-one", kind="handed")
    return run


def test_a_handed_secret_is_shown_once_to_who_may(dana, acme):
    run = handing(acme)
    assert "Kp3-very-new-one" not in page(dana, "run", run.public_id)
    address = reverse("run_handed", args=[run.public_id, "admin_password"])
    response = dana.post(address)
    assert "Kp3-very-new-one" in response.content.decode()
    assert response["Cache-Control"] == "no-store"
    assert not Secret.objects.filter(kind="handed").exists()
    entry = AuditEntry.objects.get(action="stack.secret_shown")
    assert (entry.after, entry.run_id) == ({"handed": "admin_password"}, run.public_id)
    assert "is shown once" in dana.post(address, follow=True).content.decode()


def test_who_may_not_see_secrets_is_offered_none(alice, acme):
    run = handing(acme)
    assert "Show once" not in page(alice, "run", run.public_id)
    address = reverse("run_handed", args=[run.public_id, "admin_password"])
    assert alice.post(address).status_code == 403
    assert Secret.objects.filter(kind="handed").exists()


def test_a_failed_run_shows_no_secret(dana, acme):
    run = handing(acme, S.ERRORED)
    address = reverse("run_handed", args=[run.public_id, "admin_password"])
    assert "Kp3-very-new-one" not in dana.post(address, follow=True).content.decode()


# -- backups ---------------------------------------------------------------------------------


def tenant_page(client, stack) -> str:
    return page(client, "tenant", stack.tenant.public_id)


def test_the_tenants_page_tells_age_and_size(alice, acme):
    seen(acme)
    html = tenant_page(alice, acme)
    assert f"{NAME}, 3.4 GB" in html
    assert "older than 26 hours" not in html
    assert action(acme, "list_backups") in html


@pytest.mark.parametrize("hours", [26.1, 500])
def test_an_old_backup_is_a_warning(alice, acme, hours):
    seen(acme, hours=hours)
    assert "older than 26 hours" in tenant_page(alice, acme)


def test_no_backup_at_all_is_said(alice, acme):
    assert "none has been seen" in tenant_page(alice, acme)


def test_restore_points_lead_to_going_back(alice, acme):
    run = make_run(acme, S.APPLIED)
    kept = StateVersion.objects.create(
        stack=acme, run=run, moment="before_apply", serial=41, ciphertext=b"", key_id="k1"
    )
    point = RestorePoint.objects.create(
        stack=acme, run=run, versions={"app": "1.24.2"}, state_version=kept
    )
    html = tenant_page(alice, acme)
    assert f"before run {run.number}: app 1.24.2, state serial 41" in html
    assert f"{action(acme, 'rollback')}?point={point.public_id}" in html


def test_the_list_is_filtered_paged_and_exported(alice, acme):
    for number in range(60):
        seen(acme, f"n{number:02}", number)
    seen(acme, "other", component="voice")
    address = reverse("stack_backups", args=[acme.public_id])
    assert "1 to 50 of 61" in alice.get(address).content.decode()
    html = alice.get(address, {"component": "voice"}).content.decode()
    assert "other" in html
    assert "n01" not in html
    assert alice.get(address, {"q": "n5"}).content.decode().count("is-line fw-semibold") == 10
    lines = alice.get(address, {"format": "csv"}).content.decode().splitlines()
    assert len(lines) == 62


def test_an_empty_list_says_what_fills_it(alice, acme):
    html = page(alice, "stack_backups", acme.public_id)
    assert "No backups seen yet" in html


def test_a_lab_tenant_has_no_panel(client, db, places):
    stack = make_tenant("acme").stack
    client.force_login(make_user("dana", role="admin"))
    assert 'id="backups"' not in tenant_page(client, stack)
