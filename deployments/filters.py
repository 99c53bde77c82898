"""Filters of the lists, as django-filter sets: what the URL may say, and what it means."""

from datetime import datetime, time
from typing import Any

import django_filters as df
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.looks import ATTENTION
from deployments.models import Backup, Run
from deployments.runstatus import AT_WORK, OPEN, RunStatus
from omlsaas.lib.ids import is_public_id
from tenants.audit import ACTIONS
from tenants.models import AuditEntry, Region, Release, SharedEnvironment, Stack, Tenant, User
from tenants.models.stacks import Condition

# So many stacks are named one by one in a query; more are left to a sub-query.
NAMED_STACKS = 500
MOST_DIGITS = 18
ARCHIVED = [("1", _("archived")), ("all", _("all, archived too"))]
CONDITIONS = [("attention", _("Needs somebody")), *Condition.choices]


def region_choices(user: User) -> list[tuple[str, str]]:
    """Return the regions that the person may choose from."""
    slugs = Region.objects.visible_to(user).living().order_by("slug").values_list("slug", flat=True)
    return [(slug, slug) for slug in slugs]


def environment_choices(user: User) -> list[tuple[str, str]]:
    """Return the shared environments that the person may choose from."""
    rows = SharedEnvironment.objects.visible_to(user).living().order_by("name")
    return [(name, name) for name in rows.values_list("name", flat=True)]


