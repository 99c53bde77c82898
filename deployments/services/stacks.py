"""A stack that may not fit its state, and things that end their lives."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import outbox
from deployments.errors import DeploymentError, ReasonMissing, ReviewNotPossible
from deployments.models import Run, RunStep
from deployments.runstatus import OPEN
from deployments.services.lifecycle import refresh_condition
from tenants import access, audit
from tenants import services as tenants_services
from tenants.actors import Actor
from tenants.blueprints.stepkinds import PLAYBOOKS
from tenants.errors import StillInUse
from tenants.models import Stack


def mark_suspect(actor: Actor, stack: Stack, why: DeploymentError) -> None:
    """Mark a stack whose state may not fit reality: every changing action refuses from now on."""
    with transaction.atomic():
        stack.state_suspect, stack.suspect_reason = True, why.to_json()
        stack.suspect_checked_at = None
        stack.save(update_fields=["state_suspect", "suspect_reason", "suspect_checked_at"])
        audit.record(actor, "stack.suspect", stack, after=why.to_json())
        outbox.put_stack("stack.suspect", stack, actor, why)
        refresh_condition(stack)


def review_stack(actor: Actor, stack: Stack, *, comment: str) -> None:
    """Lift the suspect mark: a plan-only run succeeded since, and a person says reviewed.

    Raises ReviewNotPossible without such a run and ReasonMissing without a comment.
    """
    access.require(actor, "change", stack)
    if not comment.strip():
        raise ReasonMissing()
    with transaction.atomic():
        row = Stack.objects.select_for_update(of=("self",), no_key=True).get(pk=stack.pk)
        if not row.state_suspect:
            return
        if row.suspect_checked_at is None:
            raise ReviewNotPossible(stack=row)
        before = row.suspect_reason
        row.state_suspect, row.suspect_reason, row.suspect_checked_at = False, None, None
        row.save(update_fields=["state_suspect", "suspect_reason", "suspect_checked_at"])
        audit.record(actor.because(comment), "stack.reviewed", row, before=before)
        refresh_condition(row)
    stack.refresh_from_db()


def note_clean_plan(run: Run) -> None:
    """Remember that a plan-only run of a suspect stack succeeded after the mark was set.

    It must have looked at what is doubted: a playbook's check at the hosts, a plan at the state.
    """
    stack = Stack.objects.get(pk=run.stack_id)
    if not stack.state_suspect:
        return
    kinds = {step["kind"] for step in run.steps_wanted}
    needed = "ansible.check" if _doubts_hosts(stack.suspect_reason) else "terraform.plan"
    if needed in kinds or stack.state_serial is None:
        Stack.objects.filter(pk=stack.pk).update(suspect_checked_at=timezone.now())


def _doubts_hosts(reason: dict[str, Any]) -> bool:
    """Tell whether a playbook was what nobody knows the end of."""
    if reason["code"] == "HostsUnknown":
        return True
    steps = RunStep.objects.filter(run__public_id=reason["params"].get("run_id", ""))
    last = steps.order_by("-number").values_list("kind", flat=True).first()
    return last in PLAYBOOKS


def archive(actor: Actor, thing: Any, reason: str) -> Any:
    """Archive a tenant, shared environment or another thing without open runs or resources."""
    if not reason.strip():
        raise ReasonMissing()
    stack = getattr(thing, "stack", None)
    with transaction.atomic():
        if stack is not None:
            list(Stack.objects.select_for_update(no_key=True).filter(pk=stack.pk).values_list("pk"))
            busy = Run.objects.filter(stack=stack, status__in=OPEN).first()
            if busy is not None:
                why = _("run %(run)s is open (%(status)s). Wait for its end, or cancel it.")
                status = busy.get_status_display()
                raise StillInUse(name=thing, why=why % {"run": busy.number, "status": status})
        return tenants_services.archive(actor, thing, reason)
