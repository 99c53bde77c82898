"""Second factors: who needs one, how their secrets are kept, and how an admin takes them away."""

import base64
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from tenants import access, audit, secrets
from tenants.actors import Actor
from tenants.errors import OnlySuperuser, OwnFactors
from tenants.models import User
from tenants.querysets import user_scopes
from tenants.signin import sessions
from tenants.signin.trail import PASSED

BOUND = "second-factor"


class FactorAdapter(DefaultMFAAdapter):
    """Secrets of authenticators are encrypted like all others at rest."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _("That code is wrong, or it was used already. Wait for the next one."),
    }

    def encrypt(self, text: str) -> str:
        """Return what the database keeps."""
        key_id, ciphertext = secrets.encrypt(text.encode(), BOUND)
        return f"{key_id}:{base64.b64encode(ciphertext).decode()}"

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret that was kept."""
        key_id, _colon, ciphertext = encrypted_text.partition(":")
        return secrets.decrypt(key_id, base64.b64decode(ciphertext), BOUND).decode()


def is_needed(user: User) -> bool:
    """Tell whether one of the user's roles demands a second factor."""
    wanted = settings.MFA_REQUIRED_ROLES
    if not wanted or not user.is_authenticated or user.is_service:
        return False
    return any(row[0] in wanted for row in user_scopes(user).rows)


def is_held(user: User, session: Any) -> bool:
    """Tell whether this session may do nothing before it has shown a second factor."""
    if not settings.MFA_REQUIRED_ROLES or session.get(PASSED) == user.pk:
        return False
    return is_needed(user)


def reset(actor: Actor, user: User) -> int:
    """Take all second factors and sessions of a user away; returns how many factors there were.

    For a lost device: whoever holds it must not go on in a session either. Raises NotAllowed,
    OnlySuperuser, and OwnFactors for one's own: those go where one proves first who one is.
    """
    access.require(actor, "admin")
    require_rank(actor, user)
    if user.public_id in actor.persons:
        raise OwnFactors()
    with transaction.atomic():
        rows = Authenticator.objects.filter(user=user)
        kinds = sorted(rows.values_list("type", flat=True))
        rows.delete()
        ended = sessions.end_all_of(user)
        before = {"kinds": ", ".join(kinds), "sessions": ended}
        audit.record(actor, "mfa.reset", user, before=before, after={"kinds": "", "sessions": 0})
    return len(kinds)


def require_rank(actor: Actor, user: User) -> None:
    """Raise OnlySuperuser unless the actor may change what guards this user's account."""
    is_one = actor.kind == "system" or (actor.user is not None and actor.user.is_superuser)
    if user.is_superuser and not is_one:
        raise OnlySuperuser(name=user.username)
