"""Stacks, what is pinned on their tenants, and their secrets (never a value)."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants import blueprints, services
from tenants.actors import Actor, from_request
from tenants.admin.columns import pretty, stamp
from tenants.admin.doors import PortalAdmin, PortalForm, ReadOnlyAdmin, fixed_filter, same
from tenants.admin.exports import AuditedExport, PortalResource, to_one
from tenants.models import ComponentPin, Region, Secret, SharedEnvironment, Stack

BLUEPRINT = fixed_filter("blueprint", _("blueprint"), lambda: same(blueprints.names()))


class StackResource(PortalResource):
    """Stacks for a spreadsheet; inputs and outputs stay in the portal."""

    region = to_one("region", Region, "slug")
    parent_environment = to_one("parent_environment", SharedEnvironment)

    class Meta:
        model = Stack
        fields = ("name", "kind", "blueprint", "region", "parent_environment", "condition",
                  "resource_count", "applied_release", "applied_at", "state_suspect", "has_drift",
                  "backend", "state_serial", "is_auto_apply", "is_auto_destroy", "public_id",
                  "created_at")  # fmt: skip
        export_order = fields


@admin.register(Stack)
class StackAdmin(AuditedExport, PortalAdmin):
    """Stacks are made and ended with their owner; only their settings change here."""

    resource_classes = [StackResource]
    export_list = "stacks"
    may_change = True
    portal_page = "stack"
    settings = ("is_auto_apply", "is_auto_destroy")
    deferred_in_lists = ("desired_inputs", "applied_inputs", "outputs", "suspect_reason")
    list_display = ("name", "kind", "region", "condition", "state_suspect", "resource_count",
                    "applied_release", stamp("applied_at", _("last applied")),
                    "is_auto_apply")  # fmt: skip
    list_filter = ("kind", "condition", "state_suspect", "has_drift", BLUEPRINT, "region",
                   "is_auto_apply")  # fmt: skip
    list_select_related = ("region",)
    read_in_lists = ("public_id", "name", "kind", "condition", "state_suspect", "resource_count",
                     "applied_release", "applied_at", "is_auto_apply",
                     "region__slug")  # fmt: skip
    search_fields = ("name",)
    search_help_text = _("A part of the name, or an id")
    ordering = ("name", "pk")
    fieldsets = (
        (None, {"fields": ("name", "kind", "blueprint", "region", "parent_environment",
                           "public_id")}),
        (_("Settings"), {"fields": (*settings, "reason")}),
        (_("Standing"), {"fields": ("condition", "has_drift", "state_suspect",
                                    pretty("suspect_reason", _("why suspect")),
                                    "applied_release", stamp("applied_at", _("last applied")))}),
        (_("State"), {"fields": ("backend", "state_host_id", "state_serial", "state_lineage",
                                 "resource_count", "blueprint_digest")}),
        (_("Inputs and outputs"), {"fields": (pretty("desired_inputs", _("desired inputs")),
                                              pretty("applied_inputs", _("applied inputs")),
                                              pretty("outputs", _("outputs")))}),
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list:
        """Return everything but the settings."""
        shown = admin.utils.flatten_fieldsets(self.fieldsets)
        return [name for name in shown if name not in (*self.settings, "reason")]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find a stack by its id as well."""
        if search_term.startswith("stk_"):
            return queryset.filter(public_id=search_term.strip()), False
        return super().get_search_results(request, queryset, search_term)

    def change(self, actor: Actor, obj: Stack, data: dict[str, Any]) -> Stack:
        """Change whether plans are applied without confirmation."""
        return services.change_stack_settings(actor, obj, **data)


class PinForm(PortalForm):
    """A pin; its reason is the pin's own as well as the audit entry's."""

    reason = forms.CharField(
        label=_("Reason"), max_length=500, widget=forms.TextInput({"class": "vTextField"})
    )


@admin.register(ComponentPin)
class ComponentPinAdmin(PortalAdmin):
    """One tenant's own version of one component."""

    form = PinForm
    may_add = may_change = True
    name_field = "component"
    list_display = ("tenant", "component", "version", "reason", stamp("expires_at", _("expires")))
    list_filter = ("component",)
    list_select_related = ("tenant",)
    search_fields = ("tenant__name", "component", "version")
    ordering = ("tenant__name", "component")
    autocomplete_fields = ("tenant",)
    fields = ("tenant", "component", "version", "reason", "expires_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what is given once."""
        return () if obj is None else ("tenant", "component")

    def create(self, actor: Actor, data: dict[str, Any]) -> ComponentPin:
        """Pin a component."""
        tenant, component = data["tenant"], data["component"]
        services.pin_component(actor, reason=actor.reason, **data)
        return ComponentPin.objects.get(tenant=tenant, component=component)

    def change(self, actor: Actor, obj: ComponentPin, data: dict[str, Any]) -> ComponentPin:
        """Pin another version, or until another time."""
        services.pin_component(
            actor,
            obj.tenant,
            component=obj.component,
            version=data.get("version", obj.version),
            reason=actor.reason,
            expires_at=data.get("expires_at", obj.expires_at),
        )
        return obj

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Pins are taken off here; the trail says what they were."""
        return self.admin_site.has_permission(request)

    def delete_model(self, request: HttpRequest, obj: ComponentPin) -> None:
        """Take the pin off."""
        actor = from_request(request, origin="admin")
        services.pin_component(
            actor, obj.tenant, component=obj.component, version="", reason="", expires_at=None
        )

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        """Take each pin off."""
        for pin in queryset.select_related("tenant__region"):
            self.delete_model(request, pin)


@admin.register(Secret)
class SecretAdmin(ReadOnlyAdmin):
    """That a secret is there, which version, under which key. Its value is nowhere in the admin."""

    deferred_in_lists = ("ciphertext",)
    list_display = ("stack", "kind", "name", "version", "key_id", stamp("rotated_at", _("set")))
    list_filter = ("kind",)
    list_select_related = ("stack",)
    search_fields = ("stack__name", "name")
    ordering = ("stack__name", "kind", "name", "-version")
    fields = ("stack", "kind", "name", "version", "key_id", stamp("rotated_at", _("set")))

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows without what is encrypted in them."""
        return super().get_queryset(request).defer("ciphertext")
