"""Lists as CSV or spreadsheet, and tenants from CSV; every export leaves an audit entry."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from import_export.admin import ExportMixin, ImportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.forms import ExportForm
from import_export.resources import Diff, ModelResource
from import_export.widgets import ForeignKeyWidget, Widget

from omlsaas.lib.ids import new_id
from omlsaas.lib.refusals import Refusal
from tenants import audit, services
from tenants.actors import Actor, from_request
from tenants.models import Region, Release, SharedEnvironment, Tenant

# What a spreadsheet would run as a formula, and what its format cannot hold.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class PortalResource(ModelResource):
    """Rows as plain cells that no spreadsheet runs."""

    def export_field(self, field: Field, instance: Model, **kwargs: Any) -> Any:
        """Return a cell: numbers and truth values as they are, times in ISO form, text safe."""
        value = super().export_field(field, instance, **kwargs)
        if isinstance(value, datetime):
            return value.isoformat(timespec="seconds")
        if value is None or isinstance(value, bool | int | float):
            return value
        text = CONTROL.sub("�", str(value))
        return f"'{text}" if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


class MappingWidget(Widget):
    """A mapping as `key=value` words, separated by commas."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> dict[str, str]:
        """Return the mapping that a cell says."""
        found = {}
        for part in str(value or "").replace("\n", ",").split(","):
            key, _sign, item = part.partition("=")
            if key.strip():
                found[key.strip()] = item.strip()
        return found

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Return the cell that says a mapping."""
        return ", ".join(f"{key}={item}" for key, item in (value or {}).items())


class NamedWidget(ForeignKeyWidget):
    """A related row by its name, among those that live."""

    def get_queryset(self, value: Any, row: Mapping, *args: Any, **kwargs: Any) -> QuerySet:
        """Return the rows to choose from; a release must be of the row's blueprint."""
        rows = self.model.objects.living()
        if self.model is Release:
            rows = rows.filter(blueprint=row.get("blueprint", ""))
        return rows

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Model | None:
        """Return the row of that name; a sentence when there is none."""
        try:
            return super().clean(value, row, **kwargs)
        except self.model.DoesNotExist:
            words = {"kind": self.model._meta.verbose_name, "name": value}
            raise ValueError(_("there is no living %(kind)s “%(name)s”.") % words) from None


def operation_actor(request: HttpRequest) -> Actor:
    """Return who acts, with an id that groups the audit entries of one act over many things."""
    return replace(from_request(request, origin="admin"), operation_id=new_id("ops"))


def to_one(name: str, model: type[Model], key: str = "name") -> Field:
    """Return a field that names a related row."""
    return Field(attribute=name, column_name=name, widget=NamedWidget(model, key))


