"""The page of one stack, for a tenant and for a shared environment alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import looks
from deployments.links import link
from deployments.models import StateVersion
from deployments.runstatus import OPEN
from deployments.runview.cards import outputs_of
from deployments.runview.words import shown
from deployments.services.hosts import uses_hosts
from deployments.services.unlocking import holder_of
from deployments.urgency import RUN_COLUMNS
from deployments.views import backups
from deployments.views import hosts as hosts_
from deployments.views.audit import dress
from omlsaas.lib.refusals import sentence
from tenants import blueprints, secrets
from tenants.access import sees_around, user_can
from tenants.blueprints import Action, Kind, Variable
from tenants.effective import component_versions, effective_inputs
from tenants.models import AuditEntry, SharedEnvironment, Stack, Tenant, User
from tenants.models.stacks import Condition

RUNS_SHOWN = 8
# Of more inputs than these only what differs from the defaults is shown, until asked for all.
INPUTS_SHOWN = 30
AUDIT_SHOWN = 7
VERSIONS_SHOWN = 6
ICONS = {
    "plan": "search",
    "change": "adjustments",
    "upgrade": "arrow-big-up-lines",
    "backup": "device-floppy",
    "restore": "restore",
    "destroy": "trash",
}


@dataclass(frozen=True)
class Button:
    """An action of the blueprint as the page offers it; `why_not` explains a disabled one.

    `is_first` is the next step of a stack that is not installed.
    """

    label: str
    href: str
    icon: str
    is_danger: bool
    why_not: str = ""
    is_first: bool = False


@dataclass(frozen=True)
class InputLine:
    """One input as it stands: the value a run would get, where it comes from, what is new."""

    name: str
    label: str
    value: str
    source: str
    is_secret: bool
    is_set: bool
    applied: str | None = None
    is_own: bool = False


def stack_page(
    request: HttpRequest, owner: Tenant | SharedEnvironment, template: str, *, section: str
) -> HttpResponse:
    """Show a tenant or shared environment that the person may see."""
    related = ("region__account", "kept_by", "parent_environment", "tenant__release",
               "shared_environment")  # fmt: skip
    found = Q(tenant=owner) if isinstance(owner, Tenant) else Q(shared_environment=owner)
    stack = Stack.objects.select_related(*related).get(found)
    owner = stack.owner
    context: dict[str, Any] = {
        "stack": stack,
        "owner": owner,
        "section": section,
        "tags": _tags(stack, owner),
        "suspect_text": sentence(stack.suspect_reason),
        "may_change": user_can(request.user, "change", stack) and not owner.is_archived,
        "sees_around": sees_around(request.user, stack),
        "may_admin": user_can(request.user, "admin", stack),
        "may_destroy": user_can(request.user, "destroy", stack),
        "may_restore": user_can(request.user, "restore", stack) and not owner.is_archived,
        "may_see_secrets": user_can(request.user, "secrets", stack),
    }
    context["may_unlock"] = user_can(request.user, "force_unlock", stack)
    # A state that is lost or was not written is given back as it is.
    troubled = stack.condition in (Condition.LOST, Condition.ERRORED)
    context["may_give_back"] = context["may_restore"] and troubled
    context["lock_holder"] = holder_of(stack)
    context["unpushed"] = (
        stack.instances_records.filter(pushed_at__isnull=True, error__isnull=False)
        .select_related("run")
        .order_by("id")
        .first()
    )
    context |= _runs(stack)
    context |= _blueprint(request.user, stack, has_all_inputs="all" in request.GET)
    context["versions"] = _state_versions(stack)
    context["entries"] = _entries(request.user, owner)
    context["pins"] = list(owner.pins.order_by("component")) if stack.tenant_id else []
    return render(request, template, context)


def _tags(stack: Stack, owner: Any) -> list[Any]:
    """Return every condition that holds, the most urgent first."""
    found = [looks.CONDITION_LOOKS[stack.condition]]
    if stack.has_drift and stack.condition != Condition.DRIFT:
        found.append(looks.CONDITION_LOOKS[Condition.DRIFT])
    if stack.state_suspect:
        found.insert(0, looks.SUSPECT)
    if owner.is_archived:
        found.insert(0, looks.ARCHIVED)
    return [looks.tag(look, "is-big") for look in found]


def _runs(stack: Stack) -> dict[str, Any]:
    rows = stack.runs.only(*RUN_COLUMNS, "waiting", "plan_expires_at")
    runs = list(rows.order_by("-id")[:RUNS_SHOWN])
    open_runs = list(rows.filter(status__in=OPEN).order_by("id")[:5])
    for run in [*runs, *open_runs]:
        run.stack = stack
        run.href = link("run", run.public_id)
        if run.started_at:
            run.lasted = (run.ended_at or timezone.now()) - run.started_at
    return {"runs": runs, "open_runs": open_runs, "run_total": stack.run_count}


def _blueprint(user: User, stack: Stack, *, has_all_inputs: bool) -> dict[str, Any]:
    """Return what needs the blueprint; with a broken one the page says so and goes on."""
    try:
        blueprint = blueprints.load(stack.blueprint)
        kind = blueprint.kinds[stack.kind]
    except (blueprints.BlueprintFlawed, LookupError, OSError) as error:
        outputs = outputs_of(stack, None)
        return {"flaw": str(error) or stack.blueprint, "buttons": [], "outputs": outputs}
    groups = input_groups(stack, kind)
    total = sum(len(group["lines"]) for group in groups)
    return {
        "blueprint": blueprint,
        "kind": kind,
        "buttons": buttons(user, stack, kind),
        "groups": groups if has_all_inputs or total <= INPUTS_SHOWN else _that_differ(groups),
        "input_total": total,
        "may_fold": total > INPUTS_SHOWN,
        "has_all_inputs": has_all_inputs,
        "lacking": [kind.label(name) for name in _lacking(stack, kind)],
        "outputs": outputs_of(stack, kind),
        "backups": backups.panel(user, stack, kind),
        "hosts": hosts_.panel(user, stack, kind),
        "has_no_state": not any(action.uses_engine for action in kind.all_actions),
        "is_outdated": bool(stack.blueprint_digest) and stack.blueprint_digest != blueprint.digest,
    }


def _that_differ(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups with those inputs alone that were set, or are not applied yet."""
    found = [
        {**group, "lines": [x for x in group["lines"] if x.is_own or x.applied is not None]}
        for group in groups
    ]
    return [group for group in found if group["lines"]]


