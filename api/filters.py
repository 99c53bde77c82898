"""Filters of lists that have no page of their own."""

import django_filters as df
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from deployments.filters import ARCHIVED, CONDITIONS, PortalFilterSet, environment_choices
from deployments.looks import ATTENTION
from deployments.models import RestorePoint, RunEvent, StateVersion
from tenants.models import CloudAccount, Host, Membership, Stack, User
from tenants.models.access import Role
from tenants.models.accounts import Provider
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


class HostFilter(PortalFilterSet):
    """Hosts of a stack by text and role; removed ones only when asked for."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    role = df.CharFilter(label=_("Role"))
    archived = df.ChoiceFilter(label=_("Archived"), choices=ARCHIVED, method="by_archived")

    class Meta:
        model = Host
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name or address."""
        return queryset.filter(Q(name__icontains=value) | Q(address__icontains=value))


class AccountFilter(PortalFilterSet):
    """Cloud accounts by text and provider."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    provider = df.ChoiceFilter(label=_("Provider"), choices=Provider.choices)
    archived = df.ChoiceFilter(label=_("Archived"), choices=ARCHIVED, method="by_archived")

    class Meta:
        model = CloudAccount
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name or number."""
        return queryset.filter(Q(name__icontains=value) | Q(account_number__icontains=value))


class PersonFilter(PortalFilterSet):
    """People and service accounts by text, kind, group and whether they are open."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    state = df.ChoiceFilter(
        label=_("Status"), choices=[("open", _("open")), ("closed", _("closed"))],
        method="by_state",
    )  # fmt: skip
    kind = df.ChoiceFilter(
        label=_("Kind"), choices=[("person", _("person")), ("service", _("service account"))],
        method="by_kind",
    )  # fmt: skip
    group = df.CharFilter(label=_("Group"), field_name="groups__name")

    class Meta:
        model = User
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in a name or the address."""
        where = Q(username__icontains=value) | Q(first_name__icontains=value)
        return queryset.filter(where | Q(last_name__icontains=value) | Q(email__icontains=value))

    def by_state(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep open or closed accounts."""
        return queryset.filter(is_active=value == "open")

    def by_kind(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep people or programs."""
        return queryset.filter(is_service=value == "service")


class GroupFilter(PortalFilterSet):
    """Groups by a part of their name."""

    q = df.CharFilter(label=_("Search"), field_name="name", lookup_expr="icontains")

    class Meta:
        model = Group
        fields: list[str] = []


class RoleFilter(PortalFilterSet):
    """Roles by who holds them and by what they are."""

    user = df.CharFilter(label=_("Person"), field_name="user__public_id")
    group = df.CharFilter(label=_("Group"), field_name="group__name")
    role = df.ChoiceFilter(label=_("Role"), choices=Role.choices)

    class Meta:
        model = Membership
        fields: list[str] = []
