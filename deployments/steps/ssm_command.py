"""ssm.command: commands on a stack's own machines, through the agent; no SSH, no open port."""

import shlex
import time
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.cloud.words import API_ERRORS, code_of
from deployments.steps import Piece, StepKind, register
from deployments.steps.backups import is_fresh_enough
from deployments.steps.errors import CommandFailed, CommandSilent
from deployments.steps.provider import asking, client, own_instances
from deployments.work import CancelAsked, Work

DOCUMENT = "AWS-RunShellScript"
TIMEOUT_S = 3600
# How long the agent of a machine may take to fetch it.
DELIVERY_S = 600
POLL_S = (0.5, 1.0, 2.0, 5.0)
MAX_COMMENT = 100
RUNNING = {"Pending", "InProgress", "Delayed", "Cancelling"}


def _run(work: Work, params: Mapping[str, Any]) -> None:
    component = params.get("component", "")
    if is_fresh_enough(work, params):
        return
    timeout_s = int(params.get("timeout_s", TIMEOUT_S))
    commands = work.render(list(params["commands"]), quote=shlex.quote)
    instance_id = work.render(params["instance"]) if "instance" in params else ""
    with asking(_("Running a command on the machine")):
        machines = own_instances(work, component, instance_id)
        ssm = client(work, "ssm")
        for machine in machines:
            name = machine["InstanceId"]
            command_id = _sent_before(work, ssm, name) or _send(
                work, ssm, name, commands, timeout_s, params.get("comment", "")
            )
            _follow(work, ssm, command_id, name, component, timeout_s)


def _marker(work: Work) -> str:
    return f"{work.run.public_id} step {work.step.number}"


def _sent_before(work: Work, ssm: Any, instance: str) -> str:
    """Return the command that a worker sent before this one took the step over; else empty."""
    kept = work.step.progress.get("sent", {}).get(instance, "")
    if kept or work.step.epoch == 1:
        return kept
    found = ssm.list_commands(InstanceId=instance, MaxResults=20).get("Commands", [])
    mine = [c["CommandId"] for c in found if c.get("Comment", "").startswith(_marker(work))]
    return mine[0] if mine else ""


def _send(
    work: Work, ssm: Any, instance: str, commands: list[str], timeout_s: int, comment: str
) -> str:
    work.check_cancel()
    answer = ssm.send_command(
        InstanceIds=[instance],
        DocumentName=DOCUMENT,
        Comment=f"{_marker(work)} {comment}".strip()[:MAX_COMMENT],
        TimeoutSeconds=DELIVERY_S,
        Parameters={"commands": commands, "executionTimeout": [str(timeout_s)]},
    )
    command_id = answer["Command"]["CommandId"]
    sent = {**work.step.progress.get("sent", {}), instance: command_id}
    work.say(
        _("Sent to %(instance)s: %(commands)s")
        % {"instance": instance, "commands": "; ".join(commands)},
        {"sent": sent, "text": _("at work on %s") % instance},
    )
    return command_id


def _follow(
    work: Work, ssm: Any, command_id: str, instance: str, component: str, timeout_s: int
) -> None:
    """Write a command's output into the log until it has ended; raise for a bad end."""
    until, shown, turn = time.monotonic() + timeout_s + DELIVERY_S, {}, 0
    while True:
        told = _invocation(ssm, command_id, instance)
        status = told.get("Status", "Pending")
        for stream in ("StandardOutputContent", "StandardErrorContent"):
            _show(work, told.get(stream, ""), shown, stream, status not in RUNNING)
        if status == "Success":
            work.say(_("%s: done.") % instance)
            return
        if status not in RUNNING:
            raise CommandFailed(
                instance=instance,
                component=component or "–",
                status=told.get("StatusDetails") or status,
                code=told.get("ResponseCode", "?"),
                last=_last_line(work, told),
            )
        if time.monotonic() > until:
            ssm.cancel_command(CommandId=command_id)
            limit = timeout_s + DELIVERY_S
            raise CommandSilent(instance=instance, component=component or "–", limit=limit)
        try:
            work.pause(POLL_S[min(turn, len(POLL_S) - 1)])
        except CancelAsked:
            ssm.cancel_command(CommandId=command_id)
            raise
        turn += 1


def _invocation(ssm: Any, command_id: str, instance: str) -> dict[str, Any]:
    """Return how the command stands; empty while the API does not know it yet."""
    try:
        return ssm.get_command_invocation(CommandId=command_id, InstanceId=instance)
    except API_ERRORS as error:
        if code_of(error) == "InvocationDoesNotExist":
            return {}
        raise


def _show(work: Work, text: str, shown: dict[str, int], stream: str, is_over: bool) -> None:
    """Write the whole lines that are new; the last one only once it has its end.

    Of a secret that was cut in two the redactor knows neither half.
    """
    start = shown.get(stream, 0)
    end = len(text) if is_over else max(start, text.rfind("\n") + 1)
    if text[start:end].strip():
        work.say(text[start:end])
    shown[stream] = end


def _last_line(work: Work, told: Mapping[str, Any]) -> str:
    text = told.get("StandardErrorContent") or told.get("StandardOutputContent") or ""
    lines = [line.strip() for line in work.redactor.text(text).splitlines() if line.strip()]
    return lines[-1][:300] if lines else _("it printed nothing")


register(
    StepKind(
        name="ssm.command",
        phase="configure",
        also=("plan", "verify"),
        pieces=(
            Piece(
                "ssm.command",
                gettext_lazy("Command on the machine"),
                call=_run,
                error_kind="step",
            ),
        ),
        params={
            "component": str,
            "instance": str,
            "commands": list,
            "timeout_s": int,
            "comment": str,
            "skip_if_fresh_h": int,
        },
        risk="changes",
        cancel="the command is asked to stop",
        resume="goes on to follow the command that was sent; never sent twice",
    )
)
