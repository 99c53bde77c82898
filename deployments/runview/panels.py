"""What can be decided at a run: the panels, what they ask for, what stands against it."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deployments import facts
from deployments.errors import PlanExpired, StackSuspect
from deployments.models import Plan, Run
from deployments.runstatus import RunStatus
from deployments.runview.plan import Danger
from deployments.runview.rights import Rights
from deployments.runview.words import listed, long
from deployments.services.decisions import force_allowed_at
from deployments.services.hosts import came_to_configure, failed_hosts
from omlsaas.lib.refusals import sentence
from tenants.blueprints import Kind

S = RunStatus


@dataclass(frozen=True)
class Check:
    """One thing to know before the yes."""

    tone: str
    icon: str
    title: str
    text: str = ""


@dataclass
class Panels:
    """Which panels the page shows. `key` changes when they must be drawn again."""

    key: str = ""
    confirm: "Confirm | None" = None
    cancel: bool = False
    canceling: "Canceling | None" = None
    again: "Again | None" = None
    who_may: str = ""


@dataclass
class Confirm:
    """The decision over a plan."""

    made_at: datetime
    digest: str
    on_state: str
    must_read: bool
    replaces: int
    destroys: int
    asks_name: bool
    is_destroy: bool
    is_loud: bool
    action: str
    blocked: str
    checks: list[Check] = field(default_factory=list)
    may: bool = True


@dataclass
class Canceling:
    """A run that was asked to stop."""

    by: str
    at: datetime
    why: str
    force_at: datetime
    grace_until: datetime
    force_s: int
    grace_s: int
    is_force_open: bool
    is_killing: bool
    may_force: bool
    text: str


@dataclass
class Again:
    """Running the same action once more, as a new run."""

    label: str
    asks_name: bool
    blocked: str
    request_key: str
    is_offered: bool
    is_retry: bool
    failed_hosts: str = ""  # those that a retry may be for alone
    is_rest: bool = False  # the infrastructure stands: a retry may leave it alone


def build(
    run: Run, rights: Rights, plan: Plan | None, told: tuple[list[Check], str],
    kind: Kind | None,
    who_may: str,
) -> Panels:  # fmt: skip
    """Return the panels for this person and this moment."""
    panels = Panels()
    if run.is_confirmable and plan is not None:
        panels.confirm = _confirm(run, plan, told, rights)
        panels.who_may = "" if rights.decide else who_may
    elif run.is_canceling:
        panels.canceling = _canceling(run, rights)
    elif run.is_cancelable and rights.decide:
        panels.cancel = True
    if run.is_ended and rights.decide:
        panels.again = _again(run, kind)
    panels.key = key_of(run, plan.digest if plan is not None else "")
    return panels


def key_of(run: Run, digest: str, second: str = "") -> str:
    """Return what tells one set of panels from another."""
    stack = run.stack
    parts = ["end" if run.is_ended else "open"]
    if run.status == S.PLANNED:
        parts.append(f"plan-{digest[:12]}")
    if second:
        parts.append(second)
    if run.is_canceling:
        opened = timezone.now() >= force_allowed_at(run)
        parts.append(f"stop-{run.cancel_mode}-{int(opened)}")
    parts.append(f"{int(stack.state_suspect)}{int(bool(stack.suspect_checked_at))}")
    return ".".join(parts)


def _confirm(run: Run, plan: Plan, told: tuple[list[Check], str], rights: Rights) -> Confirm:
    found, blocked = told
    serial = plan.facts.get("state_serial")
    return Confirm(
        made_at=plan.created_at,
        digest=plan.digest,
        on_state=""
        if not run.uses_engine
        else _("state %s") % serial
        if serial
        else _("an empty state"),
        must_read=bool(run.to_replace or run.to_destroy),
        replaces=run.to_replace,
        destroys=run.to_destroy,
        asks_name=run.asks_name or run.is_destroy,
        is_destroy=run.is_destroy,
        is_loud=run.is_destroy or any(found.get("is_loud") for found in run.findings),
        action=run.action_label,
        blocked=blocked,
        checks=found,
        may=rights.decide,
    )


def checks(run: Run, danger: Danger | None) -> tuple[list[Check], str]:
    """Return what to know before the yes, and why the yes would be refused now."""
    stack, found, blocked = run.stack, [], ""
    if stack.state_suspect:
        why = str(StackSuspect(stack=stack, why=sentence(stack.suspect_reason)))
        found.append(Check("lost", "alert-octagon", _("Stack suspect"), why))
        blocked = why
    refusal = _expired(run) or facts.stale(run)
    if refusal is not None:
        found.append(Check("bad", "clock-x", _("Cannot be applied"), str(refusal)))
        blocked = blocked or str(refusal)
    elif run.plan_expires_at:
        text = _("inputs, secrets and blueprint are as they were")
        if run.uses_engine:
            text = _("state, inputs, secrets and blueprint are as they were")
        found.append(Check("ok", "circle-check", _("Still fits"), text))
    if not run.uses_engine:
        return found, blocked
    if danger is not None and danger.holding:
        count = len(danger.holding)
        title = ngettext("%(n)s holds data", "%(n)s hold data", count) % {"n": count}
        found.append(Check("bad", "database-x", title, listed(danger.holding, 4)))
    if run.drift_count:
        title = ngettext("%(n)s drifted", "%(n)s drifted", run.drift_count)
        text = _("changed outside; the plan puts it back")
        found.append(Check("drift", "git-compare", title % {"n": run.drift_count}, text))
    else:
        found.append(Check("ok", "circle-check", _("No drift"), _("refreshed with this plan")))
    if stack.state_serial:
        title, text = _("State is kept"), _("serial %s, to roll back to") % stack.state_serial
        found.append(Check("ok", "circle-check", title, text))
    return found, blocked


def _expired(run: Run) -> PlanExpired | None:
    if run.plan_expires_at is None or run.plan_expires_at > timezone.now():
        return None
    return PlanExpired(planned=f"{run.planned_at:%Y-%m-%d %H:%M} UTC")


def _canceling(run: Run, rights: Rights) -> Canceling:
    asked, now = run.cancel_requested_at, timezone.now()
    force_at = force_allowed_at(run)
    grace = settings.CANCEL_GRACE_S
    is_killing = run.cancel_mode == "kill"
    if is_killing:
        text = _("Whatever is left of its processes is being killed.")
    elif run.status in (S.CONFIGURING, S.VERIFYING) or not run.uses_engine:
        text = _("The step at work stops where it can; what is done stays done.")
    elif run.status == S.PLANNING:
        text = _("Terraform was asked once to stop. Nothing has been changed.")
    else:
        text = _(
            "Terraform was asked once to stop. It finishes what it has in hand, saves the state "
            "and ends; the rest is not started."
        )
    return Canceling(
        by=run.cancel_by,
        at=asked,
        why=(run.cancel_because or {}).get("comment", ""),
        force_at=force_at,
        grace_until=asked + timedelta(seconds=grace),
        force_s=settings.FORCE_CANCEL_AFTER_S,
        grace_s=grace,
        is_force_open=now >= force_at,
        is_killing=is_killing,
        may_force=rights.force,
        text=text,
    )


def _again(run: Run, kind: Kind | None) -> Again | None:
    action = kind.actions_of(run.stack.is_adopted).get(run.action) if kind is not None else None
    if action is None or run.stack.owner.is_archived:
        return None
    blocked = ""
    if run.stack.state_suspect and not run.is_plan_only:
        blocked = _("The state is suspect: run plan only and mark it as reviewed first.")
    elif action.when == "new" and run.stack.is_installed and not came_to_configure(run):
        blocked = _("%s is installed already: use another action.") % run.stack.name
    elif action.when == "installed" and not run.stack.is_installed:
        blocked = _("%s has no resources: install it first.") % run.stack.name
    is_retry = run.status in (S.ERRORED, S.CANCELED, S.DISCARDED, S.LOST)
    return Again(
        label=_("Retry as a new run") if is_retry else _("Run again"),
        asks_name=action.confirm == "name",
        blocked=blocked,
        request_key=str(uuid.uuid4()),
        is_offered=is_retry and not blocked,
        is_retry=is_retry,
        failed_hosts=", ".join(failed_hosts(run)) if run.status == S.ERRORED else "",
        is_rest=came_to_configure(run),
    )


def time_limits(run: Run, kind: Kind | None) -> str:
    """Return the time-outs that hold for this run."""
    action = kind.actions_of(run.stack.is_adopted).get(run.action) if kind is not None else None
    own: Any = action.timeouts if action is not None else {}
    plan = own.get("plan_s", settings.PLAN_TIMEOUT_S)
    apply = own.get("apply_s", settings.APPLY_TIMEOUT_S)
    silence = own.get("silence_s", settings.SILENCE_TIMEOUT_S)
    if run.is_plan_only:
        text = _("%(plan)s, %(silence)s of silence")
    else:
        text = _("plan %(plan)s, apply %(apply)s, %(silence)s of silence")
    return text % {"plan": long(plan), "apply": long(apply), "silence": long(silence)}
