"""Whether a run needs a second person, whether one has agreed, and what was granted beforehand.

Two persons: who asked for a run, and an approver. What has a plan is approved by the plan's
digest, before it is confirmed; what has none, by the digest of the request, before it is admitted.
"""

from typing import Any

from django.db import transaction
from django.utils import timezone

from deployments import notify, outbox
from deployments.models import Approval, ApprovalPolicy, Plan, Run, StandingGrant
from deployments.models.approvals import (
    RISKS_BY_DEFAULT,
    VALID_MINUTES,
    ApprovalStatus,
    Risk,
)
from deployments.runstatus import RunStatus
from deployments.services.approvalerrors import ApprovalLapsed, NeedsSecondPerson
from tenants import access, actors, audit, blueprints, secrets
from tenants.actors import Actor
from tenants.blueprints.stepkinds import EMPTIES
from tenants.effective import canonical_digest, effective_inputs
from tenants.models import Stack, User

APPLY = "terraform.apply"
ENDS = ("replace", "delete")
# The portal itself, at the end of an ephemeral stack.
EXPIRY = actors.system("expiry")
# What a standing grant lets service accounts do alone.
WAIVED = (Risk.DESTROY, Risk.CHANGE)


def policy_in_force() -> ApprovalPolicy:
    """Return the rule that holds now; the strict one when nobody has ever changed it."""
    row = ApprovalPolicy.objects.filter(takes_effect_at__lte=timezone.now()).first()
    return row or ApprovalPolicy(
        risks=list(RISKS_BY_DEFAULT), exempt_accounts=[], valid_minutes=VALID_MINUTES
    )


def policy_to_come() -> ApprovalPolicy | None:
    """Return the newest change that does not hold yet, when none that does is newer."""
    newest = ApprovalPolicy.objects.first()
    return newest if newest is not None and newest.takes_effect_at > timezone.now() else None


# -- what a run risks ------------------------------------------------------------------------
def has_plan(run: Run) -> bool:
    """Tell whether its plan is what is approved; all else is approved before it is admitted."""
    return any(step["kind"] == APPLY for step in run.steps_wanted)


def risks_of(run: Run) -> list[str]:
    """Return what the run risks by what it is, without looking at a plan."""
    found = []
    kinds = {step["kind"] for step in run.steps_wanted}
    if run.is_destroy or (run.action_kind == "destroy" and not run.is_plan_only):
        found.append(Risk.DESTROY)
    if kinds.intersection(EMPTIES):
        found.append(Risk.EMPTY)
    if run.action_kind == "restore":
        is_back = run.point is not None or "state.restore" in kinds
        found.append(Risk.ROLLBACK if is_back else Risk.RESTORE)
    if run.action_kind == "force_unlock":
        found.append(Risk.FORCE_UNLOCK)
    if run.action_kind in (Risk.UPGRADE, Risk.CHANGE) and not run.is_plan_only:
        found.append(Risk(run.action_kind))
    return [str(risk) for risk in found]


def risks_of_plan(run: Run) -> list[str]:
    """Return what the run's plan risks, as its picture tells."""
    if not has_plan(run) or not (run.to_replace or run.to_destroy):
        return []
    view = Plan.objects.filter(run=run).values_list("view", flat=True).first() or {}
    ending = [r["address"] for r in view.get("resources", ()) if r["action"] in ENDS]
    kind = blueprints.load(run.stack.blueprint).kinds[run.stack.kind]
    found = [Risk.DATA] if any(kind.holds(address) for address in ending) else []
    return [str(risk) for risk in (*found, Risk.ENDING)]


def demanded(run: Run) -> list[str]:
    """Return the risks for which this run needs a second person as things stand."""
    risks = [*risks_of(run), *risks_of_plan(run)]
    if not risks:
        return []
    policy = policy_in_force()
    found = [risk for risk in risks if risk in policy.risks]
    if not found or run.stack.region.account.public_id in policy.exempt_accounts:
        return []
    return [risk for risk in found if risk not in WAIVED or grant_for(run) is None]


def words_of(risks: list[str]) -> str:
    """Return risks as a sentence has them."""
    known = dict(Risk.choices)
    return ", ".join(str(known.get(risk, risk)).lower() for risk in risks)


def digest_of(run: Run) -> str:
    """Return what an approval is bound to: the plan, or all that the request says.

    That is with the files of the blueprint, as they were when it was queued: its actions and
    playbooks say what is done; and with the hosts that it would be done on.
    """
    if has_plan(run):
        return Plan.objects.filter(run=run).values_list("digest", flat=True).first() or ""
    asked = [run.public_id, run.action, run.steps_wanted, run.params, run.point, run.inputs_digest]
    return canonical_digest([*asked, run.blueprint_digest, *_machines(run)])


