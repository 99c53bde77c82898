"""What a run's pages show of its events: a timeline, counters, diagnostics; always bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .humanlog import HumanLog
from .picture import Picture
from .tail import Tail

MAX_RESOURCES = 5_000
MAX_OUTPUTS = 500

# How many apply_complete an action makes; what is not here makes none.
_WEIGHT = {"create": 1, "update": 1, "delete": 1, "replace": 2}


class Projection(Picture):
    """The state of one step as its events tell it; `version` grows with every change.

    resources: one row for each address, in the order of appearance: address, action, status
    (planned | refreshing | refreshed | running | done | errored), reason, started, ended (the
    engine's own ISO times). A replacement is one row: one half begins it, the other ends it;
    begins_with (delete | create), half (end of the first) and again (start of the second) tell
    them apart.
    `more` counts the resources beyond MAX_RESOURCES; those that change push out those that
    were only refreshed. `done` of `total` is the progress, failed ones are not done.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self.done = 0
        self.failed = 0
        self.refreshes = 0
        self.drifted = 0
        self.more = 0
        self.counts: dict[str, int] = {}
        self.operation = ""
        self.terraform = ""
        self.outputs: list[str] = []
        self._resources: dict[str, dict] = {}
        self._only_refreshed: deque[str] = deque()

    @property
    def resources(self) -> list[dict]:
        return list(self._resources.values())

    def to_dict(self) -> dict:
        """Return a picture of this moment for a JSON column."""
        rows = [dict(row) for row in self._resources.values()]
        return {**super().to_dict(), "resources": rows}

    @classmethod
    def from_dict(cls, stored: dict) -> Projection:
        """Return the projection that to_dict gave.

        A worker that takes a step over begins with `replay` instead: what is stored may be
        younger or older than the raw offset that is stored beside it.
        """
        projection = cls()
        for name in vars(projection):
            if name in stored:
                setattr(projection, name, stored[name])
        for row in stored.get("resources", []):
            projection._resources[row["address"]] = row
            if row["status"] in ("refreshing", "refreshed"):
                projection._only_refreshed.append(row["address"])
        return projection

    # -- resources -------------------------------------------------------------------------

    def _row(self, event: dict) -> dict | None:
        """Return the row of an address, a new one if there is room."""
        address = event["address"]
        row = self._resources.get(address)
        if row is None and len(self._resources) < MAX_RESOURCES:
            row = {"address": address, "action": event["action"], "status": "planned",
                   "reason": "", "started": None, "ended": None}  # fmt: skip
            self._resources[address] = row
        return row

    def _plan(self, event: dict) -> None:
        self.total += _WEIGHT.get(event["action"], 0)
        row = self._row(event)
        if row is None:
            # A refresh has counted it already, unless it is new.
            self.more += not self.refreshes or event["action"] == "create"
            row = self._row(event) if self._make_room() else None
        if row is not None:
            row.update(action=event["action"], status="planned", reason=event["reason"])
            row.update(started=None, ended=None)  # the refresh before it is not the change

    def _make_room(self) -> bool:
        """Push out the oldest row that was only refreshed; it counts among `more`, in place."""
        while self._only_refreshed:
            address = self._only_refreshed.popleft()
            if self._resources[address]["status"] in ("refreshing", "refreshed"):
                del self._resources[address]
                return True
        return False

    def _refresh(self, event: dict) -> None:
        self.refreshes += 1
        is_new = event["address"] not in self._resources
        row = self._row(event)
        if row is None:
            self.more += 1
            return
        if is_new:
            self._only_refreshed.append(event["address"])
        row.update(status="refreshing", started=event["at"], ended=None)

    def _refreshed(self, event: dict) -> None:
        if row := self._resources.get(event["address"]):
            row.update(status="refreshed", ended=event["at"])

    def _start(self, event: dict) -> None:
        row = self._row(event)
        if row is None:
            return
        if row["action"] != "replace":
            row["action"] = event["action"]
        elif row.get("is_half_done"):
            row["again"] = event["at"]
        else:
            row["begins_with"] = event["action"]
        row.update(status="running", started=row["started"] or event["at"], ended=None)

    def _complete(self, event: dict) -> None:
        self.done += event["action"] in _WEIGHT
        row = self._resources.get(event["address"])
        if row is None:
            return
        if row["action"] == "replace" and not row.get("is_half_done"):
            # Its other half is still to come.
            row.update(is_half_done=True, half=event["at"])
        else:
            row.update(status="done", ended=event["at"])

    def _fail(self, event: dict) -> None:
        self.failed += 1
        if row := self._resources.get(event["address"]):
            row.update(status="errored", ended=event["at"])

    # -- the rest --------------------------------------------------------------------------

    def _summarise(self, event: dict) -> None:
        self.counts, self.operation = event["counts"], event["operation"]

    def _name_outputs(self, event: dict) -> None:
        self.outputs = event["names"][:MAX_OUTPUTS]

    def _name_version(self, event: dict) -> None:
        self.terraform = event["terraform"]

    def _count_drift(self, event: dict) -> None:
        self.drifted += 1

    _TAKES = {
        "version": _name_version,
        "planned_change": _plan,
        "resource_drift": _count_drift,
        "refresh_start": _refresh,
        "refresh_complete": _refreshed,
        "apply_start": _start,
        "apply_complete": _complete,
        "apply_errored": _fail,
        "change_summary": _summarise,
        "outputs": _name_outputs,
        "diagnostic": Picture._diagnose,
    }


def replay(
    raw_log: Path,
    upto: int,
    redact: Callable[[bytes], bytes] | None = None,
    begin: Callable[[], Any] = Projection,
) -> Any:
    """Return the projection of the first `upto` bytes of a raw log, read again.

    `begin` makes the empty one, of the kind that the engine's events need.
    """
    projection, human = begin(), HumanLog(redact)
    with Tail(raw_log, end=upto) as tail:
        while block := tail.read(ended=True)[1]:
            projection.update(human.feed(block)[1])
    return projection
