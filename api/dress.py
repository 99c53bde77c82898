"""Rows as the answers have them."""

from typing import Any

from deployments.models import Backup, RestorePoint, Run, RunEvent, StateVersion
from omlsaas.lib.refusals import sentence
from tenants import blueprints, secrets
from tenants.models import AuditEntry, Region, Release, Secret, Stack
from tenants.models.secrets import SecretKind

TENANT = (
    "pk", "public_id", "name", "title", "blueprint", "region__slug", "shared_environment__name",
    "release__name", "time_zone", "labels", "archived_at", "stack__public_id", "stack__condition",
    "stack__state_suspect", "stack__applied_release", "stack__applied_at",
)  # fmt: skip
ENVIRONMENT = (
    "pk", "public_id", "name", "title", "blueprint", "region__slug", "labels", "archived_at",
    "stack__public_id", "stack__condition", "stack__state_suspect", "stack__applied_release",
    "stack__applied_at",
)  # fmt: skip


def said(stored: dict[str, Any] | None) -> dict[str, str] | None:
    """Return a stored reason as code and sentence."""
    if not stored:
        return None
    return {"code": str(stored.get("code", "")), "detail": sentence(stored)}


def region(row: Region) -> dict[str, Any]:
    """Return a region."""
    return {
        "id": row.public_id,
        "name": row.slug,
        "title": row.title,
        "account": row.account.name,
        "code": row.code,
        "domain_name": row.domain_name,
        "time_zone": row.time_zone,
        "hosted_zone": row.hosted_zone,
        "owner_prefix": row.owner_prefix,
        "state_backend": row.state_backend,
        "backend_config": row.backend_config,
        "has_conn_str": row.has_secret,
        "instances_remote": row.instances_remote,
        "endpoint_url": row.endpoint_url,
        "max_runs": row.max_runs,
        "created_at": row.created_at,
        "archived_at": row.archived_at,
    }


def _owner(row: Any) -> dict[str, Any]:
    """Return what tenants and shared environments have alike, of a row of look-ups."""
    return {
        "id": row.public_id,
        "name": row.name,
        "title": row.title,
        "blueprint": row.blueprint,
        "region": row.region__slug,
        "labels": row.labels,
        "archived_at": row.archived_at,
        "stack": {
            "id": row.stack__public_id,
            "condition": row.stack__condition,
            "is_suspect": row.stack__state_suspect,
            "applied_release": row.stack__applied_release,
            "applied_at": row.stack__applied_at,
        },
    }


def environment(row: Any) -> dict[str, Any]:
    """Return a shared environment, of a row of ENVIRONMENT."""
    return _owner(row)


def tenant(row: Any) -> dict[str, Any]:
    """Return a tenant, of a row of TENANT."""
    return _owner(row) | {
        "environment": row.shared_environment__name,
        "release": row.release__name,
        "time_zone": row.time_zone,
    }


def release(row: Release) -> dict[str, Any]:
    """Return a release."""
    return {
        "id": row.public_id,
        "blueprint": row.blueprint,
        "name": row.name,
        "components": row.components,
        "notes": row.notes,
        "created_at": row.created_at,
        "archived_at": row.archived_at,
    }


def stack(row: Stack) -> dict[str, Any]:
    """Return a stack."""
    return {
        "id": row.public_id,
        "name": row.name,
        "kind": row.kind,
        "blueprint": row.blueprint,
        "region": row.region.slug,
        "owner": {"id": row.owner.public_id, "name": row.owner.name},
        "condition": row.condition,
        "is_suspect": row.state_suspect,
        "suspect": said(row.suspect_reason),
        "resource_count": row.resource_count,
        "applied_release": row.applied_release,
        "applied_at": row.applied_at,
        "is_auto_apply": row.is_auto_apply,
        "is_auto_destroy": row.is_auto_destroy,
    }


def stack_whole(row: Stack) -> dict[str, Any]:
    """Return a stack with its plain inputs and outputs."""
    outputs = {
        name: one.get("value")
        for name, one in row.outputs.items()
        if isinstance(one, dict) and not one.get("sensitive")
    }
    hidden = _hidden(row)
    inputs = {name: value for name, value in row.desired_inputs.items() if name not in hidden}
    return stack(row) | {
        "inputs": inputs,
        "secrets_set": sorted(secrets.versions(row)),
        "outputs": outputs,
        "secret_outputs": _secret_outputs(row),
    }


