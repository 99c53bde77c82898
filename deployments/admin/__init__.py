"""Administration of what is done, and of the things whose pages show both sides."""

from deployments.admin import fleet, runs, workers

__all__ = ["fleet", "runs", "workers"]
