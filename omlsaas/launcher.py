"""The one foreground command: servers, database set-up, web, worker and beat.

`python -m omlsaas.launcher` runs the portal, `python -m omlsaas.launcher services` only the
embedded servers. Standard library only: it starts processes, so it imports no Django.
"""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

from omlsaas.lib import portal
from omlsaas.lib.children import Child, describe_exit, stop_children
from omlsaas.lib.console import Console
from omlsaas.lib.embedded import EmbeddedError, Servers, read_lines
from omlsaas.lib.installation import Installation, InstallationError
from omlsaas.lib.pgidentity import IdentityError
from omlsaas.lib.terminal import own_terminal

PROJECT = Path(__file__).resolve().parent.parent
CANCEL_WITHIN_S = 10
CANCEL_S = 300
REFUSALS = (EmbeddedError, IdentityError, InstallationError, portal.PortalError)


class Stopped(Exception):
    """Somebody asked to stop before the portal was up."""


class Launcher:
    """Starts everything, minds it, and stops it in the right order."""

    def __init__(self, var: Path, console: Console) -> None:
        self.console = console
        self.installation = Installation(var)
        self.var = var
        self.servers: Servers | None = None
        self.children: list[Child] = []
        self.settings: dict[str, str] = {}
        self.stop_signals: list[int] = []
        self._selector = selectors.DefaultSelector()
        self._wake, wake_end = os.pipe()
        for end in (self._wake, wake_end):
            os.set_blocking(end, False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sig, lambda number, _: self.stop_signals.append(number))
        # A child's end only has to wake the loop. A stopped launcher would stop its readers too.
        for sig in (signal.SIGCHLD, signal.SIGTSTP):
            signal.signal(sig, lambda *_: None)

    # --- Start -------------------------------------------------------------------------------

    def run(self, only_servers: bool) -> int:
        """Run until somebody asks to stop; returns the exit code."""
        self.installation.hold()
        if not only_servers:
            portal.check_port(os.environ)
            for notice in portal.notices(os.environ):
                self.console.say(notice)
        try:
            self._start_servers()
            if only_servers:
                self.installation.tell("the embedded servers only (make services)")
                self.console.say(f"The servers are ready: {self.var / 'runtime.env'}")
            else:
                self._start_portal()
            while not self._may_stop():
                self._turn()
        except Stopped:
            self.console.say("Stopped before it was up.")
        finally:
            self._stop()
        return 0

    def _start_servers(self) -> None:
        """Start what DATABASE_URL and REDIS_URL do not name, and write runtime.env."""
        env = os.environ
        has_broker = env.get("REDIS_URL") or env.get("CELERY_BROKER_URL")
        for name in self.installation.stop_left_overs():
            self.console.say(f"Stopped a {name} that an earlier, killed start left behind.")
        keys = self.installation.make_keys()
        self.servers = Servers(
            self.var, postgres=not env.get("DATABASE_URL"), valkey=not has_broker
        )
        for notice in self.servers.notices:
            self.console.say(notice)
        self.servers.start(self._check_stop)
        self.settings = portal.settings(env, self.var, self.servers.urls | keys)
        self.installation.write_runtime_env(self.settings)

    def _start_portal(self) -> None:
        """Set the database up, start web, worker and beat, and wait for the first answer."""
        web, worker, beat = portal.processes(PROJECT, self.var, self._environment())
        stamp = self.var / "prepared"
        fingerprint = portal.fingerprint(PROJECT, self.settings["DATABASE_URL"])
        is_same = (self.var / "static").is_dir() and read_lines(stamp) == [fingerprint]
        if is_same:
            # Nothing to migrate or to collect is expected: web need not wait for that answer.
            self._add(web)
        self._run_command("prepare", *(["--no-static"] if is_same else []))
        stamp.write_text(fingerprint)
        for child in (worker,) if is_same else (web, worker):
            self._add(child)
        health = portal.HealthProbe(self.settings)
        while not health.is_healthy:
            self._check_stop()
            self._turn(0.05)
            if health.complaint:
                self.console.say(health.complaint)
                health.complaint = ""
        # Nobody waits for the clock; the first page has the processor for itself.
        self._add(beat)
        url = portal.url(self.settings)
        self.installation.tell(url)
        self.console.say(f"omlsaas is ready: {url}")

    def _add(self, child: Child) -> None:
        self.children.append(child)
        self._start_child(child)

    def _environment(self) -> dict[str, str]:
        inherited = dict(os.environ)
        # Compiled modules are kept: without them each start costs seconds of compiling.
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        return inherited | self.settings | {"PYTHONUNBUFFERED": "1"}

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(PROJECT / "manage.py"), *arguments]

    def _run_command(self, *arguments: str, seconds: float | None = None) -> None:
        """Run a management command with its output on the console; raises PortalError."""
        child = Child("", self._command(*arguments), env=self._environment(), cwd=PROJECT)
        child.start()
        self._register(child)
        until = time.monotonic() + (seconds or float("inf"))
        asked = len(self.stop_signals)
        while child.is_alive and time.monotonic() < until and len(self.stop_signals) == asked:
            self._turn(0.05)
        interrupted = child.is_alive
        stop_children([child], lambda: self._relay(child))
        self._forget(child)
        if interrupted:
            raise Stopped
        if code := child.process.returncode:
            raise portal.PortalError(
                f"manage.py {arguments[0]} ended with {describe_exit(code)}; what it said is above."
            )

    def _check_stop(self) -> None:
        if self.stop_signals:
            raise Stopped

    # --- Mind --------------------------------------------------------------------------------

    def _start_child(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            delay = child.plan_restart()
            self.console.say(f"{child.name} cannot be started ({error}); again in {delay:g} s.")
            return
        self._register(child)
        self.installation.note_child(child.name, child.process.pid)

    def _register(self, child: Child) -> None:
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _forget(self, child: Child) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(child.process.stdout)
        child.close_pipe()

    def _relay(self, child: Child) -> None:
        for line in child.lines():
            self.console.relay(child.name, line)

    def _turn(self, seconds: float = 1.0) -> None:
        """Wait for something to happen, pass lines on, start again what has died."""
        if self.console.is_behind:
            seconds = min(seconds, 0.1)
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            else:
                self._relay(key.data)
        self.console.flush()
        for child in self.children:
            self._mind(child, self._start_child)
        for server in self.servers.children if self.servers else ():
            self._mind(server, Child.start)

    def _mind(self, child: Child, start) -> None:
        """Start a dead child again, later each time that it dies soon."""
        if child.start_again_at is not None:
            if time.monotonic() >= child.start_again_at:
                start(child)
            return
        if child.process is None or child.is_alive:
            return
        if child.process.stdout:
            self._relay(child)
            self._forget(child)
        child.end_group()
        delay = child.plan_restart()
        what = describe_exit(child.process.returncode)
        self.console.say(f"{child.name} ended with {what}; it is started again in {delay:g} s.")

    # --- Stop --------------------------------------------------------------------------------

    def _may_stop(self) -> bool:
        """Whether somebody asked to stop, and has been told of the runs at work."""
        if not self.stop_signals:
            return False
        if not self.children:
            return True
        self.console.say("Stopping. Asking first whether runs are at work.")
        runs = self._runs_at_work()
        if not runs:
            return True
        names = portal.name_runs(runs)
        if self.stop_signals[-1] != signal.SIGINT:
            self.console.say(f"{names}; it goes on under its supervisor until the next start.")
            return True
        asked = len(self.stop_signals)
        self.console.say(
            f"{names}. Ctrl-C again within {CANCEL_WITHIN_S} s cancels gracefully (waits up to "
            f"{CANCEL_S // 60} min); otherwise work goes on under its supervisor and is picked "
            f"up at the next start."
        )
        until = time.monotonic() + CANCEL_WITHIN_S
        while time.monotonic() < until and len(self.stop_signals) == asked:
            self._turn(0.2)
        if len(self.stop_signals) > asked:
            self._cancel_runs()
        return True

    def _cancel_runs(self) -> None:
        self.console.say("Canceling; one more Ctrl-C stops waiting.")
        try:
            self._run_command("at_work", "--cancel", seconds=CANCEL_S + 10)
        except (Stopped, portal.PortalError):
            self.console.say("Not waiting any longer; what is still at work goes on.")

    def _runs_at_work(self) -> list[dict]:
        """Return what runs now, as the database says; none when it cannot be asked."""
        try:
            shown = subprocess.run(
                self._command("at_work", "--json"),
                env=self._environment(),
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=15,
                check=True,
                start_new_session=True,
            )
            return json.loads(shown.stdout)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            self.console.say(f"Whether runs are at work could not be asked ({error}).")
            return []

    def _stop(self) -> None:
        """Stop web, worker and beat, then the servers; supervisors of runs stay."""
        started = [child for child in self.children if child.process]
        if started:
            self.console.say("Stopping web, worker and beat.")
            stop_children(started, lambda: [self._relay(child) for child in started])
        if self.servers and self.servers.children:
            self.console.say("Stopping the servers.")
            self.servers.stop(self.console.flush)
        if self.children:
            (self.var / "children.json").unlink(missing_ok=True)
        self.console.say("Stopped.")
        self.console.drain()


def main() -> int:
    """Run the command line; returns the exit code."""
    console = Console()
    portal.load_env_file(PROJECT / ".env")
    var = Path(os.environ.get("VAR_ROOT") or PROJECT / "var").absolute()
    try:
        with own_terminal():
            return Launcher(var, console).run(only_servers="services" in sys.argv[1:])
    except REFUSALS as error:
        console.say(str(error))
        console.drain()
        return 1


if __name__ == "__main__":
    sys.exit(main())
