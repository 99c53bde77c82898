"""Refusals as problem details (RFC 9457), and the page that explains each kind of them."""

import json
import logging
import re
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    ValidationError,
)
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from ninja.errors import HttpError
from ninja.errors import ValidationError as ValuesWrong

from api.errors import (
    InternalError,
    NothingHere,
    NotReadable,
    NotSignedIn,
    TooManyRequests,
    ValuesRefused,
)
from omlsaas.lib.refusals import Refusal
from tenants import audit
from tenants.actors import from_request

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger(__name__)
# What PostgreSQL and its driver say of a text with NUL and of a number that is too large.
UNSTORABLE = re.compile(r"NUL|out of range|surrogates")
# A refusal stands for a conflict with how things are now, unless it is about what was sent.
STATUS = {
    "NotReadable": 400,
    "NotSignedIn": 401,
    "TokenRefused": 401,
    "NotAllowed": 403,
    "TokenGivesLess": 403,
    "OnlySuperuser": 403,
    "NothingHere": 404,
    "UnknownStack": 404,
    "MethodUnknown": 405,
    "TooManyRequests": 429,
    "InternalError": 500,
} | dict.fromkeys(
    (
        "ValuesRefused", "InputsRefused", "ParamsRefused", "NameRefused", "UnknownBlueprint",
        "UnknownAction", "WrongPlace", "PlaceRefused", "SecretTooShort", "ReasonMissing",
        "TypedNameWrong", "LockNotTyped", "PlanUnread", "HostRefused", "RequestReused",
        "TokenNotMade", "InventoryUnreadable", "AdoptionUnreadable", "AddressNotUsable",
        "PreviewGone",
    ),
    422,
)  # fmt: skip
TITLES = {
    400: _("The request cannot be read"),
    401: _("Not signed in"),
    403: _("Not allowed"),
    404: _("Not here"),
    405: _("No such method"),
    409: _("Not possible as things stand"),
    422: _("Values are not accepted"),
    429: _("Too many requests"),
    500: _("A fault of the portal"),
}


def problem(
    request: HttpRequest, refusal: Refusal, errors: dict[str, str] | None = None
) -> HttpResponse:
    """Return a refusal as the answer: its kind, its sentence, its parameters, wrong fields."""
    status = STATUS.get(refusal.code, 409)
    errors = errors or getattr(refusal, "problems", None)
    body = {
        "type": request.build_absolute_uri(reverse("api_problem", args=[refusal.code])),
        "title": str(TITLES[status]),
        "status": status,
        "detail": str(refusal),
        "code": refusal.code,
        "parameters": refusal.params,
        "request_id": getattr(request, "id", ""),
    }
    if errors:
        body["errors"] = {name: str(text) for name, text in errors.items()}
    response = HttpResponse(json.dumps(body), content_type=MEDIA_TYPE, status=status)
    response["Cache-Control"] = "no-store"
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="omlsaas"'
    if isinstance(refusal, TooManyRequests):
        response["Retry-After"] = str(refusal.params["seconds"])
    return response


def answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return what a raised error is as a problem; a fault of ours is logged and told neutrally."""
    refusal, errors = _refusal_of(error)
    if isinstance(error, Refusal) and STATUS.get(refusal.code) == 403:
        # Pages ask for the right before; what a service refuses deeper down is kept here.
        _keep(request, refusal)
    if refusal is not None:
        return problem(request, refusal, errors)
    logger.exception("request %s failed", getattr(request, "id", ""), exc_info=error)
    return problem(request, InternalError(request=getattr(request, "id", "")))


def _keep(request: HttpRequest, refusal: Refusal) -> None:
    if request.user.is_authenticated:
        actor, told = from_request(request), {**refusal.to_json(), "path": request.path[:200]}
        audit.record(actor, "refused", request.user, after=told, is_refused=True)


def _refusal_of(error: Exception) -> tuple[Refusal | None, dict[str, str] | None]:
    """Return what was wrong with the request, with its fields; None for a fault of ours."""
    match error:
        case Refusal():
            return error, None
        case PermissionDenied() if isinstance(error.__cause__, Refusal):
            return error.__cause__, None
        case RequestDataTooBig():
            return NotReadable(why=_("it is too large.")), None
        case Http404():
            return NothingHere(), None
        case ValuesWrong():
            return ValuesRefused(), _by_field(error.errors)
        case ValidationError():
            return ValuesRefused(), _by_name(error)
        case HttpError():
            is_body = error.status_code == 400
            return (NotReadable(why=_("its body is no JSON.")) if is_body else NotSignedIn()), None
    is_wrong_data = isinstance(error, DataError | ValueError | BadRequest)
    if is_wrong_data and UNSTORABLE.search(str(error) or "NUL"):
        return NotReadable(why=_("it holds what cannot be kept.")), None
    return None, None


def _by_field(errors: list[dict[str, Any]]) -> dict[str, str]:
    """Return what is wrong by field, without what was sent: it may be a secret."""
    found: dict[str, str] = {}
    for error in errors:
        # ("body", "asked", "reason"): the place, our own parameter, then the field.
        path = [str(part) for part in error["loc"]]
        named = path[2:] if path[0] in ("body", "query") and len(path) > 2 else path[1:]
        found[".".join(named) or path[0]] = error["msg"]
    return found


def _by_name(error: ValidationError) -> dict[str, str]:
    if hasattr(error, "error_dict"):
        return {name: " ".join(texts) for name, texts in error.message_dict.items()}
    return {"body": " ".join(error.messages)}


@login_not_required
def explain(request: HttpRequest, code: str) -> HttpResponse:
    """Show what a kind of problem means, for whoever follows its address."""
    known = Refusal.codes.get(code)
    if known is None:
        raise Http404
    status = STATUS.get(code, 409)
    context = {
        "code": code,
        "status": status,
        "title": TITLES[status],
        "meaning": (known.__doc__ or "").strip().splitlines()[0],
        "sentence": known.message,
    }
    return render(request, "api/problem.html", context)
