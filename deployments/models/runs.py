"""Runs: one action over one stack, from queue to end."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from deployments.runstatus import (
    AT_WORK,
    HOLDS_STACK,
    OPEN,
    TERMINAL,
    TRANSITIONS,
    ErrorKind,
    RunStatus,
)
from omlsaas.lib.refusals import sentence
from tenants.blueprints.stepkinds import ENGINE_STEPS
from tenants.models import Region, Stack
from tenants.models.archive import public_id
from tenants.querysets import RegionScoped


class LogState(models.TextChoices):
    """What has become of a run's log."""

    OPEN = "open", _("being written")
    COMPLETE = "complete", _("complete")
    COMPACTED = "compacted", _("complete, compressed")
    PRUNED = "pruned", _("removed by retention")


class RunQuerySet(RegionScoped):
    """Runs, as far as somebody may see them."""

    scope_paths = {
        "region": "region_id",
        "shared_environment": "stack__parent_environment_id",
        "tenant": "stack__tenant_id",
    }

    def open(self) -> "RunQuerySet":
        """Return the runs that have not ended."""
        return self.filter(status__in=OPEN)

    def with_stack(self) -> "RunQuerySet":
        """Return the runs with their stack, tenant, shared environment and region in one query."""
        return self.select_related(
            "stack__tenant", "stack__shared_environment", "stack__region__account", "region"
        )


