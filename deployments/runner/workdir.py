"""The private folder of one run: made, filled, sealed into a bundle, unpacked, removed.

WORKDIR_ROOT/<run id>/       0700
    tf/                      the root module and the modules it uses, as they stand in the
                             blueprint root, so that `../../modules/x` stays true
    steps/<number>/          one folder for each process, see docs/processes.md
    tmp/  cli.tfrc           TMPDIR and CLI configuration of the engine
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import stat
import tarfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import zstandard

PUBLIC_ID = re.compile(r"[a-z]{3}_[0-9A-Za-z]{26}")
TFVARS_FILE = "terraform.tfvars.json"
IMPORTS_FILE = "omlsaas_imports.tf.json"
BACKEND_FILE = "backend_override.tf.json"
# An override needs a block that it overrides; a module without one gets a plain file.
PROVIDER_FILES = {True: "provider_override.tf.json", False: "provider.omlsaas.tf.json"}
STATE_FILE = "terraform.tfstate"
LOCK_FILE = ".terraform.lock.hcl"
BUNDLE_LIMIT = 1 << 30
ZSTD_LEVEL = 3


class UnsafePath(ValueError):
    """A name or a file that would reach outside of its folder."""


def checked_id(public_id: str) -> str:
    """Return the id when it is one (`run_` and 26 letters or digits): it becomes a folder."""
    if not PUBLIC_ID.fullmatch(public_id):
        raise UnsafePath(f"not an id: {public_id!r}")
    return public_id


def free_bytes(path: Path) -> int:
    """Return the free space where a path stands, or would stand."""
    path = Path(path)
    while not path.exists():
        path = path.parent
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


@dataclass(frozen=True)
class Workdir:
    """The places in a run's folder; nothing exists before `make`."""

    root: Path
    run_id: str

    def __post_init__(self) -> None:
        checked_id(self.run_id)

    @property
    def path(self) -> Path:
        return Path(self.root).absolute() / self.run_id

    @property
    def tf(self) -> Path:
        return self.path / "tf"

    @property
    def cli_config(self) -> Path:
        return self.path / "cli.tfrc"

    def step_dir(self, number: int) -> Path:
        return self.path / "steps" / str(int(number))

    def make(self) -> Workdir:
        """Make the folders, private to this user; those that are there stay."""
        Path(self.root).mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.path, self.tf, self.path / "steps", self.path / "tmp"):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        return self

    def write_cli_config(self, mirror: str = "") -> Path:
        """Write the run's own CLI configuration; with a mirror, providers come from it alone.

        https://developer.hashicorp.com/terraform/cli/config/config-file
        """
        lines = ["disable_checkpoint = true", "provider_installation {"]
        # A mirror is the whole answer: what is not in it is refused at once, not after the
        # time-outs of a network that may not be there.
        method = f"filesystem_mirror {{ path = {_hcl_string(str(mirror))} }}" if mirror else ""
        lines += [f"  {method or 'direct {}'}", "}", ""]
        write_private(self.cli_config, "\n".join(lines).encode())
        return self.cli_config

    def remove(self) -> None:
        remove(self.path)


def write_tfvars(module: Path, values: Mapping[str, object]) -> Path:
    """Write the plain inputs, ONE KEY PER LINE: a diagnostic quotes the line that is wrong."""
    rows = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items()]
    path = Path(module) / TFVARS_FILE
    write_private(path, ("{\n" + ",\n".join(rows) + "\n}\n").encode())
    return path


def local_state_path(state_root: Path, stack_id: str) -> Path:
    """Return where a stack with the local backend keeps its state; the folder is made, 0700."""
    folder = Path(state_root).absolute() / checked_id(stack_id)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder / STATE_FILE


def write_local_backend(module: Path, state_root: Path, stack_id: str) -> Path:
    """Tell Terraform where the state is, by an override file; return the state's path."""
    state = local_state_path(state_root, stack_id)
    write_backend(module, {"local": {"path": str(state)}})
    return state


def write_backend(module: Path, backend: Mapping[str, object]) -> None:
    """Tell Terraform which backend to use, by an override file. No credentials belong in it."""
    content = {"terraform": {"backend": backend}}
    write_private(Path(module) / BACKEND_FILE, json.dumps(content, indent=2).encode())


