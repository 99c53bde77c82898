"""Addresses of the API. Each answers in problems, also where Django would answer in HTML."""

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from api.app import api
from api.errors import MethodUnknown, NothingHere
from api.problems import explain, problem

BROWSE = "openapi-view"


def _door(view: Callable) -> Callable:
    """Let the API itself decide who may ask: it answers strangers with 401, not with a page."""

    @login_not_required
    @csrf_exempt
    @wraps(view)
    def asked(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        response = view(request, *args, **kwargs)
        if response.status_code == 405:
            known = response["Allow"]
            response = problem(request, MethodUnknown(method=request.method, known=known))
            response["Allow"] = known
        if following := getattr(request, "following", ""):
            # https://www.rfc-editor.org/rfc/rfc8288
            response["Link"] = f'<{following}>; rel="next"'
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return asked


@login_not_required
@csrf_exempt
def nothing(request: HttpRequest, rest: str) -> HttpResponse:
    """Answer for paths that there are none of."""
    return problem(request, NothingHere())


_patterns, _app, _namespace = api.urls
for _entry in _patterns:
    if _entry.name != BROWSE:
        _entry.callback = _door(_entry.callback)

urlpatterns = [
    path("api/problems/<str:code>", explain, name="api_problem"),
    path("api/v1/", (_patterns, _app, _namespace)),
    re_path(r"^api/(?P<rest>.*)$", nothing, name="api_nothing"),
]
