"""What is asked of every operation of the API that writes, and the entry that it must leave."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from deployments.models import Approval, Run
from tenants import hosts, secrets, services
from tenants.models import CloudAccount, Stack
from tests.factories import (
    give_role,
    make_environment,
    make_invitation,
    make_region,
    make_run,
    make_tenant,
    make_user,
)
from tests.integration.audit_walk import (
    HOST_FORM,
    INVENTORY,
    KEY,
    SYSTEM,
    World,
    _asked_to_stop,
    _handing,
    _machine,
    _suspect,
)
from tests.integration.audit_walk_people import (
    _account,
    _channel,
    _delivery,
    _granted,
    _listening,
    _person,
    _waiting_for_ada,
    _with_end,
)

WHY = {"reason": "r"}


@dataclass(frozen=True)
class Asked:
    """One operation: the entry's action, and what is asked: ids of the address, and a body."""

    action: str
    make: Callable[[World], tuple[dict[str, Any], dict[str, Any] | None]]


def _of(name: str, make: Callable[[World], Any], body: dict[str, Any] | None = None) -> Callable:
    """Return a maker for an operation on one thing."""
    return lambda w: ({name: make(w).public_id}, body)


def _new(make: Callable[[World], dict[str, Any]]) -> Callable:
    """Return a maker for an operation that names nothing in its address."""
    return lambda w: ({}, make(w))


def _ahead(days: int = 3) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def _spare_account(w: World) -> CloudAccount:
    return CloudAccount.objects.create(name="old", provider="lab")


def _locked(w: World) -> Stack:
    Stack.objects.filter(pk=w.stack.pk).update(state_lock={"id": "lock-1", "who": "eve"})
    return w.stack


def _roll_back(w: World) -> tuple[dict[str, Any], dict[str, Any]]:
    old, now = w.state(4), w.state(5)
    return {"version_id": old.public_id}, {"reason": "r", "seen_serial": now.serial}


def _output(w: World) -> tuple[dict[str, Any], None]:
    secrets.store(w.stack, "admin_password", "s3cret-word", kind="output")
    return {"stack_id": w.stack.public_id, "name": "admin_password"}, None


def _offered(w: World) -> tuple[dict[str, Any], dict[str, Any]]:
    host = _machine(w)
    hosts.note_key(host, KEY)
    host.refresh_from_db()
    return {"host_id": host.public_id}, {"fingerprint": host.offered_fingerprint}


def _second(w: World) -> tuple[dict[str, Any], dict[str, Any]]:
    run = _waiting_for_ada(w)
    digest = Approval.objects.get(run=run).digest
    return {"run_id": run.public_id}, {"reason": "seen", "digest": digest}


def _grant(w: World) -> dict[str, Any]:
    stack = _with_end(w)
    return {"stack": stack.public_id, "accounts": [_account(w).public_id], "may_destroy": True,
            "ends_at": _ahead(1), "reason": "r"}  # fmt: skip


def _pinned(w: World) -> tuple[dict[str, Any], None]:
    services.pin_component(SYSTEM, w.lab.acme, component="app", version="1", reason="r",
                           expires_at=None)  # fmt: skip
    return {"tenant_id": w.lab.acme.public_id, "component": "app"}, None


def _group(w: World) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"group_id": Group.objects.create(name="old").pk}, {"name": "new"}


def _errored(w: World) -> Run:
    return make_run(w.stack, "errored", action="plan")


def _handed(w: World) -> tuple[dict[str, Any], None]:
    return {"run_id": _handing(w).public_id, "name": "admin_password"}, None


def _many(w: World) -> dict[str, Any]:
    return {"tenants": [w.lab.acme.public_id], "labels": {"a": "b"}, "reason": "r"}


