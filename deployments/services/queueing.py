"""Queueing a run: check who, what and whether; write it down; let admission decide."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from deployments import outbox
from deployments.errors import (
    AdoptedReadOnly,
    DependentsStand,
    IllegalTransition,
    NotInstalled,
    SharedNotInstalled,
    StackSuspect,
    TerraformMissing,
    TypedNameWrong,
    UnknownAction,
)
from deployments.models import Run, RunEvent, WorkerHost
from deployments.services.admission import lock_place, try_admit
from deployments.services.foureyes import approver_of, find_grant, told_grant
from deployments.services.hosts import (
    APPLY,
    MADE_STEP,
    makes_hosts,
    require_hosts,
    require_new,
    rest_of,
    uses_hosts,
)
from deployments.services.lifecycle import next_number, refresh_condition
from deployments.services.params import check_params
from deployments.services.points import return_to_point
from deployments.services.preparing import (
    marks_of,
    refuse_archived,
    repeated,
    with_providers,
)
from omlsaas.lib.refusals import Refusal, sentence
from tenants import access, audit, blueprints, secrets
from tenants import services as tenants_services
from tenants.actors import Actor
from tenants.blueprints import Action, StepSpec
from tenants.effective import canonical_digest, effective_inputs
from tenants.errors import InputsRefused
from tenants.models import Stack


def find_action(stack: Stack, name: str) -> Action:
    """Return the blueprint's action.

    Raises UnknownAction with those that exist, AdoptedReadOnly for one that an adopted stack
    cannot have.
    """
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    actions = kind.actions_of(stack.is_adopted)
    if name not in actions and stack.is_adopted and name in kind.actions:
        known = ", ".join(action.label for action in actions.values())
        raise AdoptedReadOnly(stack=stack, action=kind.actions[name].label, known=known)
    if name not in actions:
        raise UnknownAction(stack=stack, action=name, known=", ".join(actions))
    return actions[name]


def plan_params(action: Action) -> dict[str, Any]:
    """Return the parameters of the action's plan step; empty when it has none."""
    return next((dict(s.params) for s in action.steps if s.kind == "terraform.plan"), {})


def queue_run(  # long: its keyword-only signature alone takes fourteen lines
    actor: Actor,
    stack: Stack,
    action: str,
    *,
    reason: str = "",
    request_key: str | None = None,
    typed_name: str | None = "",
    inputs: dict[str, Any] | None = None,
    new_secrets: dict[str, str] | None = None,
    params: dict[str, Any] | None = None,
    retry_of: Run | None = None,
    is_scheduled: bool = False,
    auto_apply: bool | None = None,
    steps: list[dict[str, Any]] | None = None,
) -> Run:
    """Queue one action over one stack and return the run, which may have to wait.

    With `inputs` or `new_secrets` the stack's desired inputs are changed first, in the same
    transaction. `params` are for this run alone; `steps` are done in the place of the action's own.
    `typed_name` is compared where the action asks
    for the stack's name; a command whose user named the stack on its line passes None. A repeated
    `request_key` of the same actor gives the first run again. Raises Refusal subclasses; then
    nothing was written.
    """
    found = find_action(stack, action)
    access.require(actor, found.kind, stack)
    content = [stack.public_id, action, reason, inputs or {}, marks_of(new_secrets or {})]
    more = [part for part in (params, steps) if part]
    digest = canonical_digest([*content, *more])
    with transaction.atomic():
        lock_place(stack)
        if first := repeated(actor, request_key, digest):
            return first
        stack.refresh_from_db()
        found = find_action(stack, action)
        _check(stack, found, typed_name, is_rest=steps is not None)
        asked = check_params(stack, found, params or {})
        point = return_to_point(actor, stack, found, asked)
        if inputs or new_secrets:
            tenants_services.save_inputs(
                actor, stack, inputs or {}, new_secrets, kind_of_action=found.kind
            )
        _check_complete(stack, found)
        run = _new_run(actor.because(reason), stack, found, auto_apply)
        run.request_key, run.request_digest = request_key or None, digest
        run.retry_of, run.is_scheduled = retry_of, is_scheduled
        run.params, run.point = asked, point
        if steps is not None:
            run.steps_wanted = steps
        run.grant = find_grant(actor, run)
        # What was granted beforehand waits for nobody.
        run.is_auto_apply |= run.grant is not None
        _write(actor.because(reason), run)
        if not try_admit(run):
            refresh_condition(stack)
    return run


def _write(actor: Actor, run: Run) -> None:
    """Save a new run with the first line of its history and its audit entry."""
    run.save()
    RunEvent.objects.create(
        run=run,
        to_status=run.status,
        actor_name=actor.name,
        actor_id=actor.id,
        comment=actor.reason,
    )
    outbox.put_status(run, "", actor)
    after = {"action": run.action, "inputs_digest": run.inputs_digest[:12], **told_grant(run)}
    if run.params:
        after["params"] = run.params
    audit.record(actor, "run.queue", run, after=after, approver=approver_of(run))


def obstacle(stack: Stack, action: Action) -> Refusal | None:
    """Return why the action would be refused as things stand, whatever is typed; None if not."""
    try:
        _check(stack, action, None)
    except Refusal as refusal:
        return refusal
    return None


