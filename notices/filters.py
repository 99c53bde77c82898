"""Filters of the lists of notices."""

from typing import Any

import django_filters as df
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from deployments.filters import ARCHIVED, PortalFilterSet
from notices.events import EVENTS
from notices.models import Channel, ChannelKind, Delivery, DeliveryStatus, Notice


class ChannelFilter(PortalFilterSet):
    """Channels by kind, state and text."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    kind = df.ChoiceFilter(label=_("Kind"), choices=ChannelKind.choices)
    failing = df.ChoiceFilter(
        label=_("State"), choices=[("1", _("failing")), ("paused", _("paused"))], method="by_state"
    )
    archived = df.ChoiceFilter(label=_("Archived"), choices=ARCHIVED, method="by_archived")

    class Meta:
        model = Channel
        fields: list[str] = []

    @property
    def qs(self) -> QuerySet:
        """Return the channels; without the filter only what lives."""
        rows = super().qs
        return rows if self.data.get("archived") else rows.filter(archived_at__isnull=True)

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name or address."""
        return queryset.filter(Q(name__icontains=value) | Q(shown_as__icontains=value))

    def by_state(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep those that fail, or that are paused."""
        wanted: dict[str, Any] = {"1": {"failing_since__isnull": False}}
        return queryset.filter(**wanted.get(value, {"is_paused": True}))


class DeliveryFilter(PortalFilterSet):
    """Deliveries of a channel by status, event and text."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    status = df.ChoiceFilter(label=_("Status"), choices=DeliveryStatus.choices)
    event = df.ChoiceFilter(label=_("Event"), choices=list(EVENTS.items()))

    class Meta:
        model = Delivery
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what is about the text, or has it as id."""
        return queryset.filter(
            Q(subject__icontains=value) | Q(public_id=value) | Q(message_id=value)
        )


class NoticeFilter(PortalFilterSet):
    """A person's notices by event, read or not, and text."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    unread = df.ChoiceFilter(label=_("Read"), choices=[("1", _("unread only"))], method="by_unread")
    event = df.ChoiceFilter(label=_("Event"), choices=list(EVENTS.items()))

    class Meta:
        model = Notice
        fields: list[str] = []

    def by_unread(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what was not read."""
        return queryset.filter(read_at__isnull=True)

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what names the text."""
        return queryset.filter(
            Q(facts__stack__icontains=value)
            | Q(facts__run__icontains=value)
            | Q(facts__by__icontains=value)
        )
