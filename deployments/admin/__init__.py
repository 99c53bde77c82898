"""Administration of what is done, and of the things whose pages show both sides."""

from deployments.admin import approvals, backups, fleet, outbox, runs, workers

__all__ = ["approvals", "backups", "fleet", "outbox", "runs", "workers"]