ASKED: dict[str, Asked] = {
    "create_region": Asked("region.create", _new(lambda w: {"account": "lab", "slug": "north"})),
    "change_region": Asked(
        "region.change", _of("region_id", lambda w: w.lab.region, {"title": "Oslo"})
    ),
    "archive_region": Asked("region.archive", _of("region_id", lambda w: make_region(), WHY)),
    "create_environment": Asked(
        "environment.create",
        _new(lambda w: {"name": "sharednew", "blueprint": "lab",
                        "region": w.lab.region.public_id}),
    ),
    "change_environment": Asked(
        "environment.change", _of("environment_id", lambda w: w.lab.environment, {"title": "N"})
    ),
    "archive_environment": Asked(
        "environment.archive", _of("environment_id", lambda w: make_environment(), WHY)
    ),
    "create_release": Asked(
        "release.create",
        _new(lambda w: {"blueprint": "lab", "name": "8", "components": {"app": "2.5.0"}}),
    ),
    "change_release": Asked("release.change", _of("release_id", World.release, {"notes": "n"})),
    "archive_release": Asked("release.archive", _of("release_id", World.release, WHY)),
    "create_tenant": Asked(
        "tenant.create",
        _new(lambda w: {"name": "umbrella", "blueprint": "lab",
                        "environment": w.lab.environment.public_id}),
    ),
    "change_tenant": Asked(
        "tenant.change", _of("tenant_id", lambda w: w.lab.acme, {"title": "New"})
    ),
    "archive_tenant": Asked("tenant.archive", _of("tenant_id", lambda w: make_tenant(), WHY)),
    "pin_component": Asked(
        "pin.change", lambda w: ({"tenant_id": w.lab.acme.public_id, "component": "app"},
                                 {"version": "2", "reason": "r"}),
    ),
    "unpin_component": Asked("pin.change", _pinned),
    "change_many": Asked("tenant.change", _new(_many)),
    "change_inputs": Asked(
        "stack.inputs", _of("stack_id", lambda w: w.stack, {"inputs": {"delay_ms": 7}})
    ),
    "change_settings": Asked(
        "stack.settings",
        _of("stack_id", lambda w: w.stack, {"is_auto_apply": True, "is_auto_destroy": False}),
    ),
    "review_stack": Asked("stack.reviewed", _of("stack_id", _suspect, {"comment": "c"})),
    "unlock_state": Asked(
        "state.unlock", _of("stack_id", _locked, {"reason": "gone", "typed": "acme"})
    ),
    "rollback_state": Asked("state.rollback", _roll_back),
    "reveal_output": Asked("stack.secret_shown", _output),
    "reveal_handed": Asked("stack.secret_shown", _handed),
    "create_run": Asked(
        "run.queue", _new(lambda w: {"stack": w.stack.public_id, "action": "plan"})
    ),
    "confirm_run": Asked(
        "run.confirm", _of("run_id", World.run, {"plan_digest": "d" * 64, "has_read": True})
    ),
    "discard_run": Asked("run.discard", _of("run_id", World.run, {"comment": "no"})),
    "cancel_run": Asked("run.cancel", _of("run_id", lambda w: w.run("applying"), {})),
    "force_cancel_run": Asked("run.force_cancel", _of("run_id", _asked_to_stop, {})),
    "retry_run": Asked("run.queue", _of("run_id", _errored, {"reason": "again"})),
    "hold_run": Asked(
        "run.hold",
        _of("run_id", lambda w: make_run(w.stack, "applied"), {"on": True, "reason": "court"}),
    ),
    "approve_run": Asked("approval.approve", _second),
    "reject_run": Asked("approval.reject", _second),
    "set_approval_policy": Asked(
        "approval.policy",
        _new(lambda w: {"risks": ["destroy"], "valid_minutes": 60, "reason": "r"}),
    ),
    "create_account": Asked(
        "account.create", _new(lambda w: {"name": "north", "provider": "lab"})
    ),
    "change_account": Asked(
        "account.change",
        _of("account_id", lambda w: w.lab.region.account, {"account_number": "1"}),
    ),
    "archive_account": Asked("account.archive", _of("account_id", _spare_account, WHY)),
    "drain_worker": Asked(
        "host.drain", lambda w: ({"worker_id": w.host().host_id}, {"on": True})
    ),
    "declare_worker_gone": Asked(
        "host.gone", lambda w: ({"worker_id": w.host().host_id}, WHY)
    ),
    "set_maintenance": Asked("maintenance.change", _new(lambda w: {"on": True, "reason": "r"})),
    "create_person": Asked(
        "user.create", _new(lambda w: {"username": "eve", "email": "eve@example.com"})
    ),
    "change_person": Asked("user.change", _of("user_id", _account, {"is_active": False})),
    "end_sessions": Asked("session.end", _of("user_id", _person, WHY)),
    "reset_second_factor": Asked("mfa.reset", _of("user_id", _person, WHY)),
    "create_group": Asked("group.change", _new(lambda w: {"name": "team"})),
    "change_group": Asked("group.change", _group),
    "grant_role": Asked(
        "role.grant",
        _new(lambda w: {"user": make_user("mel").public_id, "role": "viewer",
                        "everything": True}),
    ),
    "revoke_role": Asked(
        "role.revoke", lambda w: ({"role_id": give_role(make_user("mel"), "viewer").pk}, None)
    ),
    "create_invitation": Asked("invitation.create", _new(lambda w: {"email": "n@example.com"})),
    "resend_invitation": Asked(
        "invitation.resend", _of("invitation_id", lambda w: make_invitation("a@example.com"))
    ),
    "revoke_invitation": Asked(
        "invitation.revoke", _of("invitation_id", lambda w: make_invitation("b@example.com"))
    ),
    "subscribe": Asked("subscription.create", _new(lambda w: {"events": ["run.lost"]})),
    "end_subscription": Asked("subscription.remove", _of("subscription_id", _listening)),
    "create_channel": Asked(
        "channel.create",
        _new(lambda w: {"name": "x", "kind": "slack", "url": "https://x.example/y"}),
    ),
    "change_channel": Asked("channel.change", _of("channel_id", _channel, {"name": "other"})),
    "let_channel_listen": Asked(
        "subscription.create", _of("channel_id", _channel, {"events": ["run.lost"]})
    ),
    "test_channel": Asked("channel.test", _of("channel_id", _channel)),
    "pause_channel": Asked("channel.change", _of("channel_id", _channel, {"on": True})),
    "renew_channel_key": Asked("channel.change", _of("channel_id", _channel)),
    "archive_channel": Asked("channel.archive", _of("channel_id", _channel, WHY)),
    "redeliver": Asked("channel.redeliver", _of("delivery_id", _delivery)),
}  # fmt: skip

