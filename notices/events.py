"""The events that one may listen to, their words, and the sentence of each."""

from typing import Any

from django.utils.translation import gettext as _t
from django.utils.translation import gettext_lazy as _

from deployments.runstatus import RunStatus
from omlsaas.lib.refusals import sentence

RUN_EVENTS = {f"run.{status}": status.label for status in RunStatus}
STEP_EVENTS = {
    "step.begun": _("A step began"),
    "step.done": _("A step is done"),
    "step.failed": _("A step failed"),
}
STACK_EVENTS = {
    "stack.suspect": _("A stack is suspect"),
    "stack.drift": _("Drift was found"),
    "stack.expiring": _("An ephemeral stack will be destroyed"),
    "approval.asked": _("A second person is needed"),
    "approval.decided": _("A second person has decided"),
}
EVENTS: dict[str, Any] = {**RUN_EVENTS, **STACK_EVENTS, **STEP_EVENTS}
# What people want to hear of unless they say otherwise.
SALIENT = ("run.planned", "run.errored", "run.lost", "stack.suspect", "approval.asked")
ENDS = ("run.applied", "run.planned_and_finished", "run.discarded", "run.canceled",
        "run.errored", "run.lost")  # fmt: skip
# Of a run of one's own, without any subscription.
OWN = ("run.planned", *ENDS)

_SENTENCES = {
    "run.pending": _("%(run)s (%(action)s) was queued by %(by)s"),
    "run.plan_queued": _("%(run)s (%(action)s) waits for a worker"),
    "run.planning": _("%(run)s (%(action)s) is being planned"),
    "run.planned": _("%(run)s (%(action)s) waits for confirmation"),
    "run.apply_queued": _("%(run)s (%(action)s) was confirmed by %(by)s"),
    "run.applying": _("%(run)s (%(action)s) is being applied"),
    "run.configuring": _("%(run)s (%(action)s) configures its hosts"),
    "run.verifying": _("%(run)s (%(action)s) waits until the service answers"),
    "run.applied": _("%(run)s (%(action)s) is done"),
    "run.planned_and_finished": _("%(run)s (%(action)s) found nothing to do"),
    "run.discarded": _("%(run)s (%(action)s) was discarded by %(by)s"),
    "run.canceled": _("%(run)s (%(action)s) was canceled by %(by)s"),
    "run.errored": _("%(run)s (%(action)s) failed"),
    "run.lost": _("%(run)s (%(action)s) is lost: its outcome is unknown"),
    "step.begun": _("%(run)s (%(action)s): step %(step)s began"),
    "step.done": _("%(run)s (%(action)s): step %(step)s is done"),
    "step.failed": _("%(run)s (%(action)s): step %(step)s failed"),
    "stack.suspect": _("%(stack)s is suspect: its state may not fit what stands there"),
    "stack.drift": _("%(stack)s was changed outside of the portal"),
    "stack.expiring": _("%(stack)s will be destroyed soon"),
    "approval.asked": _("%(run)s (%(action)s) needs a second person, asked by %(by)s"),
    "approval.decided": _("%(run)s (%(action)s) was decided by %(by)s"),
    "test": _("A test, sent by %(by)s"),
}


def words(event: str) -> str:
    """Return an event's name for people; one that this version does not know as it is."""
    return str(_("Test") if event == "test" else EVENTS.get(event, event))


def tell(event: str, facts: dict[str, Any]) -> str:
    """Return the one sentence of an event, with its reason where there is one."""
    known = _SENTENCES.get(event)
    names = {"run": "", "action": "", "by": "", "step": "", "stack": "", **facts}
    text = str(known) % names if known else f"{event} {names['run'] or names['stack']}".strip()
    why = sentence(facts.get("detail"))
    return _t("%(what)s: %(why)s") % {"what": text, "why": why} if why else f"{text}."
