"""Rows for tests, each with one call and believable defaults. Names count up by themselves."""

import hashlib
import itertools
from datetime import timedelta
from typing import Any

from django.utils import timezone

from deployments.models import ApprovalPolicy, Run, RunStep
from deployments.models.approvals import RISKS_BY_DEFAULT
from deployments.runstatus import TERMINAL, RunStatus
from tenants import actors, tokens
from tenants.access import KINDS
from tenants.models import (
    ApiToken,
    CloudAccount,
    Invitation,
    Membership,
    Region,
    SharedEnvironment,
    Stack,
    Tenant,
    User,
)
from tenants.models.access import Role

PASSWORD = "correct horse battery"
_counter = itertools.count(1)


def _name(prefix: str) -> str:
    return f"{prefix}{next(_counter)}"


def without_four_eyes() -> ApprovalPolicy:
    """Let one person do everything; tests of second persons say otherwise (`with_four_eyes`)."""
    return _policy([])


def with_four_eyes(*risks: str, **fields: Any) -> ApprovalPolicy:
    """Let what is risky need a second person from now on; the portal's own list without names."""
    return _policy(list(risks or RISKS_BY_DEFAULT), **fields)


def _policy(risks: list[str], **fields: Any) -> ApprovalPolicy:
    fields = {"valid_minutes": 60, "takes_effect_at": timezone.now(), **fields}
    return ApprovalPolicy.objects.create(
        risks=risks, reason="a test", actor_id="system:test", actor_name="system:test", **fields
    )


def make_region(slug: str = "", **fields: Any) -> Region:
    """Return a region of the lab account."""
    account = CloudAccount.objects.filter(name="lab").first()
    account = account or CloudAccount.objects.create(name="lab", provider="lab")
    if not ApprovalPolicy.objects.exists():
        without_four_eyes()
    return Region.objects.create(account=account, slug=slug or _name("region-"), **fields)


def make_environment(
    name: str = "", region: Region | None = None, **fields: Any
) -> SharedEnvironment:
    """Return a shared environment with its stack."""
    region = region or make_region()
    fields.setdefault("blueprint", "lab")
    environment = SharedEnvironment.objects.create(
        region=region, name=name or _name("shared"), **fields
    )
    Stack.objects.create(
        name=environment.name,
        kind="shared",
        blueprint=environment.blueprint,
        region=region,
        shared_environment=environment,
        parent_environment=environment,
    )
    return environment


def make_tenant(
    name: str = "", environment: SharedEnvironment | None = None, **fields: Any
) -> Tenant:
    """Return a tenant with its stack, in a shared environment."""
    environment = environment or make_environment(region=fields.pop("region", None))
    fields.setdefault("blueprint", "lab")
    tenant = Tenant.objects.create(
        region=environment.region,
        shared_environment=environment,
        name=name or _name("tenant"),
        **fields,
    )
    Stack.objects.create(
        name=tenant.name,
        kind="tenant",
        blueprint=tenant.blueprint,
        region=environment.region,
        tenant=tenant,
        parent_environment=environment,
    )
    return tenant


def make_user(
    username: str = "", *, role: str | Role = "", over: Any = None, **fields: Any
) -> User:
    """Return a user with PASSWORD; with `role`, over everything or the given thing.

    `over` is a Region, SharedEnvironment, Tenant or a tenant's or environment's Stack.
    """
    username = username or _name("user")
    fields.setdefault("email", f"{username}@example.com")
    user = User.objects.create_user(username=username, password=PASSWORD, **fields)
    if role:
        give_role(user, role, over)
    return user


def prove(client: Any) -> None:
    """Let who is signed in with PASSWORD show it once more, as pages of tokens ask for."""
    client.post("/profile/prove/", {"password": PASSWORD})


def make_invitation(email: str = "", *, secret: str = "", **fields: Any) -> Invitation:
    """Return an invitation by a new admin; `secret` is what its link has."""
    secret = secret or _name("secret-")
    fields.setdefault("invited_by", make_user(role="admin"))
    fields.setdefault("expires_at", timezone.now() + timedelta(days=1))
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    email = email or f"{_name('guest')}@example.com"
    return Invitation.objects.create(email=email, token_hash=hashed, **fields)


def give_role(user: User, role: str | Role, over: Any = None) -> Membership:
    """Give a user a role over everything, or over the given thing."""
    if isinstance(over, Stack):
        over = over.owner
    scope = {
        Region: "region",
        SharedEnvironment: "shared_environment",
        Tenant: "tenant",
        type(None): "everything",
    }[type(over)]
    return Membership.objects.create(user=user, role=role, **{scope: over or True})


def make_run(
    stack: Stack | Tenant | SharedEnvironment | None = None,
    status: str | RunStatus = RunStatus.PENDING,
    **fields: Any,
) -> Run:
    """Return a run in this status, with the times that go with it."""
    if stack is None:
        stack = make_tenant()
    if not isinstance(stack, Stack):
        stack = stack.stack
    stack.run_count += 1
    stack.save(update_fields=["run_count"])
    now = timezone.now()
    if status in TERMINAL:
        fields.setdefault("started_at", now - timedelta(minutes=3))
        fields.setdefault("ended_at", now)
    defaults = {
        "number": stack.run_count,
        "region": stack.region,
        "action": "install",
        "action_label": "Install",
        "action_kind": "change",
        "steps_wanted": [{"kind": "terraform.plan", "params": {}}],
        "blueprint": stack.blueprint,
        "actor": {"kind": "user", "id": "usr_alice", "name": "Alice"},
        "actor_id": "usr_alice",
        "actor_name": "Alice",
        "reason": "a test",
    }
    return Run.objects.create(stack=stack, status=status, **(defaults | fields))


def make_step(run: Run | None = None, **fields: Any) -> RunStep:
    """Return the run's next step, leased to a worker of this host."""
    run = run or make_run(status=RunStatus.APPLYING)
    last = run.steps.order_by("-number").first()
    number = last.number + 1 if last else 1
    defaults = {
        "number": number,
        "phase": "apply",
        "kind": "terraform.apply",
        "host_id": "00000000-0000-0000-0000-000000000001",
        "worker_id": "worker-1",
        "step_dir": f"/nowhere/{run.public_id}/{number}",
        "log_start": last.log_end if last else 0,
        "log_end": last.log_end if last else 0,
        "log_lines": last.log_lines if last else 0,
        "lease_until": timezone.now() + timedelta(seconds=15),
    }
    return RunStep.objects.create(run=run, **(defaults | fields))


def make_token(user: User, *, places: Any = (), **fields: Any) -> tuple[ApiToken, str]:
    """Return a token of the user, by default for all that they may, with its text."""
    fields = {"name": "a program", "kinds": list(KINDS), "networks": ()} | fields
    fields.setdefault("expires_at", timezone.now() + timedelta(days=30))
    return tokens.create_token(actors.system("test"), user, places=places, **fields)
