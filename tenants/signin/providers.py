"""Signing in through a provider of OpenID Connect, and the groups that follow from it.

Django groups hold roles; the provider's groups decide who belongs to those that the provider's
mapping names, at each sign-in, both ways. Groups outside the mapping are left alone.
"""

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.shortcuts import render
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from tenants import actors, audit, people
from tenants.models import User
from tenants.signin import trail
from tenants.signin.trail import PASSED

REFUSALS = {
    "nobody": _("There is no account for you here. Ask an admin for an invitation."),
    "mail": _("The provider does not vouch for your e-mail address, so no account can be found "
              "by it. Ask an admin for an invitation."),
    "outside": _("Your e-mail domain or your groups do not open the portal. Ask whoever runs your "
                 "directory to put you into a group that does."),
    "service": _("This account is a program's, and programs do not sign in."),
}  # fmt: skip


class VerifiedAdapter(OpenIDConnectOAuth2Adapter):
    """The provider's answer with its signature checked, whatever way it came."""

    def complete_login(
        self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """Return the login of a signed id token; raises OAuth2Error when it is not right."""
        signed = kwargs["response"].get("id_token")
        if not signed:
            raise OAuth2Error("there is no id_token in the answer: is the scope openid missing?")
        claims = jwtkit.verify_and_decode(
            credential=signed,
            keys_url=self.openid_config["jwks_uri"],
            issuer=self.openid_config["issuer"],
            audience=app.client_id,
            lookup_kid=jwtkit.lookup_kid_jwk,
        )
        data = {"id_token": claims}
        if self.openid_config.get("userinfo_endpoint"):
            told = self._fetch_user_info(token.token)
            # https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
            if told.get("sub") != claims["sub"]:
                raise OAuth2Error("the provider answered about somebody else")
            data["userinfo"] = told
        return self.get_provider().sociallogin_from_response(request, data)


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Who may come in through a provider, and as whom."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Say no: accounts are made in pre_social_login, or not at all."""
        return False

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Send nothing: the audit trail tells it."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find or make the account and set its groups; a refusal is a page with the next step."""
        provider = provider_of(sociallogin)
        claims = claims_of(sociallogin)
        groups = groups_of(provider, claims)
        if not is_let_in(provider, mail_of(provider, claims), groups):
            _refuse(request, sociallogin, "outside")
        if not sociallogin.is_existing:
            user = _account(request, provider, sociallogin, claims)
            try:
                with transaction.atomic():
                    sociallogin.connect(request, user)
            except IntegrityError:
                # A second window was quicker.
                sociallogin.lookup()
        user = sociallogin.user
        if user.is_service:
            _refuse(request, sociallogin, "service")
        actor = actors.system("sign-in", origin=f"provider {provider['id']}")
        people.follow_groups(actor, user, mapped=provider["groups"], held=groups)
        if hasattr(user, "_scopes"):
            del user._scopes
        if provider["trusts_second_factor"]:
            request.session[PASSED] = user.pk


def provider_of(sociallogin: SocialLogin) -> dict[str, Any]:
    """Return the settings of the provider that a login came from."""
    wanted = sociallogin.account.provider
    return next(entry for entry in settings.OIDC_PROVIDERS if entry["id"] == wanted)


def claims_of(sociallogin: SocialLogin) -> dict[str, Any]:
    """Return what the provider says of the person; the signed token wins."""
    told = sociallogin.account.extra_data
    return {**(told.get("userinfo") or {}), **(told.get("id_token") or {})}


def groups_of(provider: dict[str, Any], claims: dict[str, Any]) -> set[str]:
    """Return the person's groups at the provider; none where the claim is missing."""
    found = claims.get(provider["groups_claim"])
    found = [found] if isinstance(found, str) else found
    return {item for item in found if isinstance(item, str)} if isinstance(found, list) else set()


def mail_of(provider: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return the person's address if the provider vouches for it, else nothing."""
    address = claims.get("email")
    is_sure = provider["trusts_email"] or str(claims.get("email_verified")).lower() == "true"
    return address.strip() if isinstance(address, str) and is_sure else ""


def is_let_in(provider: dict[str, Any], mail: str, groups: set[str]) -> bool:
    """Tell whether domain and groups open the portal; without such a rule they do."""
    is_domain = not provider["domains"] or mail.rpartition("@")[2].lower() in provider["domains"]
    is_group = not provider["allowed_groups"] or bool(groups & {*provider["allowed_groups"]})
    return is_domain and is_group


def _account(
    request: HttpRequest, provider: dict[str, Any], login: SocialLogin, claims: dict[str, Any]
) -> User:
    """Return the user with this address, or a new one where the provider makes accounts."""
    mail = mail_of(provider, claims)
    if not mail:
        _refuse(request, login, "mail")
    found = User.objects.filter(email__iexact=mail).first()
    if found is not None:
        # Whoever can sign in as this person at the provider could until now not here.
        audit.record(trail.actor_of(request, found), "provider.link", found,
                     after={"provider": provider["id"]})  # fmt: skip
        return found
    if not provider["creates_accounts"]:
        _refuse(request, login, "nobody")
    actor = actors.system("sign-in", origin=f"provider {provider['id']}")
    for name in _names(mail, claims):
        if not User.objects.filter(username=name).exists():
            try:
                return people.create_user(
                    actor, username=name, email=mail,
                    first_name=str(claims.get("given_name") or "")[:150],
                    last_name=str(claims.get("family_name") or "")[:150],
                )  # fmt: skip
            except (IntegrityError, ValidationError):
                continue
    _refuse(request, login, "nobody")
    raise AssertionError


def _names(mail: str, claims: dict[str, Any]) -> list[str]:
    """Return user names to try, the nicest first."""
    local = mail.partition("@")[0]
    wished = str(claims.get("preferred_username") or "").partition("@")[0]
    stems = [slugify(text.replace(".", "-"))[:40] for text in (wished, local)]
    stems = [stem for stem in stems if stem] or ["user"]
    return [*stems, *(f"{stems[0]}-{n}" for n in range(2, 50))]


def _refuse(request: HttpRequest, login: SocialLogin, why: str) -> None:
    """Raise the page that says why not; the try is kept."""
    target = audit.Target("provider", login.account.provider, str(login.account.uid)[:200])
    after = {"with": login.account.provider, "why": why}
    audit.record(trail.stranger(request), "sign_in_failed", target, after=after, is_refused=True)
    context = {"title": _("You cannot come in this way"), "text": REFUSALS[why]}
    raise ImmediateHttpResponse(render(request, "account/turned_away.html", context, status=403))
