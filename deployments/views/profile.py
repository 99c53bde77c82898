"""Signing in and out, and a person's own profile: name, address, time zone, password."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.forms import CONTROL, OwnPasswordForm, ProfileForm
from omlsaas.lib.client_address import client_address
from tenants import audit
from tenants.actors import Actor, from_request
from tenants.models import Membership, User

FIELDS = ("first_name", "last_name", "email", "time_zone")


class SignInForm(AuthenticationForm):
    """User name or e-mail address, and password."""

    error_messages = {
        "invalid_login": gettext_lazy("Name or password is wrong. Both mind capital letters."),
        "inactive": gettext_lazy("This account is closed. Ask an admin."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.update(CONTROL)
        self.fields["username"].label = gettext_lazy("User name or e-mail address")


class SignIn(LoginView):
    """The sign-in page; each try is kept in the audit trail."""

    authentication_form = SignInForm
    redirect_authenticated_user = True
    template_name = "registration/login.html"

    def form_valid(self, form: SignInForm) -> HttpResponse:
        """Sign the person in."""
        response = super().form_valid(form)
        audit.record(from_request(self.request), "sign_in", self.request.user)
        return response

    def form_invalid(self, form: SignInForm) -> HttpResponse:
        """Show the form again. A name that nobody has is not kept: it may be a password."""
        typed = self.request.POST.get("username", "")
        found = User.objects.filter(username=typed).first()
        if found is not None:
            stranger = Actor(
                kind="user",
                id="",
                name=str(_("not signed in")),
                ip=client_address(self.request.META),
                request_id=self.request.id,
                origin="portal",
            )
            audit.record(stranger, "sign_in_failed", found, is_refused=True)
        return super().form_invalid(form)


class SignOut(LogoutView):
    """Signing out, kept in the audit trail."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Sign the person out."""
        if request.user.is_authenticated:
            audit.record(from_request(request), "sign_out", request.user)
        return super().post(request, *args, **kwargs)


def profile(request: HttpRequest) -> HttpResponse:
    """Show and change the person's own profile and password."""
    user = request.user
    is_password = request.method == "POST" and "old_password" in request.POST
    data = request.POST if request.method == "POST" else None
    form = ProfileForm(
        None if is_password else data, initial={name: getattr(user, name) for name in FIELDS}
    )
    password = OwnPasswordForm(user, data if is_password else None)
    if is_password and password.is_valid():
        with transaction.atomic():
            password.save()
            audit.record(from_request(request), "profile.change", user, after={"password": "new"})
        update_session_auth_hash(request, user)
        messages.success(request, _("Your password is changed. Other sessions are signed out."))
        return redirect("profile")
    if not is_password and data is not None and form.is_valid() and _save(request, form):
        messages.success(request, _("Saved."))
        return redirect("profile")
    roles = Membership.objects.filter(user=user) | Membership.objects.filter(group__user=user)
    roles = roles.select_related("region", "shared_environment", "tenant").distinct()
    context = {"form": form, "password": password, "roles": roles, "section": "profile"}
    return render(request, "deployments/profile.html", context)


def _save(request: HttpRequest, form: ProfileForm) -> bool:
    user = User.objects.get(pk=request.user.pk)
    before = {name: getattr(user, name) for name in FIELDS}
    for name in FIELDS:
        setattr(user, name, form.cleaned_data[name])
    try:
        with transaction.atomic():
            user.save(update_fields=list(FIELDS))
            old, new = audit.changes(before, {name: getattr(user, name) for name in FIELDS})
            if new:
                audit.record(from_request(request), "profile.change", user, before=old, after=new)
    except IntegrityError:
        form.add_error("email", _("Another user has this e-mail address."))
        return False
    return True
