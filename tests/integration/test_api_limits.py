"""What a token may not do although its owner may, and what programs are told no more than pages."""

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group
from django.utils import timezone

from deployments.models import StandingGrant
from notices.models import Notice
from omlsaas.lib.client_address import client_address
from tenants import actors, tokens
from tenants.errors import InvitationUnusable
from tenants.models import AuditEntry, Invitation, Membership, User
from tenants.signin import invitations
from tests import factories
from tests.integration.apicalls import caller

pytestmark = pytest.mark.django_db
TEST = actors.system("test")


@pytest.fixture
def ada():
    return factories.make_user("ada", role="admin")


def line(user, stack):
    return Notice.objects.create(
        user=user, event="run.applied", stack_id=stack.pk, created_at=timezone.now(),
        facts={"stack": stack.name, "run": f"{stack.name} #1"},
    )  # fmt: skip


def test_the_inbox_of_a_program_has_what_it_may_see_now(settings, ada):
    acme, globex = factories.make_tenant("acme").stack, factories.make_tenant("globex").stack
    line(ada, acme), line(ada, globex)
    narrow = caller(settings, ada, places=[acme.tenant])
    assert [one["id"] for one in narrow("get", "inbox").json()["items"]] == [
        Notice.objects.get(stack_id=acme.pk).public_id
    ]
    vera = factories.make_user("vera", role="viewer", over=acme)
    line(vera, acme), line(vera, globex)
    assert len(caller(settings, vera)("get", "inbox").json()["items"]) == 1


def test_a_token_that_only_looks_changes_nothing_of_its_owners(settings, ada):
    looks = caller(settings, ada, kinds=["view"])
    assert looks("post", "inbox/read", {}).status_code == 403
    body = {"events": ["run.errored"], "over": "everything"}
    assert looks("post", "subscriptions", body).status_code == 403


def test_a_token_gives_nobody_more_than_it_may(settings, ada):
    some = caller(settings, ada, kinds=["view", "plan", "admin"])
    mate = factories.make_user("mate")
    operators = Group.objects.create(name="operators")
    Membership.objects.create(group=operators, role="operator", everything=True)
    refused = [
        some("post", "invitations", {"email": "m@example.com", "role": "admin"}),
        some("post", "invitations", {"email": "m@example.com", "groups": ["operators"]}),
        some("patch", f"people/{mate.public_id}", {"groups": ["operators"]}),
    ]
    assert {(one.status_code, one.json()["code"]) for one in refused} == {(403, "TokenGivesLess")}
    assert "approve" in refused[0].json()["detail"]
    assert not Invitation.objects.exists() and not mate.groups.exists()
    assert AuditEntry.objects.filter(is_refused=True, token_id=some.token.public_id).count() == 3
    allowed = some("post", "invitations", {"email": "m@example.com", "role": "viewer"})
    assert allowed.status_code == 201, allowed.content


def test_an_invitation_does_not_outlive_the_token_that_made_it(settings, ada):
    program = caller(settings, ada)
    body = {"email": "m@example.com", "role": "viewer"}
    secret = program("post", "invitations", body).json()["link"].rstrip("/").rpartition("/")[2]
    assert invitations.find(secret).email == "m@example.com"
    tokens.revoke_token(TEST, program.token)
    with pytest.raises(InvitationUnusable, match="may no longer do so"):
        invitations.find(secret)


def test_nobody_resets_their_own_factors_unproved(settings, ada):
    Authenticator.objects.create(user=ada, type="totp", data={})
    answer = caller(settings, ada)("post", f"people/{ada.public_id}/second-factor/reset",
                                   {"reason": "lost"})  # fmt: skip
    assert answer.json()["code"] == "OwnFactors" and Authenticator.objects.exists()


def test_what_a_service_refuses_is_kept_like_what_a_page_refuses(settings, ada):
    boss = User.objects.create(username="boss", email="b@example.com", is_superuser=True)
    answer = caller(settings, ada)("patch", f"people/{boss.public_id}", {"first_name": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "OnlySuperuser")
    assert AuditEntry.objects.get(is_refused=True).after["code"] == "OnlySuperuser"


def test_who_approves_in_an_environment_sees_the_grants_for_its_stacks(settings, lab, ada):
    stack = lab.stack("acme")
    made = StandingGrant.objects.create(
        stack=stack, region=stack.region, may_create=True, reason="nightly",
        granted_by_id=ada.public_id, granted_by="ada", ends_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    erin = factories.make_user("erin", role="approver", over=stack.parent_environment)
    other = factories.make_user("olga", role="approver", over=factories.make_region("far"))
    asks = caller(settings, erin)
    assert [one["id"] for one in asks("get", "grants").json()["items"]] == [made.public_id]
    assert asks("post", f"grants/{made.public_id}/revoke", {"reason": "r"}).status_code == 200
    assert caller(settings, other)("get", f"grants/{made.public_id}").status_code == 404


def test_a_grant_names_accounts_that_the_approver_has_to_do_with(settings, lab):
    stack = lab.stack("acme")
    erin = factories.make_user("erin", role="approver", over=stack)
    region = factories.make_region("far")
    far = factories.make_user("far", role="operator", over=region, is_service=True)
    body = {"stack": stack.public_id, "may_destroy": True, "reason": "nightly",
            "accounts": [far.public_id],
            "ends_at": (timezone.now() + timedelta(days=1)).isoformat()}  # fmt: skip
    answer = caller(settings, erin)("post", "grants", body)
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["accounts"])


def test_an_address_of_both_families_is_the_one_it_stands_for():
    assert client_address({"REMOTE_ADDR": "::ffff:192.0.2.7"}) == "192.0.2.7"
    assert client_address({"REMOTE_ADDR": "2001:db8::1"}) == "2001:db8::1"


def test_a_body_says_truth_and_numbers_as_json_does(settings, ada):
    asks = caller(settings, ada)
    for on in (0, 1, "yes", "false", [True]):
        answer = asks("put", "maintenance", {"on": on, "reason": "r"})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["on"]), on
    assert asks("get", "maintenance").json()["is_on"] is False
    assert asks("put", "maintenance", {"on": True, "reason": "r"}).json()["is_on"] is True
