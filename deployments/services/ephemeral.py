"""Stacks that stand for a while only: their purpose and end, and what is granted over them."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from deployments import outbox
from deployments.errors import ReasonMissing
from deployments.models import Run, StandingGrant
from deployments.runstatus import OPEN
from deployments.services.approvalerrors import (
    DeadlineMissing,
    EndSetByYou,
    GrantedByYou,
    GrantOver,
    HoldsData,
    KeeperElsewhere,
    NotAPerson,
    NotEphemeral,
    NotServiceAccounts,
)
from deployments.services.foureyes import EXPIRY, holds_data
from deployments.services.preparing import refuse_archived
from deployments.services.queueing import plan_params, queue_run
from omlsaas.lib.refusals import Refusal
from tenants import access, audit, blueprints
from tenants.actors import Actor
from tenants.blueprints import Action
from tenants.models import SharedEnvironment, Stack, User

LONGEST_DAYS = 366
# Before the end it is said once that it comes.
ANNOUNCED_BEFORE = timedelta(hours=24)
AT_ONCE = 200


def set_end(
    actor: Actor,
    stack: Stack,
    *,
    purpose: str,
    kept_by: User,
    expires_at: datetime,
    reason: str,
) -> Stack:
    """Make a stack ephemeral, or give it another end: at `expires_at` its destroy is queued.

    Raises HoldsData for a stack whose blueprint says that it holds data, GrantedByYou for who
    granted over it: setting the end and granting are of two persons.
    """
    access.require(actor, "destroy", stack)
    if not reason.strip() or not purpose.strip():
        raise ReasonMissing()
    refuse_archived(stack)
    if held := holds_data(stack):
        raise HoldsData(stack=stack, what=", ".join(held[:3]))
    _require_ahead(expires_at)
    if not access.people_over(stack).filter(pk=kept_by.pk).exists():
        raise KeeperElsewhere(stack=stack, who=kept_by.display_name)
    _require_not_granter(actor, stack)
    values = {"purpose": purpose.strip()[:500], "kept_by": kept_by, "expires_at": expires_at}
    values["end_set_by"] = sorted(actor.persons)
    return _write(actor.because(reason), stack, values)


def keep_on(actor: Actor, stack: Stack, *, reason: str) -> Stack:
    """Let an ephemeral stack stand like any other; its grants no longer count."""
    access.require(actor, "destroy", stack)
    if not reason.strip():
        raise ReasonMissing()
    values = {"purpose": "", "kept_by": None, "expires_at": None, "end_set_by": []}
    return _write(actor.because(reason), stack, values)


def _write(actor: Actor, stack: Stack, values: dict[str, Any]) -> Stack:
    with transaction.atomic():
        row = Stack.objects.select_for_update(of=("self",), no_key=True).get(pk=stack.pk)
        before, after = audit.changes(_said(row), _said(Stack(**values)))
        for name, value in {**values, "end_announced_at": None}.items():
            setattr(row, name, value)
            setattr(stack, name, value)
        row.save(update_fields=[*values, "end_announced_at"])
        audit.record(actor, "stack.ephemeral", row, before=before, after=after)
    return stack


def _said(stack: Stack) -> dict[str, Any]:
    return {
        "purpose": stack.purpose,
        "kept_by": str(stack.kept_by or ""),
        "expires_at": f"{stack.expires_at:%Y-%m-%d %H:%M} UTC" if stack.expires_at else "",
    }


def _require_not_granter(actor: Actor, stack: Stack) -> None:
    held = StandingGrant.objects.filter(stack=stack, granted_by_id__in=actor.persons)
    if held.filter(revoked_at__isnull=True, ends_at__gt=timezone.now()).exists():
        raise GrantedByYou(stack=stack)


def _require_ahead(moment: datetime) -> None:
    now = timezone.now()
    if not now < moment <= now + timedelta(days=LONGEST_DAYS):
        raise DeadlineMissing(longest=LONGEST_DAYS)


# -- what is granted beforehand --------------------------------------------------------------
def grant(
    actor: Actor,
    *,
    accounts: list[User],
    may_create: bool,
    may_destroy: bool,
    ends_at: datetime,
    reason: str,
    stack: Stack | None = None,
    environment: SharedEnvironment | None = None,
    blueprint: str = "",
) -> StandingGrant:
    """Let service accounts create and destroy ephemeral stacks alone, until a day.

    Over one stack, or over those of a blueprint in a shared environment. For people who may
    approve there; it gives no role: the accounts need one that covers the stack. It counts neither
    for stacks whose end the granter set nor for accounts and tokens that the granter made.
    """
    place = stack or environment
    _require_granter(actor, place, reason)
    _require_ahead(ends_at)
    _require_accounts(accounts)
    _require_nothing_lost(actor, stack, blueprint)
    with transaction.atomic():
        made = StandingGrant.objects.create(
            region=place.region,
            stack=stack,
            shared_environment=None if stack else environment,
            blueprint="" if stack else blueprint,
            may_create=may_create,
            may_destroy=may_destroy,
            ends_at=ends_at,
            reason=reason.strip()[:2000],
            granted_by_id=actor.id,
            granted_by=actor.name,
        )
        made.accounts.set(accounts)
        said, after = actor.because(reason), _granted(made, accounts)
        audit.record(said, "grant.create", made, after=after, place=place)
    return made


def _require_granter(actor: Actor, place: Any, reason: str) -> None:
    if actor.kind != "user":
        raise NotAPerson(actor=actor.name)
    access.require(actor, "approve", place)
    if not reason.strip():
        raise ReasonMissing()


def _require_accounts(accounts: list[User]) -> None:
    if not accounts or any(not one.is_service or not one.is_active for one in accounts):
        raise NotServiceAccounts()


def _granted(made: StandingGrant, accounts: list[User]) -> dict[str, Any]:
    may = (("create", made.may_create), ("destroy", made.may_destroy))
    return {
        "accounts": ", ".join(sorted(one.username for one in accounts)),
        "may": [name for name, on in may if on],
        "over": str(made.stack or f"{made.blueprint} in {made.shared_environment}"),
        "ends_at": f"{made.ends_at:%Y-%m-%d %H:%M} UTC",
    }


def _require_nothing_lost(actor: Actor, stack: Stack | None, blueprint: str) -> None:
    """Refuse a grant where data could be lost by it, or over an end that the granter set."""
    if stack is not None:
        if not stack.is_ephemeral:
            raise NotEphemeral(stack=stack)
        if actor.persons.intersection(stack.end_set_by):
            raise EndSetByYou(stack=stack)
        held = holds_data(stack)
    else:
        held = blueprints.load(blueprint).kinds["tenant"].holds_data
    if held:
        raise HoldsData(stack=stack or blueprint, what=", ".join(held[:3]))


def revoke(actor: Actor, granted: StandingGrant, *, reason: str) -> StandingGrant:
    """End a grant now; runs that were queued under it need a second person again."""
    place = granted.stack or granted.shared_environment
    access.require(actor, "approve", place)
    if not reason.strip():
        raise ReasonMissing()
    with transaction.atomic():
        row = StandingGrant.objects.select_for_update(of=("self",)).get(pk=granted.pk)
        if row.revoked_at is not None or row.ends_at <= timezone.now():
            raise GrantOver()
        row.revoked_at, row.revoked_by = timezone.now(), actor.name
        row.revoked_reason = reason.strip()[:2000]
        row.save(update_fields=["revoked_at", "revoked_by", "revoked_reason"])
        audit.record(actor.because(reason), "grant.revoke", row, place=place)
    return row


# -- the end ---------------------------------------------------------------------------------
def announce(stack: Stack) -> None:
    """Say that an ephemeral stack ends soon: in its trail, and so on its page. Once for an end."""
    with transaction.atomic():
        rows = Stack.objects.filter(pk=stack.pk, end_announced_at__isnull=True)
        if rows.filter(expires_at=stack.expires_at).update(end_announced_at=timezone.now()):
            after = {"expires_at": f"{stack.expires_at:%Y-%m-%d %H:%M} UTC"}
            audit.record(EXPIRY, "stack.end_announced", stack, after=after)
            outbox.put_stack("stack.expiring", stack, EXPIRY)


def end_expired() -> int:
    """Announce what ends soon, and queue the destroy of what has ended; return how many.

    Doing it again does nothing: the destroy's request key is the end itself.
    """
    now = timezone.now()
    standing = Stack.objects.filter(expires_at__isnull=False, resource_count__gt=0)
    related = ("tenant__release", "shared_environment", "region__account", "kept_by")
    standing = standing.select_related(*related).order_by("expires_at")
    soon = standing.filter(expires_at__lte=now + ANNOUNCED_BEFORE, end_announced_at__isnull=True)
    for stack in soon[:AT_ONCE]:
        announce(stack)
    queued = 0
    for stack in standing.filter(expires_at__lte=now)[:AT_ONCE]:
        queued += _end(stack)
    return queued


def _end(stack: Stack) -> bool:
    """Queue the destroy of a stack whose time is over, once; tell whether it was queued now."""
    try:
        action = destroying(stack)
    except (Refusal, LookupError):
        # Its blueprint is gone or flawed: that must not keep the others from their end.
        return False
    key = f"end-{stack.expires_at.isoformat()}-{stack.public_id}"[:64]
    if action is None or stack.end_announced_at is None:
        return False
    once = Q(request_key=key) | Q(is_destroy=True, status__in=OPEN)
    if Run.objects.filter(once, stack=stack).exists():
        return False
    reason = f"{stack.purpose}: it was to stand until {stack.expires_at:%Y-%m-%d %H:%M} UTC"
    try:
        queue_run(
            EXPIRY,
            stack,
            action.name,
            reason=reason,
            request_key=key,
            typed_name=None,
            is_scheduled=True,
        )
    except Refusal:
        # Such as a suspect state: its page says why, and the next look tries again.
        return False
    return True


def destroying(stack: Stack) -> Action | None:
    """Return the blueprint's action that takes a stack down; None when it has none."""
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    actions = kind.actions_of(stack.is_adopted).values()
    return next((a for a in actions if a.kind == "destroy" and plan_params(a).get("destroy")), None)
