"""Sentences that must be read at a run: why it waits, what went wrong, the way out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deployments.links import link, owner_link
from deployments.models import Run, RunEvent, RunStep
from deployments.runstatus import ErrorKind, RunStatus
from deployments.runview.history import Usual
from deployments.runview.plan import Danger
from deployments.runview.words import about, listed, long
from deployments.services.unlocking import holder_of
from omlsaas.lib.refusals import sentence
from tenants.blueprints.stepkinds import COMPARES

S = RunStatus
DIAGNOSTICS_SHOWN = 5


@dataclass
class Note:
    """One box: a bold beginning, the rest, and perhaps a button or a list."""

    tone: str
    icon: str
    title: str
    text: str = ""
    href: str = ""
    label: str = ""
    items: list[dict[str, str]] = field(default_factory=list)
    more: str = ""
    is_alert: bool = False
    is_turning: bool = False


def build(
    run: Run, steps: Sequence[RunStep], events: Sequence[RunEvent], danger: Danger | None,
    usual: Usual, waiting_behind: int, blocked: str,
) -> list[Note]:  # fmt: skip
    """Return the notes of a run, the most pressing first."""
    found: list[Note | None] = [_notice(run)]
    tell = {
        S.PENDING: lambda: [_waits(run)],
        S.PLAN_QUEUED: lambda: [_no_worker(run)],
        S.APPLY_QUEUED: lambda: [_no_worker(run)],
        S.PLANNED: lambda: [
            _blocked(blocked),
            _auto_stopped(events),
            _danger(run, danger, usual),
            _holds_others(run, waiting_behind),
        ],
        S.PLANNED_AND_FINISHED: lambda: [_looked(run)],
        S.ERRORED: lambda: [_errored(run, steps)],
        S.DISCARDED: lambda: [_discarded(run, events)],
        S.CANCELED: lambda: [_canceled(run, steps)],
        S.LOST: lambda: [_lost(run), _evidence(run)],
    }  # fmt: skip
    found += tell.get(S(run.status), list)()
    owner = run.stack.owner
    if owner.is_archived:
        text = _("%(name)s was archived by %(who)s: %(why)s Nothing can be started on it.")
        facts = {"name": owner, "who": owner.archived_by, "why": _stopped(owner.archived_reason)}
        found.append(Note("idle", "archive", _("Archived."), text % facts))
    return [note for note in found if note is not None]


def _stopped(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def _holder(stored: dict[str, Any] | None) -> tuple[str, str]:
    """Return address and label of the run that a reason names."""
    params = (stored or {}).get("params") or {}
    if not params.get("run_id"):
        return "", ""
    return link("run", params["run_id"]), _("Go to run %s") % params.get("run", "")


def _waits(run: Run) -> Note:
    stored = run.waiting
    href, label = _holder(stored)
    code = (stored or {}).get("code", "")
    tone = "wait" if href or code in ("NoWorker", "InMaintenance") else "idle"
    text = sentence(stored) or _("It starts when its turn comes.")
    return Note(tone, "hourglass", _("Not started yet."), text, href, label)


def _no_worker(run: Run) -> Note | None:
    if not run.waiting:
        return None
    return Note("wait", "plug-connected-x", _("Nobody works on it yet."), sentence(run.waiting))


def _notice(run: Run) -> Note | None:
    if not run.notice or run.is_ended:
        return None
    text = sentence(run.notice)
    if run.notice.get("code") == "HostSilent":
        after = long(settings.HOST_LOST_AFTER_S)
        text += " " + _(
            "The run keeps its status and its stack; after %(time)s of silence it counts as lost."
        ) % {"time": after}
        return Note("lost", "plug-connected-x", _("No word from its host."), text, is_alert=True)
    return Note("lost", "alert-octagon", _("Look here."), text, is_alert=True)


def _blocked(why: str) -> Note | None:
    if not why:
        return None
    text = f"{_stopped(why)} " + _("Discard it and run the action again.")
    return Note("wait", "clock-x", _("This plan cannot be applied any more."), text)


def _auto_stopped(events: Iterable[RunEvent]) -> Note | None:
    for event in events:
        if event.to_status == S.PLANNED and event.detail:
            title = _("This stack applies by itself, but not this plan.")
            return Note("wait", "hand-stop", title, event.detail_text)
    return None


def _danger(run: Run, danger: Danger | None, usual: Usual) -> Note | None:
    if danger is None or not danger.names:
        return None
    if run.is_destroy:
        count = len(danger.names)
        title = _("All of %s goes.") % run.stack.name
        text = ngettext("%(n)s resource is destroyed.", "%(n)s resources are destroyed.", count)
        text = text % {"n": count}
        if danger.holding:
            text += " " + _("Their data goes with them: %s.") % listed(danger.holding, 4)
        return Note("bad", "alert-triangle", title, text)
    if danger.holding:
        title = _("Data is destroyed.")
        text = ngettext(
            "%s holds data that cannot be made again; what replaces it begins empty.",
            "%s hold data that cannot be made again; what replaces them begins empty.",
            len(danger.holding),
        )
        return Note("bad", "database-x", title, text % listed(danger.holding, 4))
    names = listed(danger.names, 4)
    if run.to_replace:
        title = _("What %s does will be interrupted.") % run.stack.name
        text = _("%s: what stands there is destroyed, and made anew where it is replaced.") % names
    else:
        title, text = _("Resources go."), _("%s: destroyed, with nothing in their place.") % names
    if usual.apply:
        text += " " + _("The apply usually takes %s.") % about(usual.apply)
    if danger.kept:
        text += " " + _("What holds data stays.")
    return Note("bad", "alert-triangle", title, text)


def _holds_others(run: Run, count: int) -> Note | None:
    if not count:
        return None
    title = ngettext("%(n)s run waits behind this one.", "%(n)s runs wait behind this one.", count)
    text = _("Other changes to %s wait until this plan is confirmed or discarded.")
    return Note("wait", "hourglass", title % {"n": count}, text % run.stack.name)


def _looked(run: Run) -> Note:
    name = run.stack.name
    if run.action_kind == "force_unlock":
        text = _("Nobody holds the state any more. Run plan only next: what the holder did shows.")
        return Note("ok", "lock-open", _("The lock was forced open."), text)
    if run.action_kind == "restore":
        text = _("What Terraform believes was changed; what really stands there was not touched.")
        return Note("ok", "restore", _("The state was rolled back."), text)
    kinds = {step["kind"] for step in run.steps_wanted}
    if not kinds.intersection(COMPARES):
        return _asked(run)
    if run.drift_count and "ansible.check" in kinds:
        title = ngettext(
            "%(n)s task would change something.", "%(n)s tasks would change something.",
            run.drift_count,
        )  # fmt: skip
        text = _("The log shows what differs on the hosts. Change brings them to the inputs again.")
        href, label = owner_link(run.stack), _("Choose")
        return Note("drift", "git-compare", title % {"n": run.drift_count}, text, href, label)
    if run.drift_count:
        title = ngettext(
            "%(n)s resource was changed outside.", "%(n)s resources were changed outside.",
            run.drift_count,
        )  # fmt: skip
        text = _("Below stands what differs. Change puts it back; Refresh takes it over.")
        href, label = owner_link(run.stack), _("Choose")
        return Note("drift", "git-compare", title % {"n": run.drift_count}, text, href, label)
    if run.has_changes:
        text = _("This run only looked: nothing was changed. Below stands what a change would do.")
        return Note("drift", "git-compare", _("%s is not as its inputs say.") % name, text)
    text = _("The infrastructure matches the blueprint and its inputs; no drift was found.")
    return Note("ok", "checks", _("Nothing to do."), text)


def _asked(run: Run) -> Note:
    """Tell of a run that compared nothing: it asked, and may have found what waits for a yes."""
    if run.findings:
        text = _("Read what was found, and confirm on the page of the hosts what is right.")
        href = link("stack_hosts", run.stack.public_id)
        return Note("wait", "shield-question", _("Somebody has to look."), text, href, _("Hosts"))
    return Note("ok", "checks", _("Asked."), _("Nothing was changed."))


def _errored(run: Run, steps: Sequence[RunStep]) -> Note:
    titles = {
        ErrorKind.ENGINE: _("Terraform said no."),
        ErrorKind.SYSTEM: _("The portal could not do it."),
        ErrorKind.REFUSED: _("Refused before anything was started."),
        ErrorKind.STEP: _("A step failed."),
    }
    title = titles.get(run.error_kind, _("It failed."))
    code = (run.error or {}).get("code")
    if code in ("TimedOut", "WasSilent"):
        title = _("It was stopped.")
    elif code == "NotReady":
        title = _("Applied, but not ready.")
    errors = _diagnostics(steps)
    more = ""
    if len(errors) > DIAGNOSTICS_SHOWN:
        more = _("and %s more: read the log") % (len(errors) - DIAGNOSTICS_SHOWN)
    text = _stopped(sentence(run.error))
    if (run.error or {}).get("code") == "StateLocked" and (holder := holder_of(run.stack)):
        text += f" {holder.text}"
    if errors and (run.error or {}).get("code") == "EngineFailed":
        # Its words stand in the list.
        text = _("%(engine)s ended with exit code %(code)s.") % run.error["params"]
    if errors and (run.error or {}).get("code") == "EngineAdvised":
        text = _("%(engine)s ended with exit code %(code)s. %(advice)s") % run.error["params"]
    if run.apply_started_at:
        text = f"{text} " + _(
            "What was made before stands and is in the state: a new run goes on from there."
        )
    elif _has_begun(steps):
        text = f"{text} " + _("What the steps before it did stands.")
    elif run.started_at:
        text = f"{text} " + _("Nothing was changed.")
    href, label = _way_out(run)
    shown = errors[:DIAGNOSTICS_SHOWN]
    return Note("bad", "circle-x", title, text, href, label, items=shown, more=more, is_alert=True)


def _way_out(run: Run) -> tuple[str, str]:
    """Return where the next step is done, when that is the stack's page."""
    code = (run.error or {}).get("code")
    if code == "StateLocked":
        return f"{owner_link(run.stack)}#lock", _("Look at the lock")
    if code == "StateLost":
        return f"{owner_link(run.stack)}#states", _("State versions")
    return "", ""


