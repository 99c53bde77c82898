"""Stacks: the managed infrastructure of one shared environment or one tenant."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.access import User
from tenants.models.accounts import Region, StateBackend
from tenants.models.archive import public_id
from tenants.models.environments import SharedEnvironment
from tenants.models.tenants import Tenant
from tenants.querysets import RegionScoped


class StackKind(models.TextChoices):
    """Whose infrastructure it is."""

    SHARED = "shared", _("Shared environment")
    TENANT = "tenant", _("Tenant")


class Condition(models.TextChoices):
    """The most urgent thing to say of a stack; the order is the order of urgency."""

    LOST = "lost", _("Lost")
    ERRORED = "errored", _("Errored")
    TO_CONFIRM = "to_confirm", _("To confirm")
    DRIFT = "drift", _("Drift")
    RUNNING = "running", _("Run in progress")
    NOT_INSTALLED = "not_installed", _("Not installed")
    IN_SERVICE = "in_service", _("In service")


class HostsState(models.TextChoices):
    """How far the hosts are that a stack's own infrastructure made; empty without any."""

    NONE = "", "–"
    MADE = "made", _("Never configured")
    CONFIGURED = "configured", _("Configured")
    BEHIND = "behind", _("Not configured as wanted")


class StackQuerySet(RegionScoped):
    """Stacks, as far as somebody may see them."""

    scope_paths = {
        "region": "region_id",
        "shared_environment": "parent_environment_id",
        "tenant": "tenant_id",
    }


class Stack(models.Model):
    """One Terraform state, one inventory, one lock.

    `region` and `parent_environment` repeat what tenant or shared environment say, so that lists
    and `visible_to` need no join; services write them, and a stack never moves.
    """

    public_id = public_id("stk")
    name = models.CharField(_("name"), max_length=64)
    kind = models.CharField(_("kind"), max_length=16, choices=StackKind.choices)
    blueprint = models.CharField(_("blueprint"), max_length=64)
    region = models.ForeignKey(Region, models.PROTECT, related_name="stacks")
    shared_environment = models.OneToOneField(
        SharedEnvironment, models.PROTECT, null=True, blank=True, related_name="stack"
    )
    parent_environment = models.ForeignKey(
        SharedEnvironment, models.PROTECT, null=True, blank=True, related_name="+"
    )
    tenant = models.OneToOneField(
        Tenant, models.PROTECT, null=True, blank=True, related_name="stack"
    )
    desired_inputs = models.JSONField(_("desired inputs"), default=dict, blank=True)
    applied_inputs = models.JSONField(_("applied inputs"), default=dict, blank=True)
    applied_release = models.CharField(_("applied release"), max_length=64, blank=True)
    applied_at = models.DateTimeField(_("last applied"), null=True, blank=True)
    outputs = models.JSONField(_("outputs"), default=dict, blank=True)
    backend = models.CharField(
        _("state backend"), max_length=16, choices=StateBackend.choices, default="local"
    )
    # A local state lies on one host: its runs go to that host's queue.
    state_host_id = models.CharField(_("state host"), max_length=36, blank=True)
    state_serial = models.BigIntegerField(_("state serial"), null=True, blank=True)
    state_lineage = models.CharField(_("state lineage"), max_length=64, blank=True)
    resource_count = models.PositiveIntegerField(_("resources"), default=0)
    blueprint_digest = models.CharField(_("built with"), max_length=64, blank=True)
    state_suspect = models.BooleanField(_("state suspect"), default=False)
    # A code with parameters (`{"code": …, "params": {…}}`); the sentence is made when shown.
    suspect_reason = models.JSONField(_("why suspect"), null=True, blank=True)
    suspect_checked_at = models.DateTimeField(_("plan-only since"), null=True, blank=True)
    # Who holds the lock of the state, when an engine was refused by it: id, who, operation,
    # created, path, and the run that met it.
    state_lock = models.JSONField(_("state lock"), null=True, blank=True)
    # Of a stack that another tool built and still holds the state of: from which files, by whom,
    # when, digest and serial of that state, what can be imported, machines by component.
    adoption = models.JSONField(_("adopted"), null=True, blank=True)
    has_drift = models.BooleanField(_("drift"), default=False)
    hosts_state = models.CharField(
        _("made hosts"),
        max_length=16,
        choices=HostsState.choices,
        default=HostsState.NONE,
        blank=True,
        editable=False,
    )
    is_auto_apply = models.BooleanField(_("apply without confirmation"), default=False)
    is_auto_destroy = models.BooleanField(
        _("… even when something is destroyed"),
        default=False,
        help_text=_("Never what the blueprint marks as holding data."),
    )
    condition = models.CharField(
        _("condition"), max_length=16, choices=Condition.choices, default=Condition.NOT_INSTALLED
    )
    # A stack that stands for a while only; all three or none.
    purpose = models.CharField(_("what it is for"), max_length=500, blank=True)
    kept_by = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("kept by")
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    # Public ids of who set that, or last moved it: a grant of theirs does not count here.
    end_set_by = models.JSONField(default=list, blank=True, editable=False)
    # When its end was announced, so that it is announced once.
    end_announced_at = models.DateTimeField(null=True, blank=True)
    run_count = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = StackQuerySet.as_manager()

    class Meta:
        verbose_name = _("stack")
        verbose_name_plural = _("stacks")
        constraints = [
            models.CheckConstraint(
                name="stack_one_owner",
                condition=models.Q(
                    kind="shared", shared_environment__isnull=False, tenant__isnull=True
                )
                | models.Q(kind="tenant", shared_environment__isnull=True, tenant__isnull=False),
            ),
            models.CheckConstraint(
                name="stack_condition_known", condition=models.Q(condition__in=Condition.values)
            ),
            models.CheckConstraint(
                name="stack_backend_known", condition=models.Q(backend__in=StateBackend.values)
            ),
            models.CheckConstraint(
                name="stack_ephemeral_whole",
                condition=models.Q(purpose="", kept_by__isnull=True, expires_at__isnull=True)
                | (
                    models.Q(kept_by__isnull=False, expires_at__isnull=False)
                    & ~models.Q(purpose="")
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["region", "condition", "name"], name="stack_region_condition"),
            models.Index(fields=["parent_environment", "name"], name="stack_parent_name"),
            models.Index(
                fields=["expires_at"],
                name="stack_expires",
                condition=models.Q(expires_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def owner(self) -> SharedEnvironment | Tenant:
        """Return the shared environment or tenant whose infrastructure this is."""
        return self.shared_environment if self.kind == StackKind.SHARED else self.tenant

    @property
    def is_installed(self) -> bool:
        """Tell whether the state holds resources."""
        return self.resource_count > 0

    @property
    def awaits_configuring(self) -> bool:
        """Tell whether its infrastructure stands and the hosts in there are not configured."""
        return self.hosts_state in (HostsState.MADE, HostsState.BEHIND)

    @property
    def is_adopted(self) -> bool:
        """Tell whether another tool still holds its state: Terraform changes nothing here."""
        return self.adoption is not None

    @property
    def is_ephemeral(self) -> bool:
        """Tell whether it stands for a while only, with a purpose and somebody who keeps it."""
        return self.expires_at is not None
