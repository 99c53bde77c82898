"""What each route of the API answers each kind of caller: one table, a new route needs a row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


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
HIDDEN = {"customer": 404}
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
