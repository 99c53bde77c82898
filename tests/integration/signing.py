"""Signing in by the pages, as a browser does it."""

import base64
import re
import time

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.test import Client
from django.urls import reverse

from tenants.models import AuditEntry
from tests.factories import PASSWORD


def sign_in(name: str, password: str = PASSWORD, client: Client | None = None, **more):
    """Return (client, answer) of a try at the sign-in page."""
    client = client or Client()
    fields = {"username": name, "password": password, "next": "/", **more.pop("fields", {})}
    return client, client.post(reverse("login"), fields, **more)


def actions(**wanted) -> list[str]:
    """Return the audit's actions, the oldest first."""
    rows = AuditEntry.objects.filter(**wanted).order_by("id")
    return list(rows.values_list("action", flat=True))


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code that an app shows, by another implementation than the portal's."""
    app = TOTP(base64.b32decode(secret), 6, SHA1(), 30, enforce_key_length=False)
    return app.generate(int(time.time()) + 30 * steps).decode()


def set_up_app(client: Client) -> tuple[str, list[str]]:
    """Set up an authenticator app for who is signed in; returns its secret and recovery codes."""
    page = client.get(reverse("mfa_activate_totp"))
    assert page.status_code == 200, page.headers
    secret = re.search(r'id="totp-secret">(\w+)<', page.content.decode())[1]
    done = client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})
    assert done.url == reverse("mfa_view_recovery_codes"), done.content
    shown = client.get(done.url).content.decode()
    codes = re.findall(r"<li>(\d{8})</li>", shown)
    assert len(codes) == 10
    return secret, codes
