"""What measurements share: portals, people, watchers; everything is let go of at the end."""

import contextlib
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Any

from bench.client import Client
from bench.engine import FakeEngine
from bench.figures import Report, say
from bench.portal import Portal
from bench.watchers import Loop, Watcher

SECRET = "bench-password-4711"


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
        for name in ("real", "fake", "loop"):
            if name in self.__dict__:
                thing = self.__dict__.pop(name)
                thing.close()

    @cached_property
    def loop(self) -> Loop:
        """Return the watchers' event loop."""
        return Loop()

    @cached_property
    def real(self) -> "Lab":
        """Return a portal with the real terraform; the other one is stopped."""
        self.release()
        return Lab(self.folder / "real")

    @cached_property
    def fake(self) -> "Lab":
        """Return a portal whose terraform only prints lines on `apply`; the other is stopped."""
        self.release()
        engine = FakeEngine(self.folder / "engine")
        lab = Lab(self.folder / "fake", TERRAFORM_BIN=str(engine.path))
        lab.engine = engine
        return lab

    def watchers(self, lab: "Lab", run_id: str, count: int, **options: Any) -> list[Watcher]:
        """Return watchers of a run, each with its first message."""
        made = [Watcher(lab.client, run_id, **options) for _ in range(count)]
        self.loop.watch(made)
        return made


class Lab:
    """A portal with an admin signed in and the shared environment installed."""

    engine: FakeEngine

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.portal = Portal(folder, **settings)
        self.portal.__enter__()
        try:
            say(f"portal started in {self.portal.started_s:.1f} s")
            self.client = Client(self.portal)
            self._prepare(settings)
        except BaseException:
            self.portal.__exit__()
            raise
        self.stacks: dict[str, str] = {}

    def _prepare(self, settings: dict[str, str]) -> None:
        if "TERRAFORM_BIN" not in settings:
            self.client.install_shared()
            return
        # The wrapper applies nothing: let the real one make what tenants need.
        real = Path(settings["TERRAFORM_BIN"]).with_name("is_real")
        real.touch()
        try:
            self.client.install_shared()
        finally:
            real.unlink()

    def close(self) -> None:
        """Stop the portal."""
        with contextlib.suppress(Exception):
            self.client.close()
        self.portal.__exit__()

    def tenant(self, name: str, *, by_itself: bool = True) -> str:
        """Return the stack of a tenant, made on first use."""
        return self.tenants([name], by_itself=by_itself)[0]

    def tenants(self, names: list[str], *, by_itself: bool = True) -> list[str]:
        """Return the stacks of tenants, made on first use; their plans apply by themselves."""
        missing = [name for name in names if name not in self.stacks]
        if missing:
            made = self.client.make_tenants(missing)
            if by_itself:
                for stack_id in made.values():
                    self.client.apply_by_itself(stack_id)
            self.stacks |= made
        return [self.stacks[name] for name in names]

    def start(self, name: str, action: str = "install", **inputs: Any) -> str:
        """Queue an action over a tenant; returns the run's id."""
        stack_id = self.tenant(name)
        return self.client.start(stack_id, action, **{"admin_password": SECRET} | inputs)
