"""Putting into the outbox what others may want to hear of.

One row in the transaction of the change, so nothing is told that did not happen and nothing is
left out. Who hears it, and how, is decided afterwards, elsewhere (`notices`): a mail server or a
receiver that is slow never holds a run up.
"""

from typing import Any

from deployments.models import Happening, Run, RunStep
from omlsaas.lib.refusals import Refusal
from tenants.actors import Actor
from tenants.models import Stack


def put_status(run: Run, came_from: str, actor: Actor, detail: Refusal | None = None) -> None:
    """Tell that a run has reached a status. Call inside the transaction of the change."""
    facts = {"from": str(came_from), "by": actor.name, "by_id": actor.id}
    _put(f"run.{run.status}", run.stack_id, run.pk, facts, detail)


def put_step(step: RunStep, *, has_failed: bool | None = None) -> None:
    """Tell that a step has begun, or has ended well or badly."""
    word = "begun" if has_failed is None else "failed" if has_failed else "done"
    facts = {"step": step.number, "step_kind": step.kind, "phase": step.phase}
    _put(f"step.{word}", step.run.stack_id, step.run_id, facts)


def put_run(kind: str, run: Run, actor: Actor, detail: Refusal | None = None) -> None:
    """Tell that something happened about a run besides its status: `approval.asked` …"""
    facts = {"by": actor.name, "by_id": actor.id}
    _put(kind, run.stack_id, run.pk, facts, detail)


def put_stack(kind: str, stack: Stack, actor: Actor, detail: Refusal | None = None) -> None:
    """Tell that something was found out about a stack: `stack.suspect`, `stack.drift` …"""
    _put(kind, stack.pk, None, {"by": actor.name, "by_id": actor.id}, detail)


def _put(
    kind: str, stack_id: int, run_id: int | None, facts: dict[str, Any], detail: Any = None
) -> None:
    if detail is not None:
        facts["detail"] = detail.to_json()
    Happening.objects.create(kind=kind, stack_id=stack_id, run_id=run_id, facts=facts)
