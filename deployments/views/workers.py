"""Worker hosts: who works, who is silent; an admin drains one or declares it gone."""

from collections.abc import Iterable

from django.conf import settings
from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from deployments import services
from deployments.models import Run, WorkerHost
from deployments.runstatus import AT_WORK
from deployments.views.doors import may_anywhere, require
from omlsaas.lib.refusals import Refusal
from tenants.access import user_can
from tenants.actors import from_request

MOST = 200


def hosts() -> list[WorkerHost]:
    """Return the hosts that were not declared gone, with what each has in hand."""
    return at_hand(WorkerHost.objects.filter(gone_at__isnull=True).order_by("name")[:MOST])


def at_hand(found: Iterable[WorkerHost]) -> list[WorkerHost]:
    """Return the hosts with `busy`, the runs that each has, and `is_silent`."""
    rows = list(found)
    at_work = Run.objects.filter(status__in=AT_WORK).order_by().values_list("host_id")
    busy = dict(at_work.annotate(n=Count("pk")))
    now = timezone.now()
    for host in rows:
        host.busy = busy.get(host.host_id, 0)
        heard = host.heartbeat_at
        host.is_silent = heard is None or (
            (now - heard).total_seconds() > settings.HOST_SILENT_AFTER_S
        )
    return rows


def worker_list(request: HttpRequest) -> HttpResponse:
    """Show the worker hosts to everybody with a role; the buttons to admins."""
    if not may_anywhere(request.user, "view"):
        raise Http404
    gone = WorkerHost.objects.filter(gone_at__isnull=False).order_by("-gone_at")[:20]
    context = {
        "section": "fleet",
        "hosts": hosts(),
        "gone": gone,
        "may_admin": user_can(request.user, "admin"),
    }
    return render(request, "deployments/worker_list.html", context)


@require_POST
def drain(request: HttpRequest, host_id: str) -> HttpResponse:
    """Let a host finish what it has and take nothing new, or take it back."""
    require(request, "admin", None)
    host = get_object_or_404(WorkerHost, host_id=host_id)
    services.set_draining(from_request(request), host, request.POST.get("on") == "1")
    return redirect("workers")


@require_POST
def declare_gone(request: HttpRequest, host_id: str) -> HttpResponse:
    """Declare a silent host gone: the runs that it held are lost."""
    require(request, "admin", None)
    host = get_object_or_404(WorkerHost, host_id=host_id)
    try:
        count = services.declare_host_gone(
            from_request(request), host, request.POST.get("reason", "")
        )
        words = ngettext(
            "%(host)s is declared gone; %(n)s run is lost by that.",
            "%(host)s is declared gone; %(n)s runs are lost by that.",
            count,
        )
        messages.warning(request, words % {"host": host.name, "n": count})
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("workers")
