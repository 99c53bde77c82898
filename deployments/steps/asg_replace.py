"""asg.replace: give each machine of an auto-scaling group a fresh one, one after the other.

By termination without a smaller capacity, so that the group itself starts the next one from its
launch template. Not an instance refresh: that would go on when the run is canceled.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from deployments.steps import Piece, StepKind, register
from deployments.steps.errors import GroupMissing, NotReplaced
from deployments.steps.provider import asking, check_own, client
from deployments.work import Work

TIMEOUT_S = 1800
POLL_S = 3.0


def _replace(work: Work, params: Mapping[str, Any]) -> None:
    name = work.render(params["group"])
    target = work.render(params["wait_target_group"]) if "wait_target_group" in params else ""
    limit = int(params.get("timeout_s", TIMEOUT_S))
    with asking(_("Replacing the machines of %s") % name):
        groups = client(work, "autoscaling")
        balancers = client(work, "elbv2") if target else None
        old = _old(work, groups, name)
        for number, instance in enumerate(old):
            if instance not in work.step.progress["gone"]:
                _take_out(work, groups, name, instance, number, len(old))
            _wait(
                work, lambda: _missing(work, groups, balancers, name, target), name, instance, limit
            )
    _tell(work, old, len(old), _("%(group)s: %(count)s replaced.") % _of(name, len(old)))


def _of(name: str, count: int) -> dict[str, Any]:
    return {"group": name, "count": count}


def _group(groups: Any, name: str) -> dict[str, Any]:
    found = groups.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    if not found["AutoScalingGroups"]:
        raise GroupMissing(group=name)
    return found["AutoScalingGroups"][0]


def _old(work: Work, groups: Any, name: str) -> list[str]:
    """Return the machines to replace: those that were there when the step began."""
    kept = work.step.progress.get("old")
    if kept is not None:
        return kept
    found = [one["InstanceId"] for one in _group(groups, name)["Instances"]]
    if found:
        described = client(work, "ec2").describe_instances(InstanceIds=found)
        for reservation in described["Reservations"]:
            for instance in reservation["Instances"]:
                check_own(work, instance, reservation.get("OwnerId", ""))
    text = _("%(group)s has %(count)s machines to replace, one by one.") % _of(name, len(found))
    work.say(text, {"old": found, "gone": [], "done": 0, "total": len(found), "text": ""})
    return found


def _tell(work: Work, old: list[str], done: int, text: str, gone: list[str] | None = None) -> None:
    gone = work.step.progress.get("gone", []) if gone is None else gone
    work.say(text, {"old": old, "gone": gone, "done": done, "total": len(old), "text": text})


def _take_out(work: Work, groups: Any, name: str, instance: str, number: int, count: int) -> None:
    """Terminate one machine, unless the group has let it go already."""
    work.check_cancel()
    standing = {one["InstanceId"]: one for one in _group(groups, name)["Instances"]}
    here = standing.get(instance)
    if here is not None and not here["LifecycleState"].startswith("Terminat"):
        groups.terminate_instance_in_auto_scaling_group(
            InstanceId=instance, ShouldDecrementDesiredCapacity=False
        )
    words = {"n": number + 1, "count": count, "instance": instance}
    text = _("%(n)s of %(count)s: %(instance)s was taken out; its successor starts.") % words
    progress = work.step.progress
    _tell(work, progress["old"], number, text, [*progress["gone"], instance])


def _wait(work: Work, missing: Callable[[], str], name: str, instance: str, limit: int) -> None:
    """Wait until the group is whole and healthy without that machine."""
    until, before = time.monotonic() + limit, ""
    while True:
        seen = missing()
        if not seen:
            work.say(_("%s is whole and healthy again.") % name)
            return
        if seen != before:
            progress = work.step.progress
            _tell(work, progress["old"], progress["done"], seen)
            before = seen
        if time.monotonic() > until:
            raise NotReplaced(group=name, instance=instance, limit=limit, seen=seen)
        work.pause(POLL_S)


def _missing(work: Work, groups: Any, balancers: Any, name: str, target: str) -> str:
    """Return in words what the group still lacks; empty when it is whole and healthy."""
    group, gone = _group(groups, name), set(work.step.progress["gone"])
    standing = [one for one in group["Instances"] if one["InstanceId"] not in gone]
    ready = [
        one["InstanceId"]
        for one in standing
        if one["LifecycleState"] == "InService" and one["HealthStatus"] == "Healthy"
    ]
    words = {"ready": len(ready), "wanted": group["DesiredCapacity"]}
    if len(ready) < group["DesiredCapacity"]:
        return _("%(ready)s of %(wanted)s machines in service") % words
    if not target:
        return ""
    told = balancers.describe_target_health(TargetGroupArn=target)
    healthy = {
        one["Target"]["Id"]
        for one in told["TargetHealthDescriptions"]
        if one["TargetHealth"]["State"] == "healthy"
    }
    words["ready"] = len(healthy & set(ready))
    if words["ready"] < group["DesiredCapacity"]:
        return _("%(ready)s of %(wanted)s machines pass the balancer's check") % words
    return ""


register(
    StepKind(
        name="asg.replace",
        phase="configure",
        pieces=(
            Piece(
                "asg.replace",
                gettext_lazy("Replace the machines of a group"),
                call=_replace,
                error_kind="step",
            ),
        ),
        params={"group": str, "wait_target_group": str, "timeout_s": int},
        risk="interrupts",
        cancel="stops before the next machine; the one in hand is started by the group itself",
        resume="goes on with the machine in hand",
    )
)
