"""Invitations, to read; allauth's own pages are taken away: its rows change on the portal's pages.

They hold secrets of second factors and keys of sessions, and would write past the audit trail.
"""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from tenants.admin.columns import stamp
from tenants.admin.doors import ReadOnlyAdmin
from tenants.models import Invitation

for taken in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(taken):
        admin.site.unregister(taken)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Invitations; they are made and revoked on the portal's page of them."""

    list_display = ("email", "invited_by", stamp("created_at", _("made")),
                    stamp("expires_at", _("expires")), stamp("accepted_at", _("accepted")),
                    stamp("revoked_at", _("revoked")))  # fmt: skip
    search_fields = ("email", "note")
    ordering = ("-id",)
    fields = ("email", "note", "invited_by", "created_at", "expires_at", "sent_at",
              "accepted_at", "accepted_by", "revoked_at")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Return the rows with who invited."""
        return super().get_queryset(request).select_related("invited_by", "accepted_by")