def _machines(run: Run) -> list[list[Any]]:
    """Return which hosts would be acted on, and by which keys they are known."""
    columns = ("public_id", "name", "role", "address", "port", "host_key")
    rows = run.stack.hosts.living().order_by("pk").values_list(*columns)
    return [list(row) for row in rows]


def persons_of(run: Run) -> frozenset[str]:
    """Return the ids that count as the run's author: who asked, and who made what they used.

    A service account's token acts for whoever made it, or the account.
    """
    return frozenset((run.actor_id, *run.actor.get("behind", ())))


# -- what was granted beforehand -------------------------------------------------------------
def grant_for(run: Run) -> StandingGrant | None:
    """Return the grant that lets the run go without a second person, while it still holds.

    For an ephemeral stack that by its blueprint holds no data; the run was asked for by a service
    account of the grant, or by the portal at the stack's end.
    """
    if run.grant_id is None or holds_data(run.stack) or not run.stack.is_ephemeral:
        return None
    is_destroy = run.action_kind == "destroy"
    rows = grants_over(run.stack, is_destroy=is_destroy).exclude(granted_by_id__in=persons_of(run))
    return rows.filter(pk=run.grant_id).first()


def find_grant(actor: Actor, run: Run) -> StandingGrant | None:
    """Return the newest grant that covers what this actor asks for; None for people."""
    if not run.stack.is_ephemeral or actor.kind == "user":
        return None
    if run.is_plan_only or run.action_kind not in WAIVED or holds_data(run.stack):
        return None
    rows = grants_over(run.stack, is_destroy=run.action_kind == "destroy")
    rows = rows.exclude(granted_by_id__in=actor.persons)
    if actor.kind == "service":
        rows = rows.filter(accounts__public_id=actor.id, accounts__is_active=True)
    elif actor.name == EXPIRY.name:
        # A wide grant is for accounts that are named: else whoever may set an end could use it
        # to destroy any stack in it alone.
        rows = rows.filter(stack=run.stack)
    else:
        return None
    return rows.first()


def grants_over(stack: Stack, *, is_destroy: bool) -> Any:
    """Return the grants that hold now over a stack, the newest first.

    Two persons: not those of who set the stack's end, purpose or keeper, or last changed them.
    """
    held = StandingGrant.objects.filter(revoked_at__isnull=True, ends_at__gt=timezone.now())
    held = held.exclude(granted_by_id__in=stack.end_set_by)
    held = held.filter(**{"may_destroy" if is_destroy else "may_create": True})
    own = held.filter(stack=stack)
    wide = held.filter(
        blueprint=stack.blueprint, shared_environment_id=stack.parent_environment_id or 0
    )
    return (own | wide).order_by("-pk")


def holds_data(stack: Stack) -> tuple[str, ...]:
    """Return what of the stack holds data, by its blueprint's word."""
    return blueprints.load(stack.blueprint).kinds[stack.kind].holds_data


# -- asking, and what was answered -----------------------------------------------------------
def holding(run: Run, digest: str) -> Approval | None:
    """Return the approval that holds for this content; None when there is none (any more).

    One that has run out does not count, nor one by somebody who may not approve any more, nor
    one by who made the token or service account that asked.
    """
    rows = Approval.objects.filter(run=run, digest=digest, state=ApprovalStatus.APPROVED)
    rows = rows.exclude(decided_by_id__in=persons_of(run))
    for row in rows.filter(expires_at__gt=timezone.now()):
        person = User.objects.filter(public_id=row.decided_by_id, is_active=True).first()
        if person is not None and access.user_can(person, "approve", run.stack):
            return row
    return None


def ask(actor: Actor, run: Run, risks: list[str], digest: str) -> Approval:
    """Return the open request for a second person, made where there is none for this content.

    Call inside a transaction that holds the run's row, or makes it.
    """
    opened = Approval.objects.filter(run=run, state=ApprovalStatus.ASKED).first()
    if opened is not None and opened.digest == digest:
        return opened
    if opened is not None:
        Approval.objects.filter(pk=opened.pk).update(state=ApprovalStatus.VOID)
    made = Approval.objects.create(
        run=run, digest=digest, risks=risks, asked_by_id=run.actor_id, asked_by=run.actor_name
    )
    after = {"risks": risks, "digest": digest}
    plan = digest if has_plan(run) else ""
    audit.record(actor, "approval.ask", run, after=after, plan_digest=plan)
    outbox.put_run("approval.asked", run, actor)
    notify.run_changed(run)
    return made


def need(opened: Approval) -> NeedsSecondPerson:
    """Return the refusal that tells who is waited for."""
    return NeedsSecondPerson(
        what=words_of(opened.risks), by=opened.asked_by, asked=f"{opened.asked_at:%Y-%m-%d %H:%M}"
    )


