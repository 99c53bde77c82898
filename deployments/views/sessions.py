"""Where somebody is signed in: their own page, and what an admin sees of another person."""

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from deployments.views.doors import find, require
from omlsaas.lib.refusals import Refusal
from tenants.actors import from_request
from tenants.models import User
from tenants.signin import factors, sessions


def own_sessions(request: HttpRequest) -> HttpResponse:
    """Show the person's own sessions."""
    rows = sessions.living(request.user)
    context = {
        "section": "profile",
        "rows": rows,
        "current": request.session.session_key,
        "others": [row for row in rows if row.session_key != request.session.session_key],
        "hours": sessions.expires_after_hours(),
    }
    return render(request, "account/sessions.html", context)


@require_POST
def own_session_end(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of the person's own sessions."""
    row = UserSession.objects.filter(user=request.user, pk=session_id).first()
    if row is None:
        messages.info(request, _("That session has ended already."))
    elif row.session_key == request.session.session_key:
        messages.info(request, _("This is the session that you use now: sign out to end it."))
    else:
        sessions.end(from_request(request), row)
        messages.success(request, _("That session is signed out."))
    return redirect("own_sessions")


@require_POST
def own_sessions_end(request: HttpRequest) -> HttpResponse:
    """End all of the person's sessions but this one."""
    key = request.session.session_key
    count = sessions.end_others(from_request(request), request.user, but=key)
    _say_ended(request, count)
    return redirect("own_sessions")


def person(request: HttpRequest, user_id: str) -> HttpResponse:
    """Show an admin how somebody signs in: second factors and sessions."""
    require(request, "admin", None)
    found = find(User.objects.all(), user_id)
    context = {
        "section": "people",
        "person": found,
        "rows": sessions.living(found),
        "factors": Authenticator.objects.filter(user=found).order_by("type", "pk"),
        "is_needed": factors.is_needed(found),
        "is_above": found.is_superuser and not request.user.is_superuser,
    }
    return render(request, "account/person.html", context)


@require_POST
def person_sessions_end(request: HttpRequest, user_id: str) -> HttpResponse:
    """End somebody's sessions: one, or all."""
    require(request, "admin", None)
    found = find(User.objects.all(), user_id)
    actor = from_request(request).because(request.POST.get("reason", ""))
    try:
        factors.require_rank(actor, found)
        if wanted := request.POST.get("session", ""):
            row = UserSession.objects.filter(user=found, pk=wanted).first() if _is_id(wanted) else 0
            if row == 0:
                raise Http404
            if row is not None:
                sessions.end(actor, row)
            messages.success(request, _("That session is signed out."))
        else:
            _say_ended(request, sessions.end_others(actor, found))
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("person", user_id=found.public_id)


@require_POST
def person_mfa_reset(request: HttpRequest, user_id: str) -> HttpResponse:
    """Take somebody's second factors away, after a lost device."""
    require(request, "admin", None)
    found = find(User.objects.all(), user_id)
    actor = from_request(request).because(request.POST.get("reason", ""))
    if not actor.reason:
        messages.error(request, _("Nothing was changed: say how you know that it is really them."))
        return redirect("person", user_id=found.public_id)
    try:
        factors.reset(actor, found)
        words = _("%(name)s has no second factor now and is signed out everywhere.")
        messages.success(request, words % {"name": found.display_name})
    except Refusal as refusal:
        messages.error(request, str(refusal))
    if found == request.user:
        return redirect("login")
    return redirect("person", user_id=found.public_id)


def _say_ended(request: HttpRequest, count: int) -> None:
    words = ngettext("%(n)s session is signed out.", "%(n)s sessions are signed out.", count)
    messages.success(request, words % {"n": count})


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) < 19
