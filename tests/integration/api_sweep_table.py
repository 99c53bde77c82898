"""What each route of the API answers each kind of caller: one table, a new route needs a row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone


@dataclass(frozen=True)
class Route:
    """What a route answers an outsider, a viewer, an operator, an admin and a narrow token.

    Strangers and expired tokens always get 401. An approver is answered as an operator, a customer
    (viewer of one tenant) as a viewer, where nothing else is said.
    """

    outsider: int
    viewer: int
    operator: int
    admin: int
    narrow: int
    body: Callable[[dict[str, str]], dict[str, Any]] | None = None
    ids: dict[str, str] = field(default_factory=dict)
    approver: int = 0
    customer: int = 0

    def expected(self, who: str) -> int:
        """Return what this caller is answered."""
        if who in ("anonymous", "expired"):
            return 401
        instead = {"approver": self.operator, "customer": self.viewer}
        return getattr(self, who) or instead[who]


def everybody(**more: Any) -> Route:
    return Route(200, 200, 200, 200, 200, **more)


def said(**body: Any) -> Callable[[dict[str, str]], dict[str, Any]]:
    return lambda ids: body


WHY = said(reason="a reason")
PLANNED = {"run_id": "planned_id"}
NEW_REGION = said(account="lab", slug="new-place")
ROUTES: dict[str, Route] = {
    "get_me": everybody(),
    "list_regions": everybody(),
    "list_environments": everybody(),
    "list_releases": everybody(),
    "list_tenants": everybody(),
    "list_stacks": everybody(),
    "list_runs": everybody(),
    "list_audit": everybody(),
    "list_workers": everybody(),
    "get_release": everybody(),
    # The narrow token's tenant lies in this region and environment; nothing else there is its.
    "get_region": Route(404, 200, 200, 200, 404, customer=404),
    "get_environment": Route(404, 200, 200, 200, 404, customer=404),
    "get_tenant": Route(404, 200, 200, 200, 404),
    "get_stack": Route(404, 200, 200, 200, 404),
    "list_actions": Route(404, 200, 200, 200, 404),
    "list_backups": Route(404, 200, 200, 200, 404),
    "list_restore_points": Route(404, 200, 200, 200, 404),
    "list_states": Route(404, 200, 200, 200, 404),
    "get_run": Route(404, 200, 200, 200, 404),
    "list_events": Route(404, 200, 200, 200, 404),
    "get_log": Route(404, 200, 200, 200, 404),
    # This run made no plan.
    "get_plan": Route(404, 404, 404, 404, 404),
    "create_region": Route(403, 403, 403, 201, 403, NEW_REGION),
    "change_region": Route(404, 403, 403, 200, 404, said(title="There"), customer=404),
    "ask_region": Route(404, 403, 200, 200, 404, customer=404),
    # Things stand there.
    "archive_region": Route(404, 403, 403, 409, 404, WHY, customer=404),
    "create_environment": Route(
        422,
        403,
        201,
        201,
        403,
        lambda ids: {"name": "sharednew", "blueprint": "lab", "region": ids["region_id"]},
    ),
    "archive_environment": Route(404, 403, 409, 409, 404, WHY, customer=404),
    "create_release": Route(
        403, 403, 403, 422, 403, said(blueprint="lab", name="2", components={"nothing": "1"})
    ),
    "archive_release": Route(403, 403, 403, 200, 403, WHY),
    "create_tenant": Route(
        422,
        403,
        201,
        201,
        403,
        lambda ids: {"name": "newco", "blueprint": "lab", "environment": ids["environment_id"]},
    ),
    "change_tenant": Route(404, 403, 200, 200, 404, said(title="Acme Inc.")),
    "archive_tenant": Route(404, 403, 409, 409, 404, WHY),
    "pin_component": Route(404, 403, 200, 200, 404, said(version="2", reason="a try")),
    "unpin_component": Route(404, 403, 404, 404, 404),
    "change_inputs": Route(404, 403, 422, 422, 404, said(inputs={"nothing": 1})),
    "change_settings": Route(
        404, 403, 403, 200, 404, said(is_auto_apply=True, is_auto_destroy=False)
    ),
    # Not suspect: nothing to do.
    "review_stack": Route(404, 403, 200, 200, 404, said(comment="looked at it")),
    "unlock_state": Route(404, 403, 403, 409, 404, said(reason="stuck", typed="acme")),
    "rollback_state": Route(404, 403, 409, 409, 404, said(reason="back", seen_serial=1)),
    # The shared environment is not installed.
    "create_run": Route(
        404, 403, 409, 409, 404, lambda ids: {"stack": ids["stack_id"], "action": "install"}
    ),
    # Not the plan that waits.
    "confirm_run": Route(404, 403, 409, 409, 404, said(plan_digest="x"), PLANNED),
    "discard_run": Route(404, 403, 200, 200, 404, said(), PLANNED),
    "cancel_run": Route(404, 403, 200, 200, 404, said(), PLANNED),
    "force_cancel_run": Route(404, 403, 403, 409, 404, said(), PLANNED),
    "retry_run": Route(404, 403, 409, 409, 404, said()),
    "hold_run": Route(404, 403, 403, 200, 404, said(on=True, reason="a dispute")),
}


# Nothing waits for a second person.
DECIDING = Route(404, 403, 403, 409, 404, WHY, PLANNED, approver=409)
ROUTES |= {"approve_run": DECIDING, "reject_run": DECIDING}

# Hosts, secret values, accounts, workers.
ADMINS = Route(403, 403, 403, 200, 403)
ROUTES |= {
    "list_hosts": Route(404, 200, 200, 200, 404),
    "get_host": Route(404, 200, 200, 200, 404),
    # The lab's tenants stand on no hosts.
    "get_inventory": Route(404, 422, 422, 422, 404),
    "add_host": Route(404, 403, 422, 422, 404, said(name="x1", role="app", address="192.0.2.1")),
    "read_inventory": Route(404, 403, 422, 422, 404, said(inventory="all: {}")),
    "change_host": Route(404, 403, 422, 422, 404, said(port=2222)),
    "pin_host": Route(404, 403, 409, 409, 404, said(fingerprint="SHA256:x")),
    "remove_host": Route(404, 403, 200, 200, 404, WHY),
    "reveal_output": Route(404, 403, 403, 200, 404),
    # The run handed nothing over.
    "reveal_handed": Route(404, 403, 403, 409, 404),
    "list_accounts": ADMINS,
    "get_account": ADMINS,
    "create_account": Route(403, 403, 403, 201, 403, said(name="north", provider="lab")),
    "change_account": Route(403, 403, 403, 200, 403, said(account_number="1")),
    "check_cloud_account": ADMINS,
    # Its region lives.
    "archive_account": Route(403, 403, 403, 409, 403, WHY),
    "drain_worker": Route(403, 403, 403, 200, 403, said(on=True)),
    "declare_worker_gone": Route(403, 403, 403, 200, 403, WHY),
    "get_maintenance": everybody(),
    "set_maintenance": Route(403, 403, 403, 200, 403, said(on=True, reason="racks")),
}

# Many tenants, adopting, small changes.
ROUTES |= {
    "preview_many": Route(
        422,
        403,
        200,
        200,
        422,
        lambda ids: {"tenants": [ids["tenant_id"]], "labels": {"a": "b"}},
    ),
    "change_many": Route(
        422,
        403,
        200,
        200,
        422,
        lambda ids: {"tenants": [ids["tenant_id"]], "labels": {"a": "b"}, "reason": "r"},
    ),
    # The lab's blueprint does not say how.
    "preview_adoption": Route(
        422,
        403,
        409,
        409,
        403,
        lambda ids: {**_place(ids), "values": "a = 1", "state": "{}"},
    ),
    "adopt_tenant": Route(422, 403, 422, 422, 403, lambda ids: {**_place(ids), "packed": "x.y"}),
    "list_pins": Route(404, 200, 200, 200, 404),
    "change_environment": Route(404, 403, 200, 200, 404, said(title="There"), customer=404),
    "change_release": Route(403, 403, 403, 200, 403, said(notes="n")),
    "get_state": Route(404, 403, 200, 200, 404),
}


def _place(ids: dict[str, str]) -> dict[str, str]:
    return {
        "blueprint": "lab", "region": ids["region_id"], "environment": ids["environment_id"],
    }  # fmt: skip


# Second persons, stacks for a while.
NEXT_YEAR = (timezone.now() + timedelta(days=30)).isoformat()
ROUTES |= {
    "list_approvals": everybody(),
    "list_grants": everybody(),
    "get_approval_policy": Route(403, 403, 403, 200, 403, approver=200),
    "set_approval_policy": Route(
        403, 403, 403, 200, 403, said(risks=["destroy"], valid_minutes=5, reason="r")
    ),
    "get_end": Route(404, 200, 200, 200, 404),
    # The lab holds data.
    "set_end": Route(
        404, 403, 409, 409, 404,
        lambda ids: {"purpose": "p", "kept_by": ids["user_id"], "expires_at": NEXT_YEAR,
                     "reason": "r"},
    ),
    "keep_stack": Route(404, 403, 200, 200, 404, WHY),
    # Its stack has no end, and to the approver the account is a stranger.
    "create_grant": Route(
        403, 403, 403, 409, 403,
        lambda ids: {"stack": ids["stack_id"], "accounts": [ids["service_id"]],
                     "may_destroy": True, "ends_at": NEXT_YEAR, "reason": "r"},
        approver=422,
    ),
    "get_grant": Route(404, 200, 200, 200, 404),
    "revoke_grant": Route(404, 403, 403, 200, 404, WHY, approver=200),
}  # fmt: skip

# People.
ROUTES |= {
    "list_people": ADMINS,
    "get_person": ADMINS,
    "create_person": Route(
        403, 403, 403, 201, 403, said(username="new", email="new@example.com", is_service=True)
    ),
    "change_person": Route(403, 403, 403, 200, 403, said(first_name="New")),
    "end_sessions": Route(403, 403, 403, 200, 403, WHY),
    "reset_second_factor": Route(403, 403, 403, 200, 403, WHY),
    "list_groups": ADMINS,
    "get_group": ADMINS,
    "create_group": Route(403, 403, 403, 201, 403, said(name="new")),
    "change_group": Route(403, 403, 403, 200, 403, said(name="other")),
    "list_roles": ADMINS,
    "get_role": ADMINS,
    "grant_role": Route(
        403, 403, 403, 201, 403, lambda ids: {"user": ids["user_id"], "role": "viewer",
                                              "everything": True},
    ),
    "revoke_role": Route(403, 403, 403, 204, 403),
    "list_invitations": ADMINS,
    "get_invitation": ADMINS,
    "create_invitation": Route(403, 403, 403, 201, 403, said(email="n@example.com")),
    "resend_invitation": ADMINS,
    "revoke_invitation": ADMINS,
}  # fmt: skip

# Notices: everybody's own, channels for admins. Nobody's subscription is another one's.
ROUTES |= {
    "list_notices": everybody(),
    "mark_notices": everybody(body=said()),
    "list_subscriptions": everybody(),
    "subscribe": Route(201, 201, 201, 201, 201, said(events=["run.lost"])),
    "get_subscription": Route(404, 404, 404, 404, 404),
    "end_subscription": Route(404, 404, 404, 404, 404),
    "list_channels": ADMINS,
    "get_channel": ADMINS,
    "create_channel": Route(
        403, 403, 403, 201, 403, said(name="x", kind="slack", url="https://x.example/y")
    ),
    "change_channel": Route(403, 403, 403, 200, 403, said(name="y")),
    "let_channel_listen": Route(403, 403, 403, 201, 403, said(events=["run.lost"])),
    "test_channel": ADMINS,
    "pause_channel": Route(403, 403, 403, 200, 403, said(on=True)),
    "renew_channel_key": ADMINS,
    "archive_channel": Route(403, 403, 403, 200, 403, WHY),
    "list_deliveries": ADMINS,
    "get_delivery": ADMINS,
    "redeliver": Route(403, 403, 403, 202, 403),
}
