"""One portal of the bench with what its measurements need: people, tenants, actions."""

import contextlib
from pathlib import Path
from typing import Any

from bench.client import Client
from bench.engine import FakeEngine
from bench.figures import say
from bench.portal import Portal

SECRET = "bench-password-4711"


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
