"""Asking the API with a person's token."""

from collections.abc import Callable
from typing import Any

from django.test import Client

from tenants.models import User
from tests import factories


def caller(settings: Any, user: User, **token: Any) -> Callable[..., Any]:
    """Return `ask(method, path, body, **headers)`, which asks with a new token of the user."""
    settings.API_RATE_ADDRESS = settings.API_RATE_TOKEN = 10**6
    made, text = factories.make_token(user, **token)
    client = Client(raise_request_exception=False)
    headers = {"Authorization": f"Bearer {text}"}

    def ask(method: str, path: str, body: Any = None, **more: str) -> Any:
        kept = {"headers": headers | {k.replace("_", "-"): v for k, v in more.items()}}
        if body is not None:
            kept |= {"data": body, "content_type": "application/json"}
        return getattr(client, method)(f"/api/v1/{path}", **kept)

    ask.token = made
    return ask