def _lacking(stack: Stack, kind: Kind) -> list[str]:
    return blueprints.missing(kind, effective_inputs(stack), secrets.versions(stack))


def buttons(user: User, stack: Stack, kind: Kind) -> list[Button]:
    """Return the actions that the person may start, those that fit the stack as it is now."""
    if stack.owner.is_archived:
        return []
    found = []
    step = hosts_.next_step(stack, kind)
    if step is not None and step.label and user_can(user, "change", stack):
        href = link("stack_hosts", stack.public_id)
        first = not stack.is_installed
        found.append(Button(step.label, href, step.icon, is_danger=False, is_first=first))
    is_ready = step is None and kind.hosts is not None
    has_first = stack.is_installed or bool(found)
    for action in kind.actions_of(stack.is_adopted).values():
        if not user_can(user, action.kind, stack) or not fits(action, stack):
            continue
        why_not = _why_not(stack, action, step)
        is_danger = action.kind == "destroy"
        # Known hosts need no first contact any more: what changes something comes first.
        is_first = not (has_first or why_not or is_danger or (is_ready and action.is_plan_only))
        has_first = has_first or is_first
        icon = ICONS.get(action.kind, "player-play")
        href = f"{link('stack', stack.public_id)}actions/{action.name}/"
        found.append(Button(str(action.label), href, icon, is_danger, why_not, is_first))
    return found


def _why_not(stack: Stack, action: Action, step: hosts_.NextStep | None) -> str:
    if stack.state_suspect and not action.is_plan_only:
        return _("The state is suspect: run plan only and mark it as reviewed first.")
    asks = uses_hosts(action) or not stack.hosts.living().exists()
    return step.why_not if step is not None and asks else ""


def fits(action: Action, stack: Stack) -> bool:
    """Tell whether an action is for a stack in this state: installed or new."""
    if action.when == "new":
        return not stack.is_installed
    return stack.is_installed if action.when == "installed" else True


def input_groups(stack: Stack, kind: Kind) -> list[dict[str, Any]]:
    """Return the inputs as they stand, under the headings of the blueprint."""
    effective = effective_inputs(stack)
    chosen = component_versions(stack.tenant, kind) if stack.tenant_id else {}
    pinned = set()
    if stack.tenant_id:
        names = stack.tenant.pins.values_list("component", flat=True)
        pinned = {kind.versions[name] for name in names if name in kind.versions}
    set_at = {
        row.name: row.rotated_at
        for row in stack.secrets.filter(kind="input").order_by("name", "-version").distinct("name")
    }
    groups = []
    for group in kind.groups:
        lines = [
            _line(stack, kind, kind.variables[name], effective, chosen, pinned, set_at)
            for name in group.variables
        ]
        groups.append({"title": group.title, "help": group.help, "lines": lines})
    return groups


def _line(
    stack: Stack,
    kind: Kind,
    variable: Variable,
    effective: Mapping[str, Any],
    chosen: Mapping[str, Any],
    pinned: set[str],
    set_at: Mapping[str, Any],
) -> InputLine:
    name = variable.name
    if variable.sensitive:
        is_set = name in set_at
        source = _("set, never shown") if is_set else _("not set")
        return InputLine(name, kind.label(name), "", source, True, is_set, is_own=is_set)
    is_own = name in effective
    value = effective.get(name, variable.default)
    if name in chosen:
        release = stack.tenant.release
        source = _("pinned") if name in pinned else _("release %s") % release
    else:
        source = "" if is_own else (_("default") if variable.has_default else _("not set"))
    applied = None
    if stack.is_installed:
        before = stack.applied_inputs.get(name, variable.default)
        applied = shown(before) if before != value else None
    return InputLine(name, kind.label(name), shown(value), source, False, True, applied, is_own)


def _state_versions(stack: Stack) -> list[StateVersion]:
    rows = stack.state_versions.select_related("run").defer("ciphertext")
    columns = [f"run__{name}" for name in ("public_id", "number", "stack_id")]
    rows = rows.only("public_id", "serial", "moment", "created_at", "actor_name", "size",
                     "resource_count", "stack_id", *columns)  # fmt: skip
    found = list(rows.order_by("-id")[:VERSIONS_SHOWN])
    for version in found:
        version.href = link("state", version.public_id)
        version.run_href = link("run", version.run.public_id) if version.run else ""
    return found


def _entries(user: User, owner: Any) -> list[AuditEntry]:
    rows = AuditEntry.objects.visible_to(user)
    if isinstance(owner, Tenant):
        rows = rows.filter(tenant_id=owner.pk)
    else:
        rows = rows.filter(shared_environment_id=owner.pk, tenant_id__isnull=True)
    return [dress(entry) for entry in rows.order_by("-id")[:AUDIT_SHOWN]]
