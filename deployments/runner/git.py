"""Git for the instances repository: a clone of one's own, commits with an author, one push.

No credential stands on a command line: a deploy key is a file that ssh reads, a token is a file
that git's credential helper reads. Hooks and everybody's configuration are off.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import process
from .terraform import PASSED_ON
from .workdir import remove, write_private

TIMEOUT_S = 120
# Git asks its helper by a shell; the helper reads the file, the line holds its variable's name.
HELPER = (
    '!f() { test "$1" = get && echo username=token && echo "password=$(cat "$GIT_TOKEN")"; }; f'
)
WORDS = 400


class GitFailed(Exception):
    """A git command failed; the text is the end of its words."""


@dataclass(frozen=True)
class Commit:
    """One change of one folder: its files (none: the folder goes), who and why."""

    folder: str
    files: Mapping[str, str]
    message: str
    author_name: str
    author_email: str
    date: str


@dataclass
class Clone:
    """A clone in a private folder; `ssh_key` and `token` are files, empty for none."""

    path: Path
    remote: str
    branch: str = "main"
    ssh_key: str = ""
    token: str = ""
    known_hosts: Path | None = None
    env: dict[str, str] = field(default_factory=dict)

    def fetch(self) -> None:
        """Stand where the remote stands; what was committed here and not pushed is forgotten."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.path / ".git").is_dir():
            self._git("init", "--quiet")
        if self._git("ls-remote", "--heads", self.remote, self.branch).strip():
            self._git("fetch", "--quiet", "--depth=1", self.remote, self.branch)
            self._git("checkout", "--quiet", "--force", "-B", self.branch, "FETCH_HEAD")
        else:
            self._git("checkout", "--quiet", "--orphan", f"{self.branch}-new")
            self._git("rm", "-r", "--quiet", "--force", "--ignore-unmatch", ".")
            self._git("symbolic-ref", "HEAD", f"refs/heads/{self.branch}")
        self._git("clean", "-ffdxq")

    def commit(self, change: Commit) -> str:
        """Write one change and return its commit; the one before when nothing differs."""
        folder = self.path / change.folder
        if not folder.resolve().is_relative_to(self.path.resolve()):
            raise GitFailed(f"{change.folder} lies outside of the repository")
        remove(folder) if folder.exists() else None
        for name, text in change.files.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        self._git("add", "--all", ".")
        who = {
            "GIT_AUTHOR_NAME": change.author_name,
            "GIT_AUTHOR_EMAIL": change.author_email,
            "GIT_AUTHOR_DATE": change.date,
        }
        message = self.path / ".git" / "MESSAGE"
        write_private(message, change.message.encode())
        # Without a difference there is a commit all the same: a run was applied.
        self._git("commit", "--quiet", "--allow-empty", "--no-verify", "-F", str(message), env=who)
        return self._git("rev-parse", "HEAD").strip()

    def push(self) -> None:
        """Hand the commits over; refused when somebody else was faster."""
        self._git("push", "--quiet", self.remote, f"HEAD:refs/heads/{self.branch}")

    def _git(self, *args: str, env: Mapping[str, str] | None = None) -> str:
        """Return what a command prints. Raises GitFailed."""
        with tempfile.TemporaryDirectory(prefix="omlsaas-git-") as folder:
            out = Path(folder) / "out"
            argv = ["git", "-c", "core.hooksPath=/dev/null", *args]
            whole = {**self._environment(Path(folder)), **(env or {})}
            try:
                done = process.capture(argv, self.path, whole, "", TIMEOUT_S, out)
            except FileNotFoundError as problem:
                raise GitFailed("there is no git on this host") from problem
            if done.timed_out:
                raise GitFailed(f"git {args[0]} was silent for {TIMEOUT_S} s")
            if done.code:
                words = " ".join(done.stderr.split())[-WORDS:]
                raise GitFailed(words or f"git {args[0]} ended with exit code {done.code}")
            return out.read_text(errors="replace")

    def _environment(self, home: Path) -> dict[str, str]:
        found = {
            "PATH": os.defpath,
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "HOME": str(home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "file:ssh:https:http",
            "GIT_COMMITTER_NAME": "omlsaas",
            "GIT_COMMITTER_EMAIL": "omlsaas@omlsaas.invalid",
            "GIT_SSH_COMMAND": self._ssh(),
            **self.env,
        }
        if self.token:
            found |= {
                "GIT_TOKEN": self.token,
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": "credential.helper",
                "GIT_CONFIG_VALUE_0": HELPER,
            }
        return found

    def _ssh(self) -> str:
        options = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new"]
        if self.known_hosts is not None:
            options += ["-o", f"UserKnownHostsFile={self.known_hosts}"]
        if self.ssh_key:
            options += ["-i", self.ssh_key, "-o", "IdentitiesOnly=yes"]
        return shlex.join(["ssh", *options])
