"""The only writers of what should exist. Each is one transaction with its audit entry."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from tenants import access, audit, blueprints, secrets
from tenants.actors import Actor
from tenants.errors import (
    ArchivedAlready,
    InputsRefused,
    NameRefused,
    SecretTooShort,
    StillInUse,
    UnknownBlueprint,
    WrongPlace,
)
from tenants.models import (
    CloudAccount,
    ComponentPin,
    Region,
    Release,
    SharedEnvironment,
    Stack,
    Tenant,
)
from tenants.places import (  # noqa: F401  (services of places are called as services.…)
    change_account,
    change_region,
    create_account,
    create_region,
)
from tenants.rows import change, create_row
from tenants.values import is_keepable

SECRET_MIN_LENGTH = 8
TENANT_FIELDS = ("title", "release", "time_zone", "labels", "notes")
STACK_SETTINGS = ("is_auto_apply", "is_auto_destroy")
UNKEEPABLE = gettext_lazy("It holds a NUL character, half a character or infinity.")


def blueprint_kind(blueprint: str, kind: str) -> blueprints.Kind:
    """Return a blueprint's kind. Raises UnknownBlueprint with the ones that exist."""
    known = {b.name: b for b in blueprints.all_blueprints()}
    found = known.get(blueprint)
    if found is None or kind not in found.kinds:
        names = ", ".join(sorted(n for n, b in known.items() if kind in b.kinds))
        raise UnknownBlueprint(blueprint=blueprint, kind=kind, known=names or "–")
    return found.kinds[kind]


def create_release(actor: Actor, *, blueprint: str, name: str, **fields: Any) -> Release:
    """Create a release of a blueprint."""
    access.require(actor, "admin")
    return create_row(actor, Release(blueprint=blueprint, name=name, **fields), "release.create")


def create_shared_environment(
    actor: Actor, *, name: str, region: Region, blueprint: str, title: str = "", **fields: Any
) -> SharedEnvironment:
    """Create a shared environment with its stack; nothing is built yet."""
    access.require(actor, "change", region)
    _check_name(name, blueprint_kind(blueprint, "shared"))
    thing = SharedEnvironment(name=name, region=region, blueprint=blueprint, title=title, **fields)
    with transaction.atomic():
        create_row(actor, thing, "environment.create")
        Stack.objects.create(
            name=name,
            kind="shared",
            blueprint=blueprint,
            region=region,
            shared_environment=thing,
            parent_environment=thing,
            backend=region.state_backend,
        )
    return thing


def create_tenant(
    actor: Actor,
    *,
    name: str,
    region: Region,
    blueprint: str,
    shared_environment: SharedEnvironment | None = None,
    title: str = "",
    release: Release | None = None,
    **fields: Any,
) -> Tenant:
    """Create a tenant with its stack; nothing is built yet."""
    kind = blueprint_kind(blueprint, "tenant")
    access.require(actor, "change", shared_environment or region)
    _check_name(name, kind)
    _check_place(name, kind, region, shared_environment)
    if release is not None and release.blueprint != blueprint:
        raise WrongPlace(name=name, why=_("release %s is of another blueprint.") % release)
    thing = Tenant(
        name=name,
        region=region,
        shared_environment=shared_environment,
        blueprint=blueprint,
        title=title,
        release=release,
        **fields,
    )
    with transaction.atomic():
        create_row(actor, thing, "tenant.create")
        Stack.objects.create(
            name=name,
            kind="tenant",
            blueprint=blueprint,
            region=region,
            tenant=thing,
            parent_environment=shared_environment,
            backend=region.state_backend,
        )
    return thing


