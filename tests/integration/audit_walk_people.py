"""What is posted to the addresses of people and of notices, and what it must leave.

The second part of `audit_walk.py`.
"""

from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.test import Client
from django.utils import timezone

from deployments.models import Approval, Run, StandingGrant
from deployments.services import ephemeral
from deployments.services.approvalerrors import NeedsSecondPerson
from deployments.services.decisions import confirm_run
from notices import services as notices
from notices.fanout import make_delivery
from notices.models import Channel, Delivery, Subscription
from tenants import actors
from tenants.models import User
from tests.factories import make_invitation, make_token, make_user, prove, with_four_eyes
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


def _account(w: World) -> User:
    return User.objects.create(username="ci", email="ci@example.com", is_service=True)


def _token(w: World) -> Any:
    return make_token(_account(w))[0]


def _rule(w: World) -> tuple[Args, dict[str, Any], Any]:
    return (), {"risks": ["destroy"], "valid_minutes": "60", "reason": "r"}, None


def _waiting_for_ada(w: World) -> Run:
    """Return a destroy of somebody else that asks for a second person."""
    with_four_eyes()
    author = make_user("eve", role="operator")
    by = {"actor_id": author.public_id, "actor_name": "Eve"}
    run = w.run("planned", action_kind="destroy", is_destroy=True, **by)
    try:
        confirm_run(actors.from_user(author, origin="portal"), run, typed_name=None, has_read=True)
    except NeedsSecondPerson:
        return run
    raise AssertionError("nobody was asked")


def _second(w: World) -> tuple[Args, dict[str, Any], Any]:
    run = _waiting_for_ada(w)
    digest = Approval.objects.get(run=run).digest
    return (run.public_id,), {"second_reason": "seen", "digest": digest}, run


def _with_end(w: World, **more: Any) -> Any:
    ephemeral.set_end(
        SYSTEM, w.stack, purpose="a demo", kept_by=w.ada, reason="r",
        expires_at=timezone.now() + timedelta(days=3),
    )  # fmt: skip
    return w.stack


def _ending(w: World) -> tuple[Args, dict[str, Any], Any]:
    day = (timezone.now() + timedelta(days=3)).date().isoformat()
    data = {"purpose": "a demo", "kept_by": w.ada.pk, "expires": day, "reason": "r"}
    return (w.stack.public_id,), data, w.stack


def _grant(w: World) -> tuple[Args, dict[str, Any], Any]:
    day = (timezone.now() + timedelta(days=3)).date().isoformat()
    stack = _with_end(w)
    data = {"stack": stack.pk, "accounts": [_account(w).pk], "may_destroy": "on", "ends": day,
            "reason": "r"}  # fmt: skip
    return (), data, None


def _granted(w: World) -> StandingGrant:
    return StandingGrant.objects.create(
        region=w.stack.region, stack=w.stack, may_destroy=True, reason="r", granted_by="Erin",
        ends_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip


def _new_token(w: World) -> tuple[Args, dict[str, Any], Any]:
    prove(w.browser)
    return (), {"name": "ci", "kinds": ["view"], "days": "30"}, None


_LISTEN = {"over": "everything", "events": ["run.lost"]}

PEOPLE: dict[str, Act] = {
    "token_new": Act("token.create", _new_token),
    "token_revoke": Act("token.revoke", _of(_token)),
    "service_account_new": Act(
        "user.create", lambda w: ((), {"username": "ci", "email": "ci@example.com"}, None)
    ),
    "service_account_close": Act("user.change", _of(_account)),
    "approval_policy": Act("approval.policy", _rule),
    "run_approve": Act("approval.approve", _second),
    "run_reject": Act("approval.reject", _second),
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

# Stacks that stand for a while need a blueprint without what holds data.
EPHEMERAL: dict[str, Act] = {
    "stack_end": Act("stack.ephemeral", _ending),
    "stack_keep": Act("stack.ephemeral", _of(_with_end, reason="r")),
    "grant_new": Act("grant.create", _grant),
    "grant_revoke": Act(
        "grant.revoke", lambda w: ((_granted(w).public_id,), {"reason": "r"}, None)
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
    ("api_nothing", "api_problem", "approvals", "grants", "service_accounts", "tokens",
     "account_inactive", "account_reset_password_done", "account_reset_password_from_key_done",
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
