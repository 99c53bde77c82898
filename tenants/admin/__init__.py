"""Administration of what should exist. Tenants and shared environments, whose pages show runs as
well, are registered by deployments.admin."""

from tenants.admin import hosts, people, places, signin, stacks, tokens, trail

__all__ = ["hosts", "people", "places", "signin", "stacks", "tokens", "trail"]
