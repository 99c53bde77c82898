"""Tenants and shared environments: made, changed, archived, and many tenants changed at once."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from deployments import looks
from deployments.admin.bulk import BulkMixin
from deployments.forms import LabelsField
from deployments.services import archive
from tenants import blueprints, services
from tenants.actors import Actor
from tenants.admin.archiving import ArchiveMixin
from tenants.admin.columns import pairs, stamp
from tenants.admin.doors import ArchivedFilter, PortalForm, fixed_filter, same
from tenants.admin.exports import AuditedExport, TenantImport, TenantResource
from tenants.admin.places import GivenOnceAdmin, blueprint_choices
from tenants.models import SharedEnvironment, Tenant
from tenants.zones import time_zones

BLUEPRINT = fixed_filter("blueprint", _("blueprint"), lambda: same(blueprints.names()))


class EnvironmentForm(PortalForm):
    """A shared environment."""

    blueprint = forms.ChoiceField(label=_("Blueprint"), choices=lambda: blueprint_choices("shared"))
    labels = LabelsField()


class TenantForm(PortalForm):
    """A tenant; a release must be of its blueprint."""

    blueprint = forms.ChoiceField(label=_("Blueprint"), choices=lambda: blueprint_choices("tenant"))
    time_zone = forms.ChoiceField(label=_("Time zone"), choices=time_zones, initial="UTC")
    labels = LabelsField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "release" in self.fields:
            field = self.fields["release"]
            field.queryset = field.queryset.filter(blueprint=self.instance.blueprint)


class StackOwnerAdmin(ArchiveMixin, GivenOnceAdmin):
    """Something that has a stack."""

    archive_with = staticmethod(archive)
    may_add = may_change = True

    @admin.display(description=_("status"), ordering="stack__condition")
    def condition_shown(self, row: Any) -> SafeString:
        """Return the condition of its stack: icon, word and tone."""
        return looks.tag(looks.CONDITION_LOOKS[row.stack.condition])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple:
        """Return also what archiving wrote."""
        fixed = super().get_readonly_fields(request, obj)
        return (*fixed, "public_id", "archived_by", "archived_reason")


@admin.register(SharedEnvironment)
class SharedEnvironmentAdmin(StackOwnerAdmin):
    """What the tenants of one region share."""

    form = EnvironmentForm
    portal_page = "environment"
    given_once = ("name", "blueprint", "region")
    deferred_in_lists = ("notes",)
    list_display = ("name", "title", "condition_shown", "region", "blueprint",
                    pairs("labels", _("labels")), stamp("created_at", _("made")))  # fmt: skip
    list_filter = (ArchivedFilter, "region", "stack__condition", BLUEPRINT)
    list_select_related = ("region", "stack")
    search_fields = ("name", "title")
    ordering = ("name", "pk")
    fieldsets = (
        (None, {"fields": ("name", "title", "blueprint", "region")}),
        (_("Notes"), {"fields": ("labels", "notes")}),
        (None, {"fields": ("reason",)}),
    )

    def create(self, actor: Actor, data: dict[str, Any]) -> SharedEnvironment:
        """Create a shared environment with its stack."""
        return services.create_shared_environment(actor, **data)

    def change(self, actor: Actor, obj: Any, data: dict[str, Any]) -> SharedEnvironment:
        """Change title, labels or notes."""
        return services.change(actor, obj, "environment.change", **data)


@admin.register(Tenant)
class TenantAdmin(BulkMixin, TenantImport, AuditedExport, StackOwnerAdmin):
    """The operator's customers."""

    form = TenantForm
    portal_page = "tenant"
    resource_classes = [TenantResource]
    export_list = "tenants"
    import_export_change_list_template = "admin/import_export/change_list_import_export.html"
    actions = ("bulk_edit", "archive_selected")
    given_once = ("name", "blueprint", "region", "shared_environment")
    deferred_in_lists = ("notes",)
    list_display = ("name", "title", "condition_shown", "release", "shared_environment",
                    "region", "time_zone", pairs("labels", _("labels")))  # fmt: skip
    list_filter = (ArchivedFilter, "stack__condition", "release", "region",
                   "shared_environment", BLUEPRINT)  # fmt: skip
    list_select_related = ("region", "shared_environment", "release", "stack")
    read_in_lists = ("public_id", "name", "title", "time_zone", "labels", "region__slug",
                     "shared_environment__name", "release__name",
                     "stack__condition")  # fmt: skip
    search_fields = ("name", "title")
    search_help_text = _("A part of the name or of the customer")
    ordering = ("name", "pk")
    fieldsets = (
        (None, {"fields": ("name", "title", "blueprint", "region", "shared_environment")}),
        (_("What it should run"), {"fields": ("release", "time_zone")}),
        (_("Notes"), {"fields": ("labels", "notes")}),
        (None, {"fields": ("reason",)}),
    )

    def get_urls(self) -> list:
        """Add the page that carries a bulk edit out."""
        view = self.admin_site.admin_view(self.bulk_view)
        return [path("bulk/", view, name="tenants_tenant_bulk"), *super().get_urls()]

    def create(self, actor: Actor, data: dict[str, Any]) -> Tenant:
        """Create a tenant with its stack."""
        return services.create_tenant(actor, **data)

    def change(self, actor: Actor, obj: Tenant, data: dict[str, Any]) -> Tenant:
        """Change title, release, time zone, labels or notes."""
        return services.change_tenant(actor, obj, **data)
