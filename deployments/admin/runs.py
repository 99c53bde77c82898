"""Runs and what belongs to them: read-only, everywhere."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from deployments import looks
from deployments.models import Plan, Run, RunEvent, RunStep, StateVersion
from deployments.runstatus import PHASE_STATUS as PHASES
from omlsaas.lib.ids import is_public_id
from tenants.access import KINDS as KINDS_OF_ACTION
from tenants.admin.columns import pretty, stamp
from tenants.admin.doors import ReadOnlyAdmin, fixed_filter, same
from tenants.admin.exports import AuditedExport, PortalResource, to_one
from tenants.models import Region, Stack

# So many stacks are named one by one in a query; more are left to a sub-query.
NAMED_STACKS = 500


class RunResource(PortalResource):
    """Runs for a spreadsheet; inputs, errors and logs stay in the portal."""

    stack = to_one("stack", Stack)
    region = to_one("region", Region, "slug")

    class Meta:
        model = Run
        fields = ("public_id", "stack", "number", "region", "action", "action_kind", "status",
                  "error_kind", "was_forced", "is_plan_only", "is_destroy", "is_scheduled",
                  "release_name", "terraform_version", "reason", "actor_name", "created_at",
                  "started_at", "planned_at", "confirmed_at", "confirmed_by", "ended_at",
                  "to_create", "to_update", "to_replace", "to_destroy", "log_lines",
                  "log_bytes")  # fmt: skip
        export_order = fields


def of_stacks(queryset: QuerySet, word: str, path: str) -> QuerySet:
    """Return the rows whose stack's name has the word, found by the stacks' ids."""
    stacks = Stack.objects.filter(name__icontains=word).order_by()
    ids: Any = list(stacks.values_list("pk", flat=True)[: NAMED_STACKS + 1])
    if len(ids) > NAMED_STACKS:
        ids = stacks.values("pk")
    return queryset.filter(**{f"{path}__in": ids})


class OfRunAdmin(ReadOnlyAdmin):
    """Rows that belong to a run: found by its id, `stack #number` or the stack's name."""

    run_path = "run"
    list_select_related = ("run__stack",)
    search_fields = ("pk",)
    # Sorting by a column without an index would read every row.
    sortable_by: tuple[str, ...] = ()
    search_help_text = _("A run's id, a stack's name, or stack #number")

    @admin.display(description=_("run"))
    def run_shown(self, row: Any) -> SafeString | None:
        """Return the run as a link to its page."""
        run = row if isinstance(row, Run) else row.run
        if run is None:
            return None
        return format_html('<a href="{}">{}</a>', reverse("run", args=[run.public_id]), run)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        """Find rows by what people call a run."""
        word, prefix = search_term.strip(), f"{self.run_path}__" if self.run_path else ""
        if not word:
            return queryset, False
        if is_public_id(word):
            name = "public_id" if not word.startswith("run_") else f"{prefix}public_id"
            known = word.startswith("run_") or hasattr(self.model, "public_id")
            return (queryset.filter(**{name: word}) if known else queryset.none()), False
        name, _sign, number = word.partition("#")
        if number.strip().isdecimal() and len(number) < 10:
            queryset = queryset.filter(**{f"{prefix}number": int(number)})
        return of_stacks(queryset, name.strip(), f"{prefix}stack_id"), False


