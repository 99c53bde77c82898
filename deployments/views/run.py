"""The page of one run."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deployments.links import owner_link
from deployments.models import Run
from deployments.views.doors import find


def run_page(request: HttpRequest, run_id: str) -> HttpResponse:
    """Show one run that the person may see."""
    run = find(Run.objects.visible_to(request.user).with_stack(), run_id)
    context = {"section": "runs", "run": run, "back": owner_link(run.stack)}
    return render(request, "deployments/run.html", context)
