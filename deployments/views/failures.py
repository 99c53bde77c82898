"""Pages for what went wrong: in words, with the way on. They ask nothing of the database."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _


def _page(request: HttpRequest, status: int, **context: str) -> HttpResponse:
    return render(request, "failure.html", {"status": status, **context}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    text = _("The request could not be understood. Go back and load the page again.")
    return _page(request, 400, title=_("That did not arrive in one piece"), text=text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 with the sentence of the refusal."""
    text = str(exception) or _("Your role does not cover this. Ask an admin for one that does.")
    return _page(request, 403, title=_("You may not do this"), text=text)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: there is nothing, or nothing for this person."""
    text = _("It does not exist, or your role does not cover it. Look for it by name, or ask.")
    return _page(request, 404, title=_("There is nothing here"), text=text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 without a word of what happened inside."""
    text = _("The portal failed. Runs at work are not touched by that. Try again; if it stays, "
             "give the request id below to whoever runs the portal.")  # fmt: skip
    return _page(request, 500, title=_("Something broke on our side"), text=text)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 when a form comes without its token, mostly after signing in elsewhere."""
    text = _("The form is too old, or cookies are off: its safety token does not fit. Go back, "
             "load the page again and send it once more. Nothing was changed.")  # fmt: skip
    return _page(request, 403, title=_("Please send this form again"), text=text)
