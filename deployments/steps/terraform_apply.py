"""terraform.apply: exactly the sealed plan, with the state kept before and after."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from deployments.cloud.errors import StateNotSaved
from deployments.errors import StateUnreadable
from deployments.facts import first_difference
from deployments.models.plans import StateMoment
from deployments.runner.tail import without_nul
from deployments.services.stacks import mark_suspect
from deployments.steps import Launch, Piece, StepKind, engine, register, states, terraform_init
from deployments.work import WORKER, Work
from tenants import secrets
from tenants.adoption import note_converted
from tenants.models import Stack

# Where Terraform leaves a state that its backend did not take.
UNSAVED = "errored.tfstate"


def _before(work: Work, params: Mapping[str, Any]) -> None:
    """Keep the state; refuse when it is no longer the one that was planned on.

    A remote state can only be asked now: before, nothing was initialised.
    """
    state = states.read_or_none(work)
    difference = first_difference(work.run.plan.facts, states.serial_facts(state))
    if difference is not None:
        raise difference
    if state is not None:
        with transaction.atomic():
            work.fence()
            states.keep(work, state, StateMoment.BEFORE_APPLY)


def _launch(work: Work, params: Mapping[str, Any]) -> Launch:
    timeout = engine.limit(work, "apply_s", settings.APPLY_TIMEOUT_S)
    return engine.launch(work, engine.commands().apply(), timeout)


def _after(work: Work, params: Mapping[str, Any]) -> None:
    """Keep the state and the outputs, failed or not, before the stack is released."""
    rescued = engine.module(work) / UNSAVED
    try:
        state = states.parse(rescued.read_bytes()) if rescued.exists() else states.read(work)
    except states.StateBad:
        with transaction.atomic():
            work.fence()
            why = StateUnreadable(run=work.run.number, run_id=work.run.public_id)
            mark_suspect(WORKER, Stack.objects.get(pk=work.stack.pk), why)
        return
    with transaction.atomic():
        work.fence()
        if state is not None:
            states.keep(work, state, StateMoment.AFTER_APPLY)
        if rescued.exists():
            why = StateNotSaved(run=work.run.number, run_id=work.run.public_id)
            mark_suspect(WORKER, Stack.objects.get(pk=work.stack.pk), why)
        stack = Stack.objects.select_for_update(of=("self",), no_key=True).get(pk=work.stack.pk)
        # Without a state nothing is noted: what the stack had is still known, or the next plan
        # would build it a second time.
        if state is not None:
            states.note_on_stack(stack, state)
            _keep_outputs(work, stack, state.outputs)
        if not work.notes.get("failed"):
            _note_applied(work, stack)
            note_converted(WORKER, stack)


def _keep_outputs(work: Work, stack: Stack, outputs: dict[str, Any]) -> None:
    """Keep plain outputs on the stack, sensitive ones encrypted.

    One that holds a known secret is sensitive, whether or not its author said so.
    """
    kept: dict[str, Any] = {}
    for name, output in outputs.items():
        value = output["value"]
        if output.get("sensitive") or work.redactor.tree(value) != value:
            text = value if isinstance(value, str) else orjson.dumps(value).decode()
            secrets.store(stack, name, text, kind="output")
            kept[name] = {"sensitive": True, "type": output.get("type")}
        else:
            kept[name] = {"value": value, "type": output.get("type")}
    # The log and the texts of what comes next must not show them either.
    work.learn_secrets()
    stack.outputs = without_nul(kept)
    stack.save(update_fields=["outputs"])


def _note_applied(work: Work, stack: Stack) -> None:
    run = work.run
    stack.applied_inputs, stack.applied_release = run.inputs, run.release_name
    stack.applied_at, stack.blueprint_digest = timezone.now(), run.blueprint_digest
    stack.has_drift = False
    if run.is_destroy:
        stack.applied_inputs, stack.applied_release = {}, ""
    stack.save(
        update_fields=[
            "applied_inputs",
            "applied_release",
            "applied_at",
            "blueprint_digest",
            "has_drift",
        ]
    )


register(
    StepKind(
        name="terraform.apply",
        phase="apply",
        pieces=(
            terraform_init.FOR_APPLY,
            Piece("state.before", _("Keep the state"), call=_before),
            Piece("terraform.apply", _("Apply"), launch=_launch, judge=engine.judge, changes=True),
            Piece("state.after", _("Keep state and outputs"), call=_after, always=True),
        ),
        risk="changes",
        cancel="one interrupt; what is in hand is finished, the state is saved",
        resume="taken up where its supervisor is; never started a second time",
    )
)
