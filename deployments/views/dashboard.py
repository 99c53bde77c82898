"""The first page: what needs somebody, what runs now, the fleet as a picture."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, Count, ExpressionWrapper, Q, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from deployments.fleet import Fleet, picture
from deployments.links import link, owner_page
from deployments.models import Run, RunStep
from deployments.runstatus import OPEN, RunStatus
from deployments.urgency import NOBODY, RUN_COLUMNS, last_runs
from deployments.views.doors import may_anywhere
from deployments.views.frame import Frame, frame_of
from deployments.views.workers import hosts
from omlsaas.lib.refusals import sentence
from tenants.models import Stack, User
from tenants.models.stacks import Condition

EACH_SHOWN = 3
RUNNING_SHOWN = 12
RELEASES_SHOWN = 6
TROUBLED = ("pk", "name", "suspect_reason", "tenant__public_id", "shared_environment__public_id",
            "is_lost", "total")  # fmt: skip
PLANNED = ("public_id", "stack__name", "action_label", "actor_name", "planned_at", "to_replace",
           "to_destroy", "total")  # fmt: skip


@dataclass
class Need:
    """One thing that needs somebody: what, why, and the one button."""

    tone: str
    icon: str
    title: str
    text: str
    href: str
    button: str
    loud: str = ""
    when: Any = None


def dashboard(request: HttpRequest) -> HttpResponse:
    """Show the fleet that the person may see."""
    user = request.user
    fleet = picture(user)
    context = {
        "section": "fleet",
        "fleet": fleet,
        "needs": _needs(user, fleet, frame_of(request)),
        "now": timezone.localtime(),
        "releases": _releases(fleet),
        "hosts": hosts(),
        "may_create": may_anywhere(user, "change"),
        "has_role": may_anywhere(user, "view"),
        **_running(user),
    }
    name = "deployments/dashboard.html"
    response = render(request, f"{name}#fleet" if request.htmx else name, context)
    patch_vary_headers(response, ["HX-Request"])
    patch_cache_control(response, private=True, no_cache=True)
    return response


def _needs(user: User, fleet: Fleet, frame: Frame) -> list[Need]:
    """Return what needs somebody, the most urgent first; one line stands for many of a kind."""
    counts = {share.condition: share.count for share in fleet.shares}
    needs = [*_troubled(user), *_plans(user, frame)]
    if drifted := counts.get(Condition.DRIFT):
        title = ngettext("%(n)s tenant drifted", "%(n)s tenants drifted", drifted)
        text = _("something was changed outside of the portal")
        href = "/tenants/?condition=drift"
        needs.append(Need("drift", "git-compare", title % {"n": drifted}, text, href, _("Compare")))
    return needs


def _troubled(user: User) -> list[Need]:
    """Return lost, suspect and errored stacks: a few of each by name, then their number."""
    visible = Stack.objects.visible_to(user).filter(
        Q(tenant__archived_at__isnull=True), Q(shared_environment__archived_at__isnull=True)
    )
    lost = Q(condition=Condition.LOST) | Q(state_suspect=True)
    rows = visible.filter(lost | Q(condition=Condition.ERRORED))
    rows = rows.annotate(is_lost=ExpressionWrapper(lost, BooleanField())).annotate(
        rank=Window(RowNumber(), partition_by="is_lost", order_by="name"),
        total=Window(Count("pk"), partition_by="is_lost"),
    )
    # The first of both kinds come first: a filter by rank would wrap the query in two others.
    rows = rows.order_by("rank", "pk").values_list(*TROUBLED, named=True)
    stacks = list(rows[: 2 * EACH_SHOWN])
    found = [stack for stack in stacks if stack.is_lost][:EACH_SHOWN]
    failed = [stack for stack in stacks if not stack.is_lost][:EACH_SHOWN]
    stacks = [*found, *failed]
    # Asked even when there is none: what the page costs does not depend on what it finds.
    runs = last_runs((stack.pk for stack in stacks), "number", "status", "error", "ended_at")
    needs = [_lost(stack, runs.get(stack.pk)) for stack in found]
    needs += _rest(found, "lost", "help-octagon", _("more are lost or suspect"), "lost")
    needs += [_errored(stack, runs.get(stack.pk)) for stack in failed]
    needs += _rest(failed, "bad", "circle-x", _("more errored"), "errored")
    return needs


def _rest(shown: list[Any], tone: str, icon: str, words: str, condition: str) -> list[Need]:
    more = shown[0].total - EACH_SHOWN if shown else 0
    if more <= 0:
        return []
    title = f"{more} {words}"
    return [Need(tone, icon, title, "", f"/tenants/?condition={condition}", _("See list"))]


def _page(stack: Any) -> str:
    return owner_page(stack.tenant__public_id, stack.shared_environment__public_id)


def _lost(stack: Any, run: Any) -> Need:
    is_lost = run is not None and run.status == RunStatus.LOST
    if is_lost:
        title = _("%(name)s: run %(run)s is lost") % {"name": stack.name, "run": run.number}
    else:
        title = _("%s: state suspect") % stack.name
    text = sentence(stack.suspect_reason) or _("outcome unknown")
    return Need("lost", "help-octagon", title, text, _page(stack), _("Check state"))


def _errored(stack: Any, run: Any) -> Need:
    if run is None:
        return Need("bad", "circle-x", stack.name, "", _page(stack), _("Look"))
    words = {"name": stack.name, "action": run.action_label.lower()}
    title = _("%(name)s: %(action)s errored") % words
    if run.status == RunStatus.CANCELED:
        title = _("%(name)s: %(action)s canceled half-way") % words
    href = link("run", run.public_id)
    text = sentence(run.error)
    return Need("bad", "circle-x", title, text, href, _("Read log"), when=run.ended_at)


def _plans(user: User, frame: Frame) -> list[Need]:
    rows = Run.objects.visible_to(user).filter(status=RunStatus.PLANNED)
    rows = rows.annotate(total=Window(Count("pk"))).values_list(*PLANNED, named=True)
    runs = list(rows.order_by("id")[:EACH_SHOWN])
    # The navigation says their number, too: the frame need not count them again.
    frame.plans_waiting = runs[0].total if runs else 0
    more = frame.plans_waiting - EACH_SHOWN
    needs = []
    for run in runs:
        loud = []
        if run.to_replace:
            loud.append(_("±%s replace") % run.to_replace)
        if run.to_destroy:
            loud.append(_("−%s destroy") % run.to_destroy)
        title = f"{run.stack__name}: {run.action_label.lower()}"
        needs.append(
            Need("wait", "hand-stop", title, run.actor_name, link("run", run.public_id),
                 _("Review"), ", ".join(loud), run.planned_at)
        )  # fmt: skip
    if more > 0:
        title = ngettext("%(n)s more plan waits", "%(n)s more plans wait", more) % {"n": more}
        needs.append(Need("wait", "hand-stop", title, "", "/runs/?status=planned", _("Review")))
    return needs


def _running(user: User) -> dict[str, Any]:
    """Return the runs at work and in the queue, with their progress."""
    wanted = [status for status in OPEN if status != RunStatus.PLANNED]
    rows = Run.objects.visible_to(user).filter(status__in=wanted)
    related = rows.select_related("stack").only(*RUN_COLUMNS, "waiting", "notice", "stack__name")
    counted = related.annotate(total=Window(Count("pk")))
    runs = list(counted.order_by("id")[:RUNNING_SHOWN])
    total = runs[0].total if runs else 0
    shown = [run.pk for run in runs]
    steps = RunStep.objects.filter(run_id__in=shown or NOBODY, ended_at__isnull=True)
    columns = ("run_id", "progress__done", "progress__total")
    progress = {run_id: (done, of) for run_id, done, of in steps.values_list(*columns)}
    now = timezone.now()
    for run in runs:
        run.href = link("run", run.public_id)
        run.done, run.of = progress.get(run.pk, (None, None))
        run.lasted = now - run.started_at if run.started_at else None
    return {"running": runs, "running_total": total, "running_more": total - len(runs)}


def _releases(fleet: Fleet) -> list[dict[str, Any]]:
    """Return which releases the installed tenants run, the most used first."""
    return [
        {"name": name, "count": count, "of": fleet.total}
        for name, count in fleet.releases.most_common(RELEASES_SHOWN)
    ]
