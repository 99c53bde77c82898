"""Making, revoking and checking API tokens: the only writers of them."""

import hashlib
import hmac
import ipaddress
import re
import secrets as random
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from tenants import access, audit
from tenants.actors import Actor
from tenants.errors import NotAllowed, TokenNotMade, TokenRefused
from tenants.limits import Limits
from tenants.models import ApiToken, ApiTokenPlace, Region, SharedEnvironment, Tenant, User

Row = TypeVar("Row", bound=Model)
PREFIX = "oml_"
FORM = re.compile(r"oml_([0-9A-HJKMNP-TV-Z]{26})\.([A-Za-z0-9_-]{43})")
ID = re.compile(r"oml_([0-9A-HJKMNP-TV-Z]{26})\.")
SECRET_BYTES = 32
USED_EVERY = timedelta(minutes=1)
MOST_TOKENS, MOST_NETWORKS, MOST_PLACES = 50, 20, 50
COLUMNS = {Region: "region", SharedEnvironment: "shared_environment", Tenant: "tenant"}


def create_token(
    actor: Actor,
    owner: User,
    *,
    name: str,
    kinds: Collection[str],
    expires_at: datetime,
    places: Collection[Any] = (),
    networks: Iterable[str] = (),
) -> tuple[ApiToken, str]:
    """Return a new token and its text, which nobody can show again.

    Without `places` it reaches all that its owner does. A person makes their own; an admin those
    of service accounts. Raises TokenNotMade with the reason, NotAllowed.
    """
    _require(actor, owner)
    kept = _check(owner, name, kinds, expires_at, places, networks)
    by = {"created_by": actor.name, "created_by_id": actor.id if actor.user is not None else ""}
    token = ApiToken(user=owner, everything=not places, **by, **kept)
    text = f"{token.shown_id}.{random.token_urlsafe(SECRET_BYTES)}"
    token.digest = _digest(text)
    with transaction.atomic():
        # One at a time for an owner, so that the count holds.
        list(User.objects.select_for_update(no_key=True).filter(pk=owner.pk).values_list("pk"))
        valid = ApiToken.objects.filter(user=owner, revoked_at__isnull=True)
        if valid.filter(expires_at__gt=timezone.now()).count() >= MOST_TOKENS:
            why = _("there are %s already. Revoke those that nobody uses.") % MOST_TOKENS
            raise TokenNotMade(name=name, why=why)
        token.save(force_insert=True)
        ApiTokenPlace.objects.bulk_create(
            ApiTokenPlace(token=token, **{COLUMNS[type(place)]: place}) for place in places
        )
        after = {"owner": owner.username, **kept, "expires_at": expires_at.isoformat()}
        after["places"] = [str(place) for place in places] or "everything"
        audit.record(actor, "token.create", token, after=after)
    return token, text


def _require(actor: Actor, owner: User) -> None:
    """Raise NotAllowed unless the actor may make and revoke tokens of the owner.

    A token never makes another one: it would outlive its own end.
    """
    is_own = actor.user is not None and actor.user.pk == owner.pk
    if actor.token_id:
        kind = _("tokens are made by people")
        raise NotAllowed(actor=actor.name, target=owner.username, kind=kind)
    if is_own and not owner.is_service:
        return
    if not owner.is_service and actor.kind != "system":
        kind = _("a person's tokens are their own")
        raise NotAllowed(actor=actor.name, target=owner.username, kind=kind)
    access.require(actor, "admin")


def _check(
    owner: User,
    name: str,
    kinds: Collection[str],
    expires_at: datetime,
    places: Collection[Any],
    networks: Iterable[str],
) -> dict[str, Any]:
    """Return the values to keep. Raises TokenNotMade."""
    networks = [text.strip() for text in networks if text.strip()]
    longest = timedelta(days=settings.API_TOKEN_MAX_DAYS)
    unknown = sorted(set(kinds) - set(access.KINDS))
    why = ""
    if not name.strip():
        why = _("it needs a name that says what uses it.")
    elif not owner.is_active:
        why = _("%s is closed.") % owner.username
    elif unknown or not kinds:
        why = _("choose kinds of action among: %s.") % ", ".join(access.KINDS)
    elif not timezone.now() < expires_at <= timezone.now() + longest + timedelta(minutes=1):
        why = _("it ends in the future, within %s days.") % settings.API_TOKEN_MAX_DAYS
    elif len(networks) > MOST_NETWORKS or len(places) > MOST_PLACES:
        why = _("at most %(networks)s networks and %(places)s places.") % {
            "networks": MOST_NETWORKS,
            "places": MOST_PLACES,
        }
    elif any(not type(p).objects.visible_to(owner).filter(pk=p.pk).exists() for p in places):
        why = _("its owner does not see all of these places.")
    if why:
        raise TokenNotMade(name=name, why=why)
    return {
        "name": name.strip()[:100],
        "kinds": [kind for kind in access.KINDS if kind in kinds or kind == "view"],
        "expires_at": expires_at,
        "networks": [_network(name, text) for text in networks],
    }


