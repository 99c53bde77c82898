"""Each request has an id that its answer, its audit entries and its log lines carry."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from omlsaas.lib.ids import new_id

ACCEPTED = re.compile(r"\A[A-Za-z0-9_.:-]{8,64}\Z")


class RequestIdMiddleware:
    """Set `request.id` from X-Request-ID when well-formed, else a fresh one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request.id = given if ACCEPTED.match(given) else new_id("req")
        response = self.get_response(request)
        response["X-Request-ID"] = request.id
        return response