@admin.register(Run)
class RunAdmin(AuditedExport, OfRunAdmin):
    """Runs; what may be done with one is done on its page in the portal."""

    resource_classes = [RunResource]
    export_list = "runs"
    run_path = ""
    portal_page = "run"
    sortable_by = ("run_number", "status_shown", "created_at_shown", "ended_at_shown")
    deferred_in_lists = ("inputs", "steps_wanted", "secret_versions", "actor", "error", "waiting",
                         "notice", "late_evidence", "reason", "comment",
                         "cancel_because")  # fmt: skip
    list_display = ("run_number", "status_shown", "action_label", "region", "release_name",
                    "changes_shown", "actor_name", stamp("created_at", _("queued"), by="id"),
                    stamp("ended_at", _("ended")))  # fmt: skip
    list_filter = ("status", "region",
                   fixed_filter("action_kind", _("kind of action"), KINDS_OF_ACTION.items),
                   "error_kind", "is_plan_only", "is_scheduled", "has_legal_hold",
                   "log_state")  # fmt: skip
    list_select_related = ("stack", "region")
    read_in_lists = ("public_id", "number", "status", "action_label", "release_name", "actor_name",
                     "created_at", "ended_at", "has_changes", "cancel_requested_at", "to_create",
                     "to_update", "to_replace", "to_destroy", "stack__name",
                     "region__slug")  # fmt: skip
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("run_shown", "status_shown", "action_label", "action_kind", "stack",
                           "region", "reason", "comment", "public_id")}),
        (_("Who and when"), {"fields": ("actor_name", stamp("created_at", _("queued")),
            stamp("admitted_at", _("admitted")), stamp("started_at", _("started")),
            stamp("planned_at", _("planned")), stamp("confirmed_at", _("confirmed")),
            "confirmed_by", stamp("apply_started_at", _("apply started")),
            stamp("ended_at", _("ended")), "retry_of", "is_scheduled")}),
        (_("What"), {"fields": ("changes_shown", "is_plan_only", "is_destroy", "is_auto_apply",
            "blueprint", "blueprint_digest", "release_name", "release_before",
            "terraform_version", pretty("inputs", _("inputs")),
            pretty("secret_versions", _("versions of secrets")),
            pretty("steps_wanted", _("steps")))}),
        (_("How it went"), {"fields": ("error_kind", pretty("error", _("error")),
            pretty("waiting", _("why it waits")), pretty("notice", _("notice")),
            stamp("cancel_requested_at", _("asked to stop")), "cancel_mode", "cancel_by",
            "was_forced", pretty("late_evidence", _("late evidence")), "host_id")}),
        (_("Log"), {"fields": ("log_state", "log_lines", "log_bytes", "has_legal_hold")}),
    )  # fmt: skip

    @admin.display(description=_("run"), ordering="-id")
    def run_number(self, run: Run) -> str:
        """Return what people call it."""
        return str(run)

    @admin.display(description=_("status"), ordering="status")
    def status_shown(self, run: Run) -> SafeString:
        """Return the status: icon, word and tone."""
        return looks.tag(looks.run_look(run))

    @admin.display(description=_("changes"), empty_value="–")
    def changes_shown(self, run: Run) -> str | None:
        """Return what its plan does."""
        counts = (run.to_create, run.to_update, run.to_replace, run.to_destroy)
        marks = zip("+~±−", counts, strict=True)
        return " ".join(f"{mark}{count}" for mark, count in marks) if any(counts) else None


@admin.register(RunStep)
class RunStepAdmin(OfRunAdmin):
    """Processes and calls of runs."""

    deferred_in_lists = ("progress", "params", "outcome")
    list_display = ("run_shown", "number", "phase", "kind", "exit_code", "host_id",
                    stamp("started_at", _("started")), stamp("ended_at", _("ended")))  # fmt: skip
    list_filter = (
        fixed_filter("phase", _("phase"), lambda: same(PHASES)),
        ("ended_at", admin.EmptyFieldListFilter),
    )
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": ("run_shown", "number", "phase", "kind", "exit_code",
                           stamp("started_at", _("started")), stamp("ended_at", _("ended")),
                           pretty("outcome", _("outcome")))}),
        (_("Who minds it"), {"fields": ("host_id", "worker_id", "step_dir", "epoch",
                                        stamp("lease_until", _("leased until")),
                                        stamp("last_output_at", _("last output")))}),
        (_("Log"), {"fields": ("raw_offset", "log_start", "log_end", "log_lines")}),
    )  # fmt: skip


@admin.register(RunEvent)
class RunEventAdmin(OfRunAdmin):
    """The history of runs."""

    deferred_in_lists = ("detail", "comment")
    list_display = (stamp("created_at", _("when")), "run_shown", "from_status", "to_status",
                    "actor_name")  # fmt: skip
    list_filter = ("to_status",)
    ordering = ("-id",)
    fields = (stamp("created_at", _("when")), "run_shown", "from_status", "to_status",
              "actor_name", "actor_id", "detail_text", pretty("detail", _("detail")),
              "comment")  # fmt: skip


@admin.register(Plan)
class PlanAdmin(OfRunAdmin):
    """Plans: the facts that they were made on. The sealed bundle is shown nowhere."""

    deferred_in_lists = ("view", "masked_json", "bundle", "facts")
    list_display = ("run_shown", "digest", "key_id", stamp("created_at", _("made")))
    ordering = ("-id",)
    fields = ("run_shown", "digest", pretty("facts", _("facts")), "key_id",
              stamp("created_at", _("made")))  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows without what is large or encrypted in them."""
        return super().get_queryset(request).defer("view", "masked_json", "bundle")


@admin.register(StateVersion)
class StateVersionAdmin(OfRunAdmin):
    """Kept versions of states; the content is read by nobody here."""

    run_path = ""
    portal_page = "state"
    list_select_related = ("stack", "run__stack")
    deferred_in_lists = ("ciphertext",)
    list_display = ("stack", "serial", "moment", "run_shown", "resource_count", "size",
                    "actor_name", stamp("created_at", _("kept")))  # fmt: skip
    list_filter = ("moment",)
    search_help_text = _("A part of the stack's name, or an id")
    ordering = ("-id",)
    fields = ("stack", "serial", "lineage", "moment", "run_shown", "resource_count", "size",
              "digest", "terraform_version", "blueprint_digest", "key_id", "actor_name",
              stamp("created_at", _("kept")), "public_id")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows without their content."""
        return super().get_queryset(request).defer("ciphertext")
