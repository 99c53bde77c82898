from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TenantsConfig(AppConfig):
    """What should exist, and who may touch it."""

    name = "tenants"
    verbose_name = _("Fleet")

    def ready(self) -> None:
        """Register the system checks of blueprints and keys."""
        from tenants import checks  # noqa: F401  (registers itself)
