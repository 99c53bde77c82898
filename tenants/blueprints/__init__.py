"""Blueprints: folders of BLUEPRINT_ROOT that say how a kind of stack is built.

Data, not Python: a manifest (blueprint.yaml) and root modules, whose own variables make the
forms. docs/blueprints.md tells how to write one.
"""

from collections.abc import Collection

from django.utils.translation import gettext as _

from tenants.blueprints.hosts import HostRole, HostRules
from tenants.blueprints.judge import RulesNotJudged, judge, judge_secret, missing
from tenants.blueprints.manifest import MANIFEST
from tenants.blueprints.model import (
    Action,
    Adoption,
    Attribute,
    Blueprint,
    Flaw,
    Group,
    Kind,
    NameRule,
    Output,
    Param,
    Problem,
    SecretRule,
    StepSpec,
    TypeSpec,
    Variable,
)
from tenants.blueprints.registry import (
    BlueprintChanged,
    BlueprintFlawed,
    all_blueprints,
    copy_files,
    flaws,
    load,
    names,
)
from tenants.blueprints.templates import LookupMissing, places, render

__all__ = [
    "MANIFEST",
    "Action",
    "Adoption",
    "Attribute",
    "Blueprint",
    "BlueprintChanged",
    "BlueprintFlawed",
    "Flaw",
    "Group",
    "HostRole",
    "HostRules",
    "Kind",
    "LookupMissing",
    "NameRule",
    "Output",
    "Param",
    "Problem",
    "RulesNotJudged",
    "SecretRule",
    "StepSpec",
    "TypeSpec",
    "Variable",
    "all_blueprints",
    "copy_files",
    "flaws",
    "judge",
    "judge_secret",
    "load",
    "missing",
    "names",
    "places",
    "render",
    "unknown_steps",
]


def unknown_steps(blueprint: Blueprint, known: Collection[str]) -> list[Flaw]:
    """Return a flaw for each step of a kind that the portal does not know.

    Which kinds there are is known only where steps are done, so the check stands there.
    """
    found: dict[tuple[str, int], Flaw] = {}
    for kind in blueprint.kinds.values():
        for action in kind.all_actions:
            for step in action.steps:
                if step.kind not in known:
                    text = _("There is no kind of step “%(kind)s”. Known: %(known)s.") % {
                        "kind": step.kind,
                        "known": ", ".join(sorted(known)),
                    }
                    found[step.file, step.line] = Flaw(step.file, step.line, text)
    return list(found.values())
