"""Memory of processes, as the kernel shares it out."""

import contextlib
import os

import psutil


def pss_mb(processes: list[psutil.Process]) -> float:
    """Return the summed proportional set size in MB (10^6 bytes)."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            total += process.memory_full_info().pss
    return total / 1e6


def shims(mark: str) -> list[psutil.Process]:
    """Return the supervisors of runs whose files are under the folder `mark`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "shim.py" not in " ".join(process.cmdline()):
                continue
            if any(mark in file.path for file in process.open_files()):
                found.append(process)
    return found


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process with its living descendants."""
    with contextlib.suppress(psutil.Error):
        return [process, *process.children(recursive=True)]
    return []


class CpuMeter:
    """CPU seconds that named processes use from here on."""

    def __init__(self, **processes: psutil.Process | None) -> None:
        self._processes = {name: found for name, found in processes.items() if found}
        self._begun = {name: _cpu_s(found) for name, found in self._processes.items()}

    def seconds(self) -> dict[str, float]:
        """Return what each has used since."""
        return {
            name: round(_cpu_s(found) - self._begun[name], 1)
            for name, found in self._processes.items()
        }


def _cpu_s(process: psutil.Process) -> float:
    total = 0.0
    # Everything that was started is a child of the bench itself: only its own time counts.
    for each in [process] if process.pid == os.getpid() else family(process):
        with contextlib.suppress(psutil.Error):
            times = each.cpu_times()
            total += times.user + times.system
    return total
