"""One change over many tenants: what it would do to each, and doing it.

What is shown before is what is done: `digest` covers every tenant with its values before and
after, so a list that has changed since is shown again instead of being carried out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from deployments.models import Run
from deployments.services import queue_run
from omlsaas.lib.refusals import Refusal
from tenants import blueprints, services
from tenants.access import user_can
from tenants.actors import Actor
from tenants.blueprints import Kind, Variable
from tenants.effective import canonical_digest
from tenants.models import Release, Tenant, User


@dataclass(frozen=True)
class Wanted:
    """What shall be so on every tenant; what is not named stays as it is."""

    release: Release | None = None
    time_zone: str = ""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    labels_gone: tuple[str, ...] = ()
    has_plan: bool = False

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is asked for."""
        return not self.kinds

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of action that it takes."""
        changes = (self.release, self.time_zone, self.sizes, self.labels, self.labels_gone)
        return (("change",) if any(changes) else ()) + (("plan",) if self.has_plan else ())


@dataclass(frozen=True)
class Change:
    """One value of one tenant, before and after."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Line:
    """What becomes of one tenant."""

    tenant: Tenant
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of one tenant: a sentence for each thing done or refused."""

    tenant: Tenant
    done: tuple[str, ...]
    refused: tuple[str, ...]
    run: Run | None = None

    @property
    def text(self) -> str:
        """Return all of it in one line."""
        return "; ".join((*self.done, *self.refused))


def tenant_kind(tenants: Iterable[Tenant]) -> Kind | None:
    """Return how all of the tenants are built; None when they differ."""
    names = {tenant.blueprint for tenant in tenants}
    if len(names) != 1:
        return None
    try:
        return blueprints.load(names.pop()).kinds["tenant"]
    except (blueprints.BlueprintFlawed, LookupError, OSError):
        return None


def size_variables(tenants: Iterable[Tenant]) -> list[Variable]:
    """Return the sizes that all of the tenants have."""
    kind = tenant_kind(tenants)
    return [v for v in kind.inputs if v.role == "size"] if kind else []


def preview(tenants: Iterable[Tenant], wanted: Wanted) -> list[Line]:
    """Return what would change, tenant by tenant. Fetch `release` and `stack` with them."""
    tenants = list(tenants)
    defaults = {v.name: v.default for v in size_variables(tenants) if v.has_default}
    return [Line(tenant, tuple(_changes(tenant, wanted, defaults))) for tenant in tenants]


def _changes(tenant: Tenant, wanted: Wanted, defaults: Mapping[str, Any]) -> Iterable[Change]:
    if wanted.release is not None and wanted.release != tenant.release:
        now = tenant.release.name if tenant.release else None
        yield Change(_("release"), now, wanted.release.name)
    if wanted.time_zone and wanted.time_zone != tenant.time_zone:
        yield Change(_("time zone"), tenant.time_zone, wanted.time_zone)
    inputs = tenant.stack.desired_inputs
    for name, value in wanted.sizes.items():
        now = inputs.get(name, defaults.get(name))
        if value != now or (name not in inputs and name not in defaults):
            yield Change(name, now, value)
    after = labels_after(tenant, wanted)
    for name in {**tenant.labels, **after}:
        if tenant.labels.get(name) != after.get(name):
            label = _("label %(name)s") % {"name": name}
            yield Change(label, tenant.labels.get(name), after.get(name))


def labels_after(tenant: Tenant, wanted: Wanted) -> dict[str, str]:
    """Return the tenant's labels as they would be."""
    kept = {**tenant.labels, **wanted.labels}
    return {name: value for name, value in kept.items() if name not in wanted.labels_gone}


def digest(lines: Iterable[Line], wanted: Wanted) -> str:
    """Return what must still be the same when the change is carried out."""
    rows = [[line.tenant.pk, [[c.name, c.before, c.after] for c in line.changes]] for line in lines]
    return canonical_digest([rows, wanted.has_plan])


def carry_out(actor: Actor, lines: Iterable[Line], wanted: Wanted) -> list[Outcome]:
    """Change each tenant through the services; what is refused for one stops no other.

    The actor's operation_id groups the audit entries. All changes of one tenant are made or
    none; a plan is queued after them, and its refusal does not take them back.
    """
    return [_one(actor, line, wanted) for line in lines]


def carry_out_for(user: User, actor: Actor, tenants: list[Tenant], wanted: Wanted) -> list[Outcome]:
    """Change those of the tenants that the person's roles cover; say of the others that they do
    not. Nobody is left out of the answer."""
    kinds = wanted.kinds
    may = [t for t in tenants if all(user_can(user, kind, t) for kind in kinds)]
    found = {o.tenant.pk: o for o in carry_out(actor, preview(may, wanted), wanted)}
    refused = (_("Your role does not cover this tenant."),)
    return [found.get(t.pk) or Outcome(t, (), refused) for t in tenants]


def _one(actor: Actor, line: Line, wanted: Wanted) -> Outcome:
    tenant, done, refused, run = line.tenant, [], [], None
    try:
        if line.changes:
            with transaction.atomic():
                refused += _change(actor, tenant, wanted)
            done += [f"{c.name}: {_shown(c.before)} → {_shown(c.after)}" for c in line.changes]
        if wanted.has_plan:
            run = _queue_plan(actor, tenant)
            done.append(_("queued %(run)s") % {"run": run})
    except Refusal as refusal:
        refused.append(str(refusal))
    except ValidationError as error:
        refused += error.messages
    if not done and not refused:
        done.append(_("nothing to change"))
    return Outcome(tenant, tuple(done), tuple(refused), run)


def _change(actor: Actor, tenant: Tenant, wanted: Wanted) -> list[str]:
    """Change one tenant; return what was saved without being judged, in words."""
    fields: dict[str, Any] = {}
    if wanted.release is not None:
        fields["release"] = wanted.release
    if wanted.time_zone:
        fields["time_zone"] = wanted.time_zone
    if wanted.labels or wanted.labels_gone:
        fields["labels"] = labels_after(tenant, wanted)
    if fields:
        services.change_tenant(actor, tenant, **fields)
    if wanted.sizes:
        try:
            services.save_inputs(actor, tenant.stack, dict(wanted.sizes))
        except blueprints.RulesNotJudged as reason:
            return [str(reason)]
    return []


def _queue_plan(actor: Actor, tenant: Tenant) -> Run:
    kind = blueprints.load(tenant.blueprint).kinds["tenant"]
    action = next((a.name for a in kind.actions.values() if a.is_plan_only), "plan")
    key = f"{actor.operation_id}:{tenant.pk}"
    return queue_run(actor, tenant.stack, action, reason=actor.reason, request_key=key)


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
