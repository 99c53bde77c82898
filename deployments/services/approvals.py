"""The second person's yes or no, and the rule that says when one is needed."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from deployments import doorbell, facts, notify, outbox
from deployments.errors import ReasonMissing
from deployments.models import Approval, ApprovalPolicy, Run
from deployments.models.approvals import LONGEST_MINUTES, ApprovalStatus, Risk
from deployments.runstatus import RunStatus
from deployments.services.approvalerrors import (
    ApprovalDiffers,
    DeadlineMissing,
    NotAPerson,
    NothingToApprove,
    OwnApproval,
    RejectedBy,
    SamePerson,
)
from deployments.services.foureyes import (
    digest_of,
    has_plan,
    is_waiting,
    moved,
    persons_of,
    policy_in_force,
)
from deployments.services.lifecycle import advance, end_run
from tenants import access, audit
from tenants.actors import Actor
from tenants.models import CloudAccount, User

S = RunStatus


def approve_run(actor: Actor, run: Run, *, reason: str, digest: str = "") -> Approval:
    """Agree to what a run asks for, as its second person; it goes on from there.

    `digest` is what the page showed; a door that showed none passes "". With a plan somebody,
    not the approver, confirms it then; without one the run is admitted. Raises NotAPerson,
    OwnApproval, SamePerson, ReasonMissing, NothingToApprove, ApprovalDiffers, and ApprovalLapsed
    when inputs or blueprint were changed since a run without a plan was queued.
    """
    with transaction.atomic():
        run, opened = _opened(actor, run, reason, digest)
        if run.status == S.PENDING and (refusal := moved(run)) is not None:
            raise refusal
        until = timezone.now() + timedelta(minutes=policy_in_force().valid_minutes)
        _decide(actor, opened, ApprovalStatus.APPROVED, reason, expires_at=until)
        after = {
            "approval": opened.public_id,
            "for": opened.asked_by,
            "risks": opened.risks,
            "digest": opened.digest,
            "holds_until": f"{until:%Y-%m-%d %H:%M} UTC",
        }
        _record(actor.because(reason), "approval.approve", opened, after, approver=actor)
        outbox.put_run("approval.decided", run, actor)
        notify.run_changed(run)
        if run.status == S.PENDING:
            transaction.on_commit(partial(doorbell.ring_admission, run.region_id))
    return opened


def reject_run(actor: Actor, run: Run, *, reason: str, digest: str = "") -> Approval:
    """Disagree, as the second person: the plan is discarded, a waiting run ends.

    Raises the same as `approve_run`.
    """
    with transaction.atomic():
        run, opened = _opened(actor, run, reason, digest)
        _decide(actor, opened, ApprovalStatus.REJECTED, reason)
        after = {"approval": opened.public_id, "for": opened.asked_by, "digest": opened.digest}
        _record(actor.because(reason), "approval.reject", opened, after)
        outbox.put_run("approval.decided", run, actor)
        why = RejectedBy(by=actor.name, reason=reason.strip()[:500])
        if run.status == S.PENDING:
            end_run(run, S.CANCELED, actor=actor, error=why)
        else:
            stored = why.to_json()
            advance(run, S.DISCARDED, actor=actor, detail=why, comment=reason, error=stored)
            after = {"because": stored}
            _record(actor.because(reason), "run.discard", opened, after)
    return opened


def _record(
    actor: Actor, action: str, opened: Approval, after: dict[str, Any], **more: Any
) -> None:
    plan = opened.digest if has_plan(opened.run) else ""
    audit.record(actor, action, opened.run, after=after, plan_digest=plan, **more)


def _opened(actor: Actor, run: Run, reason: str, digest: str) -> tuple[Run, Approval]:
    """Return the run and the request that waits, both locked, once the actor may decide it."""
    _require_person(actor)
    access.require(_fresh(actor), "approve", run.stack)
    if not reason.strip():
        raise ReasonMissing()
    run = Run.objects.with_stack().select_for_update(of=("self",), no_key=True).get(pk=run.pk)
    rows = Approval.objects.select_for_update(no_key=True)
    opened = rows.filter(run=run, state=ApprovalStatus.ASKED).first()
    if opened is None or not is_waiting(run) or _is_stale(run):
        raise NothingToApprove(run=run, status=run.get_status_display())
    if actor.id in (run.actor_id, opened.asked_by_id):
        raise OwnApproval(run=run)
    if actor.persons & persons_of(run):
        raise SamePerson(run=run, by=run.actor_name)
    if opened.digest != digest_of(run) or (digest and digest != opened.digest):
        raise ApprovalDiffers()
    return run, opened


def _is_stale(run: Run) -> bool:
    """Tell whether the plan that waits could not be confirmed any more."""
    if run.status != S.PLANNED:
        return False
    expired = run.plan_expires_at is not None and run.plan_expires_at <= timezone.now()
    return expired or facts.stale(run) is not None


def _require_person(actor: Actor) -> None:
    if actor.kind != "user" or actor.user is None:
        raise NotAPerson(actor=actor.name)


def _fresh(actor: Actor) -> Actor:
    """Return the actor with the roles of this moment: one may have been taken since."""
    user = User.objects.get(pk=actor.user.pk)
    return replace(actor, user=user)


def _decide(
    actor: Actor, opened: Approval, status: ApprovalStatus, reason: str, **more: Any
) -> None:
    fields = {
        "state": status,
        "decided_at": timezone.now(),
        "decided_by_id": actor.id,
        "decided_by": actor.name,
        "reason": reason.strip()[:2000],
        **more,
    }
    for name, value in fields.items():
        setattr(opened, name, value)
    opened.save(update_fields=list(fields))


# -- the rule --------------------------------------------------------------------------------
def change_policy(
    actor: Actor,
    *,
    risks: list[str],
    exempt_accounts: list[str],
    valid_minutes: int,
    reason: str,
) -> ApprovalPolicy:
    """Say anew what needs a second person.

    What asks for more holds at once. What asks for less holds APPROVAL_POLICY_DELAY_S later, so
    that everybody can read about it before; any newer change replaces it.
    """
    access.require(actor, "admin")
    if not reason.strip():
        raise ReasonMissing()
    if not 1 <= valid_minutes <= LONGEST_MINUTES:
        raise DeadlineMissing(longest=LONGEST_MINUTES // 1440)
    known = set(CloudAccount.objects.values_list("public_id", flat=True))
    with transaction.atomic():
        now = policy_in_force()
        wanted = ApprovalPolicy(
            risks=[risk for risk in Risk.values if risk in risks],
            exempt_accounts=sorted(known.intersection(exempt_accounts)),
            valid_minutes=valid_minutes,
            reason=reason.strip()[:2000],
            actor_id=actor.id,
            actor_name=actor.name,
            takes_effect_at=timezone.now(),
        )
        if is_wider(now, wanted) and actor.kind != "system":
            wanted.takes_effect_at += timedelta(seconds=settings.APPROVAL_POLICY_DELAY_S)
        before, after = audit.changes(_said(now), _said(wanted))
        after["takes_effect_at"] = f"{wanted.takes_effect_at:%Y-%m-%d %H:%M:%S} UTC"
        # First the trail, then the rule.
        audit.record(
            actor.because(reason), "approval.policy", audit.PORTAL, before=before, after=after
        )
        wanted.save()
    return wanted


def is_wider(now: ApprovalPolicy, wanted: ApprovalPolicy) -> bool:
    """Tell whether the change lets somebody do alone what needs two persons now."""
    return (
        bool(set(now.risks) - set(wanted.risks))
        or bool(set(wanted.exempt_accounts) - set(now.exempt_accounts))
        or wanted.valid_minutes > now.valid_minutes
    )


def _said(policy: ApprovalPolicy) -> dict[str, Any]:
    return {
        "risks": list(policy.risks),
        "exempt_accounts": list(policy.exempt_accounts),
        "valid_minutes": policy.valid_minutes,
    }
