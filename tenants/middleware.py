"""What holds for every request of a person: signed in, told apart from noise, in their zone."""

import zoneinfo
from collections.abc import Callable

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone


class SignedInMiddleware(LoginRequiredMiddleware):
    """Send strangers to the sign-in page; a fragment has the whole page go there."""

    def handle_no_permission(self, request: HttpRequest, view_func: Callable) -> HttpResponse:
        """Answer a stranger. htmx would follow a redirect and put the form into the list."""
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Refresh": "true"})
        return super().handle_no_permission(request, view_func)


class PersonMiddleware:
    """Show times in the zone of the person who asks; UTC for a zone that is not known."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        zone = getattr(request.user, "time_zone", "") or "UTC"
        try:
            timezone.activate(zoneinfo.ZoneInfo(zone))
        except (zoneinfo.ZoneInfoNotFoundError, ValueError):
            timezone.activate(zoneinfo.ZoneInfo("UTC"))
        try:
            return self.get_response(request)
        finally:
            timezone.deactivate()

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Raise BadRequest for a character that no text in the database can hold.

        Forms refuse it at its field; addresses and hidden values have no field.
        """
        if isinstance(exception, DataError | ValueError) and "NUL" in str(exception):
            raise BadRequest from exception
