"""Backups that were seen, and restore points: to look at."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from deployments.admin.runs import OfRunAdmin
from deployments.models import Backup, RestorePoint
from tenants.admin.columns import pretty, stamp


@admin.register(Backup)
class BackupAdmin(OfRunAdmin):
    """Backups as they were last seen; the bucket is what is true."""

    run_path = ""
    list_select_related = ("stack", "run__stack")
    list_display = ("stack", "component", "name", "size", "run_shown",
                    stamp("taken_at", _("taken")), stamp("seen_at", _("seen")))  # fmt: skip
    search_help_text = _("A part of the stack's name")
    ordering = ("-id",)
    fields = ("stack", "component", "name", "key", "size", "run_shown",
              stamp("taken_at", _("taken")), stamp("seen_at", _("seen")))  # fmt: skip


@admin.register(RestorePoint)
class RestorePointAdmin(OfRunAdmin):
    """What belongs together to go back."""

    run_path = ""
    list_select_related = ("stack", "run__stack")
    deferred_in_lists = ("inputs", "versions", "backups")
    list_display = ("stack", "run_shown", "release_name", stamp("created_at", _("made")))
    search_help_text = _("A part of the stack's name, or an id")
    ordering = ("-id",)
    fields = ("stack", "run_shown", "release_name", pretty("versions", _("versions")),
              pretty("inputs", _("inputs")), pretty("backups", _("backups")), "state_version",
              stamp("created_at", _("made")), "public_id")  # fmt: skip
