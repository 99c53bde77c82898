"""What measurements share: portals, people, watchers; everything is let go of at the end."""

import contextlib
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.engine import FakeEngine
from bench.figures import Report
from bench.hosts import HostsLab
from bench.lab import Lab
from bench.watchers import Loop, Watcher


class Rig:
    """Portals that are started when first asked for; a context manager stops them."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._stack = contextlib.ExitStack()
        name = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="omlsaas-bench-"))
        self.folder = Path(name).resolve()

    def __enter__(self) -> "Rig":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._stack.close()

    def release(self) -> None:
        """Stop the portals; they are started anew when asked for again."""
        for name in ("real", "fake", "hosts", "loop"):
            if name in self.__dict__:
                thing = self.__dict__.pop(name)
                thing.close()

    @cached_property
    def loop(self) -> Loop:
        """Return the watchers' event loop."""
        return Loop()

    @cached_property
    def real(self) -> Lab:
        """Return a portal with the real terraform; the other one is stopped."""
        self.release()
        return Lab(self.folder / "real")

    @cached_property
    def fake(self) -> Lab:
        """Return a portal whose terraform only prints lines on `apply`; the other is stopped."""
        self.release()
        engine = FakeEngine(self.folder / "engine")
        lab = Lab(self.folder / "fake", TERRAFORM_BIN=str(engine.path))
        lab.engine = engine
        return lab

    @cached_property
    def hosts(self) -> HostsLab:
        """Return a portal whose tenants are hosts that this machine stands for."""
        self.release()
        return HostsLab(self.folder / "hosts")

    def watchers(self, lab: Lab, run_id: str, count: int, **options: Any) -> list[Watcher]:
        """Return watchers of a run, each with its first message."""
        made = [Watcher(lab.client, run_id, **options) for _ in range(count)]
        self.loop.watch(made)
        return made
