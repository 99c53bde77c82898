"""The outbox in the admin: to look at. What stands here for long is not being told."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from deployments.models import Happening
from tenants.admin.columns import pretty, stamp
from tenants.admin.doors import PortalAdmin


@admin.register(Happening)
class HappeningAdmin(PortalAdmin):
    """Events that wait to be told."""

    list_display = ("kind", "run_id", "stack_id", stamp("created_at", _("when")))
    list_filter = ("kind",)
    ordering = ("-id",)
    fields = ("kind", "run_id", "stack_id", pretty("facts", _("what is known")), "created_at")
