"""One field for everything: tenants, shared environments, regions, runs, people's trails."""

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from deployments.links import link, owner_link
from deployments.models import Run
from deployments.urgency import RUN_COLUMNS
from omlsaas.lib.ids import is_public_id
from tenants.models import Region, SharedEnvironment, Stack, Tenant

SHOWN = 12
PAGES = {"ten_": "tenant", "env_": "environment", "reg_": "region", "run_": "run"}


def search(request: HttpRequest) -> HttpResponse:
    """Show what matches; a public id or the only exact name goes straight to its page."""
    text = request.GET.get("q", "").strip()[:200]
    if is_public_id(text) and text[:4] in PAGES:
        return redirect(link(PAGES[text[:4]], text))
    context = {"q": text, "section": "search", "is_empty": True}
    if text:
        tenants = Tenant.objects.visible_to(request.user).living()
        exact = tenants.filter(name=text).first()
        if exact is not None:
            return redirect(link("tenant", exact.public_id))
        context |= _found(request, text)
    return render(request, "deployments/search.html", context)


def _found(request: HttpRequest, text: str) -> dict[str, object]:
    user = request.user
    named = Q(name__icontains=text) | Q(title__icontains=text)
    tenants = Tenant.objects.visible_to(user).living().filter(named).select_related("stack")
    environments = SharedEnvironment.objects.visible_to(user).living().filter(named)
    regions = Region.objects.visible_to(user).living()
    regions = regions.filter(Q(slug__icontains=text) | Q(title__icontains=text))
    groups = {
        "tenants": [(t, link("tenant", t.public_id)) for t in tenants.order_by("name")[:SHOWN]],
        "environments": [
            (e, link("environment", e.public_id)) for e in environments.order_by("name")[:SHOWN]
        ],
        "regions": [(r, link("region", r.public_id)) for r in regions.order_by("slug")[:SHOWN]],
        "runs": _runs(request, text),
        "outputs": _outputs(request, text),
    }
    return {**groups, "is_empty": not any(groups.values())}


def _runs(request: HttpRequest, text: str) -> list[tuple[Run, str]]:
    """Return runs by `acme #41` or by number."""
    name, _sign, number = text.rpartition("#")
    if not number.strip().isdecimal() or len(number) > 9:
        return []
    runs = Run.objects.visible_to(request.user).filter(number=int(number))
    if name.strip():
        runs = runs.filter(stack__name=name.strip())
    runs = runs.select_related("stack").only(*RUN_COLUMNS, "stack__name")
    return [(run, link("run", run.public_id)) for run in runs.order_by("-id")[:SHOWN]]


def _outputs(request: HttpRequest, text: str) -> list[tuple[Stack, str]]:
    """Return stacks with an address or another plain output that holds the text."""
    if len(text) < 4:
        return []
    stacks = Stack.objects.visible_to(request.user).select_related("tenant", "shared_environment")
    stacks = stacks.annotate(said=Cast("outputs", TextField())).filter(said__icontains=text)
    return [(stack, owner_link(stack)) for stack in stacks.order_by("name")[:SHOWN]]
