"""Who counts as one person: the maker of a token or a service account acts by it."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployments.models import Approval, Run
from deployments.services import approve_run, confirm_run, unlock_state
from deployments.services.approvalerrors import (
    ApproverConfirms,
    NeedsSecondPerson,
    SamePerson,
)
from deployments.services.foureyes import digest_of, holding, waiting_for
from tenants import actors, people, tokens
from tenants.access import KINDS
from tenants.models import ApiToken, Stack, User
from tests.factories import give_role, make_user, with_four_eyes
from tests.integration.test_run_page import CREATE, REPLACE, planned

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]


def actor(user):
    return actors.from_user(User.objects.get(pk=user.pk), origin="portal")


def soon(days=2.0):
    return timezone.now() + timedelta(days=days)


@pytest.fixture
def stack(lab):
    with_four_eyes()
    return lab.stack("acme")


@pytest.fixture
def dana():
    return make_user("dana", role="admin")


@pytest.fixture
def erin(stack):
    return make_user("erin", role="approver", over=stack)


def account(maker, name="robot", role="admin"):
    """Return a service account, made by this person, with a role."""
    made = people.create_user(
        actor(maker), username=name, is_service=True, email=f"{name}@example.com"
    )
    give_role(made, role)
    return made


def by_token(owner, maker, **more):
    """Return the actor of a request with a token of the owner that `maker` made."""
    given = {"name": "ci", "kinds": list(KINDS), "expires_at": soon()} | more
    text = tokens.create_token(actor(maker), owner, **given)[1]
    return actors.from_user(tokens.owner_of(text, None), origin="api")


def forced(asking, stack):
    """Return a run that waits for a second person, asked for by this actor."""
    Stack.objects.filter(pk=stack.pk).update(state_lock={"id": "lock-1", "who": "eve@laptop"})
    return unlock_state(asking, stack, reason="dead", typed="acme")


# -- tokens and service accounts ---------------------------------------------------------------
def asked_by_robot(stack, maker):
    """Return what a program asked for with a token of this maker."""
    robot = make_user("robot", role="admin", is_service=True)
    return forced(by_token(robot, maker), stack)


def test_who_made_the_token_is_no_second_person(stack, dana, erin):
    run = asked_by_robot(stack, dana)
    with pytest.raises(SamePerson) as refused:
        approve_run(actor(dana), run, reason="fine")
    assert "a token or an account that you made" in str(refused.value)
    assert not waiting_for(dana).exists() and waiting_for(erin).count() == 1
    approve_run(actor(erin), run, reason="looked at it")


def test_who_made_the_account_is_none_either(stack, dana, erin):
    other = make_user("olga", role="admin")
    robot = account(dana)
    run = forced(by_token(robot, other), stack)
    for maker in (dana, other):
        with pytest.raises(SamePerson):
            approve_run(actor(maker), run, reason="fine")
    approve_run(actor(erin), run, reason="looked at it")


def test_a_user_who_became_a_service_account_has_a_maker(stack, dana):
    person = make_user("late", role="admin")
    people.change_user(actor(dana), person, is_service=True)
    run = forced(actor(person), stack)
    with pytest.raises(SamePerson):
        approve_run(actor(dana), run, reason="fine")


def test_an_approval_of_before_the_rule_does_not_count(stack, dana, erin):
    run = asked_by_robot(stack, dana)
    approve_run(actor(erin), run, reason="looked at it")
    Approval.objects.update(decided_by_id=dana.public_id)
    assert Approval.objects.filter(state="approved").exists()
    assert holding(run, digest_of(run)) is None


def test_an_approver_does_not_confirm_by_a_program_of_theirs(stack, dana):
    alice = make_user("alice", role="operator")
    run = planned(stack, (REPLACE, CREATE), actor_id=alice.public_id, actor_name="alice")
    with pytest.raises(NeedsSecondPerson):
        confirm_run(actor(alice), run, has_read=True, typed_name=None)
    approve_run(actor(dana), run, reason="looked at it")
    robot = account(dana)
    with pytest.raises(ApproverConfirms):
        confirm_run(by_token(robot, dana), run, has_read=True, typed_name=None)


def test_by_page_and_by_the_api_as_well(stack, dana, erin):
    run = asked_by_robot(stack, dana)
    digest = Approval.objects.get().digest
    browser = Client()
    browser.force_login(dana)
    page = browser.get(reverse("run", args=[run.public_id])).content.decode()
    assert "A token or an account that you made asked for it" in page
    assert 'name="second_reason"' not in page
    assert "erin may approve it" in page and "dana" not in page.partition("may approve it")[0][-40:]
    sent = {"digest": digest, "second_reason": "fine"}
    browser.post(reverse("run_approve", args=[run.public_id]), sent)
    own = tokens.create_token(actor(dana), dana, name="mine", kinds=["approve"], expires_at=soon())[
        1
    ]
    answer = Client().post(
        f"/api/v1/runs/{run.public_id}/approve", {"reason": "fine"},
        content_type="application/json", headers={"Authorization": f"Bearer {own}"},
    )  # fmt: skip
    assert answer.status_code == 409 and "that counts as you" in answer.json()["detail"]
    assert Approval.objects.get().state == "asked"


def test_a_person_with_a_token_of_their_own_is_one_person(stack, erin, dana):
    run = forced(by_token(dana, dana), stack)
    approve_run(actor(erin), run, reason="looked at it")
    assert Run.objects.get(pk=run.pk).actor.get("behind") is None


def test_the_makers_of_what_was_there_before_come_from_the_trail(stack, dana):
    robot = account(dana)
    by_token(robot, dana)
    ApiToken.objects.update(created_by_id="")
    User.objects.update(made_by_id="")
    import_module("tenants.migrations.0050_persons").fill(apps, None)
    assert ApiToken.objects.get().created_by_id == dana.public_id
    assert User.objects.get(pk=robot.pk).made_by_id == dana.public_id
    assert not User.objects.get(pk=dana.pk).made_by_id