def write_provider(
    module: Path, name: str, settings: Mapping[str, object], has_block: bool
) -> None:
    """Set a provider's settings in a run's copy of the module; `has_block`: it has some already."""
    content = {"provider": {name: settings}}
    path = Path(module) / PROVIDER_FILES[has_block]
    write_private(path, json.dumps(content, indent=2).encode())


def write_imports(module: Path, wanted: list[dict[str, str]]) -> Path:
    """Let the next plan take over what stands already: a list of {to, id}.

    https://developer.hashicorp.com/terraform/language/import
    """
    path = Path(module) / IMPORTS_FILE
    write_private(path, json.dumps({"import": wanted}, indent=2).encode())
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a 0600 file whole or not at all."""
    temporary = Path(path).with_name(f".{Path(path).name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with open(os.open(temporary, flags, 0o600), "wb") as file:
        file.write(content)
    os.replace(temporary, path)


def _hcl_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("${", "$${").replace("%{", "%%{") + '"'


# -- the bundle of a plan ------------------------------------------------------------------


def seal(tf_dir: Path) -> bytes:
    """Return all files of tf/ but .terraform/ as tar, compressed; the same files, the same bytes.

    It holds values in clear (plan file, tfvars): encrypt it before it is stored. UnsafePath for
    anything that is neither file nor folder.
    """
    sealed = io.BytesIO()
    packer = zstandard.ZstdCompressor(level=ZSTD_LEVEL)
    with (
        packer.stream_writer(sealed, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.GNU_FORMAT) as bundle,
    ):
        for path, name in _members(Path(tf_dir)):
            member = tarfile.TarInfo(name)
            mode = os.lstat(path).st_mode
            member.mode = mode & 0o700
            if stat.S_ISDIR(mode):
                member.type = tarfile.DIRTYPE
                bundle.addfile(member)
                continue
            with open(path, "rb") as file:
                member.size = os.fstat(file.fileno()).st_size
                bundle.addfile(member, file)
    return sealed.getvalue()


def _members(tf_dir: Path) -> Iterable[tuple[Path, str]]:
    """Yield (path, name in the bundle), sorted, folders before what is in them."""
    for folder, folders, files in os.walk(tf_dir):
        folders[:] = sorted(name for name in folders if name != ".terraform")
        for name in sorted([*folders, *files]):
            path = Path(folder) / name
            mode = os.lstat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise UnsafePath(f"{path} is neither a file nor a folder")
            yield path, path.relative_to(tf_dir).as_posix()


def unpack(bundle: bytes, tf_dir: Path) -> None:
    """Write the files of a bundle into an empty or absent tf/; UnsafePath for a name outside."""
    tf_dir = Path(tf_dir)
    tf_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    left = BUNDLE_LIMIT
    with (
        zstandard.ZstdDecompressor().stream_reader(bundle) as plain,
        tarfile.open(fileobj=plain, mode="r|") as members,
    ):
        for member in members:
            left -= member.size
            if left < 0:
                raise UnsafePath(f"the bundle is larger than {BUNDLE_LIMIT} bytes")
            _unpack_one(members, member, tf_dir)


def _unpack_one(members: tarfile.TarFile, member: tarfile.TarInfo, tf_dir: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not name.parts:
        raise UnsafePath(f"the bundle has a file {member.name!r}")
    target = tf_dir / name
    if member.isdir():
        target.mkdir(mode=0o700, exist_ok=True)
        return
    source = members.extractfile(member) if member.isreg() else None
    if source is None:
        raise UnsafePath(f"{member.name!r} in the bundle is neither a file nor a folder")
    # EXCL: the bundle is the only one that writes here, so nobody's link is followed.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(target, flags, member.mode & 0o700), "wb") as file:
        shutil.copyfileobj(source, file)


def remove(path: Path) -> None:
    """Remove a folder with all that is in it, also read-only folders; absent is fine.

    What a process still writes meanwhile is removed by the next try. OSError when it stays.
    """
    for attempt in range(4):
        with contextlib.suppress(OSError):
            shutil.rmtree(path)
        if not os.path.lexists(path):
            return
        for folder, _, _ in os.walk(path):  # does not go into links, which lead to the mirror
            with contextlib.suppress(OSError):
                os.chmod(folder, 0o700)
        time.sleep(0.02 * attempt)
    shutil.rmtree(path)
