"""The audit trail: read, filter, export."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants.admin.columns import pretty, stamp
from tenants.admin.doors import ReadOnlyAdmin, fixed_filter
from tenants.admin.exports import AuditedExport, PortalResource
from tenants.audit import ACTIONS
from tenants.models import AuditAnchor, AuditCursor, AuditEntry, AuditSeal


class AuditResource(PortalResource):
    """Entries for a spreadsheet."""

    class Meta:
        model = AuditEntry
        fields = ("created_at", "action", "actor_name", "actor_id", "actor_kind", "role",
                  "target_kind", "target_name", "target_id", "region_name",
                  "shared_environment_name", "tenant_name", "run_name", "run_id", "approver_name",
                  "plan_digest", "reason", "before", "after", "ip", "request_id",
                  "operation_id", "origin", "is_refused", "public_id")  # fmt: skip
        export_order = fields


KINDS = (("user", _("person")), ("service", _("program")), ("system", _("the portal itself")))


@admin.register(AuditEntry)
class AuditEntryAdmin(AuditedExport, ReadOnlyAdmin):
    """Who did what, to what, why."""

    resource_classes = [AuditResource]
    export_list = "audit"
    deferred_in_lists = ("before", "after")
    read_in_lists = ("public_id", "created_at", "actor_name", "role", "action", "target_name",
                     "target_kind", "tenant_name", "run_name", "reason", "origin",
                     "is_refused")  # fmt: skip
    sortable_by = ("created_at_shown", "action_shown")
    list_display = (stamp("created_at", _("when"), by="id"), "actor_name", "role", "action_shown",
                    "target_shown", "tenant_name", "run_name", "reason_shown", "origin",
                    "is_refused")  # fmt: skip
    list_filter = (
        "is_refused",
        fixed_filter("actor_kind", _("who"), lambda: KINDS),
        fixed_filter("action", _("action"), ACTIONS.items),
    )
    search_fields = ("actor_name",)
    search_help_text = _("The beginning of a name, or a whole id (run, request, operation)")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (stamp("created_at", _("when")), "action_shown", "reason", "is_refused",
                           "public_id")}),
        (_("Who"), {"fields": ("actor_name", "actor_kind", "actor_id", "role", "token_id",
                               "origin", "ip", "request_id", "operation_id",
                               "approver_name", "plan_digest")}),
        (_("What"), {"fields": ("target_kind", "target_name", "target_id", "tenant_name",
                                "shared_environment_name", "region_name", "run_name", "run_id")}),
        (_("Change"), {"fields": (pretty("before", _("before")), pretty("after", _("after")))}),
    )  # fmt: skip

    @admin.display(description=_("action"), ordering="action")
    def action_shown(self, entry: AuditEntry) -> Any:
        """Return the action in words."""
        return ACTIONS.get(entry.action, entry.action)

    @admin.display(description=_("target"), ordering="target_name")
    def target_shown(self, entry: AuditEntry) -> str:
        """Return what it was done to."""
        return f"{entry.target_name} ({entry.target_kind})"

    @admin.display(description=_("reason"), empty_value="–")
    def reason_shown(self, entry: AuditEntry) -> str | None:
        """Return the beginning of the reason."""
        return entry.reason[:80] or None

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Allow what pages link to: the entries of one thing, person, run or operation."""
        linked = ("target_id", "target_kind", "actor_id", "run_id", "operation_id", "request_id")
        return lookup in linked or super().lookup_allowed(lookup, value, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find entries by ids, or by the beginning of a name."""
        word = search_term.strip()
        if not word:
            return queryset, False
        ids = ("run_id", "request_id", "operation_id", "target_id", "actor_id", "public_id")
        where = Q()
        for name in ids:
            where |= Q(**{name: word})
        for name in ("actor_name", "target_name", "tenant_name"):
            where |= Q(**{f"{name}__istartswith": word})
        return queryset.filter(where), False


@admin.register(AuditSeal)
class AuditSealAdmin(ReadOnlyAdmin):
    """The chain over the entries."""

    list_display = ("seq", "entry_id", "day", "key_id")
    sortable_by = ("seq",)
    search_fields = ("=entry_id",)
    search_help_text = _("The number of an entry")
    ordering = ("-seq",)
    fields = ("seq", "entry_id", "day", "key_id", "mac")


@admin.register(AuditAnchor)
class AuditAnchorAdmin(ReadOnlyAdmin):
    """Heads of the chain, and the files that days were moved to."""

    list_display = ("day", "kind", "first_seq", "last_seq", "head", "file_name",
                    stamp("created_at", _("made")))  # fmt: skip
    list_filter = ("kind",)
    ordering = ("-id",)
    fields = ("day", "kind", "first_seq", "last_seq", "head", "file_name", "file_sha256",
              "unmarked_to", "key_id", "mac", stamp("created_at", _("made")))  # fmt: skip


@admin.register(AuditCursor)
class AuditCursorAdmin(ReadOnlyAdmin):
    """How far the sealer and the forwarding are."""

    list_display = ("name", "position")
    ordering = ("name",)
    fields = ("name", "position", pretty("detail", _("detail")))
