"""Writing the audit trail: in the same transaction as the change it tells of."""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from tenants.actors import Actor
from tenants.models import AuditEntry, Region, SharedEnvironment, Stack, Tenant

# Every action that is recorded, with its words. A code that is missing here is refused.
ACTIONS = {
    "sign_in": _("Signed in"),
    "sign_in_failed": _("Failed to sign in"),
    "sign_out": _("Signed out"),
    "sign_in.locked": _("Was turned away: too many failed sign-ins"),
    "session.end": _("Ended a session"),
    "password.change": _("Changed a password"),
    "mfa.add": _("Added a second factor"),
    "mfa.remove": _("Removed a second factor"),
    "mfa.reset": _("Took somebody's second factors away"),
    "mfa.recovery_code": _("Used a recovery code"),
    "provider.link": _("Signed in by a provider for the first time"),
    "invitation.create": _("Invited somebody"),
    "invitation.resend": _("Made an invitation's link anew"),
    "invitation.accept": _("Accepted an invitation"),
    "invitation.revoke": _("Revoked an invitation"),
    "run.queue": _("Queued a run"),
    "run.confirm": _("Confirmed a plan"),
    "run.discard": _("Discarded a plan"),
    "run.cancel": _("Asked a run to stop"),
    "run.force_cancel": _("Forced a run to stop"),
    "approval.ask": _("Asked for a second person"),
    "approval.approve": _("Approved as the second person"),
    "approval.reject": _("Rejected as the second person"),
    "approval.policy": _("Changed what needs a second person"),
    "grant.create": _("Granted service accounts to act alone"),
    "grant.revoke": _("Revoked a standing grant"),
    "stack.ephemeral": _("Changed how long a stack stands"),
    "stack.end_announced": _("Announced the end of a stack"),
    "run.end": _("Run ended"),
    "run.lost": _("Run lost"),
    "run.hold": _("Changed the legal hold"),
    "stack.inputs": _("Changed inputs"),
    "stack.settings": _("Changed settings"),
    "stack.reviewed": _("Reviewed a suspect stack"),
    "stack.suspect": _("Marked a stack suspect"),
    "stack.secret_set": _("Set a secret"),
    "stack.secret_shown": _("Showed a secret value"),
    "state.rollback": _("Rolled the state back"),
    "state.unlock": _("Forced a state's lock open"),
    "state.download": _("Downloaded a state"),
    "tenant.create": _("Created a tenant"),
    "tenant.adopt": _("Took a tenant over from another tool"),
    "tenant.convert": _("Took a tenant's infrastructure into a state of the portal"),
    "tenant.change": _("Changed a tenant"),
    "tenant.archive": _("Archived a tenant"),
    "environment.create": _("Created a shared environment"),
    "environment.change": _("Changed a shared environment"),
    "environment.archive": _("Archived a shared environment"),
    "machine.add": _("Added a host to a stack"),
    "machine.change": _("Changed a host of a stack"),
    "machine.remove": _("Removed a host from a stack"),
    "machine.pin": _("Confirmed the key of a host"),
    "region.create": _("Created a region"),
    "region.change": _("Changed a region"),
    "region.archive": _("Archived a region"),
    "account.create": _("Created a cloud account"),
    "account.change": _("Changed a cloud account"),
    "account.archive": _("Archived a cloud account"),
    "release.create": _("Created a release"),
    "release.change": _("Changed a release"),
    "release.archive": _("Archived a release"),
    "pin.change": _("Changed a component pin"),
    "user.change": _("Changed a user"),
    "user.create": _("Created a user"),
    "role.grant": _("Granted a role"),
    "role.revoke": _("Revoked a role"),
    "role.follow": _("Changed groups as a provider says"),
    "group.change": _("Changed a group"),
    "token.create": _("Made an API token"),
    "token.revoke": _("Revoked an API token"),
    "token.refused": _("Refused an API token"),
    "profile.change": _("Changed own profile"),
    "export": _("Exported or downloaded"),
    "host.drain": _("Changed draining of a worker host"),
    "host.gone": _("Declared a worker host gone"),
    "maintenance.change": _("Changed maintenance mode"),
    "logs.prune": _("Pruned old logs"),
    "audit.forward": _("Changed the forwarding of the audit trail"),
    "audit.archive": _("Moved a day of the audit trail to a file"),
    "channel.create": _("Created a channel"),
    "channel.change": _("Changed a channel"),
    "channel.archive": _("Archived a channel"),
    "channel.test": _("Sent a test over a channel"),
    "channel.redeliver": _("Sent a message once more"),
    "subscription.create": _("Began to listen"),
    "subscription.remove": _("Ended a subscription"),
    "refused": _("Was refused"),
}


