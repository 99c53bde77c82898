"""Pages of a stack on hosts that has backups: its panel, the list, the forms that go back."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from deployments.errors import ParamsRefused, PointGone
from deployments.models import Backup, RestorePoint, Run
from deployments.runstatus import RunStatus
from deployments.services.foureyes import risks_of
from deployments.services.params import check_params
from deployments.services.points import return_to_point
from tenants import actors, blueprints
from tests.factories import make_run, make_tenant, make_user

pytestmark = pytest.mark.django_db
S = RunStatus
KEY = "backup/acme/20260102T030000Z/"


@pytest.fixture
def acme(throw_away):
    """Return the stack of an installed tenant on hosts."""
    stack = make_tenant("acme", blueprint="hosted").stack
    stack.resource_count = 2
    stack.save()
    return stack


@pytest.fixture
def alice(client, acme):
    """Return a browser of somebody who operates acme."""
    client.force_login(make_user("alice", role="operator", over=acme))
    return client


def seen(stack, key: str = KEY) -> Backup:
    now = timezone.now()
    return Backup.objects.create(
        stack=stack, component="tenant", name=key.split("/")[2], key=key, size=3_400_000,
        taken_at=now - timedelta(hours=1), seen_at=now,
    )  # fmt: skip


def point(stack, **fields) -> RestorePoint:
    run = make_run(stack, S.APPLIED)
    return RestorePoint.objects.create(stack=stack, run=run, versions={"app": "0.9"}, **fields)


def page(client, name: str, *args: str) -> str:
    response = client.get(reverse(name, args=args))
    assert response.status_code == 200, response
    return response.content.decode()


def test_the_panel_and_the_list_are_those_of_any_stack(alice, acme):
    html = page(alice, "tenant", acme.tenant.public_id)
    assert "none has been seen" in html
    seen(acme)
    html = page(alice, "tenant", acme.tenant.public_id)
    assert "20260102T030000Z, 3.4 MB" in html and "older than" not in html
    assert f"/stacks/{acme.public_id}/actions/backups/" in html
    assert "20260102T030000Z" in page(alice, "stack_backups", acme.public_id)


def test_going_back_says_that_the_data_stays_and_leads_to_its_backup(alice, acme):
    row = seen(acme)
    made = point(acme, backups={"tenant": KEY, "other": "backup/acme/gone/"})
    html = page(alice, "stack_action", acme.public_id, "rollback")
    assert "what a newer version did to it is not undone" in html
    assert f"{row.name}, the newest before run {made.run.number}" in html
    way = f"/stacks/{acme.public_id}/actions/restore/?backup={row.name}"
    assert f'href="{way}"' in html
    assert "gone" not in html
    assert f'<option value="{row.name}" selected' in alice.get(way).content.decode()


def test_who_may_not_restore_reads_of_the_backup_and_gets_no_way(client, acme):
    row = seen(acme)
    point(acme, backups={"tenant": KEY})
    client.force_login(make_user("vera", role="viewer", over=acme))
    address = reverse("stack_action", args=[acme.public_id, "rollback"])
    assert client.get(address).status_code == 403
    assert row.name in page(client, "stack_backups", acme.public_id)


def test_components_are_those_with_versions(acme):
    action = blueprints.load("hosted").kinds["tenant"].actions["rollback"]
    made = point(acme)
    given = {"point": made.public_id, "component": "app"}
    assert check_params(acme, action, given) == given
    assert check_params(acme, action, {"point": made.public_id}) == {"point": made.public_id}
    with pytest.raises(ParamsRefused, match="is not one of: app"):
        check_params(acme, action, {**given, "component": "nginx"})


def test_a_point_without_that_component_is_no_way_back(acme):
    made = point(acme)
    RestorePoint.objects.update(versions={})
    action = blueprints.load("hosted").kinds["tenant"].actions["rollback"]
    asked = {"point": made.public_id, "component": "app"}
    before = dict(acme.desired_inputs)
    with pytest.raises(PointGone, match="has no version of app"):
        return_to_point(actors.system("test"), acme, action, asked)
    acme.refresh_from_db()
    assert acme.desired_inputs == before


@pytest.mark.parametrize(("action", "risk"), [("restore", "restore"), ("rollback", "rollback")])
def test_both_ask_for_a_second_person(acme, action, risk):
    kind = blueprints.load("hosted").kinds["tenant"].actions[action]
    back = {} if kind.returns_to_point else None
    run = Run(action_kind=kind.kind, steps_wanted=[], point=back)
    assert risks_of(run) == [risk]
