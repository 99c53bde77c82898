"""Backups that were seen in a stack's bucket, and the points that a stack can go back to."""

from datetime import datetime, timedelta
from pathlib import PurePosixPath

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.models.plans import StateVersion
from deployments.models.runs import Run
from tenants.models import Stack
from tenants.models.archive import public_id
from tenants.querysets import RegionScoped

# A nightly backup that is missing is noticed the next morning.
OLD_AFTER = timedelta(hours=26)
SUFFIX = ".tar.gz"


class StackScoped(RegionScoped):
    """Rows of a stack, as far as somebody may see the stack."""

    scope_paths = {
        "region": "stack__region_id",
        "shared_environment": "stack__parent_environment_id",
        "tenant": "stack__tenant_id",
    }


class Backup(models.Model):
    """One backup as it was last seen in the stack's bucket; the bucket is what is true."""

    stack = models.ForeignKey(Stack, models.CASCADE, related_name="backups")
    component = models.CharField(_("component"), max_length=64)
    # Without ending: bucket and forms have names with and without one.
    name = models.CharField(_("name"), max_length=255)
    key = models.CharField(_("key"), max_length=1024)
    size = models.BigIntegerField(_("bytes"))
    taken_at = models.DateTimeField(_("taken"))
    seen_at = models.DateTimeField(_("seen"))
    # The run that made it; empty for one that the machine made by itself.
    run = models.ForeignKey(Run, models.SET_NULL, null=True, blank=True, related_name="backups")

    objects = StackScoped.as_manager()

    class Meta:
        verbose_name = _("backup")
        verbose_name_plural = _("backups")
        ordering = ["-taken_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["stack", "key"], name="backup_key_once"),
        ]
        indexes = [
            models.Index(fields=["stack", "component", "-taken_at"], name="backup_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.stack.name}: {self.name}"

    @property
    def file(self) -> str:
        """Return the name of the file, with its ending."""
        return PurePosixPath(self.key).name

    def is_fresh(self, now: datetime | None = None, within: timedelta = OLD_AFTER) -> bool:
        """Tell whether it was taken within that time."""
        return (now or timezone.now()) - self.taken_at <= within


def backup_name(text: str) -> str:
    """Return a backup's name without folder and ending, however it was written."""
    return PurePosixPath(text.strip()).name.removesuffix(SUFFIX)


class RestorePoint(models.Model):
    """What belongs together to go back: versions, inputs, backups and the state of one moment."""

    public_id = public_id("rpt")
    stack = models.ForeignKey(Stack, models.PROTECT, related_name="restore_points")
    run = models.ForeignKey(Run, models.PROTECT, related_name="restore_points")
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    release_name = models.CharField(_("release"), max_length=64, blank=True)
    # As they were applied at that moment: plain, without what the portal provides.
    inputs = models.JSONField(_("inputs"), default=dict)
    # Component → version, whatever chose it then.
    versions = models.JSONField(_("versions"), default=dict)
    # Component → key of its newest backup.
    backups = models.JSONField(_("backups"), default=dict)
    state_version = models.ForeignKey(
        StateVersion, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = StackScoped.as_manager()

    class Meta:
        verbose_name = _("restore point")
        verbose_name_plural = _("restore points")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["run"], name="restore_point_once"),
        ]
        indexes = [models.Index(fields=["stack", "-id"], name="restore_point_newest")]

    def __str__(self) -> str:
        return f"{self.stack.name}, before run {self.run.number}"
