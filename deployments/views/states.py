"""One version of a stack's state: what differs from now, and the way back to it."""

import uuid
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from deployments import services
from deployments.errors import UnknownStack
from deployments.forms import text
from deployments.links import link, owner_link
from deployments.services.states import (
    current_version,
    state_difference,
    version_for,
    whole_version,
)
from deployments.views.doors import attempt, require
from tenants.actors import from_request
from tenants.models.stacks import Condition

ADDRESSES_SHOWN = 200


class RollbackForm(forms.Form):
    """Why, and which state was seen beside the chosen one."""

    reason = text(_("Reason"), max_length=2000)
    seen_serial = forms.IntegerField(widget=forms.HiddenInput)
    request_key = forms.CharField(widget=forms.HiddenInput, max_length=64)


def state_page(request: HttpRequest, version_id: str) -> HttpResponse:
    """Show what rolling back would make Terraform believe; POST queues it as a run."""
    try:
        version = version_for(request.user, version_id)
    except UnknownStack as error:
        raise Http404 from error
    stack = version.stack
    require(request, "restore", stack)
    current = current_version(stack)
    is_current = current is not None and current.pk == version.pk
    serial = current.serial if current else 0
    initial: dict[str, Any] = {"seen_serial": serial, "request_key": str(uuid.uuid4())}
    form = RollbackForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data, actor = form.cleaned_data, from_request(request)
        run = attempt(form, lambda: services.rollback_state(actor, version, **data))
        if run is not None:
            return redirect(link("run", run.public_id))
    difference = {} if is_current else state_difference(whole_version(current), version)
    context = {
        "version": version,
        "current": current,
        "is_current": is_current,
        "may_give_back": stack.condition in (Condition.LOST, Condition.ERRORED),
        "stack": stack,
        "owner": stack.owner,
        "back": owner_link(stack),
        "form": form,
        "difference": [
            (kind, addresses[:ADDRESSES_SHOWN], len(addresses) - ADDRESSES_SHOWN)
            for kind, addresses in difference.items()
            if addresses
        ],
        "section": "tenants" if stack.tenant_id else "environments",
    }
    return render(request, "deployments/state.html", context)
