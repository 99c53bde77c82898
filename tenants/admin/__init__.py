"""Administration of what should exist. Tenants and shared environments, whose pages show runs as
well, are registered by deployments.admin."""

from tenants.admin import people, places, stacks, trail

__all__ = ["people", "places", "stacks", "trail"]
