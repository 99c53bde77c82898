"""API tokens, as they stand; the portal's own pages make and revoke them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from tenants.admin.columns import stamp
from tenants.admin.doors import ReadOnlyAdmin
from tenants.models import ApiToken, ApiTokenPlace


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Whose tokens there are, what each may and when it was used; no hash is shown."""

    list_display = ("name", "user", stamp("created_at", _("made")),
                    stamp("expires_at", _("expires")), stamp("last_used_at", _("last used")),
                    stamp("revoked_at", _("revoked")))  # fmt: skip
    list_select_related = ("user",)
    search_fields = ("name", "user__username", "public_id")
    ordering = ("-id",)
    fields = ("name", "user", "public_id", "kinds", "everything", "networks", "created_by",
              stamp("created_at", _("made")), stamp("expires_at", _("expires")),
              stamp("last_used_at", _("last used")), "last_used_ip",
              stamp("revoked_at", _("revoked")), "revoked_by")  # fmt: skip


@admin.register(ApiTokenPlace)
class ApiTokenPlaceAdmin(ReadOnlyAdmin):
    """To which places a token is narrowed."""

    list_display = ("token", "region", "shared_environment", "tenant")
    list_select_related = ("token", "region", "shared_environment", "tenant")
    search_fields = ("token__name", "token__public_id")
    ordering = ("-id",)
    fields = ("token", "region", "shared_environment", "tenant")
