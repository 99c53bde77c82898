"""What every page shows around its content. Asked for lazily: a fragment pays for none of it."""

from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from deployments.models import ApprovalPolicy, Run
from deployments.runstatus import RunStatus
from deployments.services.foureyes import policy_to_come, waiting_for
from deployments.views.doors import may_anywhere
from tenants.access import user_can
from tenants.actors import highest_role
from tenants.models import Stack
from tenants.querysets import user_scopes
from tenants.signin import factors

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"
YEAR_S = 365 * 86_400
# When the last worker was heard, and the maintenance in force: each page asks for both, and this
# costs a third of what two queries of the ORM do. Notices are counted as the inbox shows them:
# without those about stacks that the person does not see any more (`seen`).
NEWS = """
    SELECT (SELECT max(heartbeat_at) FROM deployments_workerhost WHERE gone_at IS NULL),
           (SELECT count(*) FROM notices_notice WHERE user_id = %s AND read_at IS NULL {seen}),
           notice.reason, notice.by, notice.created_at
    FROM (SELECT 1) AS one LEFT JOIN LATERAL (
        SELECT reason, by, created_at FROM deployments_maintenance
        WHERE ended_at IS NULL AND (expires_at IS NULL OR expires_at > %s)
        ORDER BY id DESC LIMIT 1
    ) AS notice ON true
"""


class Notice(NamedTuple):
    """What a banner says of maintenance."""

    reason: str
    by: str
    created_at: datetime


class Frame:
    """Counts for the navigation, warnings for the banner, the theme."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._user = getattr(request, "user", None)

    @property
    def theme(self) -> str:
        """Return the person's choice: auto, light or dark."""
        chosen = self._request.COOKIES.get(THEME_COOKIE, "auto")
        return chosen if chosen in THEMES else "auto"

    @property
    def theme_now(self) -> str:
        """Return what the server renders; theme.js corrects it for auto before the first paint."""
        return "dark" if self.theme == "dark" else "light"

    @cached_property
    def is_signed_in(self) -> bool:
        """Tell whether there is a person with a session."""
        return bool(self._user and self._user.is_authenticated)

    @property
    def is_held(self) -> bool:
        """Tell whether this session must show a second factor before anything else."""
        return self.is_signed_in and factors.is_held(self._user, self._request.session)

    @cached_property
    def is_admin(self) -> bool:
        """Tell whether the person administers the whole installation."""
        return self.is_signed_in and user_can(self._user, "admin")

    @cached_property
    def role(self) -> str:
        """Return the person's strongest role; empty for none."""
        return highest_role(self._user) if self.is_signed_in else ""

    @cached_property
    def plans_waiting(self) -> int:
        """Return how many plans that the person may see wait for a yes."""
        if not self.is_signed_in:
            return 0
        return Run.objects.visible_to(self._user).filter(status=RunStatus.PLANNED).count()

    @cached_property
    def approvals_waiting(self) -> int:
        """Return how many requests for a second person this one may answer."""
        if not self.is_signed_in or not may_anywhere(self._user, "approve"):
            return 0
        return waiting_for(self._user).count()

    @cached_property
    def policy_to_come(self) -> ApprovalPolicy | None:
        """Return the change of the rule of second persons that does not hold yet.

        Asked for by pages of what it will matter to.
        """
        return policy_to_come() if self.is_signed_in else None

    @cached_property
    def _news(self) -> tuple[datetime | None, int, Notice | None]:
        seen, ids = "", ()
        if not user_scopes(self._user).everything:
            rows = Stack.objects.visible_to(self._user).order_by().values("pk")
            inner, ids = rows.query.sql_with_params() if not rows.query.is_empty() else ("NULL", ())
            seen = f"AND (stack_id IS NULL OR stack_id IN ({inner}))"
        with connection.cursor() as cursor:
            # What is put in is the ORM's own text with its places for values.
            cursor.execute(NEWS.format(seen=seen), [self._user.pk, *ids, timezone.now()])
            heard, unread, *notice = cursor.fetchone()
        return heard, unread, None if notice[0] is None else Notice(*notice)

    @property
    def maintenance(self) -> Notice | None:
        """Return the maintenance in force, or None."""
        return self._news[2] if self.is_signed_in else None

    @property
    def unread(self) -> int:
        """Return how many notices in the person's inbox were not read."""
        return self._news[1] if self.is_signed_in else 0

    @property
    def _heard(self) -> datetime | None:
        return self._news[0]

    @property
    def has_no_worker(self) -> bool:
        """Tell whether no worker has been heard of within the time that counts as silence."""
        if not self.is_signed_in:
            return False
        heard = self._heard
        silent = settings.HOST_SILENT_AFTER_S
        return heard is None or (timezone.now() - heard).total_seconds() > silent

    @property
    def worker_heard_at(self) -> datetime | None:
        """Return when the last worker was heard; None when there never was one."""
        return self._heard


def frame_of(request: HttpRequest) -> Frame:
    """Return the request's frame: one, whoever asks, so that nothing is counted twice."""
    if not hasattr(request, "frame"):
        request.frame = Frame(request)
    return request.frame


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the context processor's part: `frame`."""
    return {"frame": frame_of(request)}


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Keep the chosen theme in a cookie and go back to the page."""
    chosen = request.POST.get("theme", "auto")
    target = request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}):
        target = "/"
    response = HttpResponseRedirect(target)
    if chosen in THEMES:
        response.set_cookie(
            THEME_COOKIE, chosen, max_age=YEAR_S, samesite="Lax", secure=settings.HTTPS
        )
    return response
