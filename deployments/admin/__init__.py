"""Administration of what is done, and of the things whose pages show both sides."""

from deployments.admin import backups, fleet, outbox, runs, workers

__all__ = ["backups", "fleet", "outbox", "runs", "workers"]
