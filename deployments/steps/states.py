"""Reading and keeping a stack's state."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from deployments.cloud.errors import StateLost
from deployments.models import StateVersion
from deployments.models.plans import StateMoment
from deployments.runner.workdir import local_state_path
from deployments.steps import engine
from deployments.work import Work
from tenants import secrets
from tenants.models import Stack


class StateBad(Exception):
    """The state is empty or does not parse: never stored as current."""


@dataclass(frozen=True)
class State:
    """A state's content and what it says of itself. Format: the `state` command's version 4."""

    content: bytes
    serial: int
    lineage: str
    resource_count: int
    terraform_version: str
    # Name → value, type and, for a sensitive one, sensitive: the same as `output -json` tells.
    outputs: dict[str, Any]

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


def parse(content: bytes) -> State:
    """Return what a state says. Raises StateBad for one that is empty or does not parse."""
    try:
        found = json.loads(content)
        resources = found["resources"]
        count = sum(len(r.get("instances", [])) for r in resources if r.get("mode") == "managed")
        return State(
            content=content,
            serial=int(found["serial"]),
            lineage=str(found["lineage"]),
            resource_count=count,
            terraform_version=str(found.get("terraform_version", "")),
            outputs=dict(found.get("outputs", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise StateBad(str(problem)) from problem


def read(work: Work) -> State | None:
    """Return the stack's state as it stands in its backend; None when there has been none yet.

    Needs `init` for a backend other than local. Raises StateBad.
    """
    if work.stack.backend == "local":
        path = local_state_path(settings.STATE_ROOT, work.stack.public_id)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
    else:
        content = engine.read(work, engine.commands().state_pull(), "state.json")
        if not content.strip():
            return None
    found = parse(content)
    # A backend without a state is told as an empty one that has no lineage.
    return found if found.lineage else None


def read_or_none(work: Work) -> State | None:
    """Return the state; None also for one that a kill left empty, which Terraform takes for none.

    One that is damaged otherwise Terraform refuses in its own words.
    """
    try:
        return read(work)
    except StateBad:
        return None


def require_known(work: Work) -> None:
    """Refuse to plan while the backend has not the state that the stack was left with.

    A plan on an empty state would build everything a second time. Raises StateLost.
    """
    stack = work.stack
    if not stack.resource_count or not stack.state_lineage:
        return
    state = read_or_none(work)
    if state is None:
        now = _("no state that can be read")
    elif state.lineage != stack.state_lineage:
        now = _("the state of something else (serial %s)") % state.serial
    elif state.serial < (stack.state_serial or 0):
        now = _("an older one (serial %s)") % state.serial
    else:
        return
    raise StateLost(stack=stack, then=stack.state_serial, count=stack.resource_count, now=now)


def serial_facts(state: State | None) -> dict[str, object]:
    """Return the facts of a plan that are about the state."""
    return {
        "state_lineage": state.lineage if state else "",
        "state_serial": state.serial if state else 0,
    }


def bound_to(version: StateVersion) -> str:
    """Return what a state version's ciphertext is bound to."""
    return f"state:{version.stack.public_id}:{version.public_id}"


def keep(work: Work, state: State, moment: StateMoment) -> StateVersion:
    """Store the state as a version, unless the newest one has this very content."""
    newest = StateVersion.objects.filter(stack=work.stack).defer("ciphertext").first()
    if newest is not None and newest.digest == state.digest:
        return newest
    version = StateVersion(
        stack=work.stack,
        run=work.run,
        moment=moment,
        serial=state.serial,
        lineage=state.lineage,
        digest=state.digest,
        resource_count=state.resource_count,
        size=len(state.content),
        terraform_version=state.terraform_version,
        blueprint_digest=work.run.blueprint_digest,
        actor_name=work.run.actor_name,
    )
    version.key_id, version.ciphertext = secrets.encrypt(state.content, bound_to(version))
    version.save()
    return version


def content(version: StateVersion) -> bytes:
    """Return a state version in clear."""
    return secrets.decrypt(version.key_id, version.ciphertext, bound_to(version))


def note_on_stack(stack: Stack, state: State) -> None:
    """Write serial, lineage and number of resources of the state to the stack."""
    stack.state_serial, stack.state_lineage = state.serial, state.lineage
    stack.resource_count = state.resource_count
    stack.save(update_fields=["state_serial", "state_lineage", "resource_count"])


def forget_on_stack(stack: Stack) -> None:
    """Write to the stack that it has no state any more."""
    stack.state_serial, stack.state_lineage, stack.resource_count = None, "", 0
    stack.save(update_fields=["state_serial", "state_lineage", "resource_count"])
