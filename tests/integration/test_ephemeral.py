"""Stacks that stand for a while, and what is granted to service accounts over them."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from deployments.models import Run, StandingGrant
from deployments.runstatus import RunStatus
from deployments.services import grant, keep_on, queue_run, revoke, set_end
from deployments.services.approvalerrors import (
    DeadlineMissing,
    EndSetByYou,
    GrantedByYou,
    HoldsData,
    NotAPerson,
    NotEphemeral,
    NotServiceAccounts,
)
from deployments.services.ephemeral import end_expired
from deployments.services.foureyes import demanded, find_grant
from tenants import actors, people, services
from tenants.errors import NotAllowed
from tenants.models import AuditEntry, Stack, Tenant
from tests.factories import give_role, make_environment, make_region, make_user, with_four_eyes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("throw_away")]
S = RunStatus
TEST = actors.system("test")


def actor(user):
    return actors.from_user(type(user).objects.get(pk=user.pk), origin="portal")


def in_days(days):
    return timezone.now() + timedelta(days=days)


@pytest.fixture
def stack():
    region = make_region("north")
    with_four_eyes()
    tenant = services.create_tenant(TEST, name="demo", region=region, blueprint="plain")
    Stack.objects.filter(tenant=tenant).update(resource_count=1)
    return Stack.objects.select_related("tenant", "region__account").get(tenant=tenant)


@pytest.fixture
def erin(stack):
    return make_user("erin", role="approver", over=stack.region)


@pytest.fixture
def otto(stack):
    """Who says how long the stack stands: not who grants over it."""
    return make_user("otto", role="operator", over=stack.region)


@pytest.fixture
def robot(stack):
    return make_user("robot", role="operator", over=stack.region, is_service=True)


def ends(stack, user, when=None, **more):
    given = {"purpose": "a demonstration", "kept_by": user, "reason": "asked for by sales"}
    return set_end(actor(user), stack, expires_at=when or in_days(3), **(given | more))


def granted(user, robot, **more):
    given = {"accounts": [robot], "may_create": True, "may_destroy": True, "ends_at": in_days(2)}
    return grant(actor(user), reason="nightly demonstration", **(given | more))


def destroy(user, stack):
    return queue_run(actor(user), stack, "destroy", reason="nightly")


def test_what_holds_data_is_never_ephemeral(stack, erin, robot):
    Stack.objects.filter(pk=stack.pk).update(blueprint="adoptable")
    stack.refresh_from_db()
    with pytest.raises(HoldsData) as refused:
        ends(stack, make_user("olga", role="admin"))
    assert "terraform_data.database" in str(refused.value)


def test_a_grant_dies_with_a_blueprint_that_holds_data_now(stack, erin, otto, robot):
    ends(stack, otto)
    granted(erin, robot, stack=stack)
    run = destroy(robot, stack)
    Stack.objects.filter(pk=stack.pk).update(blueprint="adoptable")
    assert demanded(Run.objects.with_stack().get(pk=run.pk)) == ["destroy"]


@pytest.mark.parametrize("days", [-1, 367])
def test_the_end_lies_ahead(stack, erin, days):
    with pytest.raises(DeadlineMissing):
        ends(stack, erin, in_days(days))


def test_an_end_is_set_changed_and_taken_away_with_entries(stack, erin):
    ends(stack, erin)
    stack.refresh_from_db()
    assert stack.is_ephemeral and stack.kept_by == erin
    keep_on(actor(erin), stack, reason="the customer bought it")
    stack.refresh_from_db()
    assert not stack.is_ephemeral and stack.purpose == ""
    entries = AuditEntry.objects.filter(action="stack.ephemeral").order_by("id")
    assert [entry.reason for entry in entries] == ["asked for by sales", "the customer bought it"]
    assert entries[0].after["purpose"] == "a demonstration"


def test_a_grant_lets_the_named_account_alone_and_stands_in_the_trail(stack, erin, otto, robot):
    ends(stack, otto)
    made = granted(erin, robot, stack=stack)
    run = destroy(robot, stack)
    assert (run.grant, run.is_auto_apply, demanded(run)) == (made, True, [])
    entry = AuditEntry.objects.get(action="run.queue", run_id=run.public_id)
    assert (entry.after["grant"], entry.after["granted_by"]) == (made.public_id, "erin")


def test_a_grant_over_a_blueprint_needs_its_environment(stack, erin, robot):
    ends(stack, erin)
    other = make_user("other", role="operator", is_service=True)
    assert destroy(other, stack).grant is None


def test_a_grant_is_neither_for_people_nor_for_other_acts(stack, erin, otto, robot):
    ends(stack, otto)
    granted(erin, robot, stack=stack, may_destroy=False)
    assert destroy(robot, stack).grant is None
    person = make_user("pat", role="operator")
    run = queue_run(actor(person), stack, "change")
    assert run.grant is None


def revoked(made, stack, erin):
    revoke(actor(erin), made, reason="over")


def over(made, stack, erin):
    StandingGrant.objects.update(ends_at=timezone.now())


def stands_on(made, stack, erin):
    keep_on(actor(erin), stack, reason="stays")


def not_narrowed(made, stack, erin):
    StandingGrant.objects.update(may_destroy=False)


@pytest.mark.parametrize("what", [revoked, over, stands_on, not_narrowed])
def test_a_grant_that_ends_meanwhile_lets_nothing_go(stack, erin, otto, robot, what):
    ends(stack, otto)
    made = granted(erin, robot, stack=stack)
    run = destroy(robot, stack)
    what(made, stack, erin)
    fresh = Run.objects.with_stack().get(pk=run.pk)
    assert demanded(fresh) == ["destroy"]


def test_who_may_grant_what_to_whom(stack, erin, otto, robot):
    with pytest.raises(NotEphemeral):
        granted(erin, robot, stack=stack)
    ends(stack, otto)
    with pytest.raises(NotAllowed):
        granted(make_user("op", role="operator"), robot, stack=stack)
    with pytest.raises(NotAPerson):
        granted(make_user("boss", role="admin", is_service=True), robot, stack=stack)
    with pytest.raises(NotServiceAccounts):
        granted(erin, make_user("human"), stack=stack)
    with pytest.raises(DeadlineMissing):
        granted(erin, robot, stack=stack, ends_at=timezone.now())


def test_the_end_is_announced_once_and_queued_once(stack, erin):
    ends(stack, erin, in_days(3))
    assert end_expired() == 0 and not AuditEntry.objects.filter(action="stack.end_announced")
    ends(stack, erin, in_days(0.5))
    for _time in range(2):
        assert end_expired() == 0
    assert AuditEntry.objects.filter(action="stack.end_announced").count() == 1
    Stack.objects.filter(pk=stack.pk).update(expires_at=timezone.now())
    assert [end_expired(), end_expired()] == [1, 0]
    run = Run.objects.get()
    assert (run.action, run.actor_name, run.is_destroy) == ("destroy", "system:expiry", True)
    assert "a demonstration" in run.reason
    assert run.grant is None and demanded(Run.objects.with_stack().get()) == ["destroy"]
    Run.objects.update(status=S.ERRORED, ended_at=timezone.now())
    assert end_expired() == 0


def test_the_end_goes_by_itself_where_it_was_granted(stack, erin, otto, robot):
    ends(stack, otto, in_days(0.5))
    made = granted(erin, robot, stack=stack)
    end_expired()
    Stack.objects.filter(pk=stack.pk).update(expires_at=timezone.now())
    assert end_expired() == 1
    assert Run.objects.get().grant == made


def test_a_wide_grant_lets_no_end_destroy_alone(stack, erin, otto, robot):
    ends(stack, otto, in_days(0.5))
    environment = make_environment(region=stack.region)
    Stack.objects.filter(pk=stack.pk).update(parent_environment=environment)
    StandingGrant.objects.create(
        region=stack.region, shared_environment=environment, blueprint=stack.blueprint,
        may_destroy=True,
        reason="nightly", granted_by="Erin", ends_at=in_days(2),
    )  # fmt: skip
    end_expired()
    Stack.objects.filter(pk=stack.pk).update(expires_at=timezone.now())
    assert end_expired() == 1
    run = Run.objects.with_stack().get()
    assert run.grant is None and demanded(run) == ["destroy"]


def test_a_stack_that_is_suspect_is_looked_at_first(stack, erin):
    ends(stack, erin, in_days(0.5))
    end_expired()
    Stack.objects.filter(pk=stack.pk).update(expires_at=timezone.now(), state_suspect=True)
    assert end_expired() == 0 and not Run.objects.exists()


# -- setting the end and granting are of two persons ------------------------------------------
def test_who_set_the_end_does_not_grant_over_it(stack, erin, otto, robot):
    ends(stack, erin)
    with pytest.raises(EndSetByYou):
        granted(erin, robot, stack=stack)
    ends(stack, otto)
    granted(erin, robot, stack=stack)


def test_who_granted_does_not_move_the_end(stack, erin, otto, robot):
    ends(stack, otto)
    made = granted(erin, robot, stack=stack)
    with pytest.raises(GrantedByYou):
        ends(stack, erin, in_days(1))
    revoke(actor(erin), made, reason="no more")
    ends(stack, erin, in_days(1))


def test_the_end_of_who_granted_destroys_nothing_alone(stack, erin, otto, robot):
    """Whatever order it was done in: the rows of before the rule count as little."""
    ends(stack, otto, in_days(0.5))
    granted(erin, robot, stack=stack)
    Stack.objects.update(end_set_by=[erin.public_id])
    end_expired()
    Stack.objects.update(expires_at=timezone.now())
    assert end_expired() == 1
    run = Run.objects.with_stack().get()
    assert run.grant is None and demanded(run) == ["destroy"]


def test_a_wide_grant_counts_for_no_end_of_the_granter(stack, erin, otto, robot):
    environment = make_environment(region=stack.region)
    Stack.objects.filter(pk=stack.pk).update(parent_environment=environment)
    stack.refresh_from_db()
    granted(erin, robot, environment=environment, blueprint="plain")
    ends(stack, erin)
    run = destroy(robot, stack)
    assert run.grant is None
    ends(stack, otto)
    assert find_grant(actor(robot), run) is not None


def test_who_made_the_account_does_not_grant_to_it(stack, otto):
    dana = make_user("dana", role="admin")
    robot = people.create_user(actor(dana), username="bot", email="b@example.com", is_service=True)
    give_role(robot, "operator")
    ends(stack, otto)
    granted(dana, robot, stack=stack)
    run = destroy(robot, stack)
    assert run.grant is None and demanded(Run.objects.with_stack().get(pk=run.pk)) == ["destroy"]


# -- pages -----------------------------------------------------------------------------------
def test_pages_set_an_end_grant_and_revoke(stack, erin, otto, robot, client):
    client.force_login(otto)
    day = f"{in_days(2):%Y-%m-%d}"
    page = reverse("stack_end", args=[stack.public_id])
    sent = {"purpose": "a demonstration", "kept_by": erin.pk, "expires": day, "reason": "sales"}
    assert client.post(page, sent).status_code == 302
    tenant = reverse("tenant", args=[Tenant.objects.get().public_id])
    assert "It stands for a while only." in client.get(tenant).content.decode()
    client.force_login(erin)
    form = {"stack": stack.pk, "accounts": [robot.pk], "may_destroy": "on", "may_create": "on",
            "ends": day, "reason": "=nightly"}  # fmt: skip
    assert client.post(reverse("grant_new"), form).status_code == 302
    made = StandingGrant.objects.get()
    listed = client.get(reverse("grants")).content.decode()
    assert "robot" in listed and "demo" in listed and "create, destroy" in listed
    assert "'=nightly" in client.get(reverse("grants") + "?format=csv").content.decode()
    answer = client.post(reverse("grant_revoke", args=[made.public_id]), {"reason": ""})
    made.refresh_from_db()
    assert answer.status_code == 302 and made.revoked_at is None
    client.post(reverse("grant_revoke", args=[made.public_id]), {"reason": "done"})
    made.refresh_from_db()
    assert made.revoked_by == "erin"
    assert 'id="total">0<' in client.get(reverse("grants") + "?state=on").content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"stack": ""},
        {"blueprint": "plain"},
        {"may_destroy": ""},
        {"accounts": []},
        {"ends": "2020-01-01"},
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_in_words(stack, erin, otto, robot, client, wrong):
    ends(stack, otto)
    client.force_login(erin)
    form = {"stack": stack.pk, "accounts": [robot.pk], "may_destroy": "on",
            "ends": f"{in_days(2):%Y-%m-%d}", "reason": "nightly"}  # fmt: skip
    page = client.post(reverse("grant_new"), form | wrong)
    assert page.status_code == 200 and page.context["form"].errors
    assert not StandingGrant.objects.exists()
