"""What another tool built becomes part of a plan by `import` blocks; no plan may lose its data."""

import re
from typing import Any

from django.utils.translation import gettext as _

from deployments.errors import ConvertLosesData, ConvertWould
from deployments.models import Plan
from deployments.runner import workdir
from deployments.steps import engine
from deployments.work import Work

LOSES = ("replace", "delete", "forget", "create")
NAMES_SHOWN = 8


def write(work: Work) -> None:
    """Put the import blocks of an adopted stack into the run's copy of the root module."""
    wanted = (work.stack.adoption or {}).get("imports", [])
    if wanted:
        workdir.write_imports(engine.module(work), wanted)


def judge(work: Work) -> None:
    """Tell what a plan with imports would do; raise ConvertLosesData before it can be applied.

    A preview is only told: its page shows each resource with what forces a replacement.
    """
    view = Plan.objects.values_list("view", flat=True).get(run=work.run)
    losing = _losing(work, view)
    counts = view["counts"]
    finding = ConvertWould(
        imported=counts["imports"],
        create=counts["create"],
        update=counts["update"],
        replace=counts["replace"],
        destroy=counts["delete"],
        left=len((work.stack.adoption or {}).get("left", [])),
        data="; ".join(losing) or _("all of it is kept"),
    )
    work.find({**finding.to_json(), "about": work.stack.name, "is_loud": bool(losing)})
    work.say(str(finding))
    if losing and not work.run.is_plan_only:
        raise ConvertLosesData(what="; ".join(losing[:NAMES_SHOWN]))


def _losing(work: Work, view: dict[str, Any]) -> list[str]:
    """Return what holds data and would not be the same afterwards, each with why.

    One that would be made anew counts as well: the data stay behind in the old one.
    """
    found = []
    for resource in view["resources"]:
        bare = re.sub(r"\[\"[^\"]*\"\]", "", resource["address"])
        holds = work.kind.holds(resource["address"]) or work.kind.holds(bare)
        if resource["mode"] == "managed" and holds and resource["action"] in LOSES:
            found.append(_("%(address)s (%(why)s)") % _reason(resource))
    return found


def _reason(resource: dict[str, Any]) -> dict[str, str]:
    forced = ", ".join(resource["replace_paths"])
    words = {
        "replace": _("replaced because of %s") % (forced or "–"),
        "delete": _("destroyed"),
        "forget": _("forgotten"),
        "create": _("made anew, empty"),
    }
    return {"address": resource["address"], "why": words[resource["action"]]}
