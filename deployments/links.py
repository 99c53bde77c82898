"""Addresses of things by public id, without asking the URL resolver for every row of a list."""

from functools import cache

from django.urls import reverse

from tenants.models import Stack

_PLACE = "x-place-x"


@cache
def _pattern(name: str) -> str:
    return reverse(name, args=[_PLACE])


def link(name: str, public_id: str) -> str:
    """Return the address of one thing: `link("tenant", tenant.public_id)`."""
    return _pattern(name).replace(_PLACE, public_id)


def owner_link(stack: Stack) -> str:
    """Return the address of the page of a stack: its tenant's or its shared environment's.

    Fetch `tenant` or `shared_environment` with the stack.
    """
    if stack.tenant_id is not None:
        return owner_page(stack.tenant.public_id, None)
    return owner_page(None, stack.shared_environment.public_id)


def owner_page(tenant: str | None, environment: str | None) -> str:
    """Return the page of what a stack belongs to, by the public id of the one that it has."""
    return link("environment", environment) if tenant is None else link("tenant", tenant)
