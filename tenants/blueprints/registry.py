"""The blueprints of this installation: loaded once, loaded again when a file has changed."""

import hashlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from omlsaas.lib.refusals import Refusal
from tenants.blueprints.manifest import MANIFEST, Reader
from tenants.blueprints.model import Blueprint, Flaw
from tenants.errors import UnknownBlueprint

log = logging.getLogger(__name__)
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
READ_ATTEMPTS = 3
_LOCK_FILE = ".terraform.lock.hcl"
Fingerprint = tuple[tuple[str, int, int, int], ...]


class BlueprintFlawed(Refusal):
    """A blueprint that cannot be used; `flaws` says where and why."""

    message = _(
        "Blueprint “%(blueprint)s” cannot be used: %(first)s Run `manage.py check` for all that is "
        "wrong, and repair it there."
    )

    def __init__(self, blueprint: str, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__(blueprint=blueprint, first=self.flaws[0] if self.flaws else "")


class BlueprintChanged(Refusal):
    """The files on disk are no longer those that were read."""

    message = _("Blueprint “%(blueprint)s” was changed at this moment. Queue the run again.")


@dataclass(frozen=True)
class _Entry:
    folders: tuple[Path, ...]
    fingerprint: Fingerprint
    digest: str
    blueprint: Blueprint | None
    flaws: tuple[Flaw, ...]


_entries: dict[Path, _Entry] = {}
_lock = threading.Lock()


def load(name: str) -> Blueprint:
    """Return a blueprint of BLUEPRINT_ROOT, as its files are now.

    Costs a stat of its files; they are read again only when one has changed. Raises
    UnknownBlueprint or BlueprintFlawed.
    """
    base = Path(settings.BLUEPRINT_ROOT)
    if not _NAME.fullmatch(name) or not (base / name / MANIFEST).is_file():
        known = ", ".join(names()) or "–"
        raise UnknownBlueprint(blueprint=name, kind=_("stack"), known=known)
    entry = _entry(base, name)
    if entry.blueprint is None:
        raise BlueprintFlawed(name, [flaw for flaw in entry.flaws if not flaw.is_warning])
    return entry.blueprint


def names() -> list[str]:
    """Return the names of all blueprints, sound or not."""
    base = Path(settings.BLUEPRINT_ROOT)
    found = base.glob(f"*/{MANIFEST}") if base.is_dir() else ()
    return sorted(path.parent.name for path in found if _NAME.fullmatch(path.parent.name))


def all_blueprints() -> list[Blueprint]:
    """Return all sound blueprints; a broken one is logged and left out."""
    result = []
    for name in names():
        try:
            result.append(load(name))
        except BlueprintFlawed as error:
            log.error("%s", error)
    return result


def flaws(name: str) -> tuple[Flaw, ...]:
    """Return all that is wrong with a blueprint, warnings too."""
    return _entry(Path(settings.BLUEPRINT_ROOT), name).flaws


def copy_files(blueprint: Blueprint, target: Path) -> None:
    """Copy exactly the files that the digest covers below `target`, in the same folders.

    The root module of a kind then lies at `target / kind.root_name`, and relative module sources
    hold. Raises BlueprintChanged when what was copied is not what was read.
    """
    copied = []
    for file in blueprint.files:
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(blueprint.base / file, destination)
            shutil.copymode(blueprint.base / file, destination)
        except FileNotFoundError:
            raise BlueprintChanged(blueprint=blueprint.name) from None
        copied.append(destination)
    if _digest(target, copied) != blueprint.digest:
        raise BlueprintChanged(blueprint=blueprint.name)


def _entry(base: Path, name: str) -> _Entry:
    base = base.resolve()
    key = base / name
    entry = _entries.get(key)
    if entry and entry.fingerprint == _fingerprint(entry.folders):
        return entry
    with _lock:
        entry = _entries.get(key)
        if entry and entry.fingerprint == _fingerprint(entry.folders):
            return entry
        entry = _entries[key] = _read(base, name, entry)
        return entry


def _read(base: Path, name: str, known: _Entry | None) -> _Entry:
    if known and known.blueprint:
        # Touched but not changed: a checkout of the same commit, a copied folder.
        fingerprint = _fingerprint(known.folders)
        if _digest(base, _files(known.folders)) == known.digest:
            return _Entry(known.folders, fingerprint, known.digest, known.blueprint, known.flaws)
    reader, raw, kinds, folders, fingerprint = _read_steady(base, name)
    files = _files(folders)
    digest = _digest(base, files)
    blueprint = None
    if not any(not flaw.is_warning for flaw in reader.flaws):
        blueprint = Blueprint(
            name=name,
            title=raw["title"],
            description=raw.get("description", ""),
            base=base,
            path=base / name,
            digest=digest,
            kinds=kinds,
            files=tuple(path.relative_to(base).as_posix() for path in files),
            warnings=tuple(reader.flaws),
        )
    return _Entry(folders, fingerprint, digest, blueprint, tuple(reader.flaws))


def _read_steady(base: Path, name: str) -> tuple[Any, ...]:
    """Read until no file has changed meanwhile, so that digest and content belong together."""
    for attempt in range(READ_ATTEMPTS):
        began = time.time_ns()
        reader = Reader(base, name)
        raw, kinds = reader.read()
        folders = _outermost(reader.folders)
        fingerprint = _fingerprint(folders)
        if all(mtime < began for _path, mtime, _size, _inode in fingerprint):
            break
        log.info("blueprint %s changed while it was read (attempt %d)", name, attempt + 1)
    return reader, raw, kinds, folders, fingerprint


def _outermost(folders: Iterable[Path]) -> tuple[Path, ...]:
    chosen: list[Path] = []
    for folder in sorted(set(folders)):
        if not any(folder.is_relative_to(other) for other in chosen):
            chosen.append(folder)
    return tuple(chosen)


def _files(folders: Iterable[Path]) -> list[Path]:
    return sorted(Path(entry.path) for folder in folders for entry in _walk(folder))


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Return the files that count: no dotfiles but the lock file, nothing below .terraform."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name != _LOCK_FILE:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path))
            elif entry.is_file():
                yield entry


def _fingerprint(folders: Iterable[Path]) -> Fingerprint:
    found = []
    for folder in folders:
        if not folder.is_dir():
            continue
        for entry in _walk(folder):
            status = entry.stat()
            found.append((entry.path, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(sorted(found))


def _digest(base: Path, files: Iterable[Path]) -> str:
    """Return the SHA-256 over relative path and content of each file, in order of the paths."""
    total = hashlib.sha256()
    for name, path in sorted((path.relative_to(base).as_posix(), path) for path in files):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{len(name)}:{name}:{content}\n".encode())
    return total.hexdigest()
