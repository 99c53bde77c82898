"""A person's own profile: name, address, time zone, password."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from deployments.forms import OwnPasswordForm, ProfileForm
from tenants import audit
from tenants.actors import from_request
from tenants.models import Membership, User
from tenants.signin import sessions, trail

FIELDS = ("first_name", "last_name", "email", "time_zone")


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
            sessions.end_all_of(user, but=request.session.session_key)
            audit.record(from_request(request), "password.change", user, after={"by": "profile"})
        update_session_auth_hash(request, user)
        sessions.follow(request)
        messages.success(request, _("Your password is changed. Other sessions are signed out."))
        return redirect("profile")
    if not is_password and data is not None and form.is_valid() and _save(request, form):
        messages.success(request, _("Saved."))
        return redirect("profile")
    roles = Membership.objects.filter(user=user) | Membership.objects.filter(group__user=user)
    roles = roles.select_related("region", "shared_environment", "tenant").distinct()
    context = {
        "form": form,
        "password": password,
        "roles": roles,
        "factors": trail.factors_of(user).count(),
        "section": "profile",
    }
    response = render(request, "deployments/profile.html", context)
    if password.has_error("old_password", "too_many_login_attempts"):
        trail.locked_out(request, user.username)
        response.status_code = 429
        response["Retry-After"] = str(settings.LOCK_OUT_MINUTES * 60)
    return response


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