def _has_begun(steps: Sequence[RunStep]) -> bool:
    """Tell whether a step after the plan, or a command before it, may have done something."""
    return any(step.phase != "plan" or step.kind == "ssm.command" for step in steps)


def _diagnostics(steps: Sequence[RunStep]) -> list[dict[str, str]]:
    """Return the engine's errors of the last step that told some."""
    for step in reversed(steps):
        told = [d for d in step.progress.get("diagnostics", []) if d.get("severity") == "error"]
        if told:
            return [
                {
                    "summary": d.get("summary", ""),
                    "address": d.get("address", ""),
                    "detail": d.get("detail", ""),
                    "place": d.get("place", ""),
                }
                for d in told
            ]
    return []


def _discarded(run: Run, events: Sequence[RunEvent]) -> Note:
    if run.error:
        text = sentence(run.error) + " " + _("Nothing was changed: run it again for a new plan.")
        return Note("wait", "circle-minus", _("The plan was thrown away."), text)
    last = next((e for e in reversed(events) if e.to_status == S.DISCARDED), None)
    who = last.actor_name if last else ""
    text = _("%s said no to this plan. Nothing was changed.") % who
    return Note("idle", "circle-minus", _("Discarded."), text)


def _canceled(run: Run, steps: Sequence[RunStep]) -> Note:
    title = sentence(run.cancel_because or run.error) or _("Canceled.")
    comment = (run.cancel_because or {}).get("comment", "")
    text = f"“{comment}”" if comment else ""
    if run.was_forced:
        text = f"{title} {text}"
        text += " " + _("It was killed: the state may not fit reality, so the stack is suspect.")
        return Note("lost", "bolt", _("Stopped by force."), text, is_alert=True)
    cut = max((int(step.progress.get("failed") or 0) for step in steps), default=0)
    if cut:
        words = ngettext(
            "%(n)s resource was cut off half-way: the next run makes it anew.",
            "%(n)s resources were cut off half-way: the next run makes them anew.",
            cut,
        )
        text += " " + words % {"n": cut}
    elif run.apply_started_at:
        text += " " + _("What was in hand was finished and the state saved; the rest is not done.")
    elif _has_begun(steps):
        text += " " + _("What was done before stands; the rest is not done.")
    else:
        text += " " + _("Nothing was changed.")
    return Note("idle", "ban", title, text)


def _lost(run: Run) -> Note:
    text = sentence(run.error) + " "
    text += _(
        "It may have finished, stopped half-way or done nothing. It is never tried again by "
        "itself. The way out: run plan only, read what it finds, and mark the stack as reviewed."
    )
    return Note("lost", "help-octagon", _("The outcome is not known."), text, is_alert=True)


def _evidence(run: Run) -> Note | None:
    if not run.late_evidence:
        return None
    told = run.late_evidence
    code = told.get("exit_code")
    text = _("Its host came back and says: the process ended with exit code %s. ") % code
    if told.get("code"):
        text = sentence(told)
    title = _("Late word from its host.")
    return Note("run", "message-2", title, text + _("The status stays lost until a review."))
