"""Invitations: making, sending anew, revoking and accepting them; the only writers of their rows.

Only whoever administers everything invites. The secret of a link leaves this module once, as what
a service returns; the database has its hash.
"""

import hashlib
import secrets as random
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import access, actors, audit, people
from tenants.actors import Actor
from tenants.errors import InvitationOver, InvitationUnusable, InvitedAlready
from tenants.models import ApiToken, Invitation, Region, SharedEnvironment, Tenant, User

SCOPES = {"region": Region, "shared_environment": SharedEnvironment, "tenant": Tenant}


def create(
    actor: Actor,
    *,
    email: str,
    role: str = "",
    over: Any = None,
    groups: Iterable[Group] = (),
    note: str = "",
) -> tuple[Invitation, str]:
    """Invite an address; returns the invitation and its secret, which is nowhere else.

    `role` is held over everything, or over the Region, SharedEnvironment or Tenant `over`. Raises
    InvitedAlready, and TokenGivesLess.
    """
    access.require(actor, "admin")
    groups = list(groups)
    people.require_gift(actor, [role] if role else [], groups)
    if User.objects.filter(email__iexact=email).exists():
        why = _("somebody has this address already. Give them their roles in the administration.")
        raise InvitedAlready(email=email, why=why)
    secret = random.token_urlsafe(32)
    row = Invitation(email=email, note=note, invited_by=actor.user, token_hash=_hash(secret))
    row.by_token = actor.token_id
    row.expires_at = _expiry()
    row.roles = [_role(role, over)] if role else []
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            row.groups.set(groups)
            audit.record(actor, "invitation.create", row, after=_words(row))
    except IntegrityError as error:
        why = _("an invitation waits already. Send that one again, or revoke it first.")
        raise InvitedAlready(email=email, why=why) from error
    return row, secret


def renew(actor: Actor, invitation: Invitation) -> tuple[Invitation, str]:
    """Make a new link with a new end; the old link stops working. Raises InvitationOver."""
    access.require(actor, "admin")
    secret = random.token_urlsafe(32)
    with transaction.atomic():
        row = _locked(invitation)
        row.token_hash, row.expires_at, row.sent_at = _hash(secret), _expiry(), None
        # Whoever sends it anew answers for it.
        row.invited_by, row.by_token = actor.user, actor.token_id
        people.require_gift(actor, [one["role"] for one in row.roles], row.groups.all())
        row.save(update_fields=["token_hash", "expires_at", "sent_at", "invited_by", "by_token"])
        audit.record(actor, "invitation.resend", row, after={"expires": row.expires_at.isoformat()})
    return row, secret


def revoke(actor: Actor, invitation: Invitation) -> Invitation:
    """Make the link stop working for good. Raises InvitationOver."""
    access.require(actor, "admin")
    with transaction.atomic():
        row = _locked(invitation)
        row.revoked_at = timezone.now()
        row.save(update_fields=["revoked_at"])
        audit.record(actor, "invitation.revoke", row, before=_words(row))
    return row


def mark_sent(invitation: Invitation) -> None:
    """Note that the mail has left; the invitation itself was recorded before."""
    Invitation.objects.filter(pk=invitation.pk).update(sent_at=timezone.now())


def find(secret: str) -> Invitation:
    """Return the open invitation of a link; raises InvitationUnusable with the next step."""
    row = Invitation.objects.filter(token_hash=_hash(secret)).select_related("invited_by").first()
    if row is None:
        raise InvitationUnusable(why=_(
            "This link is not one of ours, or a newer one was sent. Look for the newest mail, or "
            "ask whoever invited you for a new link."
        ))  # fmt: skip
    why = {
        "accepted": _("This link was used already. Sign in with the account that it made."),
        "revoked": _("This invitation was taken back. Ask an admin why, or for a new one."),
        "expired": _("This link has expired. Ask whoever invited you to send it again."),
    }.get(row.standing)
    if why is None and not _stands(row):
        why = _("Whoever invited you may no longer do so. Ask an admin for a new invitation.")
    if why:
        raise InvitationUnusable(why=why)
    return row


def accept(secret: str, *, ip: str | None, request_id: str, **fields: Any) -> User:
    """Make the account of an invitation, with its roles and groups.

    `fields` are username, password, first_name, last_name. Raises InvitationUnusable, and
    ValidationError with the field's name.
    """
    found = find(secret)
    why = _("invited by %(who)s") % {"who": found.invited_by.display_name}
    system = actors.system("invitation", origin="invitation").because(why)
    actor = replace(system, ip=ip, request_id=request_id)
    with transaction.atomic():
        # Two windows with one link: the second waits here and finds it used.
        Invitation.objects.select_for_update().get(pk=found.pk)
        row = find(secret)
        user = people.create_user(actor, email=row.email, groups=row.groups.all(), **fields)
        for role in row.roles:
            people.grant_role(actor, user=user, role=role["role"], **_scope(role))
        row.accepted_at, row.accepted_by = timezone.now(), user
        row.save(update_fields=["accepted_at", "accepted_by"])
        by = actors.from_user(user, origin="invitation", ip=ip, request_id=request_id)
        audit.record(by, "invitation.accept", row, after={**_words(row), "user": user.username})
    return user


def _stands(row: Invitation) -> bool:
    """Tell whether the one who invited may still do so: a link must not outlive their rights."""
    by = row.invited_by
    if row.by_token:
        token = ApiToken.objects.filter(public_id=row.by_token).first()
        if token is None or not token.is_valid:
            return False
    return by is not None and by.is_active and access.user_can(by, "admin")


def _locked(invitation: Invitation) -> Invitation:
    row = Invitation.objects.select_for_update().get(pk=invitation.pk)
    if row.standing in ("accepted", "revoked"):
        ends = {"accepted": _("accepted"), "revoked": _("revoked")}
        raise InvitationOver(email=row.email, standing=ends[row.standing])
    return row


def _expiry() -> Any:
    return timezone.now() + timedelta(days=settings.INVITATION_DAYS)


def _hash(secret: str) -> str:
    # The secret has 256 random bits: there is nothing to guess that a slow hash would protect.
    return hashlib.sha256(secret.encode()).hexdigest()


def _role(role: str, over: Any) -> dict[str, Any]:
    if over is None:
        return {"role": role, "scope": "everything", "id": None, "name": ""}
    scope = next(name for name, model in SCOPES.items() if isinstance(over, model))
    return {"role": role, "scope": scope, "id": over.pk, "name": str(over)}


def _scope(role: dict[str, Any]) -> dict[str, Any]:
    """Return what the role covers; raises InvitationUnusable when that is gone by now."""
    if role["scope"] == "everything":
        return {"everything": True}
    thing = SCOPES[role["scope"]].objects.filter(pk=role["id"]).first()
    if thing is None:
        why = _("%(name)s, for which you were invited, is gone. Ask for a new invitation.")
        raise InvitationUnusable(why=why % {"name": role["name"]})
    return {role["scope"]: thing}


def _words(row: Invitation) -> dict[str, Any]:
    roles = [f"{role['role']}: {role['name'] or 'everything'}" for role in row.roles]
    groups = sorted(row.groups.values_list("name", flat=True))
    return {"email": row.email, "roles": ", ".join(roles), "groups": ", ".join(groups)}
