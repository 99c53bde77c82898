"""Tenants: one customer each."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.accounts import Region
from tenants.models.archive import LIVING, Archivable, ArchiveQuerySet, public_id
from tenants.models.environments import SharedEnvironment
from tenants.models.releases import Release
from tenants.querysets import RegionScoped


class TenantQuerySet(RegionScoped, ArchiveQuerySet):
    """Tenants, as far as somebody may see them."""

    scope_paths = {
        "region": "region_id",
        "shared_environment": "shared_environment_id",
        "tenant": "pk",
    }


class Tenant(Archivable):
    """One customer of the contact-centre service, with infrastructure of its own."""

    public_id = public_id("ten")
    region = models.ForeignKey(Region, models.PROTECT, related_name="tenants")
    shared_environment = models.ForeignKey(
        SharedEnvironment, models.PROTECT, null=True, blank=True, related_name="tenants"
    )
    name = models.CharField(_("name"), max_length=64)
    title = models.CharField(_("customer"), max_length=200, blank=True)
    blueprint = models.CharField(_("blueprint"), max_length=64)
    release = models.ForeignKey(
        Release, models.PROTECT, null=True, blank=True, related_name="tenants"
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    notes = models.TextField(_("notes"), blank=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=LIVING, name="tenant_name_living"),
            models.CheckConstraint(
                name="tenant_name_form", condition=models.Q(name__regex=r"^[a-z][a-z0-9-]*$")
            ),
        ]
        indexes = [
            models.Index(fields=["region", "name"], name="tenant_region_name"),
        ]

    def __str__(self) -> str:
        return self.name
