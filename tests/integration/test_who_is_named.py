"""Choices of people and service accounts: those near the person who chooses, and no others."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from deployments.services import set_end
from deployments.services.approvalerrors import KeeperElsewhere
from tenants import actors, services
from tenants.models import Membership, SharedEnvironment, Stack, Tenant
from tests.factories import give_role, make_environment, make_region, make_tenant, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("throw_away")]
TEST = actors.system("test")


@pytest.fixture
def stack():
    region = make_region("north")
    tenant = services.create_tenant(TEST, name="demo", region=region, blueprint="plain")
    return Stack.objects.select_related("tenant", "region__account").get(tenant=tenant)


def choices(client, user, name, field, *args):
    client.force_login(user)
    form = client.get(reverse(name, args=args)).context["form"]
    return {row.username for row in form.fields[field].queryset}


def test_who_keeps_a_stack_is_chosen_among_those_who_see_it(stack, client):
    otto = make_user("otto", role="operator", over=stack)
    make_user("near", role="viewer", over=stack.region)
    make_user("boss", role="admin")
    make_user("root", is_superuser=True)
    make_user("far", role="admin", over=make_region("south"))
    make_user("nobody")
    make_user("gone", role="viewer", over=stack, is_active=False)
    make_user("robot", role="operator", over=stack, is_service=True)
    grouped = make_user("grouped")
    group = Group.objects.create(name="operators")
    group.user_set.add(grouped)
    Membership.objects.create(group=group, role="operator", region=stack.region)
    expected = {"otto", "near", "boss", "root", "grouped"}
    assert choices(client, otto, "stack_end", "kept_by", stack.public_id) == expected


@pytest.mark.parametrize("who", ["far", "robot"])
def test_nobody_else_keeps_it_whatever_is_sent(stack, who):
    otto = make_user("otto", role="operator", over=stack)
    far = make_user("far", role="operator", over=make_region("south"))
    robot = make_user("robot", role="operator", over=stack, is_service=True)
    with pytest.raises(KeeperElsewhere):
        set_end(
            actors.from_user(otto, origin="portal"), stack, purpose="x", reason="x",
            kept_by={"far": far, "robot": robot}[who],
            expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip


@pytest.mark.parametrize("over", ["region", "environment", "tenant", "everything"])
def test_an_approver_is_shown_the_accounts_that_meet_their_role(client, over):
    here = make_tenant("acme", make_environment("shared", make_region("north")))
    make_tenant("globex", here.shared_environment)
    make_tenant("initech", make_environment("other", here.region))
    make_tenant("umbrella", make_environment("away", make_region("south")))
    places = {
        "everything": None, "region": here.region, "environment": here.shared_environment,
        "tenant": here,
    }  # fmt: skip
    for name, place in [
        ("all", None),
        *((f"t-{row.name}", row) for row in Tenant.objects.all()),
        *((f"e-{row.name}", row) for row in SharedEnvironment.objects.all()),
        *((f"r-{row.slug}", row) for row in (here.region, Tenant.objects.last().region)),
    ]:
        make_user(name, role="operator", over=place, is_service=True)
    make_user("without", is_service=True)
    erin = make_user("erin", role="approver", over=places[over])
    # What they only see elsewhere is no place where they grant.
    give_role(erin, "viewer", Tenant.objects.get(name="umbrella"))
    found = choices(client, erin, "grant_new", "accounts")
    tenant = {"all", "t-acme", "e-shared", "r-north"}
    expected = {
        "tenant": tenant,
        "environment": tenant | {"t-globex"},
        "region": tenant | {"t-globex", "t-initech", "e-other"},
        "everything": tenant | {"t-globex", "t-initech", "t-umbrella", "e-other", "e-away",
                                "r-south", "without"},
    }  # fmt: skip
    assert found == expected[over]