class PortalFilterSet(df.FilterSet):
    """A filter set whose choices depend on the person: `choices_<name>(user)` gives them."""

    def __init__(self, data: Any, queryset: QuerySet, *, request: HttpRequest) -> None:
        super().__init__(data, queryset, request=request)
        for name, filter_ in self.filters.items():
            if maker := getattr(self, f"choices_{name}", None):
                filter_.extra["choices"] = maker(request.user)

    def by_archived(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep only what is archived, or everything; without this filter, only what lives."""
        return queryset.filter(archived_at__isnull=False) if value == "1" else queryset

    def by_condition(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep one condition, or all that need somebody."""
        wanted = ATTENTION if value == "attention" else (value,)
        return queryset.filter(stack__condition__in=wanted)

    def by_name_or_title(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name or its title."""
        return queryset.filter(Q(name__icontains=value) | Q(title__icontains=value))

    def choices_region(self, user: User) -> list[tuple[str, str]]:
        """Return the regions to choose from."""
        return region_choices(user)

    @property
    def qs(self) -> QuerySet:
        """Return the rows; what is archived only when asked for."""
        rows = super().qs
        if "archived" in self.filters and not self.data.get("archived"):
            return rows.filter(archived_at__isnull=True)
        return rows


class TenantFilter(PortalFilterSet):
    """Tenants by text, region, shared environment, condition, release and label."""

    q = df.CharFilter(label=_("Search"), method="by_name_or_title")
    condition = df.ChoiceFilter(label=_("Status"), choices=CONDITIONS, method="by_condition")
    region = df.ChoiceFilter(label=_("Region"), field_name="region__slug")
    environment = df.ChoiceFilter(label=_("Environment"), field_name="shared_environment__name")
    release = df.ChoiceFilter(label=_("Release"), method="by_release")
    label = df.CharFilter(label=_("Label"), method="by_label")
    archived = df.ChoiceFilter(label=_("Archived"), choices=ARCHIVED, method="by_archived")

    class Meta:
        model = Tenant
        fields: list[str] = []

    def choices_environment(self, user: User) -> list[tuple[str, str]]:
        """Return the shared environments to choose from."""
        return environment_choices(user)

    def choices_release(self, user: User) -> list[tuple[str, Any]]:
        """Return the releases to choose from, and those without one."""
        names = Release.objects.living().order_by("-name").values_list("name", flat=True).distinct()
        return [("none", _("no release")), *((name, name) for name in names)]

    def by_release(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep one release's tenants; `none`: those without."""
        if value == "none":
            return queryset.filter(release__isnull=True)
        return queryset.filter(release__name=value)

    def by_label(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep tenants with a label: `key` or `key=value`."""
        key, has_value, wanted = value.partition("=")
        if has_value:
            return queryset.filter(labels__contains={key.strip(): wanted.strip()})
        return queryset.filter(labels__has_key=key.strip())


class EnvironmentFilter(PortalFilterSet):
    """Shared environments by text, region and condition."""

    q = df.CharFilter(label=_("Search"), method="by_name_or_title")
    condition = df.ChoiceFilter(label=_("Status"), choices=CONDITIONS, method="by_condition")
    region = df.ChoiceFilter(label=_("Region"), field_name="region__slug")
    archived = df.ChoiceFilter(label=_("Archived"), choices=ARCHIVED, method="by_archived")

    class Meta:
        model = SharedEnvironment
        fields: list[str] = []


class RegionFilter(PortalFilterSet):
    """Regions by text."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    archived = df.ChoiceFilter(label=_("Archived"), choices=ARCHIVED, method="by_archived")

    class Meta:
        model = Region
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name, place or domain."""
        text = Q(slug__icontains=value) | Q(title__icontains=value)
        return queryset.filter(text | Q(domain_name__icontains=value))


class ReleaseFilter(PortalFilterSet):
    """Releases by text."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    archived = df.ChoiceFilter(label=_("Archived"), choices=ARCHIVED, method="by_archived")

    class Meta:
        model = Release
        fields: list[str] = []

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name, blueprint or notes."""
        text = Q(name__icontains=value) | Q(blueprint__icontains=value)
        return queryset.filter(text | Q(notes__icontains=value))


STATUS_GROUPS = {
    "open": (_("Open"), OPEN),
    "at_work": (_("At work"), AT_WORK),
    "trouble": (_("Errored or lost"), (RunStatus.ERRORED, RunStatus.LOST)),
}


class RunFilter(PortalFilterSet):
    """Runs by stack, status, region, action, person and time."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    status = df.ChoiceFilter(
        label=_("Status"),
        choices=[*((k, v[0]) for k, v in STATUS_GROUPS.items()), *RunStatus.choices],
        method="by_status",
    )
    region = df.ChoiceFilter(label=_("Region"), method="by_region")
    stack = df.CharFilter(label=_("Stack"), field_name="stack__public_id")
    action = df.CharFilter(label=_("Action"))
    actor = df.CharFilter(label=_("Person"), field_name="actor_id")
    since = df.DateFilter(label=_("Since"), method="by_since")
    until = df.DateFilter(label=_("Until"), method="by_until")

    class Meta:
        model = Run
        fields: list[str] = []

    def by_status(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep one status or a group of them."""
        if value in STATUS_GROUPS:
            return queryset.filter(status__in=STATUS_GROUPS[value][1])
        return queryset.filter(status=value)

    def by_region(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep one region's runs, by its id: the runs' index holds that."""
        return queryset.filter(region_id__in=_ids(Region.objects.filter(slug=value)))

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep runs by their id, by `stack #number`, or by a part of the stack's name."""
        if is_public_id(value, "run_"):
            return queryset.filter(public_id=value)
        wanted, __, number = value.partition("#")
        if number.strip().isdecimal():
            # A number that no run can have is asked for all the same: it hits nothing.
            queryset = queryset.filter(number=int(number.strip()[:MOST_DIGITS]))
        visible = Stack.objects.visible_to(self.request.user)
        stacks = visible.filter(name__icontains=wanted.strip())
        ids: Any = _ids(stacks[: NAMED_STACKS + 1])
        if len(ids) > NAMED_STACKS:
            ids = stacks.values("pk")
        return queryset.filter(stack_id__in=ids)

    def by_since(self, queryset: QuerySet, name: str, value: Any) -> QuerySet:
        """Keep what was queued on that day or later, in the person's zone."""
        return queryset.filter(created_at__gte=_start(value))

    def by_until(self, queryset: QuerySet, name: str, value: Any) -> QuerySet:
        """Keep what was queued on that day or earlier, in the person's zone."""
        return queryset.filter(created_at__lte=_end(value))


class BackupFilter(PortalFilterSet):
    """Backups of a stack by component and text."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    component = df.ChoiceFilter(label=_("Component"))

    class Meta:
        model = Backup
        fields: list[str] = []

    def choices_component(self, user: User) -> list[tuple[str, str]]:
        """Return the components to choose from."""
        names = self.queryset.order_by("component").values_list("component", flat=True)
        return [(name, name) for name in names.distinct()]

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its name or component."""
        return queryset.filter(Q(name__icontains=value) | Q(component__icontains=value))


class AuditFilter(PortalFilterSet):
    """Audit entries by person, action, target, run, time and text."""

    q = df.CharFilter(label=_("Search"), method="by_text")
    action = df.ChoiceFilter(label=_("Action"), choices=list(ACTIONS.items()))
    refused = df.ChoiceFilter(
        label=_("Refusals"), choices=[("1", _("only refusals"))], method="by_refused"
    )
    actor = df.CharFilter(label=_("Person"), field_name="actor_id")
    target = df.CharFilter(label=_("Target"), field_name="target_id")
    tenant = df.CharFilter(label=_("Tenant"), field_name="tenant_name")
    run = df.CharFilter(label=_("Run"), field_name="run_id")
    stack = df.CharFilter(label=_("Stack"), method="by_stack")
    operation = df.CharFilter(label=_("Operation"), field_name="operation_id")
    request = df.CharFilter(label=_("Request"), field_name="request_id")
    since = df.DateFilter(label=_("Since"), method="by_since")
    until = df.DateFilter(label=_("Until"), method="by_until")

    class Meta:
        model = AuditEntry
        fields: list[str] = []

    def by_stack(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what was done to one stack, its owner and its runs, whatever their names are now."""
        stack = Stack.objects.filter(public_id=value).first()
        if stack is None:
            return queryset.none()
        if stack.tenant_id is not None:
            return queryset.filter(tenant_id=stack.tenant_id)
        environment = stack.shared_environment_id
        return queryset.filter(shared_environment_id=environment, tenant_id__isnull=True)

    def by_refused(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep refusals only."""
        return queryset.filter(is_refused=True)

    def by_text(self, queryset: QuerySet, name: str, value: str) -> QuerySet:
        """Keep what has the text in its reason, names or ids."""
        columns = ("reason", "actor_name", "target_name", "tenant_name", "request_id", "run_name")
        where = Q(before__icontains=value) | Q(after__icontains=value)
        for column in columns:
            where |= Q(**{f"{column}__icontains": value})
        return queryset.filter(where | Q(ip__startswith=value) | Q(operation_id=value))

    def by_since(self, queryset: QuerySet, name: str, value: Any) -> QuerySet:
        """Keep that day and later, in the person's zone."""
        return queryset.filter(created_at__gte=_start(value))

    def by_until(self, queryset: QuerySet, name: str, value: Any) -> QuerySet:
        """Keep that day and earlier, in the person's zone."""
        return queryset.filter(created_at__lte=_end(value))


def _ids(queryset: QuerySet) -> list[int]:
    return list(queryset.values_list("pk", flat=True))


def _start(day: Any) -> datetime:
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def _end(day: Any) -> datetime:
    return datetime.combine(day, time.max, timezone.get_current_timezone())
