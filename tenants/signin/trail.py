"""The audit trail of signing in: receivers of django-allauth's signals, and what views call.

An act that changes rows is written where these change; allauth tells of its own by signals, in
the same request.
"""

from typing import Any

from allauth.account import signals as account
from allauth.core import context
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import gettext as _

from omlsaas.lib.client_address import client_address
from tenants import audit
from tenants.actors import Actor, from_user
from tenants.models import User
from tenants.signin import sessions

# Given when a person has shown a second factor in this session; holds their key.
PASSED = "second_factor"


def actor_of(request: HttpRequest, user: User, **more: Any) -> Actor:
    """Return a person as actor, who may not be signed in yet."""
    return from_user(
        user,
        origin="portal",
        ip=client_address(request.META),
        request_id=getattr(request, "id", ""),
        **more,
    )


def stranger(request: HttpRequest) -> Actor:
    """Return the actor for somebody who has not proved who they are."""
    return Actor(
        kind="user",
        id="",
        name=_("not signed in"),
        ip=client_address(request.META),
        request_id=getattr(request, "id", ""),
        origin="portal",
    )


def failed(request: HttpRequest, name: str, why: str = "password") -> None:
    """Keep a failed try. A name that nobody has is not kept: it may be a password."""
    found = User.objects.filter(username=name).first()
    if found is not None:
        after = {"with": why}
        audit.record(stranger(request), "sign_in_failed", found, after=after, is_refused=True)


def locked_out(request: HttpRequest, name: str) -> None:
    """Keep that somebody was turned away for too many failed tries."""
    found = User.objects.filter(username=name).first()
    target = found if found is not None else audit.PORTAL
    audit.record(stranger(request), "sign_in.locked", target, is_refused=True)


@receiver(account.user_logged_in)
def _signed_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Keep a sign-in and how it was proved."""
    records = request.session.get("account_authentication_methods", [])
    ways = [record.get("type") or record.get("provider") or record["method"] for record in records]
    audit.record(actor_of(request, user), "sign_in", user, after={"with": ", ".join(ways)})


@receiver(account.password_reset)
def _reset(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Keep a password that was set by a link; sessions that knew the old one are gone."""
    sessions.end_all_of(user)
    audit.record(actor_of(request, user), "password.change", user, after={"by": "link"})


@receiver(post_save, sender=Authenticator)
def _added(instance: Authenticator, created: bool, **kwargs: Any) -> None:
    """Keep a new second factor; sessions that never showed one end with the first.

    By the row and not by allauth's signal, which comes after the commit.
    """
    request = context.request
    if not created or request is None:
        return
    user = instance.user
    audit.record(actor_of(request, user), "mfa.add", user, after=_words(instance))
    if instance.type == Authenticator.Type.RECOVERY_CODES:
        return
    request.session[PASSED] = user.pk
    if not factors_of(user).exclude(pk=instance.pk).exists():
        sessions.end_all_of(user, but=request.session.session_key)


@receiver(mfa.authenticator_removed)
def _removed(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Keep a second factor that went; without any the session counts as never having shown one."""
    audit.record(actor_of(request, user), "mfa.remove", user, before=_words(authenticator))
    if not factors_of(user).exists():
        request.session.pop(PASSED, None)


@receiver(mfa.authenticator_used)
def _used(request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """Remember that this session showed a second factor; a used recovery code is kept."""
    request.session[PASSED] = user.pk
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        authenticator.refresh_from_db()
        left = len(authenticator.wrap().get_unused_codes())
        audit.record(actor_of(request, user), "mfa.recovery_code", user, after={"left": left})


@receiver(mfa.authentication_failed)
def _wrong_code(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Keep a wrong code."""
    failed(request, user.username, why="code")


def factors_of(user: User) -> Any:
    """Return the second factors of a user; recovery codes are none by themselves."""
    rows = Authenticator.objects.filter(user=user)
    return rows.exclude(type=Authenticator.Type.RECOVERY_CODES)


def _words(authenticator: Authenticator) -> dict[str, str]:
    words = {"kind": authenticator.type}
    if authenticator.type == Authenticator.Type.WEBAUTHN:
        words["name"] = str(authenticator)[:100]
    return words
