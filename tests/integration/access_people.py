"""The rows of people, signing in and notices: the second part of `access_table.py`."""

from django.utils import timezone

from notices.fanout import make_delivery
from notices.models import Channel, Notice
from notices.services import create_channel, subscribe
from tenants import actors
from tenants.models import Invitation, User
from tests import factories
from tests.integration.access_table import Route, World


def channel_of(world: World) -> tuple:
    channel, _key = create_channel(
        actors.system("test"), name="ops", kind="webhook", url="https://hooks.example.com/x"
    )
    return (channel.public_id,)


def delivery_of(world: World) -> tuple:
    channel = Channel.objects.get(public_id=channel_of(world)[0])
    delivery = make_delivery("test", {}, timezone.now(), channel=channel)
    delivery.save()
    return (delivery.public_id,)


def subscription_of(world: World) -> tuple:
    admin = world.people["admin"]
    return (subscribe(actors.system("test"), admin, events=["run.lost"]).public_id,)


def notice_of(world: World) -> tuple:
    admin = world.people["admin"]
    notice = Notice.objects.create(user=admin, event="run.lost", created_at=timezone.now())
    return (notice.public_id,)


def person_of(world: World) -> tuple:
    return (world.people["viewer"].public_id,)


def invitation_of(world: World) -> tuple:
    found = Invitation.objects.filter(email="frank@example.com").first()
    return ((found or factories.make_invitation("frank@example.com")).public_id,)


def account_of(world: World) -> tuple:
    account = User.objects.create(username="ci", email="ci@example.com", is_service=True)
    return (account.public_id,)


def token_of(world: World) -> tuple:
    account = User.objects.get(public_id=account_of(world)[0])
    return (factories.make_token(account)[0].public_id,)


PEOPLE = {
    # They explain; the second answers for paths of the API that there are none of.
    "api_problem": Route(200, 200, 200, 200, lambda w: ("StackBusy",), anonymous=200),
    "api_nothing": Route(404, 404, 404, 404, lambda w: ("v9/x",), anonymous=404),
    "tokens": Route(200, 200, 200, 200),
    # They prove first that it is still them; test_api_tokens does that.
    "token_new": Route(302, 302, 302, 302),
    "token_revoke": Route(404, 404, 404, 302, token_of, method="post"),
    "service_accounts": Route(403, 403, 403, 200),
    "service_account_new": Route(403, 403, 403, 200),
    "service_account_close": Route(403, 403, 403, 302, account_of, method="post"),
    # The same pages under the names that the library asks for.
    "account_login": Route(302, 302, 302, 302, anonymous=200),
    "account_logout": Route(302, 302, 302, 302, method="post"),
    "account_inactive": Route(403, 403, 403, 403, anonymous=403),
    "account_signup": Route(200, 200, 200, 200, anonymous=200),
    "sign_in_again": Route(200, 200, 200, 200),
    "mfa_authenticate": Route(302, 302, 302, 302),
    "openid_connect_login": Route(302, 302, 302, 302, lambda w: ("nobody",)),
    "openid_connect_callback": Route(404, 404, 404, 404, lambda w: ("nobody",), anonymous=404),
    "socialaccount_login_cancelled": Route(200, 200, 200, 200, anonymous=200),
    "account_reset_password": Route(200, 200, 200, 200, anonymous=200),
    "account_reset_password_done": Route(200, 200, 200, 200, anonymous=200),
    "account_reset_password_from_key": Route(
        200, 200, 200, 200, lambda w: ("1", "made-up"), anonymous=200
    ),
    "account_reset_password_from_key_done": Route(200, 200, 200, 200, anonymous=200),
    "account_reauthenticate": Route(200, 200, 200, 200),
    # Without a second factor the password proves it.
    "mfa_reauthenticate": Route(302, 302, 302, 302),
    "mfa_reauthenticate_webauthn": Route(302, 302, 302, 302),
    "mfa_index": Route(200, 200, 200, 200),
    "mfa_activate_totp": Route(302, 302, 302, 302),
    "mfa_deactivate_totp": Route(404, 404, 404, 404, lambda w: ()),
    "mfa_add_webauthn": Route(302, 302, 302, 302),
    "mfa_list_webauthn": Route(302, 302, 302, 302),
    "mfa_remove_webauthn": Route(302, 302, 302, 302, lambda w: (1,)),
    "mfa_view_recovery_codes": Route(404, 404, 404, 404),
    "mfa_generate_recovery_codes": Route(302, 302, 302, 302),
    "own_sessions": Route(200, 200, 200, 200),
    "own_sessions_end": Route(302, 302, 302, 302, method="post"),
    "own_session_end": Route(302, 302, 302, 302, lambda w: (1,), method="post"),
    "person": Route(403, 403, 403, 200, person_of),
    "person_sessions_end": Route(403, 403, 403, 302, person_of, method="post"),
    "person_mfa_reset": Route(403, 403, 403, 302, person_of, method="post"),
    "invitations": Route(403, 403, 403, 200),
    "invitation_new": Route(403, 403, 403, 200),
    "invitation_resend": Route(403, 403, 403, 302, invitation_of, method="post"),
    "invitation_revoke": Route(403, 403, 403, 302, invitation_of, method="post"),
    "invitation_accept": Route(410, 410, 410, 410, anonymous=410),
    "invitation": Route(302, 302, 302, 302, lambda w: ("made-up",)),
    # The inbox is everybody's own: here the admin's.
    "inbox": Route(200, 200, 200, 200),
    "inbox_read": Route(302, 302, 302, 302, method="post"),
    "inbox_settings": Route(200, 200, 200, 200),
    "notice": Route(404, 404, 404, 302, notice_of),
    "subscription_end": Route(404, 404, 404, 302, subscription_of, method="post"),
    # Channels are the installation's.
    "channels": Route(403, 403, 403, 200),
    "channel_new": Route(403, 403, 403, 200),
    "channel": Route(403, 403, 403, 200, channel_of),
    "channel_listen": Route(403, 403, 403, 200, channel_of, method="post"),
    "channel_test": Route(403, 403, 403, 302, channel_of, method="post"),
    "channel_pause": Route(403, 403, 403, 302, channel_of, method="post"),
    "channel_key": Route(403, 403, 403, 200, channel_of, method="post"),
    "channel_archive": Route(403, 403, 403, 200, channel_of),
    "delivery": Route(403, 403, 403, 200, delivery_of),
    "delivery_again": Route(403, 403, 403, 302, delivery_of, method="post"),
}
