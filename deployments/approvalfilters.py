"""Filters of the lists of second persons and of what was granted beforehand."""

import django_filters as df
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.filters import PortalFilterSet
from deployments.models import Approval, StandingGrant
from deployments.models.approvals import ApprovalStatus, Risk
from deployments.services.foureyes import waiting_for
from tenants.models import User


class ApprovalFilter(PortalFilterSet):
    """Approvals by text, status, reason for asking and region."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    status = df.ChoiceFilter(
        label=_("Status"),
        choices=[("mine", _("Waits for me")), *ApprovalStatus.choices],
        method="by_status",
    )
    risk = df.ChoiceFilter(label=_("Because of"), choices=Risk.choices, method="by_risk")
    region = df.ChoiceFilter(label=_("Region"), field_name="run__region__slug")

    class Meta:
        model = Approval
        fields: list[str] = []

    def by_status(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep one status; `mine`: what this person may answer."""
        if value == "mine":
            return queryset.filter(pk__in=waiting_for(self.request.user).values("pk"))
        return queryset.filter(state=value)

    def by_risk(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what was asked because of this risk."""
        return queryset.filter(risks__contains=[value])

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its stack's name, in a person's or in the reason."""
        where = Q(run__stack__name__icontains=value) | Q(reason__icontains=value)
        where |= Q(asked_by__icontains=value) | Q(decided_by__icontains=value)
        return queryset.filter(where | Q(run__public_id=value))


GRANT_STATES = [("on", _("In force")), ("over", _("Over"))]


class GrantFilter(PortalFilterSet):
    """Standing grants by text, and whether they hold."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    state = df.ChoiceFilter(label=_("Status"), choices=GRANT_STATES, method="by_state")
    region = df.ChoiceFilter(label=_("Region"), field_name="region__slug")

    class Meta:
        model = StandingGrant
        fields: list[str] = []

    def by_state(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep those in force, or those that are over."""
        holds = Q(revoked_at__isnull=True, ends_at__gt=timezone.now())
        return queryset.filter(holds if value == "on" else ~holds)

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its place, its accounts, its reason or its granter."""
        named = User.objects.filter(is_service=True, username__icontains=value)
        where = Q(stack__name__icontains=value) | Q(blueprint__icontains=value)
        where |= Q(shared_environment__name__icontains=value) | Q(reason__icontains=value)
        where |= Q(granted_by__icontains=value)
        return queryset.filter(where | Q(pk__in=StandingGrant.accounts.through.objects.filter(
            user__in=named).values("standinggrant_id")))  # fmt: skip
