"""What answers look like: the document's schemas."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from api.paging import Page
from api.values import Shape
from deployments.runstatus import RunStatus
from tenants.models.stacks import Condition, StackKind

Status = Literal[tuple(RunStatus.values)]


class Problem(Shape):
    """A refusal (RFC 9457)."""

    type: str = Field(description="The address of a page that explains this kind of problem.")
    title: str
    status: int
    detail: str = Field(description="What holds it, and what to do next.")
    code: str
    parameters: dict[str, Any]
    request_id: str
    errors: dict[str, str] | None = Field(None, description="What is wrong, by field.")


class Ref(Shape):
    """A thing by its id and name."""

    id: str
    name: str


class Said(Shape):
    """A reason as a code and as a sentence."""

    code: str
    detail: str


class Me(Shape):
    """Who asks, and what they may."""

    id: str
    name: str
    is_service: bool
    token: str | None
    kinds: list[str] | None = Field(description="The kinds of action of the token; null: no token.")
    role: str


class Region(Shape):
    """A region of a cloud account, or a site of own hosts."""

    id: str
    name: str
    title: str
    account: str
    code: str
    domain_name: str
    hosted_zone: str
    owner_prefix: str
    time_zone: str
    state_backend: str
    backend_config: dict[str, Any]
    has_conn_str: bool = Field(description="Whether a secret address of states is kept.")
    instances_remote: str
    endpoint_url: str
    max_runs: int
    created_at: datetime
    archived_at: datetime | None


class Answer(Shape):
    """One answer of the provider when a region is checked."""

    code: str
    status: Literal["ok", "warning", "failed"]
    detail: str


class Answers(Shape):
    """What the provider answered."""

    items: list[Answer]


class StackShort(Shape):
    """How a stack stands, beside its owner."""

    id: str
    condition: Literal[tuple(Condition.values)]
    is_suspect: bool
    applied_release: str
    applied_at: datetime | None


class Environment(Shape):
    """A shared environment."""

    id: str
    name: str
    title: str
    blueprint: str
    region: str
    stack: StackShort
    labels: dict[str, Any]
    archived_at: datetime | None


class Tenant(Shape):
    """A tenant."""

    id: str
    name: str
    title: str
    blueprint: str
    region: str
    environment: str | None
    release: str | None
    time_zone: str
    stack: StackShort
    labels: dict[str, Any]
    archived_at: datetime | None


class Release(Shape):
    """Component versions under one name."""

    id: str
    blueprint: str
    name: str
    components: dict[str, Any]
    notes: str
    created_at: datetime
    archived_at: datetime | None


class Stack(Shape):
    """The managed infrastructure of a tenant or a shared environment. No secret is in it."""

    id: str
    name: str
    kind: Literal[tuple(StackKind.values)]
    blueprint: str
    region: str
    owner: Ref
    condition: Literal[tuple(Condition.values)]
    is_suspect: bool
    suspect: Said | None
    resource_count: int
    applied_release: str
    applied_at: datetime | None
    is_auto_apply: bool
    is_auto_destroy: bool


class StackWhole(Stack):
    """A stack with its inputs; of secrets only which are set."""

    inputs: dict[str, Any]
    secrets_set: list[str]
    outputs: dict[str, Any]
    secret_outputs: list[str] = Field(description="Outputs that only their reveal shows.")


class Action(Shape):
    """What can be started on a stack; `obstacle` says why not now."""

    name: str
    label: str
    kind: str
    is_plan_only: bool
    asks_name: bool
    params: list[str]
    obstacle: Said | None
    is_allowed: bool


class Actions(Shape):
    """What can be started on a stack."""

    items: list[Action]


class Run(Shape):
    """One action over one stack."""

    id: str
    number: int
    stack: Ref
    region: str
    action: str
    label: str
    kind: str
    status: Status
    is_ended: bool
    is_plan_only: bool
    is_destroy: bool
    waiting: Said | None
    error: Said | None
    to_create: int
    to_update: int
    to_replace: int
    to_destroy: int
    reason: str
    actor: Ref
    confirmed_by: str
    cancel_requested_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    planned_at: datetime | None
    plan_expires_at: datetime | None
    ended_at: datetime | None


class RunWhole(Run):
    """A run with what is needed to decide on it."""

    plan_digest: str | None = Field(description="What to send with a confirmation.")
    params: dict[str, Any]
    inputs: dict[str, Any]
    log_bytes: int
    log_state: str
    has_legal_hold: bool


class Event(Shape):
    """One step of a run's history."""

    number: int
    at: datetime
    from_status: str
    to_status: str
    actor: Ref
    detail: Said | None
    comment: str


class Backup(Shape):
    """A backup as it was last seen in the stack's bucket."""

    component: str
    name: str
    size: int
    taken_at: datetime
    seen_at: datetime


class RestorePoint(Shape):
    """What a stack can go back to."""

    id: str
    run: str
    release: str
    versions: dict[str, Any]
    backups: dict[str, Any]
    created_at: datetime


class StateVersion(Shape):
    """A kept version of a stack's state, without its content."""

    id: str
    serial: int
    moment: str
    resource_count: int
    created_at: datetime


class AuditEntry(Shape):
    """One act."""

    id: str
    at: datetime
    action: str
    actor: Ref
    actor_kind: str
    role: str
    token: str
    ip: str | None
    door: str
    request_id: str
    operation_id: str
    target: Ref
    target_kind: str
    tenant: str
    region: str
    run: str
    reason: str
    before: Any
    after: Any
    is_refused: bool


class WorkerHost(Shape):
    """A machine that runs work."""

    id: str
    name: str
    capacity: int
    busy: int
    is_silent: bool
    is_draining: bool
    heartbeat_at: datetime | None


class WorkerHosts(Shape):
    """The machines that run work."""

    items: list[WorkerHost]


class Regions(Page):
    """A page of regions."""

    items: list[Region]


class Environments(Page):
    """A page of shared environments."""

    items: list[Environment]


class Tenants(Page):
    """A page of tenants."""

    items: list[Tenant]


class Releases(Page):
    """A page of releases."""

    items: list[Release]


class Stacks(Page):
    """A page of stacks."""

    items: list[Stack]


class Runs(Page):
    """A page of runs."""

    items: list[Run]


class Events(Page):
    """A page of a run's history."""

    items: list[Event]


class Backups(Page):
    """A page of backups."""

    items: list[Backup]


class RestorePoints(Page):
    """A page of restore points."""

    items: list[RestorePoint]


class StateVersions(Page):
    """A page of kept states."""

    items: list[StateVersion]


class AuditEntries(Page):
    """A page of the audit trail."""

    items: list[AuditEntry]
