"""Header and side cards of a run: who, why, where; the small print; outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import looks
from deployments.links import link, owner_link
from deployments.models import Plan, Run, RunEvent, RunStep, WorkerHost
from deployments.runview.panels import time_limits
from deployments.runview.words import initials, lasted, shown
from tenants.blueprints import Kind
from tenants.models import Stack

DIGEST_SHOWN = 12


@dataclass(frozen=True)
class Fact:
    """A name and a value; with a link, a person's letters or a time."""

    label: str
    value: str = ""
    href: str = ""
    css: str = ""
    is_wide: bool = False
    initials: str | None = None
    at: datetime | None = None
    until: datetime | None = None
    arrow: str = ""  # what was before
    also: str = ""
    also_href: str = ""
    copy: str = ""


@dataclass(frozen=True)
class OutputLine:
    """One output of the stack."""

    name: str
    value: str
    is_sensitive: bool
    href: str = ""
    description: str = ""
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class StepRow:
    """One process or call as the table of steps has it."""

    number: int
    kind: str
    phase: str
    host: str
    worker: str
    started_at: datetime
    took: str
    exit: str
    note: str


def step_row(step: RunStep, host: str) -> StepRow:
    """Return a step as a row."""
    outcome = step.outcome or {}
    end = step.ended_at or timezone.now()
    if step.ended_at is None:
        ending = _("at work")
    elif outcome.get("signal"):
        ending = _("signal %s") % outcome["signal"]
    else:
        ending = "–" if step.exit_code is None else str(step.exit_code)
    note = _("stopped by force") if outcome.get("was_forced") else outcome.get("note", "")
    took = lasted(end - step.started_at)
    return StepRow(
        step.number,
        step.kind,
        step.phase,
        host,
        step.worker_id,
        step.started_at,
        took,
        ending,
        note,
    )


def title_of(run: Run) -> str:
    """Return the heading: what is done to which stack."""
    words = {"action": run.action_label, "name": run.stack.name, "release": run.release_name}
    if run.action_kind == "upgrade" and run.release_name:
        return _("%(action)s %(name)s to %(release)s") % words
    if run.action_kind == "restore" and run.is_plan_only:
        return _("%(name)s: %(action)s") % words
    if run.is_plan_only:
        return _("%(action)s for %(name)s") % words
    return "{action} {name}".format(**words)


def header_facts(run: Run, kind: Kind | None = None, *, sees_around: bool = True) -> list[Fact]:
    """Return release, what was asked for this run, who, why and where (a link for who may see)."""
    found = []
    if run.release_name:
        before = run.release_before if run.release_before != run.release_name else ""
        found.append(Fact(_("Release"), run.release_name, css="o-num", arrow=before))
    found += _asked(run, kind)
    by = Fact(_("Requested by"), run.actor_name, initials=initials(run.actor_name))
    found.append(by)
    if run.reason:
        found.append(Fact(_("Reason"), run.reason, is_wide=True))
    region, parent = run.region, run.stack.parent_environment
    has_shared = run.stack.tenant_id and parent is not None
    shared = parent if has_shared and sees_around else None
    found.append(
        Fact(
            _("Where"), region.slug, link("region", region.public_id) if sees_around else "",
            also=shared.name if shared else "",
            also_href=link("environment", shared.public_id) if shared else "",
        )
    )  # fmt: skip
    found.append(Fact(_("Queued"), at=run.created_at))
    if run.is_ended and run.started_at:
        found.append(Fact(_("Took"), lasted(run.ended_at - run.started_at), css="o-num"))
    if run.retry_of_id:
        label = _("run %s") % run.retry_of.number
        found.append(Fact(_("Retry of"), label, link("run", run.retry_of.public_id)))
    return found