def still_missing(actor: Actor, run: Run) -> tuple[NeedsSecondPerson | None, Approval | None]:
    """Return why the run may not go on, or the approval that lets it; (None, None): none needed.

    Asks where nobody was asked yet. Call inside a transaction that holds the run's row.
    """
    risks = demanded(run)
    if not risks:
        return None, None
    digest = digest_of(run)
    held = holding(run, digest)
    return (None, held) if held is not None else (need(ask(actor, run, risks, digest)), None)


def missing_before(run: Run) -> NeedsSecondPerson | None:
    """Return why a run without a plan may not be admitted. Call with its place locked."""
    if has_plan(run) or not risks_of(run):
        return None
    with transaction.atomic():
        return still_missing(actors.system("admission"), run)[0]


def lapsed(run: Run) -> ApprovalLapsed | None:
    """Return why a run that was admitted may not be taken up after all."""
    if run.status != RunStatus.PLAN_QUEUED or has_plan(run) or not demanded(run):
        return None
    if (refusal := moved(run)) is not None:
        return refusal
    if holding(run, digest_of(run)) is None:
        return ApprovalLapsed(
            why="it has run out, hosts were changed, or the approver lost the role"
        )
    return None


def moved(run: Run) -> ApprovalLapsed | None:
    """Return why what a run without a plan would do is not what was asked for any more."""
    if has_plan(run):
        return None
    now = canonical_digest(effective_inputs(run.stack)), secrets.versions(run.stack)
    if now != (run.inputs_digest, run.secret_versions):
        return ApprovalLapsed(why="inputs or secrets were changed since")
    if blueprints.load(run.blueprint).digest != run.blueprint_digest:
        return ApprovalLapsed(why=f"files of the blueprint {run.blueprint} were changed since")
    return None


def waiting_for(user: User) -> Any:
    """Return the requests that this person may answer: not their own, and not as a program."""
    rows = Approval.objects.filter(state=ApprovalStatus.ASKED)
    if user.is_service:
        return rows.none()
    rows = rows.within(access.scopes_for(user, "approve")).exclude(asked_by_id=user.public_id)
    return rows.exclude(run__actor__contains={"behind": [user.public_id]})


def void_of(run: Run) -> None:
    """Close what is still asked about a run that has ended."""
    Approval.objects.filter(run=run, state=ApprovalStatus.ASKED).update(state=ApprovalStatus.VOID)


def told(run: Run, held: Approval | None) -> dict[str, Any]:
    """Return what the audit trail keeps of the second person, or of the grant."""
    if held is not None:
        return {
            "approval": held.public_id,
            "approved_by": held.decided_by,
            "approver_id": held.decided_by_id,
        }
    return told_grant(run)


def approver_of(run: Run, held: Approval | None = None) -> Actor | None:
    """Return who said yes to a run, for the column of the audit trail; None where nobody had to.

    The second person, or who granted beforehand what it goes under.
    """
    if held is not None:
        return Actor(kind="user", id=held.decided_by_id, name=held.decided_by)
    if run.grant_id is not None and _held_then(run, run.grant):
        return Actor(kind="user", id=run.grant.granted_by_id, name=run.grant.granted_by)
    return None


def _held_then(run: Run, grant: StandingGrant) -> bool:
    """Tell whether a grant held when the run was let go, or holds now while it was not."""
    went = (run.confirmed_at or run.apply_started_at) if has_plan(run) else run.admitted_at
    then = went or timezone.now()
    return grant.ends_at > then and (grant.revoked_at is None or grant.revoked_at > then)


def yes_to(run: Run) -> dict[str, Any]:
    """Return `approver` and `plan_digest` of a run, as `audit.record` takes them at its end."""
    plan = Plan.objects.filter(run=run).values_list("digest", flat=True).first() or ""
    rows = Approval.objects.filter(run=run, state=ApprovalStatus.APPROVED)
    if has_plan(run):  # a yes to another plan is none to this one
        rows = rows.filter(digest=plan)
    return {"approver": approver_of(run, rows.order_by("-decided_at").first()), "plan_digest": plan}


def told_grant(run: Run) -> dict[str, Any]:
    """Return what the audit trail keeps of a run's grant; nothing for most runs."""
    if run.grant_id is None:
        return {}
    grant = run.grant
    return {
        "grant": grant.public_id,
        "granted_by": grant.granted_by,
        "grant_ends_at": f"{grant.ends_at:%Y-%m-%d %H:%M} UTC",
    }


def is_waiting(run: Run) -> bool:
    """Tell whether the run stands where a second person may decide."""
    waits = run.status in (RunStatus.PENDING, RunStatus.PLANNED)
    return waits and run.cancel_requested_at is None
