"""System checks: every kind of step that a blueprint names must exist here."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from deployments.steps import StepKind
from deployments.steps.kinds import KINDS
from deployments.work import APPLIED
from tenants import blueprints
from tenants.blueprints import BlueprintFlawed
from tenants.blueprints.stepkinds import PLAYBOOKS
from tenants.checks import TAG, message

STRANGE = StepKind("", "", ())


@register(TAG)
def check_steps(**_kwargs: Any) -> list[CheckMessage]:
    """Return an error for each step of a kind, or with a parameter, that is not known."""
    found: list[CheckMessage] = []
    for name in blueprints.names():
        try:
            blueprint = blueprints.load(name)
        except BlueprintFlawed:
            continue  # tenants.checks tells.
        found += [message(flaw) for flaw in blueprints.unknown_steps(blueprint, KINDS)]
        found += _unknown_params(blueprint)
        found += _wrong_phases(blueprint)
        found += _unknown_inputs(blueprint)
        found += _missing_playbooks(blueprint)
        found += _odd_words(blueprint)
    return found


def _unknown_params(blueprint: blueprints.Blueprint) -> list[CheckMessage]:
    found: dict[tuple[str, int, str], CheckMessage] = {}
    for kind in blueprint.kinds.values():
        for action in kind.all_actions:
            for step in action.steps:
                known = KINDS[step.kind].params if step.kind in KINDS else step.params
                for param in set(step.params) - set(known):
                    text = f"{step.kind} has no parameter “{param}”. Known: {', '.join(known)}."
                    where = f"{step.file}:{step.line}"
                    found[step.file, step.line, param] = Error(
                        text, obj=where, id="deployments.E001"
                    )
    return list(found.values())


def _wrong_phases(blueprint: blueprints.Blueprint) -> list[CheckMessage]:
    """Return an error for each step in a phase where its kind cannot be done."""
    found: dict[tuple[str, int], CheckMessage] = {}
    for kind in blueprint.kinds.values():
        for step in (step for action in kind.all_actions for step in action.steps):
            known = KINDS.get(step.kind)
            if known is None or step.phase in ("", known.phase, *known.also):
                continue
            places = ", ".join((known.phase, *known.also))
            text = f"{step.kind} cannot be done in the phase “{step.phase}”. It can in: {places}."
            where = f"{step.file}:{step.line}"
            found[step.file, step.line] = Error(text, obj=where, id="deployments.E002")
    return list(found.values())


def _unknown_inputs(blueprint: blueprints.Blueprint) -> list[CheckMessage]:
    """Return an error for each input that `inputs.require` names and the HCL does not have."""
    found: dict[tuple[str, int, str], CheckMessage] = {}
    for kind in blueprint.kinds.values():
        for step in (step for action in kind.actions.values() for step in action.steps):
            if step.kind != "inputs.require":
                continue
            for name in set(step.params.get("values", {})) - set(kind.variables):
                text, where = f"There is no input “{name}”.", f"{step.file}:{step.line}"
                found[step.file, step.line, name] = Error(text, obj=where, id="deployments.E003")
    return list(found.values())


def _odd_words(blueprint: blueprints.Blueprint) -> list[CheckMessage]:
    """Return an error for each `inputs` of a step that is no word for them.

    A slip of the pen would let a restore work on what is wanted instead of what runs.
    """
    found: dict[tuple[str, int], CheckMessage] = {}
    for kind in blueprint.kinds.values():
        for step in (step for action in kind.all_actions for step in action.steps):
            word = step.params.get("inputs", APPLIED)
            if "inputs" in KINDS.get(step.kind, STRANGE).params and word != APPLIED:
                text = f"{step.kind} knows “inputs: {APPLIED}” alone, not “{word}”."
                where = f"{step.file}:{step.line}"
                found[step.file, step.line] = Error(text, obj=where, id="deployments.E005")
    return list(found.values())


def _missing_playbooks(blueprint: blueprints.Blueprint) -> list[CheckMessage]:
    """Return an error for each playbook that a step names and the blueprint does not have."""
    found: dict[tuple[str, int], CheckMessage] = {}
    for kind in blueprint.kinds.values():
        for step in (step for action in kind.all_actions for step in action.steps):
            if step.kind not in PLAYBOOKS:
                continue
            name, where = str(step.params.get("playbook", "")), f"{step.file}:{step.line}"
            text = ""
            if f"{blueprint.name}/{name}" not in blueprint.files:
                text = f"There is no playbook “{name}” in this blueprint."
            elif kind.hosts is None:
                text = f"{step.kind} needs “hosts” in the kind “{kind.name}”."
            if text:
                found[step.file, step.line] = Error(text, obj=where, id="deployments.E004")
    return list(found.values())
