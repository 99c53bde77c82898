"""The page of one run, and what people decide there.

Every form works without a script. With one, a decision answers with the parts of the page that
it changed, and `run_live` with those that moved.
"""

from collections.abc import Callable
from typing import Any

import zstandard
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from deployments import services
from deployments.errors import NothingHanded
from deployments.links import link
from deployments.models import Plan, Run
from deployments.runview import RELATED, RunPage
from deployments.views.audit import dress
from deployments.views.doors import find, require
from deployments.views.logs import log_context
from omlsaas.lib.refusals import Refusal, sentence
from tenants import audit
from tenants.actors import from_request
from tenants.errors import NotAllowed
from tenants.models import AuditEntry

AUDIT_SHOWN = 12
TYPED = ("comment", "typed_name", "has_read", "reason", "second_reason")
MAX_TEXT = 2000


def find_run(request: HttpRequest, run_id: str) -> Run:
    """Return a run that the person may see, with all that its page shows."""
    return find(Run.objects.visible_to(request.user).select_related(*RELATED), run_id)


@require_safe
@never_cache
def run_page(request: HttpRequest, run_id: str) -> HttpResponse:
    """Show one run that the person may see."""
    return _page(request, RunPage(find_run(request, run_id), request.user, *_asked(request)))


def _asked(request: HttpRequest) -> tuple[str, int]:
    page = request.GET.get("page", "1")
    known = page.isascii() and page.isdecimal() and len(page) < 6
    return request.GET.get("show", ""), int(page) if known else 1


def _page(request: HttpRequest, view: RunPage) -> HttpResponse:
    context = _context(request, view)
    context["log"] = log_context(request, view.run)
    return render(request, "deployments/run.html", context)


def _context(request: HttpRequest, view: RunPage) -> dict[str, Any]:
    run = view.run
    entries = AuditEntry.objects.visible_to(request.user).filter(run_id=run.public_id)
    return {
        "section": "runs",
        "view": view,
        "run": run,
        "stack": view.stack,
        "may_change": view.rights.change,
        "suspect_text": sentence(view.stack.suspect_reason),
        # Asked for only where the trail is drawn.
        "entries": SimpleLazyObject(
            lambda: [dress(entry) for entry in entries.order_by("-id")[:AUDIT_SHOWN]]
        ),
    }


@require_safe
@never_cache
def run_live(request: HttpRequest, run_id: str) -> HttpResponse:
    """Return what moves, and of the rest what differs from what the browser says it has."""
    view = RunPage(find_run(request, run_id), request.user, is_live=True)
    seen = {name: request.GET.get(name, "") for name in ("stage", "panel", "plan")}
    return _fragments(request, view, seen)


def _fragments(request: HttpRequest, view: RunPage, seen: dict[str, str]) -> HttpResponse:
    context = _context(request, view)
    context |= {
        "oob": True,
        "with_stage": seen.get("stage") != view.stage,
        "with_panel": seen.get("panel") != view.panel_key,
        "with_plan": seen.get("plan") != view.plan_key,
    }
    view.is_live = not context["with_stage"]
    return render(request, "deployments/_run_live.html", context)


@require_safe
def plan_json(request: HttpRequest, run_id: str) -> HttpResponse:
    """Return the plan as Terraform's own JSON, masked."""
    run = find_run(request, run_id)
    masked = Plan.objects.filter(run=run).values_list("masked_json", flat=True).first()
    if masked is None:
        raise Http404
    content = zstandard.decompress(bytes(masked))
    audit.took(from_request(request), "plan", run)
    response = HttpResponse(content, content_type="application/json")
    name = f"{run.stack.name}-{run.number}-plan.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


# -- decisions -------------------------------------------------------------------------------


def decide(
    request: HttpRequest, run: Run, act: str, do: Callable[[], Any], done: str = ""
) -> HttpResponse:
    """Do what was decided; a refusal shows the fresh page with its sentence and what was typed."""
    refusal = ""
    try:
        do()
    except NotAllowed as error:
        raise PermissionDenied(str(error)) from error
    except Refusal as error:
        refusal = str(error)
    if not refusal and not request.htmx:
        if done:
            messages.success(request, done)
        return redirect(link("run", run.public_id))
    fresh = find_run(request, run.public_id)
    view = RunPage(fresh, request.user)
    if refusal:
        view.refusal, view.refused = refusal, act
        view.typed = {name: request.POST.get(name, "")[:MAX_TEXT] for name in TYPED}
    if not request.htmx:
        return _page(request, view)
    # A decision changes everything but the plan.
    return _fragments(request, view, {"plan": view.plan_key})


