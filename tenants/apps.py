from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TenantsConfig(AppConfig):
    """What should exist, and who may touch it."""

    name = "tenants"
    verbose_name = _("Fleet")

    def ready(self) -> None:
        """Register the system checks of blueprints and keys, and what listens to sign-ins."""
        from tenants import checks  # noqa: F401  (registers itself)
        from tenants.signin import sessions, trail  # noqa: F401  (their receivers listen)
