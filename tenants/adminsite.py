"""The admin's door: who administers everything may enter, by the portal's roles and its sign-in."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.views.main import ERROR_FLAG
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from tenants import audit
from tenants.access import KINDS, user_can
from tenants.actors import from_request
from tenants.errors import NotAllowed

# How the front page groups the models; what is not named stands in the last group.
SECTIONS = (
    (_("Fleet"), ("Tenant", "SharedEnvironment", "Stack", "Region", "CloudAccount", "Release",
                  "ComponentPin")),
    (_("Runs"), ("Run", "RunStep", "RunEvent", "Plan", "StateVersion", "Approval",
                  "ApprovalPolicy", "StandingGrant")),
    (_("People"), ("User", "Group", "Membership", "Invitation", "ApiToken")),
    (_("Notices"), ("Channel", "Subscription", "Notice", "Delivery", "Happening")),
    (_("Operation"), ("WorkerHost", "Maintenance", "AuditEntry", "AuditAnchor",
                      "AuditSeal", "AuditCursor", "Secret")),
)  # fmt: skip


class PortalAdminSite(AdminSite):
    """Django's admin, entered by whoever has the role admin over everything.

    `is_staff` and Django's own permissions open nothing here: roles are the only way in.
    """

    site_title = _("Administration")
    site_header = _("Administration")
    index_title = _("Administration")
    site_url = None
    enable_nav_sidebar = False
    empty_value_display = "–"

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person administers everything."""
        return user_can(request.user, "admin")

    def admin_view(self, view: Callable, cacheable: bool = False) -> Callable:
        """Return the view behind the door: a signed-in person without the role gets a 403."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.user.is_authenticated and not self.has_permission(request):
                _refuse(request)
            if any("\0" in value for values in request.GET.lists() for value in values[1]):
                # PostgreSQL would refuse it in the middle; this is Django's word for a bad look-up.
                return redirect(f"{request.path}?{ERROR_FLAG}=1")
            return inner(request, *args, **kwargs)

        return update_wrapper(guarded, inner)

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send people to the portal's own sign-in, and from there to where they wanted to go."""
        if request.user.is_authenticated:
            return redirect("admin:index")
        wanted = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
        return redirect_to_login(wanted, settings.LOGIN_URL)

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send people to the portal's own page: signing out is a form there."""
        return redirect("profile")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send people to their profile, where passwords are changed."""
        return redirect("profile")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Return the models in the portal's own groups; one app's when it is named.

        Each page of the admin is given this list and few show it: it is made when it is read.
        """
        return SimpleLazyObject(lambda: self._app_list(request, app_label))

    def _app_list(self, request: HttpRequest, app_label: str | None) -> list[dict]:
        apps = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        models = {model["object_name"]: model for app in apps for model in app["models"]}
        groups = [
            {"name": title, "models": [models.pop(name) for name in names if name in models]}
            for title, names in SECTIONS
        ]
        groups[-1]["models"] += models.values()
        plain = {"app_label": "portal", "app_url": "", "has_module_perms": True}
        return [{**plain, **group} for group in groups if group["models"]]


def _refuse(request: HttpRequest) -> None:
    refusal = NotAllowed(
        actor=request.user.display_name, target=_("everything"), kind=KINDS["admin"]
    )
    after = {"code": refusal.code, "kind": "admin", "path": request.path[:200]}
    actor = from_request(request, origin="admin")
    audit.record(actor, "refused", request.user, after=after, is_refused=True)
    raise PermissionDenied(str(refusal))
