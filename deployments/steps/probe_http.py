"""probe.http: wait until what was built answers; an apply that ended well says nothing of that."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.steps import Piece, StepKind, register
from deployments.steps.errors import NotReady
from deployments.steps.probing import NoAnswer, Probe, Stage, Way
from deployments.work import Work
from tenants import blueprints

TIMEOUT_S = 3600
# Often at first, when somebody watches; then as often as machines need that take half an hour.
PAUSES_S = (1.0,) * 30 + (5.0,)


@dataclass
class Told:
    """How far the probe has come: what each stage answered, and when that was new."""

    names: list[str]
    answers: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def stage(self) -> str:
        """Return the stage that is not passed yet."""
        return self.names[min(len(self.answers), len(self.names) - 1)]

    def to_json(self) -> dict[str, Any]:
        """Return it for the run's page."""
        stages = [
            {"name": name, "answer": self.answers[n] if n < len(self.answers) else ""}
            for n, name in enumerate(self.names)
        ]
        return {
            "stages": stages,
            "done": len(self.answers),
            "total": len(self.names),
            "text": self.problem,
        }


def _probe(work: Work, params: Mapping[str, Any]) -> None:
    url, verify = _target(work, params)
    if not url:
        return
    limit = float(params.get("timeout_s", TIMEOUT_S))
    try:
        probe = Probe(url, _stages(url, params), _way(work), verify=verify)
    except NoAnswer as wrong:
        raise NotReady(url=url, stage=_("address"), limit=0, answer=wrong) from wrong
    began, told, turn = time.monotonic(), Told(probe.names), 0
    work.say(_("Waiting for %s.") % url, told.to_json())
    while not _try(work, probe, told, began):
        if time.monotonic() - began > limit:
            minutes = f"{limit / 60:g}"
            raise NotReady(url=url, stage=told.stage, limit=minutes, answer=told.problem)
        work.pause(PAUSES_S[min(turn, len(PAUSES_S) - 1)])
        turn += 1


def _target(work: Work, params: Mapping[str, Any]) -> tuple[str, bool]:
    """Return what to ask, and whether its certificate is checked.

    Without a name of its own `or_url` is asked: there is no name that a certificate could be for.
    """
    inputs = work.inputs_for(params)
    if params.get("or_url") and not all(_looked_up(inputs, params["url"])):
        return work.render(params["or_url"], inputs=inputs), False
    verify = params.get("verify_tls", True)
    if isinstance(verify, Mapping):
        verify = all(inputs.get(name) in values for name, values in verify.items())
    return work.render(params["url"], inputs=inputs), verify


def _looked_up(inputs: Mapping[str, Any], template: str) -> list[Any]:
    """Return the values of the inputs that a text looks up."""
    names = (place.partition(".") for place in blueprints.places(template))
    return [inputs.get(name) for root, _dot, name in names if root == "inputs"]


def _stages(url: str, params: Mapping[str, Any]) -> list[Stage]:
    """Return the pages to ask for: as the blueprint lists them, or the URL's own."""
    if params.get("stages"):
        return [Stage(one["path"], int(one["status"])) for one in params["stages"]]
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return [Stage(path, int(params.get("status", 200)))]


def _way(work: Work) -> Way:
    told = work.stack.region.probe or {}
    return Way(str(told.get("resolver", "")), int(told.get("port") or 0), told.get("ca_file", ""))


def _try(work: Work, probe: Probe, told: Told, began: float) -> bool:
    """Ask once; say what is new. Return whether every stage was passed."""
    answers: list[str] = []
    problem = ""
    try:
        for answer in probe.passes():
            answers.append(answer)
            if len(answers) > len(told.answers):
                told.answers, told.problem = list(answers), ""
                words = {"name": told.names[len(answers) - 1], "answer": answer}
                words["after"] = f"{time.monotonic() - began:.0f}"
                text = _("%(name)s: %(answer)s, after %(after)s s")
                work.say(text % words, told.to_json())
    except NoAnswer as refused:
        problem = str(refused)
    if problem and (problem != told.problem or len(answers) != len(told.answers)):
        # What answered once and no longer does is not passed any more.
        told.answers, told.problem = answers, problem
        words = {"name": told.stage, "answer": problem}
        work.say(_("%(name)s: not yet: %(answer)s") % words, told.to_json())
    return not problem


register(
    StepKind(
        name="probe.http",
        phase="verify",
        pieces=(
            Piece("probe.http", gettext_lazy("Wait for an answer"), call=_probe, error_kind="step"),
        ),
        params={
            "url": str,
            "or_url": str,
            "status": int,
            "stages": list,
            "timeout_s": int,
            "verify_tls": bool,
            "inputs": str,
        },
        cancel="stops at the next try",
        resume="begins again",
    )
)
