"""What holds for each request of a session: a second factor where a role demands it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from tenants.signin import factors, sessions

# Where the set-up sends the person when it is done.
WANTED = "second_factor_next"
# What somebody may open who has yet to show a second factor.
OPEN = frozenset(
    {
        "account_inactive", "account_logout", "account_reauthenticate", "healthz", "login",
        "logout", "mfa_activate_totp", "mfa_add_webauthn", "mfa_index", "mfa_reauthenticate",
        "mfa_reauthenticate_webauthn", "mfa_view_recovery_codes", "readyz", "sign_in_again",
        "theme",
    }
)  # fmt: skip


class SignInMiddleware:
    """Hold a session back until it has shown a second factor, and note that it is in use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            sessions.note(request)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable, args: list, kwargs: dict
    ) -> HttpResponse | None:
        """Lead a held person to the set-up; a fragment has the whole page go there."""
        if not request.user.is_authenticated or request.resolver_match.view_name in OPEN:
            return None
        if not factors.is_held(request.user, request.session):
            return None
        if request.headers.get("HX-Request"):
            return HttpResponse(headers={"HX-Refresh": "true"})
        if request.method == "GET":
            request.session[WANTED] = request.get_full_path()
        return redirect("mfa_index")
