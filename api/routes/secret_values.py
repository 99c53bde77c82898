"""Secret values: shown to who has the permission, each time with an entry in the audit trail."""

from django.http import Http404, HttpRequest
from ninja import Router
from pydantic import Field

from api.routes.places import Id
from api.values import Shape
from deployments import services
from deployments.models import Run
from deployments.views.doors import find, require
from tenants.actors import from_request
from tenants.models import Stack

router = Router(tags=["secrets"])


class Revealed(Shape):
    """One secret value."""

    name: str
    value: str = Field(description="JSON where the output is no text.")


@router.post("/stacks/{stack_id}/outputs/{name}/reveal", response=Revealed)
def reveal_output(request: HttpRequest, stack_id: Id, name: Id):
    """Show a sensitive output of a stack; the audit trail keeps who saw it."""
    stack = find(Stack.objects.visible_to(request.user).select_related("region"), stack_id)
    require(request, "secrets", stack)
    value = services.show_output(from_request(request), stack, name)
    if value is None:
        raise Http404
    return {"name": name, "value": value}


@router.post("/runs/{run_id}/handed/{name}/reveal", response=Revealed)
def reveal_handed(request: HttpRequest, run_id: Id, name: Id):
    """Show a secret that a run handed over, once: afterwards it is gone."""
    run = find(Run.objects.visible_to(request.user).with_stack(), run_id)
    require(request, "secrets", run.stack)
    return {"name": name, "value": services.show_handed(from_request(request), run, name)}
