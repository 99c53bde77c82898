"""What is posted to the addresses of people and of notices, and what it must leave.

The second part of `audit_walk.py`.
"""

from typing import Any

from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from notices import services as notices
from notices.fanout import make_delivery
from notices.models import Channel, Delivery, Subscription
from tenants.models import User
from tests.factories import make_invitation, make_user
from tests.integration.audit_walk import SYSTEM, Act, Args, World, _of


def _channel(w: World) -> Channel:
    channel, _key = notices.create_channel(
        SYSTEM, name="ops", kind="webhook", url="https://hooks.example.com/x"
    )
    return channel


def _delivery(w: World) -> Delivery:
    delivery = make_delivery("test", {}, timezone.now(), channel=_channel(w))
    delivery.save()
    return delivery


def _listening(w: World) -> Subscription:
    return notices.subscribe(SYSTEM, w.ada, events=["run.lost"])


def _elsewhere(user: User) -> UserSession:
    """Return a session of the user in another browser."""
    browser = Client()
    browser.force_login(user)
    return UserSession.objects.create(
        user=user, session_key=browser.session.session_key, ip="192.0.2.1", user_agent="x"
    )


def _ended(w: World) -> tuple[Args, dict[str, Any], Any]:
    return (_elsewhere(w.ada).pk,), {}, None


def _others_ended(w: World) -> tuple[Args, dict[str, Any], Any]:
    _elsewhere(w.ada)
    return (), {}, None


def _person(w: World) -> User:
    person = make_user("mel")
    _elsewhere(person)
    return person


_LISTEN = {"over": "everything", "events": ["run.lost"]}

PEOPLE: dict[str, Act] = {
    "inbox_settings": Act("subscription.create", lambda w: ((), _LISTEN, w.ada)),
    "subscription_end": Act(
        "subscription.remove", lambda w: ((_listening(w).public_id,), {}, w.ada)
    ),
    "channel_new": Act(
        "channel.create",
        lambda w: ((), {"name": "x", "kind": "slack", "url": "https://x.example/y"}, None),
    ),
    "channel": Act("channel.change", _of(_channel, name="other")),
    "channel_listen": Act("subscription.create", _of(_channel, **_LISTEN)),
    "channel_test": Act("channel.test", _of(_channel)),
    "channel_pause": Act("channel.change", _of(_channel, on="1")),
    "channel_key": Act("channel.change", _of(_channel)),
    "channel_archive": Act("channel.archive", _of(_channel, reason="r")),
    "delivery_again": Act("channel.redeliver", lambda w: ((_delivery(w).public_id,), {}, None)),
    "own_session_end": Act("session.end", _ended),
    "own_sessions_end": Act("session.end", _others_ended),
    "person_sessions_end": Act("session.end", _of(_person, reason="r")),
    "person_mfa_reset": Act("mfa.reset", _of(_person, reason="lost")),
    "invitation_new": Act("invitation.create", lambda w: ((), {"email": "n@example.com"}, None)),
    "invitation_resend": Act("invitation.resend", _of(lambda w: make_invitation("a@example.com"))),
    "invitation_revoke": Act(
        "invitation.revoke", _of(lambda w: make_invitation("b@example.com"), reason="r")
    ),
}

# Several steps of the library that does them; `test_signin.py` and `test_signin_providers.py`
# walk each and look for its entry.
IN_STEPS = {
    "account_login", "account_logout", "account_reset_password",
    "account_reset_password_from_key", "invitation_accept", "mfa_activate_totp",
    "mfa_add_webauthn", "mfa_authenticate", "mfa_deactivate_totp", "mfa_generate_recovery_codes",
    "mfa_remove_webauthn", "openid_connect_callback", "openid_connect_login",
}  # fmt: skip

SHOWS = dict.fromkeys(
    ("account_inactive", "account_reset_password_done", "account_reset_password_from_key_done",
     "account_signup", "channels", "delivery", "inbox", "invitation", "invitations",
     "mfa_index", "mfa_list_webauthn", "mfa_view_recovery_codes", "notice", "own_sessions",
     "person", "sign_in_again", "socialaccount_login_cancelled"),
    "shows",
) | {
    "inbox_read": "a mark on one's own lines, which nobody else sees",
    "account_reauthenticate": "proves who asks; the act behind it leaves the entry",
    "mfa_reauthenticate": "the same",
    "mfa_reauthenticate_webauthn": "the same",
}  # fmt: skip
