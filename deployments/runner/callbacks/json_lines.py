"""Ansible's events as JSON lines in the shape of Terraform's: text for people, facts for us.

Loaded by ansible-playbook, not by the portal. Each line is one write, so that nothing else that
is printed falls into it. What a task with no_log did arrives here censored by Ansible.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: json_lines
    type: stdout
    short_description: events as JSON lines
    description: Each event is one line of JSON with a text for people.
"""

RED, YELLOW, GREEN, CYAN, DIM, BOLD = (f"\x1b[{n}m" for n in (31, 33, 32, 36, 2, 1))
RESET = "\x1b[0m"
COLOURS = {
    "ok": GREEN, "changed": YELLOW, "failed": RED, "unreachable": RED, "skipped": CYAN,
    "ignored": YELLOW,
}  # fmt: skip
DETAIL_CHARS = 4_000
# All that a command's failure says by itself; why stands in what the command wrote.
NO_WORDS = "non-zero return code"
_ERROR = re.compile(r"(?i)\b(error|fatal)\b")


def now() -> str:
    """Return this moment as Terraform writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def paint(text: str, colour: str) -> str:
    """Colour each line for itself, as a reader may begin at any of them."""
    return "\n".join(f"{colour}{line}{RESET}" if line else "" for line in text.split("\n"))


class CallbackModule(CallbackBase):
    """Tells plays, tasks, the result of each host, and a failure as a diagnostic."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "json_lines"

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.began: dict[tuple[str, str], str] = {}
        self.base = os.getcwd()

    def tell(self, text: str, kind: str, level: str = "info", /, **facts: Any) -> None:
        """Write one line."""
        line = {"@level": level, "@message": text, "@timestamp": now(), "type": kind, **facts}
        data = json.dumps(line, separators=(",", ":"), default=str) + "\n"
        os.write(1, data.encode(errors="replace"))

    # -- plays and tasks -------------------------------------------------------------------

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Remember where the playbook stands: paths are told from there."""
        self.base = os.path.abspath(playbook._basedir)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Tell that a play begins."""
        name = play.get_name().strip()
        self.tell(f"{BOLD}Play: {name}{RESET}", "ansible_play", play=name)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Tell that a task begins."""
        self._task(task, "Task")

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Tell that a handler begins."""
        self._task(task, "Handler")

    def _task(self, task: Any, what: str) -> None:
        self.number += 1
        name = task.get_name().strip()
        text = f"{BOLD}{what}: {name}{RESET}"
        self.tell(text, "ansible_task", number=self.number, task=name, place=self._place(task))

    def _place(self, task: Any) -> str:
        path = task.get_path() or ""
        return os.path.relpath(path, self.base) if path.startswith("/") else path

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Remember when a host began its task; it is told with the result."""
        self.began[host.get_name(), task._uuid] = now()

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Tell that a play had nothing to do."""
        self.tell(paint("No host is in the groups of this play.", DIM), "ansible_note")

    # -- results ---------------------------------------------------------------------------

    def v2_runner_on_ok(self, result: Any) -> None:
        """Tell that a host is done with the task."""
        told = result.result
        self._warn(result)
        self._result(result, "changed" if told.get("changed") else "ok")
        if told.get("_ansible_verbose_always") or self._display.verbosity > 0:
            self._show(result)

    def _show(self, result: Any) -> None:
        """Tell all that a task, or one turn of its loop, has to say."""
        told = result.result
        self._clean_results(told, result.task.action)
        text = told["msg"] if isinstance(told.get("msg"), str) else self._dump_results(told)
        if isinstance(told.get("msg"), list):
            text = "\n".join(str(line) for line in told["msg"])
        self.tell("\n".join(f"    {line}" for line in text.split("\n")), "ansible_note")

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Tell that a host had nothing to do."""
        self._result(result, "skipped", silent=self._display.verbosity == 0)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Tell that a host failed; with its words, unless the playbook expects it."""
        self._warn(result)
        self._result(result, "ignored" if ignore_errors else "failed")
        if not ignore_errors:
            self._diagnose(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Tell that there is no way to a host."""
        self._result(result, "unreachable")
        self._diagnose(result)

    def v2_runner_retry(self, result: Any) -> None:
        """Tell that a task is tried again."""
        told = result.result
        left = told.get("retries", 0) - told.get("attempts", 0)
        text = f"  waiting: {result.host.get_name()} ({left} tries left)"
        self.tell(paint(text, DIM), "ansible_note")

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Tell of one turn of a loop, when it changed something or is there to be read."""
        told = result.result
        is_read = told.get("_ansible_verbose_always")
        if told.get("changed") or is_read:
            word, colour = ("ok", GREEN) if is_read else ("changed", YELLOW)
            item = self._get_item_label(told)
            self.tell(paint(f"  {word}: {result.host.get_name()} ({item})", colour), "ansible_note")
        if is_read:
            self._show(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Tell of one turn of a loop that failed."""
        item, told = self._get_item_label(result.result), result.result
        text = f"  failed: {result.host.get_name()} ({item}): {_first(told)}"
        self.tell(paint(text, RED), "ansible_note", "error")

    def v2_on_file_diff(self, result: Any) -> None:
        """Show what changes in a file; nothing of a task with no_log comes here."""
        told = result.result
        for one in told.get("results", [told]) if result.task.loop else [told]:
            if one.get("diff") and one.get("changed"):
                text = self._get_diff(one["diff"]).rstrip("\n")
                self.tell(text, "ansible_note") if text else None

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Tell the sums of each host, as Ansible counted them."""
        hosts = {}
        for host in sorted(stats.processed):
            sums = stats.summarize(host)
            hosts[host] = sums
            told = ", ".join(f"{count} {name}" for name, count in sums.items() if count)
            colour = RED if sums["failures"] or sums["unreachable"] else GREEN
            self.tell(paint(f"{host}: {told or 'nothing to do'}", colour), "ansible_note")
        for host, told in stats.custom.items():
            self._tell_notes(host, told.get("notes") or ())
            self._tell_backups(told.get("backups") or ())
            if certificate := told.get("certificate"):
                self.tell("", "ansible_certificate", host=host, pem=str(certificate))
        self.tell("", "ansible_stats", hosts=hosts)

    def _tell_notes(self, host: str, notes: Iterable[dict[str, Any]]) -> None:
        """Tell what a playbook found out for whoever reads the run (set_stats, `notes`)."""
        for note in notes:
            facts = {name: str(note.get(name, "")) for name in ("about", "text")}
            is_loud = bool(note.get("is_loud"))
            text = f"{host}, {facts['about']}: {facts['text']}"
            text = paint(text, YELLOW) if is_loud else text
            self.tell(text, "ansible_told", host=host, is_loud=is_loud, **facts)

    def _tell_backups(self, backups: Iterable[dict[str, Any]]) -> None:
        """Tell which backups a playbook made, or found (set_stats, `backups`)."""
        for one in backups:
            facts = {name: str(one.get(name, "")) for name in ("key", "taken_at")}
            self.tell("", "ansible_backup", size=int(one.get("size") or 0), **facts)

    def _result(self, result: Any, status: str, silent: bool = False) -> None:
        host = result.host.get_name()
        began = self.began.pop((host, result.task._uuid), now())
        text = "" if silent else paint(f"  {status}: {host}", COLOURS[status])
        facts = {"host": host, "number": self.number, "status": status, "began": began}
        self.tell(text, "ansible_result", **facts)

    def _warn(self, result: Any) -> None:
        for warning in result.result.get("warnings") or ():
            text = warning if isinstance(warning, str) else str(warning)
            self.tell(paint(f"  warning: {text}", YELLOW), "ansible_note", "warn")

    def _diagnose(self, result: Any) -> None:
        """Tell a failure as Terraform tells an error: summary, detail, whose, where."""
        told, host = result.result, result.host.get_name()
        failed = [one for one in told.get("results", ()) if one.get("failed")]
        # Gathering facts says itself only which modules failed; why is in what each of them said.
        failed = failed or list((told.get("failed_modules") or {}).values())
        summary, place = _first(failed[0] if failed else told), self._place(result.task)
        file, _colon, line = place.rpartition(":")
        detail = _detail(failed or [told])
        finding = {
            "severity": "error",
            "summary": summary,
            "detail": detail,
            "address": host,
            "range": {"filename": file, "start": {"line": int(line) if line.isdigit() else 0}},
            "snippet": {"context": f"“{result.task.get_name().strip()}”"},
        }
        self.tell(summary, "diagnostic", "error", diagnostic=finding)


def _first(told: dict[str, Any]) -> str:
    """Return the first line of what a result says."""
    if "censored" in told:
        return str(told["censored"])
    # A module that did not run at all: why stands in the last line, not in Ansible's own words.
    if words := str(told.get("module_stderr") or "").strip():
        return words.split("\n")[-1]
    if told.get("msg") == NO_WORDS and (words := str(told.get("stderr") or "").strip()):
        lines = words.split("\n")
        return next((line for line in reversed(lines) if _ERROR.search(line)), lines[-1])
    text = str(told.get("msg") or told.get("stderr") or told.get("stdout") or "it failed").strip()
    return text.split("\n")[0] or "it failed"


def _detail(results: Iterable[dict[str, Any]]) -> str:
    """Return the rest of what results say: the end of each text, where errors stand."""
    parts = []
    for told in results:
        lines = str(told.get("msg") or "").strip().split("\n")[1:]
        parts += ["\n".join(lines)] if lines else []
        for name in ("module_stderr", "stderr", "module_stdout", "stdout"):
            text = str(told.get(name) or "").strip()
            if text and text != _first(told):
                parts.append(text[-DETAIL_CHARS:])
    return "\n".join(part for part in parts if part)[-DETAIL_CHARS:]
