"""Channels, subscriptions, notices and deliveries in the admin: to look at.

They are changed in the portal, where a channel's address and key can be handed over safely.
"""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from notices.models import Channel, Delivery, Notice, Subscription
from tenants.admin.columns import pretty, stamp
from tenants.admin.doors import PortalAdmin


@admin.register(Channel)
class ChannelAdmin(PortalAdmin):
    """Ways to tell programs and rooms; addresses and keys are never shown."""

    portal_page = "channel"
    list_select_related = ("region",)
    list_display = ("name", "kind", "shown_as", "region", "is_paused",
                    stamp("failing_since", _("failing since")),
                    stamp("last_sent_at", _("last delivered")))  # fmt: skip
    list_filter = ("kind", "is_paused")
    search_fields = ("name", "public_id")
    search_help_text = _("A part of its name, or an id")
    ordering = ("name",)
    fields = ("name", "kind", "shown_as", "region", "table_name", "follows_redirects", "is_paused",
              "failing_since", "last_sent_at", "archived_at", "archived_by", "archived_reason",
              "public_id")  # fmt: skip


@admin.register(Subscription)
class SubscriptionAdmin(PortalAdmin):
    """Who listens to what."""

    list_select_related = ("user", "channel", "region", "shared_environment", "tenant", "stack")
    list_display = ("user", "channel", "scope_text", "by_email", stamp("created_at", _("made")))
    search_fields = ("user__username", "channel__name", "public_id")
    search_help_text = _("A part of a user's or channel's name, or an id")
    ordering = ("-id",)
    fields = ("user", "channel", "scope_text", pretty("events", _("events")), "by_email",
              "public_id")  # fmt: skip


@admin.register(Notice)
class NoticeAdmin(PortalAdmin):
    """Lines in people's inboxes."""

    list_select_related = ("user",)
    deferred_in_lists = ("facts",)
    list_display = ("user", "event", "run_public_id", stamp("created_at", _("when")),
                    stamp("read_at", _("read")))  # fmt: skip
    list_filter = ("event",)
    search_fields = ("user__username", "run_public_id", "public_id")
    search_help_text = _("A part of a user's name, or an id")
    ordering = ("-id",)
    fields = ("user", "event", pretty("facts", _("facts")), "created_at", "read_at", "public_id")


@admin.register(Delivery)
class DeliveryAdmin(PortalAdmin):
    """Messages on their way, and how they went."""

    portal_page = ""
    list_select_related = ("user", "channel")
    deferred_in_lists = ("payload", "tries")
    list_display = ("channel", "user", "event", "subject", "status", "attempts",
                    stamp("created_at", _("made")))  # fmt: skip
    list_filter = ("status", "event")
    search_fields = ("subject", "public_id", "message_id", "channel__name")
    search_help_text = _("What it is about, a channel's name, or an id")
    ordering = ("-id",)
    fields = ("channel", "user", "event", "subject", "status", "attempts", "next_at", "created_at",
              "ended_at", pretty("payload", _("what was sent")),
              pretty("tries", _("attempts")), "message_id", "public_id")  # fmt: skip