def _comment(request: HttpRequest) -> str:
    return request.POST.get("comment", "").strip()[:MAX_TEXT]


@require_POST
def confirm(request: HttpRequest, run_id: str) -> HttpResponse:
    """Say yes to the plan that was shown; a destroy asks for the stack's name in full."""
    run = find_run(request, run_id)
    require(request, run.action_kind, run.stack)

    def do() -> None:
        services.confirm_run(
            from_request(request),
            run,
            comment=_comment(request),
            plan_digest=request.POST.get("plan_digest", ""),
            has_read=request.POST.get("has_read") == "on",
            typed_name=request.POST.get("typed_name", "").strip(),
        )

    return decide(request, run, "confirm", do)


@require_POST
def discard(request: HttpRequest, run_id: str) -> HttpResponse:
    """Say no to a plan."""
    run = find_run(request, run_id)
    require(request, run.action_kind, run.stack)
    actor = from_request(request)
    return decide(
        request, run, "confirm", lambda: services.discard_run(actor, run, comment=_comment(request))
    )


@require_POST
def cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    """Ask a run to stop."""
    run = find_run(request, run_id)
    require(request, run.action_kind, run.stack)
    actor = from_request(request)
    return decide(
        request, run, "cancel", lambda: services.cancel_run(actor, run, comment=_comment(request))
    )


@require_POST
def force_cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    """Kill what is left of a run that was asked to stop."""
    run = find_run(request, run_id)
    require(request, "force_unlock", run.stack)
    actor, comment = from_request(request), _comment(request)
    return decide(
        request, run, "force", lambda: services.force_cancel_run(actor, run, comment=comment)
    )


@require_POST
def retry(request: HttpRequest, run_id: str) -> HttpResponse:
    """Queue the same action again, as a new run, and go to it."""
    run = find_run(request, run_id)
    require(request, run.action_kind, run.stack)
    made: list[Run] = []

    def do() -> None:
        made.append(
            services.retry_run(
                from_request(request),
                run,
                reason=request.POST.get("reason", "").strip()[:MAX_TEXT],
                request_key=request.POST.get("request_key", "")[:64] or None,
                typed_name=request.POST.get("typed_name", "").strip(),
                only_failed=bool(request.POST.get("only_failed")),
            )
        )

    response = decide(request, run, "again", do)
    if not made:
        return response
    href = link("run", made[0].public_id)
    if not request.htmx:
        return redirect(href)
    response = HttpResponse(status=204)
    response["HX-Redirect"] = href
    return response


@require_POST
def handed(request: HttpRequest, run_id: str, name: str) -> HttpResponse:
    """Show a secret that the run handed over, once, to somebody who may see secrets."""
    run = find_run(request, run_id)
    require(request, "secrets", run.stack)
    try:
        value = services.show_handed(from_request(request), run, name)
    except NothingHanded as refusal:
        messages.error(request, str(refusal))
        return redirect(link("run", run.public_id))
    context = {
        "stack": run.stack,
        "owner": run.stack.owner,
        "back": link("run", run.public_id),
        "name": name,
        "value": value,
        "section": "runs",
    }
    response = render(request, "deployments/secret.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
def hold(request: HttpRequest, run_id: str) -> HttpResponse:
    """Keep the run's log and states from retention, or let them go again."""
    run = find_run(request, run_id)
    require(request, "admin", run.stack)
    actor, on = from_request(request), request.POST.get("on") == "1"
    reason = request.POST.get("reason", "").strip()[:MAX_TEXT]
    return decide(request, run, "hold", lambda: services.hold_run(actor, run, on, reason))


@require_POST
def review(request: HttpRequest, run_id: str) -> HttpResponse:
    """Lift the stack's suspect mark, from the page of the run that was looked at."""
    run = find_run(request, run_id)
    require(request, "change", run.stack)
    actor = from_request(request)
    done = _("%s is no longer suspect.") % run.stack.name
    return decide(
        request,
        run,
        "review",
        lambda: services.review_stack(actor, run.stack, comment=_comment(request)),
        done,
    )