def _check_place(
    name: str, kind: blueprints.Kind, region: Region, environment: SharedEnvironment | None
) -> None:
    if kind.needs_shared and environment is None:
        raise WrongPlace(name=name, why=_("its blueprint needs a shared environment."))
    if not kind.needs_shared and environment is not None:
        raise WrongPlace(name=name, why=_("its blueprint stands without a shared environment."))
    if environment is not None and environment.region_id != region.pk:
        why = _("%(environment)s lies in %(region)s.")
        place = {"environment": environment, "region": environment.region}
        raise WrongPlace(name=name, why=why % place)
    if region.is_archived or (environment is not None and environment.is_archived):
        raise WrongPlace(name=name, why=_("the place is archived."))


def _check_name(name: str, kind: blueprints.Kind) -> None:
    if problem := kind.naming.problem(name):
        raise NameRefused(name=name, rule=problem)


def change_tenant(actor: Actor, tenant: Tenant, **fields: Any) -> Tenant:
    """Change a tenant's title, release, time zone, labels or notes."""
    unknown = set(fields) - set(TENANT_FIELDS)
    if unknown:
        raise TypeError(f"change_tenant does not change {sorted(unknown)}")
    release = fields.get("release")
    if release is not None and release.blueprint != tenant.blueprint:
        raise WrongPlace(name=tenant, why=_("release %s is of another blueprint.") % release)
    return change(actor, tenant, "tenant.change", **fields)


def change_stack_settings(actor: Actor, stack: Stack, **fields: Any) -> Stack:
    """Change whether plans of this stack are applied without confirmation."""
    unknown = set(fields) - set(STACK_SETTINGS)
    if unknown:
        raise TypeError(f"change_stack_settings does not change {sorted(unknown)}")
    return change(actor, stack, "stack.settings", kind="admin", **fields)


def pin_component(
    actor: Actor, tenant: Tenant, *, component: str, version: str, reason: str, expires_at: Any
) -> None:
    """Give a tenant its own version of one component; an empty version removes the pin."""
    access.require(actor, "upgrade", tenant)
    with transaction.atomic():
        old = ComponentPin.objects.filter(tenant=tenant, component=component).first()
        before = {component: old.version if old else None}
        if version:
            values = {"version": version, "reason": reason, "expires_at": expires_at}
            ComponentPin.objects.update_or_create(
                tenant=tenant, component=component, defaults=values
            )
        elif old is not None:
            old.delete()
        after = {component: version or None}
        audit.record(actor.because(reason), "pin.change", tenant, before=before, after=after)


def save_inputs(
    actor: Actor,
    stack: Stack,
    values: dict[str, Any],
    new_secrets: dict[str, str] | None = None,
    *,
    kind_of_action: str = "change",
) -> bool:
    """Set desired inputs and secrets of a stack; return whether anything differs now.

    `values` are merged into what is there; None removes a value, so that the default holds.
    Raises InputsRefused with one sentence per variable. Terraform itself judges the rules; where
    it cannot be asked the values are kept as a draft and RulesNotJudged rises with the reason,
    after they were saved: a plan will judge them.
    """
    access.require(actor, kind_of_action, stack)
    new_secrets = {name: value for name, value in (new_secrets or {}).items() if value}
    kind = blueprint_kind(stack.blueprint, stack.kind)
    unjudged = None
    with transaction.atomic():
        row = Stack.objects.select_for_update(of=("self",), no_key=True).get(pk=stack.pk)
        wanted = {**row.desired_inputs, **values}
        wanted = {name: value for name, value in wanted.items() if value is not None}
        try:
            _judge(row, kind, wanted, values, new_secrets)
        except blueprints.RulesNotJudged as reason:
            unjudged = reason
        before, after = audit.changes(row.desired_inputs, wanted)
        for name, value in new_secrets.items():
            old = secrets.versions(row).get(name)
            if secrets.store(row, name, value).version != old:
                after[name] = "(changed)"
                before[name] = "(set)" if old else "(not set)"
        if before or after:
            row.desired_inputs = stack.desired_inputs = wanted
            row.save(update_fields=["desired_inputs"])
            audit.record(actor, "stack.inputs", row, before=before, after=after)
    if unjudged is not None:
        raise unjudged
    return bool(before or after)


