"""Signing in and out, by password or provider; the second steps are allauth's own views."""

from typing import Any

from allauth.account.views import LoginView, LogoutView
from allauth.mfa.base import views as mfa
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from requests import RequestException

from tenants import audit
from tenants.actors import from_request
from tenants.models import User
from tenants.signin import providers, sessions, trail
from tenants.signin.account import lock_out_words
from tenants.signin.forms import user_name_of


class SignIn(LoginView):
    """The sign-in page; each try is kept in the audit trail."""

    template_name = "account/login.html"

    def form_valid(self, form: Any) -> HttpResponse:
        """Sign the person in: last sign-in, session and entry are there together, or not at all.

        What was counted and checked before stands outside: many tries at once each see the others.
        """
        with transaction.atomic():
            return super().form_valid(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        """Show the form again; 429 and when to come back after too many failures."""
        response = super().form_invalid(form)
        if form.has_error("__all__", "too_many_login_attempts"):
            trail.locked_out(self.request, user_name_of(form.data.get("username", "")))
            response.status_code = 429
            response["Retry-After"] = str(settings.LOCK_OUT_MINUTES * 60)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Return what the page shows: the form, the providers, where it goes on to."""
        wanted = self.request.POST.get("next") or self.request.GET.get("next", "")
        return super().get_context_data(
            **kwargs,
            next=wanted,
            providers=settings.OIDC_PROVIDERS,
            hours=sessions.expires_after_hours(),
            has_mail=bool(settings.EMAIL_URL),
            tries=settings.LOCK_OUT_TRIES,
            minutes=settings.LOCK_OUT_MINUTES,
        )


class SignOut(LogoutView):
    """Signing out, kept in the audit trail."""

    template_name = "account/logout.html"

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign the person out, or forget a sign-in that waits for its second step."""
        with transaction.atomic():
            if request.user.is_authenticated:
                audit.record(from_request(request), "sign_out", request.user)
            return super().post(request, *args, **kwargs)


class SecondStep(mfa.AuthenticateView):
    """The second step of signing in: a code, or a security key."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign the person in; the use of the code, the sign-in and their entries are one change.

        The tries of one person come one after the other, so that each sees the failures before.
        """
        with transaction.atomic():
            list(User.objects.select_for_update().filter(pk=self.stage.login.user.pk))
            return super().post(request, *args, **kwargs)


def again(request: HttpRequest) -> HttpResponse:
    """Say that only a new sign-in proves who the person is: they have no password here."""
    wanted = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}):
        wanted = reverse("mfa_index")
    context = {"section": "profile", "next": wanted}
    return render(request, "account/sign_in_again.html", context)


@login_not_required
def inactive(request: HttpRequest) -> HttpResponse:
    """Say that the account is closed."""
    context = {
        "title": _("This account is closed"),
        "text": _("It was closed by an admin. Ask one to open it again."),
    }
    return render(request, "account/turned_away.html", context, status=403)


@login_not_required
def provider_login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the person to a provider; only from the button, never by a link of another site."""
    if request.method != "POST":
        return redirect("login")
    adapter = _adapter(request, provider_id)
    wanted = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(wanted, {request.get_host()}):
        wanted = ""
    provider = adapter.get_provider()
    try:
        sent = provider.redirect(request, process=AuthProcess.LOGIN, next_url=wanted or None)
    except (RequestException, OAuth2Error, ValueError, KeyError):
        return _silent(request)
    if "Location" not in sent:
        return sent
    # A redirect after a form is held back by browsers: our policy lets forms go to us only.
    context = {"href": sent["Location"], "provider": provider.name}
    return render(request, "account/to_provider.html", context)


@login_not_required
def provider_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Take the provider's answer."""
    view = OAuth2CallbackView.adapter_view(_adapter(request, provider_id))
    try:
        # One change: an account, its groups, the sign-in and their entries. Nothing is locked
        # while the provider is asked.
        with transaction.atomic():
            return view(request)
    except (RequestException, ValueError, KeyError):
        return _silent(request)


@login_not_required
def provider_failed(request: HttpRequest) -> HttpResponse:
    """Say that the person gave up at the provider."""
    context = {
        "title": _("You are not signed in"),
        "text": _("The sign-in at the provider was called off. Begin again when you like."),
    }
    return render(request, "account/turned_away.html", context)


@login_not_required
def closed(request: HttpRequest) -> HttpResponse:
    """Say how accounts come about: nobody signs up."""
    context = {
        "title": _("Accounts come by invitation"),
        "text": _("Ask an admin of this portal to invite you."),
    }
    return render(request, "account/turned_away.html", context)


def too_many(request: HttpRequest) -> HttpResponse:
    """Answer 429 with a page."""
    context = {"title": _("Too many tries"), "text": lock_out_words()}
    response = render(request, "account/turned_away.html", context, status=429)
    response["Retry-After"] = "60"
    return response


def _adapter(request: HttpRequest, provider_id: str) -> providers.VerifiedAdapter:
    if provider_id not in {entry["id"] for entry in settings.OIDC_PROVIDERS}:
        raise Http404
    adapter = providers.VerifiedAdapter(request, provider_id)
    try:
        adapter.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    return adapter


def _silent(request: HttpRequest) -> HttpResponse:
    context = {
        "title": _("The provider does not answer"),
        "text": _("It cannot be reached, or answers what cannot be read. Try again in a minute; "
                  "if that does not help, an admin looks at the log of the portal."),
    }  # fmt: skip
    return render(request, "account/turned_away.html", context, status=502)
