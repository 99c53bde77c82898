from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class NoticesConfig(AppConfig):
    """Who hears of what, and by which way."""

    name = "notices"
    verbose_name = _("Notices")

    def ready(self) -> None:
        """Register the refusals, so that stored codes have their sentences."""
        from notices import errors  # noqa: F401
