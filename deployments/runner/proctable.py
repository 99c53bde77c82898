"""Who runs on this machine: the process table, by /proc or, where there is none, by ps.

Imported by the shim, therefore small: nothing but the standard library.
"""

from __future__ import annotations

import os
import signal

MARK = "OMLSAAS_RUN"  # the variable that every descendant of a run carries, with the run's id
HAS_PROC = os.path.exists("/proc/self/stat")


def process_table() -> dict[int, tuple[int, str]]:
    """Return pid -> (parent's pid, state letter) of every process that can be seen."""
    if not HAS_PROC:
        return {pid: (parent, state) for pid, parent, state, _ in ps()}
    table = {}
    for pid in _pids():
        if fields := stat_fields(pid):
            table[pid] = (int(fields[1]), fields[0])
    return table


def stat_fields(pid: int) -> list[str]:
    """Return /proc/PID/stat from the state on (field 3 of proc(5)); empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].decode().split()
    except (OSError, ValueError):
        return []


def start_ticks(pid: int) -> int | None:
    """Return when a process began, in clock ticks since boot: with the pid it is its identity."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def marked(run_id: str) -> list[int]:
    """Return the living pids whose environment names the run: its engines and their children."""
    mark = f"{MARK}={run_id}"
    if not HAS_PROC:
        return [pid for pid, _, state, text in ps() if state != "Z" and mark in text.split()]
    return [pid for pid in _pids() if is_marked(pid, run_id)]


def is_marked(pid: int, run_id: str) -> bool:
    """Say whether a process carries the run's mark (Linux); a zombie has no environment."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as environ:
            return os.fsencode(f"{MARK}={run_id}") in environ.read().split(b"\0")
    except OSError:  # gone, or someone else's
        return False


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def ps() -> list[tuple[int, int, str, str]]:
    """Return (pid, parent, state letter, command with environment) of every process."""
    read_end, write_end = os.pipe()
    argv = ["ps", "axeww", "-o", "pid=,ppid=,state=,command="]
    actions = [(os.POSIX_SPAWN_DUP2, write_end, 1)]
    child = os.posix_spawnp("ps", argv, {"PATH": "/bin:/usr/bin"}, file_actions=actions)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    rows = (line.split(None, 3) for line in text.splitlines())
    return [(int(r[0]), int(r[1]), r[2][:1], r[3]) for r in rows if len(r) == 4]


def descendants(root: int, run_id: str) -> dict[int, str]:
    """Return pid -> state of all under `root`, and of orphans of the run that got away from it."""
    table = process_table()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    orphans = children.get(1, [])
    if HAS_PROC:
        todo = [pid for pid in orphans if is_marked(pid, run_id)]
    else:
        todo = [pid for pid in marked(run_id) if pid in orphans]
    todo += children.get(root, [])
    found: dict[int, str] = {}
    while todo:
        pid = todo.pop()
        if pid not in found and pid != root:
            found[pid] = table[pid][1]
            todo += children.get(pid, [])
    return found


def signal_all(pids: list[int], number: int = signal.SIGKILL) -> None:
    """Send a signal to each; those that are gone or not ours are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def boot_id() -> str | None:
    """Return what is new at each boot of this machine (Linux)."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return None
