"""Where stacks may stand, and which versions there are."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants import blueprints, services
from tenants.actors import Actor
from tenants.admin.archiving import ArchiveMixin
from tenants.admin.columns import pairs, stamp
from tenants.admin.doors import ArchivedFilter, PortalAdmin, PortalForm
from tenants.admin.exports import AuditedExport, PortalResource
from tenants.models import CloudAccount, Region, Release
from tenants.zones import time_zones


def blueprint_choices(kind: str) -> list[tuple[str, str]]:
    """Return the blueprints that have this kind of stack."""
    return [(b.name, b.title) for b in blueprints.all_blueprints() if kind in b.kinds]


class GivenOnceAdmin(PortalAdmin):
    """Some fields are given when the row is made and never change: `given_once`."""

    given_once: tuple[str, ...] = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple:
        """Return what cannot be typed; more of it once the row is there."""
        fixed = tuple(self.readonly_fields)
        return fixed if obj is None else (*fixed, *self.given_once)

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list:
        """Return the fields; those of archiving when it has happened, no reason where not asked."""
        shown = list(super().get_fieldsets(request, obj))
        if obj is not None and obj.is_archived:
            fields = (stamp("archived_at", _("archived")), "archived_by", "archived_reason")
            shown = [(title, _without(more, "reason")) for title, more in shown]
            shown.append((_("Archived"), {"fields": fields}))
        return shown


def _without(more: dict[str, Any], name: str) -> dict[str, Any]:
    return {**more, "fields": tuple(field for field in more["fields"] if field != name)}


def write_only(label: Any, help_text: Any) -> forms.CharField:
    """Return a field for a secret that is stored and never shown again: empty keeps it."""
    return forms.CharField(
        label=label,
        required=False,
        strip=True,
        max_length=2000,
        widget=forms.PasswordInput({"class": "vTextField", "autocomplete": "off"}),
        help_text=help_text,
    )


class CloudAccountForm(PortalForm):
    """A cloud account; its secret key is typed and never shown."""

    secret_key = write_only(
        _("Secret access key"), _("Stored encrypted and never shown again. Empty keeps it.")
    )


@admin.register(CloudAccount)
class CloudAccountAdmin(ArchiveMixin, GivenOnceAdmin):
    """Accounts at providers."""

    form = CloudAccountForm
    may_add = may_change = True
    given_once = ("name", "provider")
    list_display = (
        "name",
        "provider",
        "account_number",
        "access_key_id",
        "role_arn",
        stamp("created_at", _("made")),
    )
    list_filter = (ArchivedFilter, "provider")
    search_fields = ("name", "account_number")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "provider", "account_number")}),
        (_("Access"), {"fields": ("access_key_id", "secret_key", "role_arn", "external_id")}),
        (None, {"fields": ("reason",)}),
    )

    def create(self, actor: Actor, data: dict[str, Any]) -> CloudAccount:
        """Create an account."""
        return services.create_account(actor, **data)

    def change(self, actor: Actor, obj: CloudAccount, data: dict[str, Any]) -> CloudAccount:
        """Change an account."""
        return services.change_account(actor, obj, **data)


class RegionForm(PortalForm):
    """A region."""

    time_zone = forms.ChoiceField(label=_("Time zone"), choices=time_zones, initial="UTC")
    conn_str = write_only(
        _("Address of the database of states"),
        _("Only for states in PostgreSQL: postgres://… It is never shown again. Empty keeps it."),
    )


@admin.register(Region)
class RegionAdmin(ArchiveMixin, GivenOnceAdmin):
    """Regions of accounts, and sites of own hosts."""

    form = RegionForm
    may_add = may_change = True
    name_field = "slug"
    portal_page = "region"
    given_once = ("account", "slug", "state_backend")
    list_display = ("slug", "title", "account", "domain_name", "state_backend", "max_runs")
    list_filter = (ArchivedFilter, "account", "state_backend")
    list_select_related = ("account",)
    search_fields = ("slug", "title", "domain_name")
    ordering = ("slug",)
    fieldsets = (
        (None, {"fields": ("account", "slug", "title", "time_zone")}),
        (_("Provider"), {"fields": ("code", "endpoint_url", "probe")}),
        (_("Names"), {"fields": ("domain_name", "hosted_zone", "owner_prefix")}),
        (
            _("State and limits"),
            {"fields": ("state_backend", "backend_config", "conn_str", "max_runs")},
        ),
        (_("Instances repository"), {"fields": ("instances_remote",)}),
        (None, {"fields": ("reason",)}),
    )

    def create(self, actor: Actor, data: dict[str, Any]) -> Region:
        """Create a region."""
        return services.create_region(actor, **data)

    def change(self, actor: Actor, obj: Region, data: dict[str, Any]) -> Region:
        """Change a region."""
        return services.change_region(actor, obj, **data)


class ReleaseForm(PortalForm):
    """A release; its blueprint's components are checked."""

    blueprint = forms.ChoiceField(label=_("Blueprint"), choices=lambda: blueprint_choices("tenant"))

    def clean_components(self) -> dict[str, Any]:
        """Refuse components that are no version variables of the blueprint."""
        given = self.cleaned_data["components"]
        if not isinstance(given, dict):
            raise forms.ValidationError(_("Write a mapping: component → version."))
        name = self.cleaned_data.get("blueprint") or self.instance.blueprint
        if not name:
            return given
        kind = blueprints.load(name).kinds["tenant"]
        known = {v.name for v in kind.variables.values() if v.role == "version"}
        if unknown := sorted(set(given) - known):
            words = {"unknown": ", ".join(unknown), "known": ", ".join(sorted(known))}
            raise forms.ValidationError(_("Not known: %(unknown)s. There are: %(known)s.") % words)
        return given


class ReleaseResource(PortalResource):
    """Releases for a spreadsheet."""

    class Meta:
        model = Release
        fields = ("blueprint", "name", "components", "region_values", "notes", "released_at",
                  "created_at", "archived_at", "public_id")  # fmt: skip
        export_order = fields


@admin.register(Release)
class ReleaseAdmin(ArchiveMixin, AuditedExport, GivenOnceAdmin):
    """Named sets of component versions."""

    form = ReleaseForm
    resource_classes = [ReleaseResource]
    export_list = "releases"
    may_add = may_change = True
    given_once = ("blueprint", "name")
    list_display = ("name", "blueprint", pairs("components", _("versions")),
                    stamp("released_at", _("released")))  # fmt: skip
    list_filter = (ArchivedFilter, "blueprint")
    search_fields = ("name", "notes")
    ordering = ("blueprint", "-name")
    fields = ("blueprint", "name", "components", "region_values", "released_at", "notes", "reason")

    def create(self, actor: Actor, data: dict[str, Any]) -> Release:
        """Create a release."""
        return services.create_release(actor, **data)

    def change(self, actor: Actor, obj: Release, data: dict[str, Any]) -> Release:
        """Change what a release holds: stacks take it up with their next run."""
        return services.change(actor, obj, "release.change", kind="admin", **data)
