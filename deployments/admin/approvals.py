"""Second persons: requests, rules and grants, to look at; all is decided in the portal."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from deployments.admin.runs import OfRunAdmin
from deployments.models import Approval, ApprovalPolicy, StandingGrant
from tenants.admin.columns import stamp
from tenants.admin.doors import ReadOnlyAdmin


@admin.register(Approval)
class ApprovalAdmin(OfRunAdmin):
    """Who was asked, and what they said."""

    list_display = ("run_shown", "state", "asked_by", stamp("asked_at", _("asked")), "decided_by",
                    stamp("decided_at", _("decided")))  # fmt: skip
    list_filter = ("state",)
    ordering = ("-id",)
    fields = ("run_shown", "state", "risks", "digest", "asked_by", stamp("asked_at", _("asked")),
              "decided_by", stamp("decided_at", _("decided")), "reason",
              stamp("expires_at", _("holds until")), "public_id")  # fmt: skip


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(ReadOnlyAdmin):
    """The rule, each change a row; the newest that has taken effect holds."""

    list_display = (stamp("takes_effect_at", _("takes effect")), "actor_name", "reason",
                    "valid_minutes")  # fmt: skip
    ordering = ("-id",)
    fields = ("risks", "exempt_accounts", "valid_minutes", "reason", "actor_name",
              stamp("created_at", _("asked for")),
              stamp("takes_effect_at", _("takes effect")))  # fmt: skip


@admin.register(StandingGrant)
class StandingGrantAdmin(ReadOnlyAdmin):
    """What service accounts may do alone."""

    list_display = ("public_id", "stack", "shared_environment", "blueprint", "granted_by",
                    stamp("ends_at", _("ends")), stamp("revoked_at", _("revoked")))  # fmt: skip
    list_select_related = ("stack", "shared_environment")
    search_fields = ("public_id", "granted_by")
    ordering = ("-id",)
    fields = ("public_id", "region", "stack", "shared_environment", "blueprint", "accounts",
              "may_create", "may_destroy", "reason", "granted_by",
              stamp("created_at", _("granted")), stamp("ends_at", _("ends")),
              stamp("revoked_at", _("revoked")), "revoked_by", "revoked_reason")  # fmt: skip