def _check(stack: Stack, action: Action, typed_name: str | None, is_rest: bool = False) -> None:
    """Refuse what can be known to be wrong before anything is queued."""
    refuse_archived(stack)
    if action.confirm == "name" and typed_name is not None and typed_name != stack.name:
        raise TypedNameWrong(name=stack.name)
    plan = plan_params(action)
    if action.when == "installed" and not stack.is_installed and not stack.state_serial:
        raise NotInstalled(stack=stack)
    if not action.is_plan_only:
        refuse_suspect(stack)
        if plan.get("destroy"):
            _check_destroy(stack)
    if uses_hosts(action):
        if not is_rest:
            require_new(stack, action)
        if is_rest or not makes_hosts(stack, action):
            require_hosts(stack)
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    parent = stack.parent_environment
    if not action.uses_engine:
        return
    if kind.needs_shared and not plan.get("destroy") and not parent.stack.is_installed:
        raise SharedNotInstalled(stack=stack, shared=parent.name)
    _check_terraform()


def refuse_suspect(stack: Stack) -> None:
    """Raise StackSuspect while the state may not fit reality."""
    if stack.state_suspect:
        raise StackSuspect(stack=stack, why=sentence(stack.suspect_reason))


def _check_complete(stack: Stack, action: Action) -> None:
    """Refuse while an input that has no default is not set."""
    if plan_params(action).get("destroy") or not action.needs_inputs:
        return
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    needed = blueprints.missing(kind, effective_inputs(stack), set(secrets.versions(stack)))
    if needed:
        raise InputsRefused({name: _("A value is needed.") for name in needed})


def _check_destroy(stack: Stack) -> None:
    if stack.kind == "shared":
        standing = Stack.objects.filter(
            parent_environment_id=stack.parent_environment_id, kind="tenant", resource_count__gt=0
        )
        if count := standing.count():
            names = ", ".join(standing.order_by("name").values_list("name", flat=True)[:3])
            raise DependentsStand(stack=stack, count=count, names=names)


def _check_terraform() -> None:
    """Refuse when every live worker host says that it has no terraform."""
    heard = timezone.now() - timedelta(seconds=settings.HOST_SILENT_AFTER_S)
    hosts = list(WorkerHost.objects.filter(heartbeat_at__gt=heard, gone_at__isnull=True))
    told = [host for host in hosts if "terraform" in host.checks]
    if told and not any(host.checks["terraform"] for host in told):
        raise TerraformMissing(host=told[0].name, path=told[0].checks.get("terraform_bin", "?"))


def _new_run(actor: Actor, stack: Stack, action: Action, auto_apply: bool | None) -> Run:
    inputs = effective_inputs(stack)
    tenant = stack.tenant
    if auto_apply is None:
        auto_apply = stack.is_auto_apply
    return Run(
        stack=stack,
        region=stack.region,
        number=next_number(stack),
        action=action.name,
        action_label=str(action.label),
        action_kind=action.kind,
        steps_wanted=with_providers(stack, _steps(stack, action)),
        is_auto_apply=bool(auto_apply and action.auto_apply_allowed),
        is_destroy=bool(plan_params(action).get("destroy")),
        is_plan_only=action.is_plan_only,
        asks_name=action.confirm == "name",
        inputs=inputs,
        inputs_digest=canonical_digest(inputs),
        secret_versions=secrets.versions(stack),
        release_name=tenant.release.name if tenant is not None and tenant.release else "",
        release_before=stack.applied_release,
        blueprint=stack.blueprint,
        blueprint_digest=blueprints.load(stack.blueprint).digest,
        reason=actor.reason,
        actor=actor.to_json(),
        actor_id=actor.id,
        actor_name=actor.name,
    )


def _steps(stack: Stack, action: Action) -> list[dict[str, Any]]:
    """Return the action's steps, and those that follow from what it does.

    After an apply the hosts that it made are kept; what was made or installed gets the blueprint's
    readiness probe, if it has one.
    """
    steps = [_step(step) for step in action.steps]
    kind = blueprints.load(stack.blueprint).kinds[stack.kind]
    readiness = kind.readiness
    kinds = [step["kind"] for step in steps]
    if APPLY in kinds and kind.hosts and kind.hosts.from_output:
        steps.insert(kinds.index(APPLY) + 1, {"kind": MADE_STEP, "params": {}})
    leaves = any(step["params"].get("leaves") == "installed" for step in steps)
    if readiness and (APPLY in kinds or leaves) and not plan_params(action).get("destroy"):
        steps.append({"kind": "probe.http", "params": dict(readiness)})
    return steps


def _step(step: StepSpec) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": step.kind, "params": dict(step.params)}
    found |= {"phase": step.phase} if step.phase else {}
    return found | ({"if_output": step.if_output} if step.if_output else {})


def retry_run(
    actor: Actor,
    run: Run,
    *,
    reason: str = "",
    request_key: str | None = None,
    typed_name: str | None = "",
    only_failed: bool = False,
) -> Run:
    """Queue the same action again as a new run; nothing is ever re-applied by itself.

    With `only_failed` its playbooks go to the hosts alone that failed or were not reached, and
    Terraform's part, when that was done, is not done again.
    """
    if not run.is_ended:
        raise IllegalTransition(run=run, status=run.get_status_display(), wanted=_("retried"))
    return queue_run(
        actor,
        run.stack,
        run.action,
        reason=reason or _("Retry of %s") % run,
        request_key=request_key,
        typed_name=typed_name,
        params=run.params,
        retry_of=run,
        steps=rest_of(run) if only_failed else None,
    )
