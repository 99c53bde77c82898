from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DeploymentsConfig(AppConfig):
    """What is done about it: runs, plans, logs, states."""

    name = "deployments"
    verbose_name = _("Runs and workers")

    def ready(self) -> None:
        """Register the refusals, so that stored codes have their sentences, and the checks."""
        from deployments import checks, errors  # noqa: F401  (they register themselves)
        from deployments.cloud import errors as cloud_errors  # noqa: F401
        from deployments.steps import errors as step_errors  # noqa: F401
