"""Importing this module makes every kind of step known."""

from deployments.steps import (  # noqa: F401  (they register themselves)
    KINDS,
    probe_http,
    providers_fetch,
    state_copy,
    state_restore,
    state_unlock,
    terraform_apply,
    terraform_plan,
)

__all__ = ["KINDS"]
