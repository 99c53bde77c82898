"""Fill a folder with the providers of one root module, once: a program of its own.

    fetch.py MIRROR SET-ID TERRAFORM      (working directory: the root module)

It runs under a supervisor like an engine, so its lines are the run's log. One at a time by a
lock on the folder; whoever comes second finds the set there. A provider whose unpacked content
is known to the lock file is kept unpacked, because Terraform then only links it; others stay
packed, as the lock file's other hashes want them.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = ".terraform.lock.hcl"
PACKED = re.compile(r"terraform-provider-(?P<type>[^_]+)_(?P<version>[^_]+)_(?P<platform>.+)\.zip")
MARKS = ".sets"


def is_there(mirror: Path, set_id: str) -> bool:
    """Tell whether a set of providers has been fetched into the folder."""
    return (Path(mirror) / MARKS / set_id).exists()


def say(text: str) -> None:
    """Print a line at once: it is watched."""
    print(text, flush=True)


def main(mirror: Path, set_id: str, binary: str) -> int:
    """Fetch, put in place, remember; return the exit code."""
    (mirror / MARKS).mkdir(mode=0o755, parents=True, exist_ok=True)
    with open(mirror / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run fetches providers; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_there(mirror, set_id):
            say("The providers are there.")
            return 0
        with tempfile.TemporaryDirectory(prefix=".new-", dir=mirror) as folder:
            code = _fetch(binary, Path(folder))
            if code:
                return code
            for package in sorted(Path(folder).rglob("*.zip")):
                _place(package, mirror / package.parent.relative_to(folder))
        (mirror / MARKS / set_id).touch()
    say("All providers are there.")
    return 0


def _fetch(binary: str, folder: Path) -> int:
    """Let Terraform fetch: its words go to our own output."""
    for argv in ([binary, "get", "-no-color"], [binary, "providers", "mirror", str(folder)]):
        code = subprocess.run(argv, stdin=subprocess.DEVNULL).returncode
        if code:
            return code
    return 0


def _place(package: Path, target: Path) -> None:
    """Move one package to its place, unpacked where the lock file knows its content."""
    target.mkdir(mode=0o755, parents=True, exist_ok=True)
    named = PACKED.fullmatch(package.name)
    if named is None:
        return
    folder = target / named["version"] / named["platform"]
    if folder.exists() or (target / package.name).exists():
        return
    unpacked = package.with_suffix("")
    with zipfile.ZipFile(package) as content:
        for member in content.infolist():
            mode = (member.external_attr >> 16) & 0o777
            path = content.extract(member, unpacked)
            os.chmod(path, mode or 0o755)
    if hash_of(unpacked) in _known_hashes():
        folder.parent.mkdir(mode=0o755, exist_ok=True)
        shutil.rmtree(unpacked) if folder.exists() else os.rename(unpacked, folder)
    else:
        os.rename(package, target / package.name)
        _note_packed(package, target, named["version"], named["platform"])
    say(f"Provider {named['type']} {named['version']} is in place.")


def _note_packed(package: Path, target: Path, version: str, platform: str) -> None:
    """Copy the index files beside a package that stays packed."""
    for name in ("index.json", f"{version}.json"):
        if (package.parent / name).exists():
            shutil.copyfile(package.parent / name, target / name)


def _known_hashes() -> set[str]:
    path = Path(LOCK_FILE)
    text = path.read_text() if path.exists() else ""
    return set(re.findall(r'"(h1:[^"]+)"', text))


def hash_of(folder: Path) -> str:
    """Return the h1 hash of an unpacked package.

    https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash#Hash1
    """
    total = hashlib.sha256()
    for name, path in sorted(_files(folder)):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{content}  {name}\n".encode())
    return "h1:" + base64.b64encode(total.digest()).decode()


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
