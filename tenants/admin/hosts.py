"""Hosts of stacks, as they stand; the portal's page of a stack changes them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants.admin.columns import stamp
from tenants.admin.doors import ArchivedFilter, ReadOnlyAdmin
from tenants.models import Host


@admin.register(Host)
class HostAdmin(ReadOnlyAdmin):
    """Which machines there are and whose keys are confirmed; an SSH key is nowhere in the admin."""

    deferred_in_lists = ("ciphertext",)
    list_display = ("name", "stack", "role", "address", "user", "pinned_by",
                    stamp("pinned_at", _("key confirmed")))  # fmt: skip
    list_filter = (ArchivedFilter, "role")
    list_select_related = ("stack",)
    search_fields = ("name", "address", "stack__name")
    ordering = ("stack__name", "role", "name")
    fields = ("stack", "name", "role", "address", "lan_address", "port", "user", "python",
              "host_key", "offered_key", "pinned_by", stamp("pinned_at", _("key confirmed")),
              "key_id", "archived_by", "archived_reason")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows without what is encrypted in them."""
        return super().get_queryset(request).defer("ciphertext")