class Run(models.Model):
    """One action over one stack. Only services.lifecycle writes `status`."""

    public_id = public_id("run")
    number = models.PositiveIntegerField(_("number"))
    stack = models.ForeignKey(Stack, models.PROTECT, related_name="runs")
    region = models.ForeignKey(Region, models.PROTECT, related_name="+")
    action = models.CharField(_("action"), max_length=64)
    action_label = models.CharField(_("action"), max_length=100)
    action_kind = models.CharField(_("kind of action"), max_length=16)
    # The action's steps at the time of queueing: [{"kind": "terraform.plan", "params": {…}}, …].
    steps_wanted = models.JSONField(default=list)
    status = models.CharField(
        _("status"), max_length=24, choices=RunStatus.choices, default=RunStatus.PENDING
    )
    error_kind = models.CharField(max_length=16, choices=ErrorKind.choices, blank=True)
    # A code with parameters; the sentence is made when shown.
    error = models.JSONField(_("error"), null=True, blank=True)
    was_forced = models.BooleanField(_("forced"), default=False)
    waiting = models.JSONField(_("why it waits"), null=True, blank=True)
    # Something that a person should know while it runs: its supervisor is gone, its host silent.
    notice = models.JSONField(null=True, blank=True)
    is_auto_apply = models.BooleanField(_("apply without confirmation"), default=False)
    is_destroy = models.BooleanField(default=False)
    is_plan_only = models.BooleanField(default=False)
    is_scheduled = models.BooleanField(default=False)
    inputs = models.JSONField(_("inputs"), default=dict)
    inputs_digest = models.CharField(max_length=64, blank=True)
    secret_versions = models.JSONField(default=dict)
    # What was asked for this run alone; no input of the stack.
    params = models.JSONField(_("parameters"), default=dict)
    # The restore point that it goes back to: its versions, and file names of its backups.
    point = models.JSONField(null=True, blank=True)
    # What its steps found before they change something: codes with parameters.
    findings = models.JSONField(_("findings"), default=list)
    # The stack's name is typed in full before its plan is carried out.
    asks_name = models.BooleanField(default=False)
    release_name = models.CharField(_("release"), max_length=64, blank=True)
    release_before = models.CharField(max_length=64, blank=True)
    blueprint = models.CharField(_("blueprint"), max_length=64)
    blueprint_digest = models.CharField(max_length=64, blank=True)
    terraform_version = models.CharField(max_length=32, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    actor = models.JSONField(default=dict)
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(_("requested by"), max_length=200)
    request_key = models.CharField(max_length=64, null=True, blank=True)
    request_digest = models.CharField(max_length=64, blank=True)
    retry_of = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+")
    # What lets it go without a second person: a standing grant of an approver.
    grant = models.ForeignKey(
        "deployments.StandingGrant", models.PROTECT, null=True, blank=True, related_name="runs"
    )
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_mode = models.CharField(max_length=16, blank=True)  # graceful | kill
    cancel_by = models.CharField(max_length=200, blank=True)
    cancel_because = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(_("queued"), auto_now_add=True)
    admitted_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    planned_at = models.DateTimeField(_("planned"), null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.CharField(max_length=200, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    apply_started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    plan_expires_at = models.DateTimeField(null=True, blank=True)
    to_create = models.PositiveIntegerField(default=0)
    to_update = models.PositiveIntegerField(default=0)
    to_replace = models.PositiveIntegerField(default=0)
    to_destroy = models.PositiveIntegerField(default=0)
    drift_count = models.PositiveIntegerField(default=0)
    has_changes = models.BooleanField(null=True)
    host_id = models.CharField(max_length=36, blank=True)
    log_bytes = models.BigIntegerField(default=0)
    log_lines = models.BigIntegerField(default=0)
    log_state = models.CharField(max_length=16, choices=LogState.choices, default=LogState.OPEN)
    has_legal_hold = models.BooleanField(_("legal hold"), default=False)
    # What a host that came back told of a lost run.
    late_evidence = models.JSONField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["stack"],
                condition=models.Q(status__in=HOLDS_STACK),
                name="run_holds_stack",
            ),
            models.UniqueConstraint(fields=["stack", "number"], name="run_number_once"),
            models.UniqueConstraint(fields=["actor_id", "request_key"], name="run_request_once"),
            models.CheckConstraint(
                name="run_status_known", condition=models.Q(status__in=RunStatus.values)
            ),
            models.CheckConstraint(
                name="run_ended_has_time",
                condition=models.Q(status__in=TERMINAL, ended_at__isnull=False)
                | models.Q(status__in=OPEN, ended_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(fields=["region", "-id"], name="run_region_newest"),
            models.Index(fields=["stack", "-id"], name="run_stack_newest"),
            models.Index(fields=["status", "-id"], name="run_status_newest"),
            models.Index(
                fields=["region", "is_scheduled", "id"],
                name="run_open_by_region",
                condition=models.Q(status__in=OPEN),
            ),
            models.Index(fields=["actor_id", "-id"], name="run_actor_newest"),
            # Lists sort by these two, then by the stack's name: from the index alone.
            models.Index(
                fields=["region", "status", "-id"], include=["stack"], name="run_region_status"
            ),
            models.Index(
                fields=["region", "actor_name", "-id"],
                include=["stack", "status"],
                name="run_region_actor",
            ),
            models.Index(fields=["-ended_at"], name="run_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.stack.name} #{self.number}"

    def may_become(self, status: RunStatus) -> bool:
        """Tell whether the state machine has an edge from here to that status."""
        return status in TRANSITIONS[RunStatus(self.status)]

    @property
    def uses_engine(self) -> bool:
        """Tell whether any of its steps needs Terraform."""
        return any(step["kind"].startswith(ENGINE_STEPS) for step in self.steps_wanted)

    @property
    def is_ended(self) -> bool:
        """Tell whether the run has reached an end."""
        return self.status in TERMINAL

    @property
    def is_at_work(self) -> bool:
        """Tell whether a process of the run may be running."""
        return self.status in AT_WORK

    @property
    def is_confirmable(self) -> bool:
        """Tell whether a plan waits for somebody's yes."""
        return self.status == RunStatus.PLANNED and self.cancel_requested_at is None

    @property
    def is_canceling(self) -> bool:
        """Tell whether somebody asked it to stop and it has not yet."""
        return self.cancel_requested_at is not None and not self.is_ended

    @property
    def is_cancelable(self) -> bool:
        """Tell whether asking it to stop still means something."""
        return not self.is_ended and self.cancel_requested_at is None

    @property
    def waiting_text(self) -> str:
        """Return why it waits, in words."""
        return sentence(self.waiting)

    @property
    def error_text(self) -> str:
        """Return why it errored, in words."""
        return sentence(self.error)

    @property
    def notice_text(self) -> str:
        """Return what should be known while it runs, in words."""
        return sentence(self.notice)


class RunEvent(models.Model):
    """One step of a run's history."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="events")
    created_at = models.DateTimeField(_("when"), auto_now_add=True)
    from_status = models.CharField(max_length=24, blank=True)
    to_status = models.CharField(max_length=24, choices=RunStatus.choices)
    actor_name = models.CharField(_("actor"), max_length=200)
    actor_id = models.CharField(max_length=64)
    detail = models.JSONField(null=True, blank=True)  # code with parameters
    comment = models.TextField(blank=True)

    class Meta:
        verbose_name = _("run event")
        verbose_name_plural = _("run events")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_status} → {self.to_status}"

    @property
    def detail_text(self) -> str:
        """Return the detail in words."""
        return sentence(self.detail)


class RunStep(models.Model):
    """One process under one supervisor, or one call, inside a phase."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="steps")
    number = models.PositiveSmallIntegerField()
    phase = models.CharField(_("phase"), max_length=16)
    # Which piece of the phase it is (steps.pieces_of).
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(_("kind"), max_length=64)
    params = models.JSONField(default=dict)
    host_id = models.CharField(_("host"), max_length=36)
    worker_id = models.CharField(_("worker"), max_length=80)
    step_dir = models.CharField(_("folder"), max_length=500)
    started_at = models.DateTimeField(_("started"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    exit_code = models.IntegerField(_("exit code"), null=True, blank=True)
    outcome = models.JSONField(null=True, blank=True)
    # Bytes of this step's raw file that are in the store, always at a line end.
    raw_offset = models.BigIntegerField(default=0)
    # Bytes and lines of the whole run's stored log up to here.
    log_start = models.BigIntegerField(default=0)
    log_end = models.BigIntegerField(default=0)
    log_lines = models.BigIntegerField(default=0)
    # Fencing: taking over a step is epoch + 1 in the same compare-and-set as the lease.
    epoch = models.PositiveIntegerField(default=1)
    lease_until = models.DateTimeField(null=True, blank=True)
    # Bounded projection of the engine's events: timeline, counters, diagnostics.
    progress = models.JSONField(default=dict)
    last_output_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="step_number_once"),
        ]
        indexes = [
            models.Index(
                fields=["host_id"], name="step_open", condition=models.Q(ended_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"
