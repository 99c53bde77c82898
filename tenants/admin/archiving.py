"""Archiving from a list: a page that asks why, then one act for each."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from omlsaas.lib.ids import new_id
from omlsaas.lib.refusals import Refusal
from tenants import services
from tenants.actors import Actor, from_request

MOST = 100


class ReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        widget=forms.TextInput({"class": "form-control"}),
        help_text=gettext_lazy("Kept in the audit trail and shown on its page."),
    )


class ArchiveMixin:
    """Adds the action that archives; `archive_with` is the service that does it."""

    actions = ("archive_selected",)
    archive_with: Callable[[Actor, Any, str], Any] = staticmethod(services.archive)

    @admin.action(description=gettext_lazy("Archive…"))
    def archive_selected(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Ask for the reason, then archive each; a refusal of one does not stop the others."""
        rows = list(queryset.order_by("pk")[: MOST + 1])
        if len(rows) > MOST:
            words = _("Choose up to %(count)s at once.") % {"count": MOST}
            messages.warning(request, words)
            return None
        form = ReasonForm(request.POST if "archive" in request.POST else None)
        if form.is_valid():
            self._archive(request, rows, form.cleaned_data["reason"])
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Archive"),
            "opts": self.opts,
            "rows": rows,
            "form": form,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/archive_selected.html", context)

    def _archive(self, request: HttpRequest, rows: list[Any], reason: str) -> None:
        actor = replace(from_request(request, origin="admin"), operation_id=new_id("ops"))
        done = 0
        for row in rows:
            try:
                self.archive_with(actor, row, reason)
                done += 1
            except Refusal as refusal:
                messages.error(request, str(refusal))
            except ValidationError as error:
                words = {"name": row, "why": "; ".join(error.messages)}
                messages.error(request, _("%(name)s: %(why)s") % words)
        if done:
            messages.success(request, _("Archived: %(count)s.") % {"count": done})