# These need a blueprint with hosts, or one without what holds data.
HOSTED: dict[str, Asked] = {
    "add_host": Asked("machine.add", _of("stack_id", lambda w: w.stack, {**HOST_FORM, "port": 22})),
    "change_host": Asked("machine.change", _of("host_id", _machine, {"address": "192.0.2.9"})),
    "pin_host": Asked("machine.pin", _offered),
    "remove_host": Asked("machine.remove", _of("host_id", _machine, WHY)),
    "read_inventory": Asked(
        "machine.add",
        _of("stack_id", lambda w: w.stack, {"inventory": INVENTORY, "is_dry_run": False}),
    ),
}
PLAIN: dict[str, Asked] = {
    "set_end": Asked(
        "stack.ephemeral",
        lambda w: ({"stack_id": w.stack.public_id},
                   {"purpose": "p", "kept_by": w.ada.public_id, "expires_at": _ahead(),
                    "reason": "r"}),
    ),
    "keep_stack": Asked("stack.ephemeral", _of("stack_id", _with_end, WHY)),
    "create_grant": Asked("grant.create", _new(_grant)),
    "revoke_grant": Asked("grant.revoke", _of("grant_id", _granted, WHY)),
}  # fmt: skip

# What changes nothing that others see, and what is walked elsewhere.
LEAVES_NONE = {
    "preview_many": "a preview",
    "preview_adoption": "a preview",
    "ask_region": "asks the provider",
    "check_cloud_account": "asks the provider",
    "mark_notices": "marks on one's own lines",
    "adopt_tenant": "walked in test_api_many",
}
