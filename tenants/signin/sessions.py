"""Sessions: where somebody is signed in, and how these end.

A row beside Django's session tells device, address and when it was last seen. Seen is written at
most every few minutes: a page costs no query more.
"""

import time
from typing import Any

from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from omlsaas.lib.client_address import client_address
from tenants import access, audit
from tenants.actors import Actor
from tenants.models import User

SEEN = "seen_at"
SEEN_EVERY_S = 300
# What tells a browser and a system in User-Agent, the more special first.
BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"),
            ("Safari/", "Safari"), ("curl/", "curl"), ("python-", "Python"))  # fmt: skip
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
           ("Mac OS", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip


class SessionAdapter(DefaultUserSessionsAdapter):
    """Sessions end through this module, whoever asks."""

    def end_sessions(self, sessions: Any) -> None:
        """End these sessions."""
        for session in sessions:
            session.end()


@receiver(user_logged_in)
def _begin(sender: Any, request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Note when the session began, so that its first pages write nothing."""
    if request is not None and hasattr(request, "session"):
        request.session[SEEN] = int(time.time())


def note(request: HttpRequest) -> None:
    """Write down that this session is in use, if that was not done within some minutes."""
    now = int(time.time())
    if now - request.session.get(SEEN, 0) < SEEN_EVERY_S:
        return
    request.session[SEEN] = now
    UserSession.objects.filter(session_key=request.session.session_key).update(
        last_seen_at=timezone.now(),
        ip=client_address(request.META) or "0.0.0.0",  # noqa: S104
    )


def follow(request: HttpRequest) -> None:
    """Write down the session's new key after Django has given it one."""
    UserSession.objects.create_from_request(request)


def living(user: User) -> list[UserSession]:
    """Return the user's sessions that have not run out, the last used first; marked with device."""
    rows = list(UserSession.objects.filter(user=user).order_by("-last_seen_at"))
    keys = [row.session_key for row in rows]
    alive = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    known = set(alive.values_list("session_key", flat=True))
    found = [row for row in rows if row.session_key in known]
    for row in found:
        row.device = device(row.user_agent)
    return found


def device(agent: str) -> str:
    """Return browser and system of a User-Agent in a few words; empty when it tells neither."""
    browser = next((name for mark, name in BROWSERS if mark in agent), "")
    system = next((name for mark, name in SYSTEMS if mark in agent), "")
    return ", ".join(part for part in (browser, system) if part)


def end(actor: Actor, session: UserSession) -> None:
    """End one session; its pages and sockets are signed out at once."""
    _may(actor, session.user)
    with transaction.atomic():
        before = {"device": device(session.user_agent), "address": session.ip}
        session.end()
        audit.record(actor, "session.end", session.user, before=before)


def end_others(actor: Actor, user: User, but: str | None = None) -> int:
    """End all sessions of a user but one; returns how many there were."""
    _may(actor, user)
    with transaction.atomic():
        count = end_all_of(user, but=but)
        if count:
            audit.record(actor, "session.end", user, before={"sessions": count})
    return count


def end_all_of(user: User, but: str | None = None) -> int:
    """End the sessions of a user as part of another act, which writes the audit entry."""
    count = 0
    for row in UserSession.objects.filter(user=user).exclude(session_key=but or ""):
        count += row.exists()
        row.end()
    return count


def expires_after_hours() -> int:
    """Return after how many hours without use a session ends."""
    return settings.SESSION_COOKIE_AGE // 3600


def _may(actor: Actor, user: User) -> None:
    if actor.user is None or actor.user.pk != user.pk:
        access.require(actor, "admin")