class TenantResource(PortalResource):
    """Tenants out, and new tenants in through the service."""

    region = to_one("region", Region, "slug")
    shared_environment = to_one("shared_environment", SharedEnvironment)
    release = to_one("release", Release)
    labels = Field(attribute="labels", column_name="labels", widget=MappingWidget())
    condition = Field(attribute="stack__condition", column_name="condition", readonly=True)
    applied_release = Field(
        attribute="stack__applied_release", column_name="applied_release", readonly=True
    )
    resources = Field(attribute="stack__resource_count", column_name="resources", readonly=True)

    class Meta:
        model = Tenant
        import_id_fields = ()
        skip_unchanged = False
        clean_model_instances = False
        fields = ("name", "title", "blueprint", "region", "shared_environment", "release",
                  "time_zone", "labels", "notes", "condition", "applied_release", "resources",
                  "public_id", "created_at", "archived_at")  # fmt: skip
        export_order = fields
        import_fields = fields[:9]

    WRITTEN = Meta.import_fields

    def __init__(self, actor: Actor | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.actor = actor

    def get_import_fields(self) -> list[Field]:
        """Return the columns that a new tenant is made from."""
        return [self.fields[name] for name in self.WRITTEN]

    def get_diff_class(self) -> type[Diff]:
        """Return how the preview shows a row."""
        return PlainDiff

    def get_instance(self, instance_loader: Any, row: Mapping) -> None:
        """Return nothing: an import makes tenants, it changes none."""

    def save_instance(self, instance: Tenant, is_create: bool, row: Any, **kwargs: Any) -> None:
        """Create the tenant; what the service refuses stands at the row."""
        values = {name: getattr(instance, name) for name in self.WRITTEN if name != "region"}
        if instance.region_id is None:
            environment = instance.shared_environment
            instance.region_id = environment.region_id if environment else None
        if instance.region_id is None:
            raise ValidationError({"region": _("Name a region, or a shared environment.")})
        values["time_zone"] = values["time_zone"] or "UTC"
        try:
            made = services.create_tenant(self.actor, region=instance.region, **values)
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from refusal
        instance.pk = made.pk


class PlainDiff(Diff):
    """The values of a new row; the library's own diff colours by style attributes."""

    def as_html(self) -> list[str]:
        """Return each value as it will be."""
        return [format_html("{}", value) for value in self.right]


class PlainExportForm(ExportForm):
    """Which format: all columns are exported."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["format"].widget.attrs["class"] = "form-select"


class AuditedExport(ExportMixin):
    """Export of what the list's filters leave, with an audit entry that says who took it."""

    export_form_class = PlainExportForm
    export_list = ""

    def get_export_formats(self) -> list:
        """Return CSV, and spreadsheets where the library for them is installed."""
        return [kind for kind in (CSV, XLSX) if kind().can_export()]

    def get_export_filename(
        self, request: HttpRequest, queryset: QuerySet, file_format: Any
    ) -> str:
        """Return a name that says what it is and when it was made."""
        stamp = timezone.localtime().strftime("%Y%m%d-%H%M")
        return f"omlsaas-{self.export_list}-{stamp}.{file_format.get_extension()}"

    def get_data_for_export(self, request: HttpRequest, queryset: QuerySet, **kwargs: Any) -> Any:
        """Return the rows, and record that they were taken."""
        found = super().get_data_for_export(request, queryset, **kwargs)
        with transaction.atomic():
            chosen = {name: value for name, value in request.GET.items() if value}
            after = {"list": self.export_list, "rows": len(found), "filters": chosen}
            audit.record(from_request(request, origin="admin"), "export", request.user, after=after)
        return found


class TenantImport(ImportMixin):
    """New tenants from a CSV file: a dry run first, each error at its row, then all or none."""

    skip_admin_log = True

    def get_import_formats(self) -> list:
        """Return CSV alone: spreadsheets turn names and versions into dates and numbers."""
        return [CSV]

    def get_import_resource_kwargs(self, request: HttpRequest, **kwargs: Any) -> dict[str, Any]:
        """Return the actor of the import; one operation id groups what it makes."""
        return {"actor": operation_actor(request).because(_("Import of a file"))}

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        """Return options of the import: one bad row and nothing is made."""
        return {
            **super().get_import_data_kwargs(**kwargs),
            "use_transactions": True,
            "rollback_on_validation_errors": True,
        }

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        """Go back to the list, or say which rows no longer fit."""
        if not (result.has_errors() or result.has_validation_errors()):
            return super().process_result(result, request)
        for row in result.invalid_rows[:5]:
            words = {"number": row.number, "error": "; ".join(row.error.messages)}
            messages.error(request, _("Row %(number)s: %(error)s") % words)
        for number, errors in result.row_errors()[:5]:
            words = {"number": number, "error": "; ".join(str(e.error) for e in errors)}
            messages.error(request, _("Row %(number)s: %(error)s") % words)
        messages.warning(request, _("Nothing was imported: load the file again."))
        return redirect(reverse("admin:{}_{}_import".format(*self.get_model_info())))