def _secret_outputs(row: Stack) -> list[str]:
    """Return the names of outputs that only /reveal shows."""
    named = Secret.objects.filter(stack=row, kind=SecretKind.OUTPUT).order_by("name")
    return list(named.values_list("name", flat=True).distinct())


def _hidden(row: Stack) -> set[str]:
    """Return the inputs that the blueprint calls secret; a broken blueprint shows none."""
    try:
        kind = blueprints.load(row.blueprint).kinds[row.kind]
    except (blueprints.BlueprintFlawed, LookupError, OSError):
        return set(row.desired_inputs)
    return {name for name, variable in kind.variables.items() if variable.sensitive}


def run(row: Run) -> dict[str, Any]:
    """Return a run."""
    return {
        "id": row.public_id,
        "number": row.number,
        "stack": {"id": row.stack.public_id, "name": row.stack.name},
        "region": row.region.slug,
        "action": row.action,
        "label": row.action_label,
        "kind": row.action_kind,
        "status": row.status,
        "is_ended": row.is_ended,
        "is_plan_only": row.is_plan_only,
        "is_destroy": row.is_destroy,
        "waiting": said(row.waiting),
        "error": said(row.error),
        "to_create": row.to_create,
        "to_update": row.to_update,
        "to_replace": row.to_replace,
        "to_destroy": row.to_destroy,
        "reason": row.reason,
        "actor": {"id": row.actor_id, "name": row.actor_name},
        "confirmed_by": row.confirmed_by,
        "cancel_requested_at": row.cancel_requested_at,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "planned_at": row.planned_at,
        "plan_expires_at": row.plan_expires_at,
        "ended_at": row.ended_at,
    }


def run_whole(row: Run, plan_digest: str | None) -> dict[str, Any]:
    """Return a run with what is needed to decide on it."""
    return run(row) | {
        "plan_digest": plan_digest,
        "params": row.params,
        "inputs": row.inputs,
        "log_bytes": row.log_bytes,
        "log_state": row.log_state,
        "has_legal_hold": row.has_legal_hold,
    }


def event(row: RunEvent) -> dict[str, Any]:
    """Return one step of a run's history."""
    return {
        "number": row.pk,
        "at": row.created_at,
        "from_status": row.from_status,
        "to_status": row.to_status,
        "actor": {"id": row.actor_id, "name": row.actor_name},
        "detail": said(row.detail),
        "comment": row.comment,
    }


def backup(row: Backup) -> dict[str, Any]:
    """Return a backup."""
    return {
        "component": row.component,
        "name": row.name,
        "size": row.size,
        "taken_at": row.taken_at,
        "seen_at": row.seen_at,
    }


def restore_point(row: RestorePoint) -> dict[str, Any]:
    """Return a restore point."""
    return {
        "id": row.public_id,
        "run": row.run.public_id,
        "release": row.release_name,
        "versions": row.versions,
        "backups": row.backups,
        "created_at": row.created_at,
    }


def state_version(row: StateVersion) -> dict[str, Any]:
    """Return a kept state, without its content."""
    return {
        "id": row.public_id,
        "serial": row.serial,
        "moment": row.moment,
        "resource_count": row.resource_count,
        "created_at": row.created_at,
    }


def audit_entry(row: AuditEntry) -> dict[str, Any]:
    """Return one act."""
    return {
        "id": row.public_id,
        "at": row.created_at,
        "action": row.action,
        "actor": {"id": row.actor_id, "name": row.actor_name},
        "actor_kind": row.actor_kind,
        "role": row.role,
        "token": row.token_id,
        "ip": row.ip,
        "door": row.origin,
        "request_id": row.request_id,
        "operation_id": row.operation_id,
        "target": {"id": row.target_id, "name": row.target_name},
        "target_kind": row.target_kind,
        "tenant": row.tenant_name,
        "region": row.region_name,
        "run": row.run_id,
        "reason": row.reason,
        "before": row.before,
        "after": row.after,
        "is_refused": row.is_refused,
    }
