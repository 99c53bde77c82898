"""Shared environments: what the tenants of one region share."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models.accounts import Region
from tenants.models.archive import LIVING, Archivable, ArchiveQuerySet, public_id
from tenants.querysets import RegionScoped


class SharedEnvironmentQuerySet(RegionScoped, ArchiveQuerySet):
    """Shared environments, as far as somebody may see them."""

    scope_paths = {"region": "region_id", "shared_environment": "pk"}


class SharedEnvironment(Archivable):
    """Network, media and border of one region's tenants."""

    public_id = public_id("env")
    region = models.ForeignKey(Region, models.PROTECT, related_name="shared_environments")
    name = models.CharField(_("name"), max_length=64)
    title = models.CharField(_("title"), max_length=200, blank=True)
    blueprint = models.CharField(_("blueprint"), max_length=64)
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    notes = models.TextField(_("notes"), blank=True)

    objects = SharedEnvironmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("shared environment")
        verbose_name_plural = _("shared environments")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=LIVING, name="shared_environment_name_living"
            ),
            models.CheckConstraint(
                name="shared_environment_name_form",
                condition=models.Q(name__regex=r"^[a-z][a-z0-9-]*$"),
            ),
        ]

    def __str__(self) -> str:
        return self.name
