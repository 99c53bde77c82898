"""What follows from the end of a phase: the next one, a wait for a person, or the run's end."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from deployments import facts, outbox
from deployments.errors import NeedsConfirmation, StateForced
from deployments.models import Plan, Run
from deployments.runstatus import RunStatus
from deployments.services.foureyes import approver_of, grant_for, still_missing, told
from deployments.services.instances import record_applied
from deployments.services.lifecycle import advance, end_run
from deployments.services.stacks import mark_suspect, note_clean_plan
from deployments.steps import pieces_of
from deployments.work import WORKER, Work
from omlsaas.lib.refusals import Refusal
from tenants import actors, audit
from tenants.blueprints.stepkinds import COMPARES
from tenants.effective import canonical_digest
from tenants.models import Stack

S = RunStatus
AUTO = actors.system("auto-apply")


@dataclass(frozen=True)
class Verdict:
    """How a phase went wrong: the status that the run ends with, and why."""

    status: RunStatus
    why: Refusal
    error_kind: str = ""
    forced: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it for a step's outcome."""
        return {
            "status": str(self.status),
            "why": self.why.to_json(),
            "error_kind": self.error_kind,
            "forced": self.forced,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Verdict":
        """Return the verdict that another worker wrote down."""
        known = Refusal.codes[stored["why"]["code"]]
        why = known.__new__(known)
        Refusal.__init__(why, **stored["why"]["params"])
        return cls(RunStatus(stored["status"]), why, stored["error_kind"], stored["forced"])


def end_phase(work: Work, phase: str, later: str | None, verdict: Verdict | None) -> str | None:
    """Write the phase's end; return the phase that begins now, None when none does.

    `later` is the next phase that has pieces. Call inside the fenced transaction.
    """
    if verdict is not None:
        _end_badly(work, verdict)
        return None
    if phase == "plan":
        return _end_plan(work, later)
    if later is not None:
        return later
    record_applied(work.run, work.redactor)
    end_run(work.run, S.APPLIED, actor=WORKER)
    return None


def _end_badly(work: Work, verdict: Verdict) -> None:
    run = work.run
    end_run(
        run,
        verdict.status,
        actor=WORKER,
        error=verdict.why,
        error_kind=verdict.error_kind,
        was_forced=verdict.forced,
    )
    if verdict.forced:
        stack = Stack.objects.get(pk=run.stack_id)
        mark_suspect(WORKER, stack, StateForced(run=run.number, run_id=run.public_id))


def _end_plan(work: Work, later: str | None) -> str | None:
    run = work.run
    _note_drift(work)
    if run.is_plan_only or later is None:
        if _compares(work):
            note_clean_plan(run)
        end_run(run, S.PLANNED_AND_FINISHED, actor=WORKER)
        return None
    if run.uses_engine and not run.has_changes and not _goes_on(work):
        _note_in_line(work)
        end_run(run, S.PLANNED_AND_FINISHED, actor=WORKER)
        return None
    if not run.uses_engine and not run.findings:
        # Only preparations: there is nothing that somebody could decide.
        return later
    if not run.uses_engine:
        _keep_findings(run)
    expires = timezone.now() + timedelta(seconds=settings.PLAN_EXPIRES_S)
    missing, held = still_missing(WORKER, run)
    refusal = (missing or why_not_by_itself(work)) if run.is_auto_apply else None
    advance(run, S.PLANNED, actor=WORKER, detail=refusal, plan_expires_at=expires)
    if not run.is_auto_apply or refusal is not None:
        return None
    advance(run, S.APPLY_QUEUED, actor=AUTO, confirmed_by=AUTO.name)
    digest = Plan.objects.values_list("digest", flat=True).get(run=run)
    after = {"plan_digest": digest, **told(run, held)}
    more = {"approver": approver_of(run, held), "plan_digest": digest}
    audit.record(AUTO, "run.confirm", run, after=after, **more)
    return later


def _goes_on(work: Work) -> bool:
    """Tell whether the action does more than Terraform's plan: that is done without changes, too.

    A probe alone looks at what the apply made.
    """
    return bool(pieces_of(work.run.steps_wanted)["configure"])


def _keep_findings(run: Run) -> None:
    """Make what the steps found the plan that is confirmed."""
    made_on = facts.portal_facts(run.stack)
    made_on |= {"inputs_digest": run.inputs_digest, "secret_versions": run.secret_versions}
    digest = canonical_digest([run.public_id, run.findings])
    Plan.objects.update_or_create(run=run, defaults={"digest": digest, "facts": made_on})


def _compares(work: Work) -> bool:
    return any(step["kind"] in COMPARES for step in work.run.steps_wanted)


def _note_drift(work: Work) -> None:
    """A run that only looks tells whether somebody changed something outside."""
    if work.run.is_plan_only and _compares(work) and work.run.action != "rollback_state":
        drift = bool(work.run.drift_count)
        found = Stack.objects.filter(pk=work.run.stack_id, has_drift=not drift)
        if found.update(has_drift=drift) and drift:
            outbox.put_stack("stack.drift", work.run.stack, WORKER)


def _note_in_line(work: Work) -> None:
    """Nothing to do: what is desired is what stands there."""
    run = work.run
    Stack.objects.filter(pk=run.stack_id, resource_count__gt=0).update(
        applied_inputs=run.inputs, applied_release=run.release_name, applied_at=timezone.now()
    )


def why_not_by_itself(work: Work) -> NeedsConfirmation | None:
    """Return why a person must look at this plan although the stack applies by itself."""
    loud = [found for found in work.run.findings if found.get("is_loud")]
    if loud:
        return NeedsConfirmation(what=", ".join(found["about"] for found in loud))
    view = Plan.objects.values_list("view", flat=True).get(run=work.run)
    ending = [
        r["address"] for r in view.get("resources", ()) if r["action"] in ("replace", "delete")
    ]
    holding = [address for address in ending if work.kind.holds(address)]
    if not holding and work.run.is_destroy and grant_for(work.run) is not None:
        return None
    if holding:
        return NeedsConfirmation(what=", ".join(holding[:5]))
    if ending and not work.stack.is_auto_destroy:
        return NeedsConfirmation(what=", ".join(ending[:5]))
    return None
