"""Restore points: what belongs together to go back, kept before a change and returned to later."""

from typing import Any

from django.utils.translation import gettext as _

from deployments.errors import PointGone
from deployments.models import Backup, RestorePoint, Run, StateVersion
from deployments.services.backups import without_put_aside
from tenants import blueprints
from tenants import services as tenants_services
from tenants.actors import Actor
from tenants.blueprints import Action, Kind
from tenants.blueprints.templates import places
from tenants.effective import component_versions
from tenants.models import Release, Stack


def newest_backups(run: Run) -> dict[str, str]:
    """Return component → key of its newest backup, for a point that the run keeps.

    What an earlier restore put aside is no place to go back to.
    """
    rows = without_put_aside(run.stack, run).order_by("component", "-taken_at")
    return dict(rows.distinct("component").values_list("component", "key"))


def keep_point(run: Run) -> RestorePoint:
    """Keep what the stack runs with now, before the run changes it; once for a run."""
    stack = Stack.objects.get(pk=run.stack_id)
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    applied = stack.applied_inputs
    own = {name: value for name, value in applied.items() if name not in kind.provided}
    versions = {c: applied[name] for c, name in kind.versions.items() if applied.get(name)}
    values = {
        "stack": stack,
        "release_name": stack.applied_release,
        "inputs": own,
        "versions": versions,
        "backups": newest_backups(run),
        "state_version": StateVersion.objects.filter(stack=stack).first(),
    }
    return RestorePoint.objects.update_or_create(run=run, defaults=values)[0]


def component_param(action: Action) -> str:
    """Return the parameter that lets one component alone go back; empty for none."""
    found = (p.name for p in action.params if p.choices_from == "components")
    return next(found, "") if action.returns_to_point else ""


def brings_data_back(action: Action) -> bool:
    """Tell whether its steps bring back the backups of the point that it goes back to."""
    looked_up = (place for step in action.steps for place in places(step.params))
    return any(place.startswith("point.backups.") for place in looked_up)


def leaves_data(action: Action) -> bool:
    """Tell whether it goes back to a point and leaves the data as it is."""
    return bool(action.returns_to_point) and not brings_data_back(action)


def return_to_point(
    actor: Actor, stack: Stack, action: Action, asked: dict[str, Any]
) -> dict[str, Any] | None:
    """Want again what the chosen restore point has; return what the run needs of it.

    None when the action goes back to none. Call inside the transaction that queues the run.
    """
    chosen = asked.get(action.returns_to_point) if action.returns_to_point else None
    if not chosen:
        return None
    point = RestorePoint.objects.select_related("run").get(stack=stack, public_id=chosen)
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    standing = set(Backup.objects.filter(stack=stack).values_list("key", flat=True))
    gone = sorted(set(point.backups.values()) - standing)
    if gone and brings_data_back(action):
        why = _("the backup %s is no longer in the bucket. Choose another one.") % ", ".join(gone)
        raise PointGone(stack=stack, point=point, why=why)
    component = asked.get(component_param(action))
    if component:
        _return_component(actor, stack, kind, point, component)
    else:
        decided = _return_versions(actor, stack, kind, point) if stack.tenant_id else set()
        _return_inputs(actor, stack, kind, point, decided, action.kind)
    files = Backup.objects.filter(stack=stack, key__in=point.backups.values())
    return {
        "id": point.public_id,
        "run": point.run.number,
        "backups": {row.component: row.file for row in files},
    }


def _return_versions(actor: Actor, stack: Stack, kind: Kind, point: RestorePoint) -> set[str]:
    """Set the tenant's release and pins; return the variables that these decide now."""
    tenant, reason = stack.tenant, _("Back to %s") % point
    rows = Release.objects.living().filter(blueprint=stack.blueprint, name=point.release_name)
    release = rows.first() if point.release_name else None
    if release != tenant.release:
        tenants_services.change_tenant(actor.because(reason), tenant, release=release)
        tenant.refresh_from_db()
    chosen = component_versions(tenant, kind)
    for component, variable in kind.versions.items():
        wanted = point.versions.get(component, "")
        if variable in chosen and chosen[variable] != wanted:
            tenants_services.pin_component(
                actor, tenant, component=component, version=wanted, reason=reason, expires_at=None
            )
    return set(component_versions(tenant, kind))


def _return_component(
    actor: Actor, stack: Stack, kind: Kind, point: RestorePoint, component: str
) -> None:
    """Let one component have the point's version again; all else stays as it is wanted."""
    wanted = point.versions.get(component, "")
    if not wanted:
        why = _("it has no version of %s. Choose another one.") % component
        raise PointGone(stack=stack, point=point, why=why)
    variable = kind.versions[component]
    chosen = component_versions(stack.tenant, kind) if stack.tenant_id else {}
    if variable not in chosen:
        tenants_services.save_inputs(actor, stack, {variable: wanted}, kind_of_action="restore")
    elif chosen[variable] != wanted:
        reason = _("Back to %s") % point
        tenants_services.pin_component(
            actor, stack.tenant, component=component, version=wanted, reason=reason, expires_at=None
        )


def _return_inputs(
    actor: Actor,
    stack: Stack,
    kind: Kind,
    point: RestorePoint,
    decided: set[str],
    kind_of_action: str,
) -> None:
    """Set the desired inputs to the point's; what it did not say falls back to its default."""
    own = [v.name for v in kind.inputs if not v.sensitive and v.name not in decided]
    values = {
        name: point.inputs.get(name)
        for name in own
        if point.inputs.get(name) != stack.desired_inputs.get(name)
    }
    if values:
        tenants_services.save_inputs(actor, stack, values, kind_of_action=kind_of_action)
