"""Hosts that do the work, and the switch that pauses it."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class WorkerHost(models.Model):
    """A machine on which workers run; its id is a file there, not its name."""

    host_id = models.CharField(_("id"), max_length=36, unique=True)
    name = models.CharField(_("name"), max_length=200)
    version = models.CharField(_("version"), max_length=32, blank=True)
    capacity = models.PositiveSmallIntegerField(_("slots"), default=0)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    heartbeat_at = models.DateTimeField(_("last heard"), null=True, blank=True)
    is_draining = models.BooleanField(_("draining"), default=False)
    gone_at = models.DateTimeField(_("declared gone"), null=True, blank=True)
    gone_by = models.CharField(max_length=200, blank=True)
    gone_reason = models.CharField(max_length=500, blank=True)
    # What the worker sees of its host: terraform, free disk, roots, clock.
    checks = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("worker host")
        verbose_name_plural = _("worker hosts")

    def __str__(self) -> str:
        return self.name


class Maintenance(models.Model):
    """While one is in force, nothing new starts. Work in progress goes on."""

    reason = models.CharField(_("reason"), max_length=500)
    by = models.CharField(_("by"), max_length=200)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)
    expires_at = models.DateTimeField(_("until"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("maintenance")
        verbose_name_plural = _("maintenance")

    def __str__(self) -> str:
        return self.reason