def _asked(run: Run, kind: Kind | None) -> list[Fact]:
    """Return the parameters of the run, called as the action's form calls them."""
    action = kind.actions_of(run.stack.is_adopted).get(run.action) if kind is not None else None
    labels = {param.name: param.label for param in action.params} if action is not None else {}
    values = dict(run.params)
    if run.point and action is not None and action.returns_to_point in values:
        values[action.returns_to_point] = _("before run %s") % run.point["run"]
    return [Fact(labels.get(name, name), _value(value)) for name, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def facts_card(
    run: Run, plan: Plan | None, steps: Sequence[RunStep], host: WorkerHost | None,
    kind: Kind | None,
) -> list[Fact]:  # fmt: skip
    """Return the small print of a run."""
    found = [Fact(_("Run"), run.public_id, css="o-mono o-id", copy=run.public_id)]
    if run.blueprint_digest:
        text = f"{run.blueprint}@{run.blueprint_digest[:DIGEST_SHOWN]}"
        found.append(Fact(_("Blueprint"), text, css="o-mono", copy=run.blueprint_digest))
    if run.terraform_version:
        found.append(Fact(_("Terraform"), run.terraform_version, css="o-num"))
    if plan is not None and run.uses_engine:
        serial = plan.facts.get("state_serial")
        state = _("serial %s at plan time") % serial if serial else _("none at plan time")
        found.append(Fact(_("State"), state))
    if plan is not None:
        text = " ".join(plan.digest[n : n + 4] for n in range(0, DIGEST_SHOWN, 4))
        found.append(Fact(_("Plan digest"), text, css="o-mono", copy=plan.digest))
    if host is not None:
        found.append(Fact(_("Worker"), host.name + _lease(run, steps)))
    found.append(Fact(_("Lock"), _lock(run), owner_link(run.stack)))
    found.append(Fact(_("Time-outs"), time_limits(run, kind)))
    if run.plan_expires_at and not run.is_ended and run.is_confirmable:
        found.append(Fact(_("Plan expires"), at=run.plan_expires_at))
    return found


def _lease(run: Run, steps: Sequence[RunStep]) -> str:
    """Return how fresh the worker's word is."""
    last = steps[-1] if steps else None
    if run.is_ended or last is None or last.ended_at is not None:
        return ""
    if last.lease_until is None:
        return _(", handed over")
    left = (last.lease_until - timezone.now()).total_seconds()
    if left < 0:
        return _(", lease expired %s ago") % lasted(-left)
    return _(", lease holds %s more") % lasted(round(left))


def _lock(run: Run) -> str:
    if run.is_ended:
        return _("let go")
    if run.status == "pending":
        return _("not yet held")
    return _("%s is held by this run") % run.stack.name


@dataclass(frozen=True)
class EventLine:
    """One line of the history."""

    tone: str
    icon: str
    title: str
    who: str
    detail: str
    comment: str
    at: datetime


def event_line(event: RunEvent) -> EventLine:
    """Return a step of the history as the page shows it."""
    look = looks.RUN_LOOKS[event.to_status]
    icon = "loader-2" if look.is_turning else look.icon
    title = str(look.label) if event.from_status else _("Queued")
    return EventLine(
        look.tone,
        icon,
        title,
        event.actor_name,
        event.detail_text,
        event.comment,
        event.created_at,
    )


def outputs_of(stack: Stack, kind: Kind | None) -> list[OutputLine]:
    """Return the stack's outputs, those that the blueprint shows first; sensitive ones unread."""
    first = [n for n in (kind.outputs_shown if kind is not None else ()) if n in stack.outputs]
    names = first or list(stack.outputs)
    names += [n for n, o in stack.outputs.items() if o.get("sensitive") and n not in names]
    found = []
    for name in names:
        output: dict[str, Any] = stack.outputs[name]
        secret = bool(output.get("sensitive"))
        raw = None if secret else output.get("value")
        pairs = ()
        if isinstance(raw, dict) and all(isinstance(v, str | int | float) for v in raw.values()):
            pairs = tuple((key, str(item)) for key, item in raw.items())
        value = "" if secret or pairs else shown(raw)
        declared = kind.outputs.get(name) if kind is not None else None
        href = value if value.startswith("https://") else ""
        told = declared.description if declared is not None else ""
        found.append(OutputLine(name, value, secret, href, told, pairs))
    return found