def _network(name: str, text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        why = _("“%s” is no network such as 10.0.0.0/8 or 2001:db8::/32.") % text[:60]
        raise TokenNotMade(name=name, why=why) from error


def revoke_token(actor: Actor, token: ApiToken) -> None:
    """End a token at once; doing it twice changes nothing."""
    _require(actor, token.user)
    with transaction.atomic():
        row = ApiToken.objects.select_for_update(of=("self",)).get(pk=token.pk)
        if row.revoked_at is None:
            row.revoked_at, row.revoked_by = timezone.now(), actor.name
            row.save(update_fields=["revoked_at", "revoked_by"])
            audit.record(actor, "token.revoke", row, after={"owner": token.user.username})
    token.revoked_at, token.revoked_by = row.revoked_at, row.revoked_by


def id_in(text: str) -> str:
    """Return the id that a token's text claims; empty when it has none."""
    found = ID.match(text)
    return f"tok_{found[1]}" if found else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def owner_of(text: str, address: str | None) -> User:
    """Return the token's owner with `limits` set: all that is asked of them is narrowed by these.

    Raises TokenRefused. Whoever does not have the secret learns nothing of the token.
    """
    token = _with_owner(id_in(text)) if FORM.fullmatch(text) else None
    expected = token.digest if token is not None else "0" * 64
    if not hmac.compare_digest(expected, _digest(text)) or token is None:
        raise TokenRefused(why=_("it is not known. Make a new one in your profile."))
    _refuse_ended(token, address)
    _note_use(token, address)
    user = token.user
    user.limits = Limits.of(token)
    return user


def _with_owner(public_id: str) -> ApiToken | None:
    """Return a token with its owner, or None.

    Each request asks this. Its SQL is made once: making it takes four times as long as asking.
    """
    with connection.cursor() as cursor:
        cursor.execute(_sql_with_owner(), [public_id])
        row = cursor.fetchone()
    if row is None:
        return None
    token = _made(ApiToken, row)
    token.user = _made(User, row[len(ApiToken._meta.concrete_fields) :])
    return token


@cache
def _sql_with_owner() -> str:
    # The columns come in the order of the fields, the owner's behind the token's.
    rows = ApiToken.objects.select_related("user").filter(public_id="").order_by()
    return rows.query.sql_with_params()[0]


def _made(model: type[Row], row: Sequence[Any]) -> Row:
    """Return an instance of a row's first values, as the ORM makes it of its own rows."""
    names, values = [], []
    for field, found in zip(model._meta.concrete_fields, row, strict=False):
        read = getattr(field, "from_db_value", None)
        names.append(field.attname)
        values.append(found if read is None else read(found, None, connection))
    return model.from_db(connection.alias, names, values)


def _refuse_ended(token: ApiToken, address: str | None) -> None:
    why = ""
    if token.revoked_at is not None:
        why = _("it was revoked. Make a new one in your profile.")
    elif token.is_expired:
        why = _("it expired on %s. Make a new one in your profile.") % token.expires_at.date()
    elif not token.user.is_active:
        why = _("the account that it belongs to is closed. Ask an admin.")
    elif not _is_from(token.networks, address):
        why = _("it is not meant for the address %s. Its owner can make one for that network.")
        why %= address or "?"
    if why:
        raise TokenRefused(why=why)


def _is_from(networks: list[str], address: str | None) -> bool:
    if not networks:
        return True
    if address is None:
        return False
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(network) for network in networks)


def _note_use(token: ApiToken, address: str | None) -> None:
    """Write down when and from where it was used, at most once a minute."""
    now = timezone.now()
    if token.last_used_at is not None and now - token.last_used_at < USED_EVERY:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USED_EVERY)
    rows = ApiToken.objects.filter(stale, pk=token.pk)
    rows.update(last_used_at=now, last_used_ip=address)
