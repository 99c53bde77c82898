"""What of signing in is the portal's own: who may, from where, what is said and written down."""

import time
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from omlsaas.lib.client_address import client_address
from tenants.models import User
from tenants.signin import trail

# What a page says after an act; what is not here is said by the page itself, or not at all.
SAID = {
    "mfa/messages/totp_activated.txt": _("Your authenticator app is asked for from now on."),
    "mfa/messages/totp_deactivated.txt": _("Your authenticator app is not asked for any more."),
    "mfa/messages/webauthn_added.txt": _("Your security key is kept."),
    "mfa/messages/webauthn_removed.txt": _("Your security key is removed."),
    "account/messages/password_changed.txt": _("Your password is changed."),
}
# Where nothing tells the client's address (a socket of this machine).
NOWHERE = "0.0.0.0"  # noqa: S104 it is not bound to


class AccountAdapter(DefaultAccountAdapter):
    """Accounts come by invitation, by an admin or by a provider; nobody signs up."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _("Name or password is wrong. Both mind capital letters."),
        "incorrect_password": _("That is not your password."),
        "rate_limited": _("Too many tries. Wait a minute, then try again."),
    }

    def validation_error(self, code: str, *args: Any) -> ValidationError:
        """Return the error; a lock-out says how long it lasts and what else helps."""
        if code != "too_many_login_attempts":
            return super().validation_error(code, *args)
        return ValidationError(lock_out_words(), code=code)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say no: there is no page on which strangers make accounts."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address that can be believed; the limits count by it."""
        return client_address(request.META) or NOWHERE

    def is_safe_url(self, url: str) -> bool:
        """Tell whether a page may send the person there: only to the portal itself."""
        request = self.request
        return url_has_allowed_host_and_scheme(
            url, {request.get_host()}, require_https=request.is_secure()
        )

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict | None = None,
        extra_tags: str = "",
        message: Any = None,
    ) -> None:
        """Say it in the portal's words."""
        text = message or SAID.get(message_template or "")
        if text:
            messages.add_message(request, level, text, extra_tags=extra_tags)

    def set_password(self, user: User, password: str) -> None:
        """Keep the password that a link by mail allowed to set."""
        user.set_password(password)
        user.save(update_fields=["password"])

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Keep a failed try in the trail."""
        trail.failed(request, credentials.get("username", ""))

    # --- proving it once more, before what guards the account is changed -----------------------
    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Tell whether the person must prove again who they are; not just after signing in."""
        records = get_authentication_records(self.request, self.request.user)
        fresh = app_settings.REAUTHENTICATION_TIMEOUT
        return not any(time.time() - record.get("at", 0) < fresh for record in records)

    def reauthenticate(self, user: User, password: str) -> bool:
        """Tell whether this is the person's password.

        Checked by user name as the sign-in does it: a wrong one counts for the same lock-out,
        whichever page it was typed in.
        """
        found = self.authenticate(context.request, username=user.username, password=password)
        return found is not None and found.pk == user.pk

    def get_reauthentication_methods(self, user: User) -> list[dict]:
        """Return the ways to prove it; a password alone is none for who has a second factor."""
        ways = super().get_reauthentication_methods(user)
        strong = [way for way in ways if way["id"] != "reauthenticate"]
        again = {
            "id": "again",
            "description": _("Sign in again"),
            "url": reverse("sign_in_again"),
        }
        return strong or ways or [again]


def lock_out_words() -> str:
    """Return what somebody who tried too often reads."""
    minutes = settings.LOCK_OUT_MINUTES
    words = ngettext(
        "Too many failed tries. Try again in %(n)s minute, or ask an admin for help.",
        "Too many failed tries. Try again in %(n)s minutes, or ask an admin for help.",
        minutes,
    )
    return words % {"n": minutes}