def _judge(
    stack: Stack,
    kind: blueprints.Kind,
    wanted: dict[str, Any],
    changed: dict[str, Any],
    new_secrets: dict[str, str],
) -> None:
    given = {**changed, **new_secrets}
    problems = {name: str(UNKEEPABLE) for name, v in given.items() if not is_keepable(v)}
    for name in given.keys() - problems.keys():
        variable = kind.variables.get(name)
        if variable is None or name in kind.provided:
            problems[name] = _("The blueprint has no such variable.")
        elif variable.sensitive != (name in new_secrets):
            problems[name] = _("Secrets and plain values do not change places.")
    for name, value in new_secrets.items():
        if name not in problems and len(value) < SECRET_MIN_LENGTH:
            problems[name] = str(SecretTooShort(name=name, length=SECRET_MIN_LENGTH))
        elif name not in problems:
            problems.update(blueprints.judge_secret(kind, name, value))
    if problems:
        raise InputsRefused(problems)
    have = {*secrets.versions(stack), *new_secrets}
    for problem in blueprints.judge(kind, wanted, have, settings.TERRAFORM_BIN):
        problems.setdefault(problem.variable, problem.message)
    if problems:
        raise InputsRefused(problems)


ARCHIVE_ACTIONS = {
    Tenant: "tenant.archive",
    SharedEnvironment: "environment.archive",
    Region: "region.archive",
    CloudAccount: "account.archive",
    Release: "release.archive",
}


def archive(actor: Actor, thing: Any, reason: str) -> Any:
    """Hide a thing that has no resources and nothing living below it.

    Open runs are the caller's to check: deployments.services.archive does both.
    """
    kind = "admin" if isinstance(thing, CloudAccount | Release) else "destroy"
    access.require(actor, kind, thing)
    with transaction.atomic():
        row = type(thing)._base_manager.select_for_update(of=("self",)).get(pk=thing.pk)
        if row.is_archived:
            raise ArchivedAlready(name=row, when=row.archived_at.date())
        if why := _still_in_use(row):
            raise StillInUse(name=row, why=why)
        row.archived_at, row.archived_by, row.archived_reason = timezone.now(), actor.name, reason
        row.save(update_fields=["archived_at", "archived_by", "archived_reason"])
        audit.record(actor.because(reason), ARCHIVE_ACTIONS[type(row)], row)
    return row


def _still_in_use(row: Any) -> str:
    stack = getattr(row, "stack", None)
    # What was adopted belongs to another tool's state: it stands on, and is only forgotten here.
    is_ours = stack is not None and not stack.is_adopted
    if is_ours and (stack.resource_count or stack.state_suspect):
        return _("its stack still has %s resources. Destroy it first.") % stack.resource_count
    below = {
        CloudAccount: ("regions",),
        Region: ("shared_environments", "tenants"),
        SharedEnvironment: ("tenants",),
        Release: ("tenants",),
    }.get(type(row), ())
    for name in below:
        living = getattr(row, name).living()
        if count := living.count():
            return _("%(count)s things still depend on it, such as %(name)s.") % {
                "count": count,
                "name": living.first(),
            }
    return ""


def set_secret(actor: Actor, stack: Stack, name: str, value: str) -> None:
    """Set one secret input without judging the others. Raises InputsRefused."""
    access.require(actor, "change", stack)
    kind = blueprint_kind(stack.blueprint, stack.kind)
    variable = kind.variables.get(name)
    if variable is None or not variable.sensitive:
        raise InputsRefused({name: _("The blueprint has no such secret.")})
    if not is_keepable(value):
        raise InputsRefused({name: UNKEEPABLE})
    if problems := blueprints.judge_secret(kind, name, value):
        raise InputsRefused(problems)
    with transaction.atomic():
        secrets.store(stack, name, value)
        audit.record(actor, "stack.secret_set", stack, after={name: "(changed)"})
