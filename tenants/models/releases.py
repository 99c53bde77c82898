"""Releases: a named set of component versions that a stack should run."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.archive import LIVING, Archivable, public_id


class Release(Archivable):
    """Component versions of one blueprint under one name."""

    public_id = public_id("rel")
    blueprint = models.CharField(_("blueprint"), max_length=64)
    name = models.CharField(_("name"), max_length=64)
    components = models.JSONField(
        _("components"), default=dict, help_text=_("Component (a version variable) → version.")
    )
    region_values = models.JSONField(
        _("per region"),
        default=dict,
        blank=True,
        help_text=_("Region → variable → value, for what differs, such as image ids."),
    )
    notes = models.TextField(_("notes"), blank=True)
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    class Meta:
        verbose_name = _("release")
        verbose_name_plural = _("releases")
        ordering = ["blueprint", "-name"]
        constraints = [
            models.UniqueConstraint(
                fields=["blueprint", "name"], condition=LIVING, name="release_name_living"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ComponentPin(models.Model):
    """One tenant's own version of one component: it wins over the release."""

    tenant = models.ForeignKey("tenants.Tenant", models.PROTECT, related_name="pins")
    component = models.CharField(_("component"), max_length=64)
    version = models.CharField(_("version"), max_length=64)
    reason = models.CharField(_("reason"), max_length=500)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("component pin")
        verbose_name_plural = _("component pins")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "component"], name="pin_once"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant}: {self.component} {self.version}"
