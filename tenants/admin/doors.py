"""What every admin page of the portal is: a thin door to the services.

A change calls one service with `actors.from_request(request, origin="admin")`; the service writes
the row and its audit entry in one transaction. A refusal becomes an error of the form, which is
shown again with all that was typed. Django's own log of the admin is not written: the audit
trail is the one history.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.forms import Field
from django.forms.models import construct_instance
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import escape
from django.utils.http import urlencode
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal
from tenants.actors import Actor, from_request
from tenants.admin.paging import FastPaginator
from tenants.errors import NameRefused, NameTaken

PAGE_SIZE = 50
CHOOSE_ALL = mark_safe('<input type="checkbox" id="action-toggle">')


class Refused(Exception):
    """A service said no; `problems` maps a field's name to its sentences."""

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__(problems)
        self.problems = problems


class PortalForm(forms.ModelForm):
    """A form whose rules are the services'; only what a field alone can tell is checked here."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=2000,
        widget=forms.TextInput({"class": "vTextField"}),
        help_text=_("Kept in the audit trail beside the change."),
    )
    problems: dict[str, list[str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})

    def _post_clean(self) -> None:
        # Instead of ModelForm's own, which also asks the database about constraints and unique
        # columns: those answers are the services', who name what stands in the way.
        fields, exclude = self._meta.fields, self._get_validation_exclusions()
        self.instance = construct_instance(self, self.instance, fields, self._meta.exclude)
        try:
            self.instance.clean_fields(exclude=exclude)
        except ValidationError as error:
            self._update_errors(error)
        for name, sentences in self.problems.items():
            self.add_error(name if name in self.fields else None, sentences)


class PortalAdmin(admin.ModelAdmin):
    """A model whose changes go through services. Nothing may be added or deleted by default."""

    form = PortalForm
    paginator = FastPaginator
    list_per_page = PAGE_SIZE
    list_max_show_all = PAGE_SIZE
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    save_on_top = False
    # Whoever may see the admin changes what `changed_fields` names.
    may_add = False
    may_change = False
    # The field at which refusals about a name stand.
    name_field = "name"
    # The portal's page of a row, by its public id.
    portal_page = ""
    # Columns that are read only when somebody looks at one row.
    deferred_in_lists: tuple[str, ...] = ()
    # All that a list shows, for lists so long that reading more is felt; related rows' as well.
    read_in_lists: tuple[str, ...] = ()
    formfield_overrides = {
        models.DateTimeField: {
            "form_class": forms.DateTimeField,
            "widget": forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        },
    }

    # --- who may -----------------------------------------------------------------------------
    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell whether the person may see the admin at all."""
        return self.admin_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether the person may see the admin at all."""
        return self.admin_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Tell whether rows are made here."""
        return self.may_add and self.admin_site.has_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell whether rows are changed here; what is archived can only be read."""
        is_history = getattr(obj, "archived_at", None) is not None
        return self.may_change and not is_history and self.admin_site.has_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say no: things with a history are archived."""
        return False

    # --- lists -------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        """Return the rows; wide columns only for one row's own page."""
        rows = super().get_queryset(request)
        match = request.resolver_match
        page = (match.url_name or "") if match is not None else ""
        if page.endswith(("_change", "_delete")):
            return rows
        # What is posted to a list is an action, which may need more than the list shows.
        if self.read_in_lists and page.endswith("_changelist") and request.method == "GET":
            return rows.only(*self.read_in_lists)
        return rows.defer(*self.deferred_in_lists)

    def get_view_on_site_url(self, obj: Any = None) -> str | None:
        """Return the portal's own page of a row."""
        if obj is None or not self.portal_page:
            return None
        return reverse(self.portal_page, args=[obj.public_id])

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list under the name of what it lists."""
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.display(description=CHOOSE_ALL)
    def action_checkbox(self, obj: Any) -> SafeString:
        """Return the box that chooses a row; the widget's own template costs a fifth of a list."""
        label = escape(f"{_('Select this row')}: {obj}")
        return mark_safe(  # noqa: S308
            f'<input type="checkbox" name="{ACTION_CHECKBOX_NAME}" value="{escape(obj.pk)}" '
            f'class="action-select" aria-label="{label}">'
        )

    # --- changes -----------------------------------------------------------------------------
    def create(self, actor: Actor, data: dict[str, Any]) -> Any:
        """Create a row through its service and return it."""
        raise NotImplementedError

    def change(self, actor: Actor, obj: Any, data: dict[str, Any]) -> Any:
        """Change a row through its service; `data` holds only what the person changed."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: forms.Form, change: bool) -> None:
        """Call the service; what it refuses comes back to the form."""
        data = dict(form.cleaned_data)
        actor = from_request(request, origin="admin").because(data.pop("reason", "") or "")
        try:
            if change:
                self.change(actor, obj, {k: data[k] for k in form.changed_data if k in data})
            else:
                made = self.create(actor, data)
                obj.pk = made.pk
                obj.refresh_from_db()
        except (Refusal, ValidationError) as error:
            raise Refused(problems_of(error, self.name_field)) from error

    def save_related(self, *args: Any) -> None:
        """Do nothing: services write what belongs to a row together with it."""

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra: Any = None
    ) -> HttpResponse:
        """Show the form; after a refusal once more, with the service's sentences in it."""
        extra = {"show_save_and_add_another": False, **(extra or {})}
        try:
            return super().changeform_view(request, object_id, form_url, extra)
        except Refused as refused:
            request.admin_problems = refused.problems
            return super().changeform_view(request, object_id, form_url, extra)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **more: Any):
        """Return the form's class, made for this request."""
        made = super().get_form(request, obj, change=change, **more)
        made.problems = getattr(request, "admin_problems", {})
        return made

    def formfield_for_dbfield(
        self, db_field: models.Field, request: HttpRequest, **more: Any
    ) -> Field | None:
        """Return a field without the links that would open a second form over this one."""
        field = super().formfield_for_dbfield(db_field, request, **more)
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **more: Any) -> Field:
        """Return a choice among what lives; what is archived takes nothing new."""
        related = db_field.remote_field.model
        if "queryset" not in more and hasattr(related, "archived_at"):
            more["queryset"] = related.objects.living()
        return super().formfield_for_foreignkey(db_field, request, **more)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Send the person to the audit trail of this row."""
        row = self.get_object(request, object_id)
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        target = getattr(row, "public_id", str(row.pk))
        query = urlencode({"target_id": target, "target_kind": self.opts.model_name})
        return redirect(f"{reverse('admin:tenants_auditentry_changelist')}?{query}")

    def log_addition(self, *args: Any) -> None:
        """Write nothing: the service has written the audit entry."""

    def log_change(self, *args: Any) -> None:
        """Write nothing: the service has written the audit entry."""

    def log_deletions(self, *args: Any) -> None:
        """Write nothing: the service has written the audit entry."""


class ReadOnlyAdmin(PortalAdmin):
    """Rows that only the portal's own work writes."""

    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return every field that is shown."""
        return admin.utils.flatten_fieldsets(self.get_fieldsets(request, obj))


class NarrowedList(admin.SimpleListFilter):
    """A filter with a default that is not everything: `default` is what no choice means."""

    default: tuple[str, Any] = ("", "")

    def choices(self, changelist: Any) -> Any:
        """Yield the default first, then the others."""
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": self.default[1],
        }
        for value, title in self.lookup_choices:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }


def fixed_filter(
    name: str, title_: Any, choices: Callable[[], Iterable[tuple[str, Any]]]
) -> type[admin.SimpleListFilter]:
    """Return a filter of a column whose values are known: no row is read to offer them."""

    class Fixed(admin.SimpleListFilter):
        title = title_
        parameter_name = name

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
            return list(choices())

        def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
            return queryset.filter(**{name: self.value()}) if self.value() else queryset

    return Fixed


def same(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return choices that are called what they are."""
    return [(name, name) for name in names]


class ArchivedFilter(NarrowedList):
    """Lists hide what is archived unless they are asked."""

    title = _("archived")
    parameter_name = "archived"
    default = ("", _("living"))

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices besides the living."""
        return [("1", _("archived")), ("all", _("all"))]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet) -> models.QuerySet:
        """Return what was asked for."""
        if self.value() == "all":
            return queryset
        return queryset.filter(archived_at__isnull=self.value() != "1")


def problems_of(error: Exception, name_field: str = "name") -> dict[str, list[str]]:
    """Return a refusal as sentences by field; those of no field stand above the form."""
    if isinstance(error, ValidationError):
        if hasattr(error, "error_dict"):
            return error.message_dict
        return {NON_FIELD_ERRORS: error.messages}
    if isinstance(error, NameRefused | NameTaken):
        return {name_field: [str(error)]}
    return {NON_FIELD_ERRORS: [str(error)]}
