"""Second persons: what needs one, who was asked, what was said, and what was granted beforehand."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from deployments.models.runs import Run
from tenants.models import SharedEnvironment, Stack, User
from tenants.models.archive import public_id
from tenants.querysets import RegionScoped, Scopes


class Risk(models.TextChoices):
    """What may need a second person; the order is the order of danger."""

    DESTROY = "destroy", _("Destroy")
    EMPTY = "empty", _("Empty a bucket")
    DATA = "data", _("A plan that destroys or replaces what holds data")
    RESTORE = "restore", _("Restore a backup")
    ROLLBACK = "rollback", _("Roll back")
    FORCE_UNLOCK = "force_unlock", _("Force a state's lock open")
    ENDING = "ending", _("Any plan that destroys or replaces something")
    UPGRADE = "upgrade", _("Upgrade")
    CHANGE = "change", _("Any other change")


RISKS_BY_DEFAULT = (
    Risk.DESTROY,
    Risk.EMPTY,
    Risk.DATA,
    Risk.RESTORE,
    Risk.ROLLBACK,
    Risk.FORCE_UNLOCK,
)
VALID_MINUTES = 480
LONGEST_MINUTES = 7 * 24 * 60


class ApprovalPolicy(models.Model):
    """What needs a second person, from a moment on. A change is a new row; none is written over."""

    risks = models.JSONField(_("needs a second person"), default=list)
    # Public ids of cloud accounts where nobody is asked, such as a lab.
    exempt_accounts = models.JSONField(_("not in these accounts"), default=list)
    valid_minutes = models.PositiveIntegerField(_("an approval holds for minutes"))
    reason = models.TextField(_("reason"))
    actor_id = models.CharField(max_length=64)
    actor_name = models.CharField(_("by"), max_length=200)
    created_at = models.DateTimeField(_("asked for"), auto_now_add=True)
    takes_effect_at = models.DateTimeField(_("takes effect"))

    class Meta:
        verbose_name = _("rule of second persons")
        verbose_name_plural = _("rules of second persons")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="policy_minutes_sane",
                condition=Q(valid_minutes__gte=1, valid_minutes__lte=LONGEST_MINUTES),
            ),
            models.CheckConstraint(name="policy_has_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"{self.takes_effect_at:%Y-%m-%d %H:%M} UTC"


class ApprovalStatus(models.TextChoices):
    """What has become of a request for a second person."""

    ASKED = "asked", _("Waits for a second person")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    VOID = "void", _("No longer needed")


class ApprovalQuerySet(RegionScoped):
    """Approvals, as far as somebody may see their runs."""

    scope_paths = {
        "region": "run__region_id",
        "shared_environment": "run__stack__parent_environment_id",
        "tenant": "run__stack__tenant_id",
    }


class Approval(models.Model):
    """One request for a second person over one run, bound to what was to be done."""

    public_id = public_id("apr")
    run = models.ForeignKey(Run, models.PROTECT, related_name="approvals")
    # Of the plan; of the request where the action has no plan.
    digest = models.CharField(_("digest"), max_length=64)
    risks = models.JSONField(_("because of"), default=list)
    asked_by_id = models.CharField(max_length=64)
    asked_by = models.CharField(_("for"), max_length=200)
    asked_at = models.DateTimeField(_("asked"), auto_now_add=True)
    state = models.CharField(
        _("status"),
        max_length=16,
        choices=ApprovalStatus.choices,
        default=ApprovalStatus.ASKED,
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by_id = models.CharField(max_length=64, blank=True)
    decided_by = models.CharField(_("by"), max_length=200, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    expires_at = models.DateTimeField(_("holds until"), null=True, blank=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["run"], condition=Q(state="asked"), name="approval_one_open"
            ),
            models.CheckConstraint(
                name="approval_state_known", condition=Q(state__in=ApprovalStatus.values)
            ),
            # The author is not the approver, whatever a program believes.
            models.CheckConstraint(
                name="approval_two_persons",
                condition=~Q(state="approved") | ~Q(decided_by_id=F("asked_by_id")),
            ),
            models.CheckConstraint(
                name="approval_decided_whole",
                condition=Q(state__in=("asked", "void"))
                | (
                    Q(decided_at__isnull=False)
                    & ~Q(decided_by_id="")
                    & ~Q(reason="")
                    & (Q(state="rejected") | Q(expires_at__isnull=False))
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["run", "-id"], name="approval_run_newest"),
            models.Index(fields=["-id"], name="approval_asked", condition=Q(state="asked")),
        ]

    def __str__(self) -> str:
        return f"{self.run}: {self.get_state_display()}"


class GrantQuerySet(RegionScoped):
    """Grants, as far as somebody may see what they are for."""

    scope_paths = {
        "region": "region_id",
        "shared_environment": "shared_environment_id",
        "tenant": "stack__tenant_id",
    }

    def within(self, scopes: Scopes) -> "GrantQuerySet":
        """Return the rows that these scopes cover: one stack's grant lies in its environment."""
        if scopes.everything:
            return self
        found = models.Q(stack__parent_environment_id__in=scopes.shared_environment_ids)
        for kind, path in self.scope_paths.items():
            found |= models.Q(**{f"{path}__in": getattr(scopes, f"{kind}_ids")})
        return self.filter(found)


class StandingGrant(models.Model):
    """What an approver granted beforehand: service accounts that need no second person.

    For one ephemeral stack, or for all ephemeral stacks of a blueprint in a shared environment.
    """

    public_id = public_id("gra")
    region = models.ForeignKey("tenants.Region", models.PROTECT, related_name="+")
    stack = models.ForeignKey(
        Stack, models.PROTECT, null=True, blank=True, related_name="standing_grants"
    )
    shared_environment = models.ForeignKey(
        SharedEnvironment, models.PROTECT, null=True, blank=True, related_name="+"
    )
    blueprint = models.CharField(_("blueprint"), max_length=64, blank=True)
    accounts = models.ManyToManyField(
        User, verbose_name=_("service accounts"), related_name="standing_grants"
    )
    may_create = models.BooleanField(_("create"), default=False)
    may_destroy = models.BooleanField(_("destroy"), default=False)
    reason = models.TextField(_("reason"))
    granted_by_id = models.CharField(max_length=64)
    granted_by = models.CharField(_("granted by"), max_length=200)
    created_at = models.DateTimeField(_("granted"), auto_now_add=True)
    ends_at = models.DateTimeField(_("ends"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoked_by = models.CharField(max_length=200, blank=True)
    revoked_reason = models.TextField(blank=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("standing grant")
        verbose_name_plural = _("standing grants")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="grant_one_scope",
                condition=Q(stack__isnull=False, shared_environment__isnull=True, blueprint="")
                | (Q(stack__isnull=True, shared_environment__isnull=False) & ~Q(blueprint="")),
            ),
            models.CheckConstraint(
                name="grant_grants_something",
                condition=Q(may_create=True) | Q(may_destroy=True),
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
