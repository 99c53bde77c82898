"""What a run's page shows of a playbook: hosts with counters, their times, what failed."""

from __future__ import annotations

from datetime import datetime

from .picture import MAX_TEXT, Picture

MAX_HOSTS = 1_000
MAX_TASKS = 1_000
MAX_BARS = 2_000
MAX_NOTES = 100
MAX_BACKUPS = 1_000
MAX_CERTIFICATES, MAX_PEM = 50, 32_000
# A shorter time is no bar, unless something happened in it.
NOTABLE_S = 0.2
COUNTERS = ("ok", "changed", "failed", "unreachable", "skipped", "ignored")


class Plays(Picture):
    """The state of one playbook as its events tell it; `version` grows with every change.

    hosts: one row for each: host, place (from 0), its counters, status (ok, changed, and failed or
    unreachable for good), ended. notes: what the playbook told of a host: host, about, text,
    is_loud. backups: what it made or found in a bucket: key, taken_at (a text), size in bytes.
    certificates: those in use by host, in PEM form, never a key. tasks: number, name, play, at.
    bars: [host's place, task's number, began, ended, status], those that took a while or did
    something. All are bounded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.play = ""
        self.task = ""
        self.task_count = 0
        self.totals = dict.fromkeys(COUNTERS, 0)
        self.tasks: list[dict] = []
        self.bars: list[list] = []
        self.more_bars = 0
        self.more_hosts = 0
        self.notes: list[dict] = []
        self.backups: list[dict] = []
        self.certificates: dict[str, str] = {}
        self.is_summed_up = False
        self._hosts: dict[str, dict] = {}

    @property
    def hosts(self) -> list[dict]:
        return list(self._hosts.values())

    def to_dict(self) -> dict:
        """Return a picture of this moment for a JSON column."""
        return {**super().to_dict(), "hosts": [dict(row) for row in self._hosts.values()],
                "bars": [list(bar) for bar in self.bars], "totals": dict(self.totals),
                "tasks": list(self.tasks), "notes": list(self.notes),
                "backups": list(self.backups),
                "certificates": dict(self.certificates)}  # fmt: skip

    def _begin_play(self, event: dict) -> None:
        self.play = event["play"]

    def _begin_task(self, event: dict) -> None:
        self.task, self.task_count = event["task"], event["number"]
        if len(self.tasks) < MAX_TASKS:
            row = {"number": event["number"], "name": self.task[:200], "play": self.play[:200]}
            self.tasks.append({**row, "place": event["place"], "at": event["at"]})

    def _count(self, event: dict) -> None:
        name, status = event["host"], event["status"]
        if status not in self.totals:
            return
        self.totals[status] += 1
        row = self._hosts.get(name)
        if row is None:
            if len(self._hosts) >= MAX_HOSTS:
                self.more_hosts += 1
                return
            row = {"host": name, **dict.fromkeys(COUNTERS, 0), "status": "ok", "ended": ""}
            row["place"] = len(self._hosts)
            self._hosts[name] = row
        row[status] += 1
        row["ended"] = event["at"]
        if status in ("failed", "unreachable") or (status == "changed" and row["status"] == "ok"):
            row["status"] = status
        self._draw(row["place"], event)

    def _draw(self, place: int, event: dict) -> None:
        is_loud = event["status"] in ("changed", "failed", "unreachable")
        if not is_loud and seconds(event["began"], event["at"]) < NOTABLE_S:
            return
        if len(self.bars) >= MAX_BARS:
            self.more_bars += 1
            return
        self.bars.append([place, event["number"], event["began"], event["at"], event["status"]])

    def _sum_up(self, event: dict) -> None:
        self.is_summed_up = True

    def _note(self, event: dict) -> None:
        if len(self.notes) < MAX_NOTES:
            kept = {name: event[name][:MAX_TEXT] for name in ("host", "about", "text")}
            self.notes.append({**kept, "is_loud": event["is_loud"]})

    def _keep(self, event: dict) -> None:
        if len(self.backups) < MAX_BACKUPS:
            texts = {name: event[name][:MAX_TEXT] for name in ("key", "taken_at")}
            self.backups.append({**texts, "size": event["size"]})

    def _keep_certificate(self, event: dict) -> None:
        # Half a chain would be worse than none.
        is_whole = 0 < len(event["pem"]) <= MAX_PEM
        if is_whole and len(self.certificates) < MAX_CERTIFICATES:
            self.certificates[event["host"]] = event["pem"]

    _TAKES = {
        "ansible_play": _begin_play,
        "ansible_task": _begin_task,
        "ansible_result": _count,
        "ansible_stats": _sum_up,
        "ansible_told": _note,
        "ansible_backup": _keep,
        "ansible_certificate": _keep_certificate,
        "diagnostic": Picture._diagnose,
    }


def seconds(began: str, ended: str) -> float:
    """Return the seconds between two of the engine's times; 0 for one that is none."""
    try:
        return (_moment(ended) - _moment(began)).total_seconds()
    except ValueError:
        return 0.0


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
