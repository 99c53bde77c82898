"""What a run's page shows, as plain values: the templates hold no rule.

`page` gives everything; `live` only what moves, and the slow parts when they have changed.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import looks
from deployments.links import link, owner_link
from deployments.models import Plan, Run, RunEvent, RunStep, StateVersion, WorkerHost
from deployments.runstatus import CLAIMABLE, RunStatus
from deployments.runview import calls as calls_
from deployments.runview import notes as notes_
from deployments.runview import panels as panels_
from deployments.runview import phases as phases_
from deployments.runview import plan as plan_
from deployments.runview import plays as plays_
from deployments.runview import timeline as timeline_
from deployments.runview.cards import (
    EventLine,
    StepRow,
    event_line,
    facts_card,
    header_facts,
    outputs_of,
    step_row,
    title_of,
)
from deployments.runview.history import Usual, usual
from deployments.runview.rights import Rights, rights_of, who_may
from deployments.runview.second import Second, second_of
from deployments.services.handed import handed_of
from tenants import blueprints
from tenants.access import sees_around
from tenants.blueprints import Kind
from tenants.models import Secret, User

S = RunStatus
RELATED = (
    "stack__tenant__release",
    "stack__shared_environment",
    "stack__parent_environment__stack",
    "stack__region__account",
    "region",
    "retry_of",
)
# Kinds of step whose projection the page shows.
_TOLD = ("terraform.init", "terraform.plan", "terraform.apply")
STATE_AFTER = "state.after"


@dataclass(frozen=True)
class Count:
    """One of the big numbers."""

    tone: str
    sign: str
    number: int
    label: str
    is_loud: bool = False


@dataclass
class RunPage:
    """One run as one person sees it now. Each part is asked for once, when it is shown."""

    run: Run
    user: User
    show: str = ""
    page: int = 1
    typed: dict[str, str] = field(default_factory=dict)
    refusal: str = ""
    refused: str = ""  # the act that was refused
    is_live: bool = False

    @cached_property
    def stack(self) -> Any:
        """Return the run's stack."""
        return self.run.stack

    @cached_property
    def rights(self) -> Rights:
        """Return what the person may do."""
        return rights_of(self.user, self.run)

    @cached_property
    def who_may(self) -> str:
        """Return who may decide over this run."""
        return who_may(self.run.action_kind, self.stack)

    @cached_property
    def kind(self) -> Kind | None:
        """Return how the stack is built; None when its blueprint is broken or gone."""
        try:
            return blueprints.load(self.stack.blueprint).kinds[self.stack.kind]
        except (blueprints.BlueprintFlawed, LookupError, OSError):
            return None

    @cached_property
    def plan(self) -> Plan | None:
        """Return the plan; its picture is only read where it is shown."""
        if self.run.planned_at is None and not self.run.is_ended:
            return None
        return Plan.objects.filter(run=self.run).defer("bundle", "masked_json", "view").first()

    @property
    def has_engine_plan(self) -> bool:
        """Tell whether there is a plan of Terraform's, not only what steps found."""
        return self.plan is not None and self.run.uses_engine

    @cached_property
    def plan_key(self) -> str:
        """Return what tells that the plan's card must be drawn (again)."""
        return self.plan.digest[:12] if self.plan is not None else ""

    @cached_property
    def plan_card(self) -> plan_.PlanCard | None:
        """Return the plan as a list."""
        if not self.has_engine_plan:
            return None
        opened = self.run.status == S.PLANNED
        return plan_.card(self.plan, self.kind, self.show, self.page, opened=opened)

    @cached_property
    def danger(self) -> plan_.Danger | None:
        """Return what the waiting plan ends."""
        if not self.has_engine_plan or self.run.status != S.PLANNED:
            return None
        return plan_.danger(self.plan.view, self.kind)

    @cached_property
    def steps(self) -> list[RunStep]:
        """Return the steps; the projection only of those that show one."""
        steps = list(self.run.steps.defer("progress", "params").order_by("number"))
        told = [step for step in steps if step.kind in _TOLD][-1:]
        told += [step for step in steps if step.kind == timeline_.APPLY]
        # What was noted of a bucket is long, and nobody reads it.
        told += [s for s in steps if calls_.is_call(s) and s.kind != "s3.note"]
        kept = dict(
            RunStep.objects.filter(pk__in={step.pk for step in told}).values_list("pk", "progress")
        )
        for step in steps:
            step.progress = kept.get(step.pk) or {}
        return steps

    @cached_property
    def step_rows(self) -> list[StepRow]:
        """Return the steps as a table has them."""
        names = dict(
            WorkerHost.objects.filter(host_id__in={s.host_id for s in self.steps}).values_list(
                "host_id", "name"
            )
        )
        return [step_row(step, names.get(step.host_id, step.host_id)) for step in self.steps]

    @cached_property
    def findings(self) -> list[calls_.Finding]:
        """Return what the steps beside Terraform would do."""
        return calls_.findings_of(self.run)

    @cached_property
    def calls(self) -> list[calls_.Call]:
        """Return how far the steps beside Terraform have come."""
        return calls_.calls_of(self.run, self.steps)

    @cached_property
    def plays(self) -> list[plays_.Plays]:
        """Return the pictures of the run's playbooks."""
        return plays_.plays_of(self.run, self.steps, calls_.titles())

    @cached_property
    def handed(self) -> list[Secret]:
        """Return the secrets that the run made for people and that nobody has seen yet."""
        return handed_of(self.run) if self.run.status == S.APPLIED else []

    @cached_property
    def apply_step(self) -> RunStep | None:
        """Return the step that changes things, once it has begun."""
        return next((s for s in reversed(self.steps) if s.kind == timeline_.APPLY), None)

    @cached_property
    def events(self) -> list[RunEvent]:
        """Return the history, the oldest first."""
        return list(self.run.events.order_by("id"))

    @cached_property
    def history(self) -> list[EventLine]:
        """Return the history as lines."""
        return [event_line(event) for event in self.events]

    @cached_property
    def usual(self) -> Usual:
        """Return what runs like this one take."""
        return usual(self.run)

    @cached_property
    def host(self) -> WorkerHost | None:
        """Return the host at work, or that was."""
        if not self.run.host_id:
            return None
        return WorkerHost.objects.filter(host_id=self.run.host_id).first()

    @cached_property
    def title(self) -> str:
        """Return the page's heading."""
        return title_of(self.run)

    @cached_property
    def back(self) -> str:
        """Return the address of the stack's page."""
        return owner_link(self.stack)

    @cached_property
    def tags(self) -> list[Any]:
        """Return the status, and beside it what is asked of the run."""
        run = self.run
        if run.is_canceling:
            found = [looks.RUN_LOOKS[run.status], looks.CANCELING]
        else:
            found = [looks.run_look(run)]
        if run.has_legal_hold:
            found.append(looks.Look("idle", "lock", _("Legal hold")))
        return [looks.tag(look, "is-big") for look in found]

    @cached_property
    def said(self) -> str:
        """Return the status as it is announced."""
        look = looks.run_look(self.run)
        return _("%(run)s: %(status)s") % {"run": self.run, "status": look.label}

    @cached_property
    def facts(self) -> list[Any]:
        """Return the facts under the heading."""
        around = sees_around(self.user, self.stack)
        return header_facts(self.run, self.kind, sees_around=around)

    @cached_property
    def counts(self) -> list[Count]:
        """Return the four numbers of a plan; none while there is no plan."""
        run = self.run
        if run.has_changes is None:
            return []
        return [
            Count("ok" if run.to_create else "idle", "+", run.to_create, _("create")),
            Count("wait" if run.to_update else "idle", "~", run.to_update, _("change in place")),
            Count(
                "bad" if run.to_replace else "idle", "±", run.to_replace,
                _("replace: destroyed, then created") if run.to_replace else _("replace"),
                is_loud=bool(run.to_replace),
            ),
            Count(
                "bad" if run.to_destroy else "idle", "−", run.to_destroy, _("destroy"),
                is_loud=run.is_destroy and bool(run.to_destroy),
            ),
        ]  # fmt: skip

    @cached_property
    def waiting_behind(self) -> int:
        """Return how many runs wait for this one to let the stack go."""
        rows = Run.objects.filter(stack_id=self.run.stack_id, status=S.PENDING)
        return rows.exclude(pk=self.run.pk).count()

    @cached_property
    def notes(self) -> list[notes_.Note]:
        """Return the sentences that must be read."""
        behind = self.waiting_behind if self.run.status == S.PLANNED else 0
        return notes_.build(
            self.run, self.steps, self.events, self.danger, self.usual, behind, self.blocked
        )

    @cached_property
    def checks(self) -> tuple[list[panels_.Check], str]:
        """Return what to know before a yes, and why a yes would be refused now."""
        if not self.run.is_confirmable or self.plan is None:
            return [], ""
        return panels_.checks(self.run, self.danger)

    @property
    def blocked(self) -> str:
        """Return why the plan cannot be confirmed as it is; empty when it can."""
        # The suspect mark has a panel of its own.
        return "" if self.stack.state_suspect else self.checks[1]

    @cached_property
    def shows_suspect(self) -> bool:
        """Tell whether the stack's suspect mark belongs on this page."""
        return self.stack.state_suspect and (
            not self.run.is_ended or self.run.number >= self.stack.run_count - 1
            or self.run.status == S.LOST or self.run.was_forced
        )  # fmt: skip

    @cached_property
    def progress(self) -> timeline_.Progress | None:
        """Return how far the apply is."""
        if self.apply_step is None or self.run.status == S.APPLIED:
            return None
        return timeline_.progress_of(self.run, self.apply_step, self.usual.apply)

    @cached_property
    def refreshing(self) -> int:
        """Return how many resources a plan at work has looked at."""
        if self.run.status != S.PLANNING or not self.steps:
            return 0
        return int(self.steps[-1].progress.get("refreshes") or 0)

    @cached_property
    def timeline(self) -> timeline_.Timeline | None:
        """Return the picture of the apply."""
        step = self.apply_step
        if step is None:
            return None
        is_running = step.ended_at is None and not self.run.is_ended
        expected = timeline_.expected_of(self.run) if is_running else {}
        return timeline_.build(self.run, step, expected, table=not self.is_live)

    @cached_property
    def phases(self) -> phases_.Phases:
        """Return the card of phases."""
        name = self.host.name if self.host is not None else ""
        waits = self.run.status == S.PLANNED
        confirmers = self.who_may if waits else ""
        return phases_.build(self.run, self.steps, self.events, self.usual, name, confirmers)

    @cached_property
    def panels(self) -> panels_.Panels:
        """Return what can be decided."""
        waits = self.run.status == S.PLANNED and not self.rights.decide
        names = self.who_may if waits else ""
        return panels_.build(self.run, self.rights, self.plan, self.checks, self.kind, names)

    @cached_property
    def second(self) -> Second | None:
        """Return what there is to say of a second person."""
        return second_of(self.run, self.user)

    @cached_property
    def panel_key(self) -> str:
        """Return what tells one set of panels from another."""
        digest = self.plan.digest if self.plan is not None else ""
        return panels_.key_of(self.run, digest, self.second.key if self.second else "")

    @cached_property
    def stage(self) -> str:
        """Return what tells that the slow parts must be drawn again."""
        return f"{self.run.status}.{int(self.run.has_legal_hold)}.{len(self.events)}"

    @cached_property
    def facts_card(self) -> list[Any]:
        """Return the small print."""
        return facts_card(self.run, self.plan, self.steps, self.host, self.kind)

    @cached_property
    def outputs(self) -> list[Any]:
        """Return the stack's outputs where this run made them."""
        if self.apply_step is None or not self.stack.outputs or self.run.is_destroy:
            return []
        return outputs_of(self.stack, self.kind)

    @property
    def has_old_outputs(self) -> bool:
        """Tell whether the outputs are still those of before: the apply takes them at its end."""
        return not any(s.kind == STATE_AFTER and s.ended_at is not None for s in self.steps)

    @cached_property
    def states(self) -> list[StateVersion]:
        """Return the versions of the state that this run kept."""
        rows = self.run.state_versions.defer("ciphertext").order_by("-id")
        found = list(rows)
        for version in found:
            version.href = link("state", version.public_id) if self.rights.restore else ""
        return found

    @cached_property
    def ahead(self) -> list[Run]:
        """Return the runs of the region that are before this one in the queue."""
        run = self.run
        if run.status != S.PENDING:
            return []
        before = Q(is_scheduled=False) if run.is_scheduled else Q(pk__in=[])
        same = Q(is_scheduled=run.is_scheduled, pk__lt=run.pk)
        rows = Run.objects.visible_to(self.user).filter(
            before | same, region_id=run.region_id, status=S.PENDING
        )
        return list(rows.select_related("stack").order_by("is_scheduled", "id")[:5])

    @property
    def is_waiting_for_worker(self) -> bool:
        """Tell whether the next thing to happen is a worker taking it up."""
        return self.run.status in CLAIMABLE

    @property
    def now(self) -> Any:
        """Return the moment of this picture."""
        return timezone.now()
