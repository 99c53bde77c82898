"""Bulk edit of tenants: what to change, then what that means for each, then doing it.

The chosen ids are frozen and signed when the action is picked, and only they are posted; the
digest of the shown changes is compared before anything is written.
"""

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments import bulkedit
from deployments.bulkedit import Wanted
from deployments.forms import CONTROL, SELECT, LabelsField
from deployments.views.bulk import MOST, TYPED_ABOVE, Selection
from tenants.actors import from_request
from tenants.errors import InputsRefused
from tenants.models import Release, Tenant
from tenants.values import value_from_text
from tenants.zones import time_zones

SIZE = "size_"


class BulkForm(forms.Form):
    """What shall be so on every chosen tenant; empty fields leave things as they are."""

    release = forms.ModelChoiceField(
        label=gettext_lazy("Release"),
        queryset=Release.objects.none(),
        required=False,
        empty_label=gettext_lazy("leave as it is"),
        widget=forms.Select(SELECT),
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"), required=False, widget=forms.Select(SELECT)
    )
    labels = LabelsField(label=gettext_lazy("Set labels"))
    labels_gone = forms.CharField(
        label=gettext_lazy("Remove labels"),
        required=False,
        max_length=1000,
        widget=forms.TextInput(CONTROL),
        help_text=gettext_lazy("Names, separated by commas."),
    )
    has_plan = forms.BooleanField(
        label=gettext_lazy("Queue a plan-only run for each"),
        required=False,
        widget=forms.CheckboxInput({"class": "form-check-input"}),
        help_text=gettext_lazy("Shows what the change means; nothing is applied by it."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=2000,
        widget=forms.TextInput(CONTROL),
        help_text=gettext_lazy("Kept in the audit trail beside each change."),
    )

    def __init__(self, *args: Any, tenants: list[Tenant], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = {tenant.blueprint for tenant in tenants}
        rows = Release.objects.living().filter(blueprint__in=names).order_by("blueprint", "-name")
        self.fields["release"].queryset = rows
        self.fields["time_zone"].choices = [("", _("leave as it is")), *time_zones()]
        self.sizes = bulkedit.size_variables(tenants)
        for variable in self.sizes:
            self.fields[f"{SIZE}{variable.name}"] = _size_field(variable)
        ending = ["labels", "labels_gone", "has_plan", "reason"]
        self.order_fields(
            ["release", *(f"{SIZE}{v.name}" for v in self.sizes), "time_zone", *ending]
        )

    def clean(self) -> dict[str, Any]:
        """Read the sizes by the types of their variables, and ask for at least one change."""
        data = super().clean()
        self.chosen_sizes = {}
        for variable in self.sizes:
            text = (data.get(f"{SIZE}{variable.name}") or "").strip()
            if not text:
                continue
            try:
                self.chosen_sizes[variable.name] = value_from_text(variable, text)
            except InputsRefused as refusal:
                self.add_error(f"{SIZE}{variable.name}", refusal.problems[variable.name])
        if not self.errors and self.wanted().is_empty:
            self.add_error(None, _("Choose at least one thing to change."))
        return data

    def wanted(self) -> Wanted:
        """Return what the form asks for."""
        data = self.cleaned_data
        gone = [name.strip() for name in data.get("labels_gone", "").split(",")]
        return Wanted(
            release=data.get("release"),
            time_zone=data.get("time_zone", ""),
            sizes=self.chosen_sizes,
            labels=data.get("labels") or {},
            labels_gone=tuple(name for name in gone if name),
            has_plan=bool(data.get("has_plan")),
        )


def _size_field(variable: bulkedit.Variable) -> forms.Field:
    label = variable.name.replace("_", " ").capitalize()
    if variable.choices:
        choices = [("", _("leave as it is")), *((str(c), str(c)) for c in variable.choices)]
        widget = forms.Select(SELECT)
        return forms.ChoiceField(label=label, choices=choices, required=False, widget=widget)
    return forms.CharField(
        label=label,
        required=False,
        max_length=1000,
        widget=forms.TextInput({**CONTROL, "placeholder": variable.type}),
        help_text=variable.description.split("\n")[0],
    )


class BulkMixin:
    """Adds the action `bulk_edit` and the page behind it."""

    @admin.action(description=gettext_lazy("Change release, sizes, labels, time zone…"))
    def bulk_edit(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        """Freeze what is chosen and ask what to change."""
        rows = queryset.filter(archived_at__isnull=True).order_by("name")
        ids = list(rows.values_list("pk", flat=True)[: MOST + 1])
        if not ids or len(ids) > MOST:
            words = _("Choose up to %(count)s living tenants at once.") % {"count": MOST}
            messages.warning(request, words)
            return None
        selection = Selection.freeze(request.user, ids)
        tenants = self._tenants(selection)
        return self._page(request, selection, tenants, BulkForm(tenants=tenants))

    def bulk_view(self, request: HttpRequest) -> HttpResponse:
        """Show what the change means for each, and carry it out once that has been seen."""
        token = request.POST.get("selection", "") if request.method == "POST" else ""
        selection = Selection.thaw(request.user, token) if token else None
        if selection is None:
            messages.warning(request, _("That selection is too old. Choose the tenants again."))
            return redirect("admin:tenants_tenant_changelist")
        tenants = self._tenants(selection)
        form = BulkForm(request.POST, tenants=tenants)
        if "back" in request.POST or not form.is_valid():
            return self._page(request, selection, tenants, form)
        wanted = form.wanted()
        lines = bulkedit.preview(tenants, wanted)
        digest = bulkedit.digest(lines, wanted)
        problem = self._problem(request, len(tenants), digest)
        if "carry_out" not in request.POST or problem:
            shown = {"lines": lines, "digest": digest, "problem": problem, "wanted": wanted}
            return self._page(request, selection, tenants, form, shown)
        actor = from_request(request, origin="admin").because(form.cleaned_data["reason"])
        actor = replace(actor, operation_id=selection.operation_id)
        outcomes = bulkedit.carry_out(actor, lines, wanted)
        return self._page(request, selection, tenants, form, {"outcomes": outcomes})

    def _tenants(self, selection: Selection) -> list[Tenant]:
        related = ("region", "shared_environment__stack", "release", "stack__region")
        rows = Tenant.objects.living().filter(pk__in=selection.ids).select_related(*related)
        return list(rows.order_by("name"))

    def _problem(self, request: HttpRequest, count: int, digest: str) -> str:
        """Return why it is not carried out yet; empty when it is."""
        if "carry_out" not in request.POST:
            return ""
        if request.POST.get("digest") != digest:
            return _("Something changed since this page was shown. Read it again.")
        if count > TYPED_ABOVE and request.POST.get("typed_count", "").strip() != str(count):
            return _("Type %(count)s: so many tenants are changed.") % {"count": count}
        return ""

    def _page(
        self,
        request: HttpRequest,
        selection: Selection,
        tenants: list[Tenant],
        form: BulkForm,
        more: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Change tenants"),
            "opts": self.opts,
            "selection": selection,
            "tenants": tenants,
            "form": form,
            "has_typed_count": len(tenants) > TYPED_ABOVE,
            "has_sizes": bool(form.sizes),
            **(more or {}),
        }
        return TemplateResponse(request, "admin/bulk_tenants.html", context)
