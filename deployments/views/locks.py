"""Forcing the lock of a state open: who holds it, and the form."""

import uuid
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from deployments import services
from deployments.forms import text
from deployments.links import link, owner_link
from deployments.services.unlocking import holder_of
from deployments.views.actions import find_stack
from deployments.views.doors import attempt, require
from tenants.actors import from_request


class UnlockForm(forms.Form):
    """Why, and the lock's id or the stack's name typed in full."""

    reason = text(_("Reason"), max_length=2000)
    typed = text(_("The lock's id or the stack's name"), max_length=200)
    request_key = forms.CharField(widget=forms.HiddenInput, max_length=64)


def stack_unlock(request: HttpRequest, stack_id: str) -> HttpResponse:
    """Show who holds the state's lock; POST queues the run that forces it open."""
    stack = find_stack(request, stack_id)
    require(request, "force_unlock", stack)
    initial: dict[str, Any] = {"request_key": str(uuid.uuid4())}
    form = UnlockForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data, actor = form.cleaned_data, from_request(request)
        run = attempt(form, lambda: services.unlock_state(actor, stack, **data))
        if run is not None:
            return redirect(link("run", run.public_id))
    holder = holder_of(stack)
    context = {
        "stack": stack,
        "owner": stack.owner,
        "back": owner_link(stack),
        "lock": stack.state_lock,
        "holder": holder,
        "holder_href": link("run", holder.run.public_id) if holder and holder.run else "",
        "form": form,
        "section": "tenants" if stack.tenant_id else "environments",
    }
    return render(request, "deployments/unlock.html", context)
