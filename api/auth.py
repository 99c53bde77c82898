"""Who asks: a token, or the session of the person who reads the browsable page."""

import ipaddress

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer

from api import rates
from omlsaas.lib.client_address import client_address
from tenants import audit, tokens
from tenants.actors import Actor
from tenants.errors import TokenRefused
from tenants.models import ApiToken, User


class Token(HttpBearer):
    """`Authorization: Bearer oml_<id>.<secret>`."""

    def __call__(self, request: HttpRequest) -> User | None:
        """Return the token's owner, narrowed by it. Raises TokenRefused, TooManyRequests."""
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        scheme, _space, text = header.partition(" ")
        return self.authenticate(request, text.strip() if scheme.lower() == "bearer" else "")

    def authenticate(self, request: HttpRequest, token: str) -> User:
        """Return the owner of a token's text.

        Whoever was refused too often from one address is not looked at any more. By a token's id
        only what is wrong is refused: its id is no secret, and who knows it must not be able to
        lock out who has the secret.
        """
        address = client_address(request.META)
        claimed = tokens.id_in(token)
        most = settings.API_RATE_REFUSED
        rates.refuse_full("refused-address", _guesser(address), most)
        try:
            user = tokens.owner_of(token, address)
        except TokenRefused as refusal:
            rates.note("refused-address", _guesser(address), most)
            if claimed:
                # Raises TooManyRequests; then nothing more is written into the trail either.
                rates.count("refused-token", claimed, most)
            _tell(request, claimed, refusal)
            raise
        rates.count("address", address or "?", settings.API_RATE_ADDRESS)
        rates.count("token", claimed, settings.API_RATE_TOKEN)
        request.user, request.door = user, "api"
        return user


def _guesser(address: str | None) -> str:
    """Return what refused tries are counted by: one who guesses has a whole IPv6 network."""
    if address is None or ":" not in address:
        return address or "?"
    return str(ipaddress.ip_network(f"{address}/64", strict=False))


def _tell(request: HttpRequest, claimed: str, refusal: TokenRefused) -> None:
    """Keep a refused try of a token that there is; a made-up one is no entry's target."""
    token = ApiToken.objects.filter(public_id=claimed).first() if claimed else None
    if token is None:
        return
    stranger = Actor(
        kind="user",
        id="",
        name="not signed in",
        token_id=claimed,
        ip=client_address(request.META),
        request_id=getattr(request, "id", ""),
        origin="api",
    )
    with transaction.atomic():
        audit.record(stranger, "token.refused", token, after=refusal.to_json(), is_refused=True)


class Session(APIKeyCookie):
    """The portal's own session, with its CSRF token: for the browsable page."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> User | None:
        """Return the signed-in person; a request with a token never falls back to a session."""
        if request.headers.get("Authorization") or self.param_name not in request.COOKIES:
            return None
        return super().__call__(request)

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        """Return the signed-in person."""
        if not request.user.is_authenticated:
            return None
        rates.count("address", client_address(request.META) or "?", settings.API_RATE_ADDRESS)
        request.door = "api"
        return request.user