@dataclass(frozen=True)
class Target:
    """What an entry is about when that is no row."""

    kind: str
    id: str
    name: str

    @classmethod
    def of(cls, thing: Any) -> "Target":
        """Return the target that a row is; a Target is one already."""
        if isinstance(thing, cls):
            return thing
        key = str(getattr(thing, "public_id", thing.pk))
        return cls(thing._meta.model_name, key, str(thing)[:200])


# The installation itself: what concerns no single thing.
PORTAL = Target("portal", "portal", "omlsaas")


def record(
    actor: Actor,
    action: str,
    target: Any,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    run: Any = None,
    place: Any = None,
    is_refused: bool = False,
    approver: Actor | None = None,
    plan_digest: str = "",
) -> AuditEntry:
    """Write one entry. Call inside the transaction of the change.

    `target` is a model instance or a Target; a Run or Stack is filed under its tenant, shared
    environment and region, anything else under `place` when that is given. `approver` is who
    said yes as the second person, or granted it beforehand. Values of secrets must not be in before
    or after: services pass "changed".
    """
    if action not in ACTIONS:
        raise KeyError(f"unknown audit action {action}")
    named = Target.of(target)
    run = run if run is not None else (target if named.kind == "run" else None)
    return AuditEntry.objects.create(
        action=action,
        **_by(actor),
        target_kind=named.kind,
        target_id=named.id,
        target_name=named.name,
        run_id=getattr(run, "public_id", ""),
        run_name=str(run)[:100] if run is not None else "",
        before=before,
        after=after,
        is_refused=is_refused,
        approver_id=approver.id if approver else "",
        approver_name=approver.name if approver else "",
        plan_digest=plan_digest,
        **_filed_under(target if place is None else place),
    )


def took(actor: Actor, what: str, target: Any, **more: Any) -> AuditEntry:
    """Write that somebody took content away with them: a file, a log, what a preview shows."""
    with transaction.atomic():
        return record(actor, "export", target, after={"what": what, **more})


def _by(actor: Actor) -> dict[str, Any]:
    """Return the columns that tell who acted, from where and why."""
    return {
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "role": actor.role,
        "token_id": actor.token_id,
        "ip": actor.ip,
        "request_id": actor.request_id,
        "operation_id": actor.operation_id,
        "origin": actor.origin,
        "reason": actor.reason,
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict, dict]:
    """Return only what differs, as (before, after)."""
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return (
        {key: before[key] for key in keys if key in before},
        {key: after[key] for key in keys if key in after},
    )


def _filed_under(target: Any) -> dict[str, Any]:
    stack = target if isinstance(target, Stack) else getattr(target, "stack", None)
    region = environment = tenant = None
    if isinstance(target, Region):
        region = target
    elif isinstance(target, Tenant):
        region, environment, tenant = target.region, target.shared_environment, target
    elif isinstance(target, SharedEnvironment):
        region, environment = target.region, target
    elif isinstance(stack, Stack):
        region, environment, tenant = stack.region, stack.parent_environment, stack.tenant
    filed: dict[str, Any] = {}
    for kind, thing in (
        ("region", region),
        ("shared_environment", environment),
        ("tenant", tenant),
    ):
        if thing is not None:
            filed[f"{kind}_id"], filed[f"{kind}_name"] = thing.pk, str(thing)
    return filed
