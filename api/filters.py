"""Filters of lists that have no page of their own."""

import django_filters as df
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from deployments.filters import CONDITIONS, PortalFilterSet, environment_choices
from deployments.looks import ATTENTION
from deployments.models import RestorePoint, RunEvent, StateVersion
from tenants.models import Stack, User
from tenants.models.stacks import StackKind


class StackFilter(PortalFilterSet):
    """Stacks by name, condition, region, shared environment and kind."""

    q = df.CharFilter(label=_("Search"), field_name="name", lookup_expr="icontains")
    name = df.CharFilter(label=_("Name"))
    condition = df.ChoiceFilter(label=_("Status"), choices=CONDITIONS, method="by_own_condition")
    region = df.ChoiceFilter(label=_("Region"), field_name="region__slug")
    environment = df.ChoiceFilter(label=_("Environment"), field_name="parent_environment__name")
    kind = df.ChoiceFilter(label=_("Kind"), choices=StackKind.choices)

    class Meta:
        model = Stack
        fields: list[str] = []

    def choices_environment(self, user: User) -> list[tuple[str, str]]:
        """Return the shared environments to choose from."""
        return environment_choices(user)

    def by_own_condition(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep one condition, or all that need somebody."""
        return queryset.filter(condition__in=ATTENTION if value == "attention" else (value,))


class EventFilter(PortalFilterSet):
    """A run's whole history."""

    class Meta:
        model = RunEvent
        fields: list[str] = []


class RestorePointFilter(PortalFilterSet):
    """All restore points of a stack."""

    class Meta:
        model = RestorePoint
        fields: list[str] = []


class StateVersionFilter(PortalFilterSet):
    """All kept states of a stack."""

    class Meta:
        model = StateVersion
        fields: list[str] = []
