"""As whom the embedded PostgreSQL runs: it refuses root, and we never make a user."""

import hashlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

DATABASE = "omlsaas"
# Inside, root is nobody; outside, the files stay root's.
NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")
KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR")


class IdentityError(Exception):
    """Why PostgreSQL cannot run as anybody here, in words."""


@dataclass(frozen=True)
class Identity:
    """Where PostgreSQL's files are, and what its commands begin with."""

    base: Path
    sockets: Path
    root: Path
    prefix: tuple[str, ...] = ()
    user: str | None = None
    notice: str = ""

    def command(self, program: str) -> list[str]:
        """Return the beginning of a command line."""
        return [*self.prefix, str(self.root / "bin" / program)]

    def environment(self) -> dict[str, str]:
        """Return the few variables that the server sees: PG* of the person's shell stay out."""
        kept = {key: os.environ[key] for key in KEPT_VARIABLES if key in os.environ}
        # On macOS the server refuses to start with a locale that the system must look up.
        return kept | {"LC_ALL": "C"}

    def restrict(self, data: Path) -> None:
        """Let only root in where the folder of the sockets belongs to a shared system user."""
        if self.user:
            (data / "pg_hba.conf").write_text(f"local all all peer map={DATABASE}\n")
            (data / "pg_ident.conf").write_text(f"{DATABASE} root {DATABASE}\n")


def choose_identity(var: Path, sockets: Path, root: Path) -> Identity:
    """Return as whom PostgreSQL runs here; raises IdentityError when there is no way."""
    plain = Identity(base=var, sockets=sockets, root=root)
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return plain
    if _namespace_works(var, root):
        return Identity(base=var, sockets=sockets, root=root, prefix=NAMESPACE)
    if os.geteuid() != 0:
        raise IdentityError(
            f"The user id {os.geteuid()} has no name on this machine and user namespaces are "
            f"forbidden, so PostgreSQL does not start: set DATABASE_URL to a server of your own."
        )
    for name in ("postgres", "nobody"):
        if _exists(name):
            return _as_system_user(name, var, root)
    raise IdentityError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody: "
        "start the portal as an ordinary user, or set DATABASE_URL."
    )


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _namespace_works(var: Path, root: Path) -> bool:
    """Whether the server's program starts in a user namespace and may write its data there."""
    probe = 'test -w "$1" && exec "$2" --version'
    argv = [*NAMESPACE, "/bin/sh", "-c", probe, "sh", str(var), str(root / "bin" / "postgres")]
    try:
        return subprocess.run(argv, capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _as_system_user(name: str, var: Path, root: Path) -> Identity:
    """Return an identity with data under /var/tmp, where that user can reach it."""
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:8]
    base = Path("/var/tmp") / f"omlsaas-{name}-{digest}"  # noqa: S108 ownership is checked
    account = pwd.getpwnam(name)
    for folder in (base, base / "sockets"):
        if not folder.exists():
            folder.mkdir(mode=0o700)
            os.chown(folder, account.pw_uid, account.pw_gid)
        if folder.is_symlink() or folder.stat().st_uid != account.pw_uid:
            raise IdentityError(f"{folder} does not belong to {name}: have it removed.")
    if not _can_start(name, root, base):
        root = _copy_programs(root, base)
    notice = f"PostgreSQL runs as the system user {name}; its data is in {base}."
    return Identity(base, base / "sockets", root, user=name, notice=notice)


def _can_start(name: str, root: Path, base: Path) -> bool:
    try:
        argv = [root / "bin" / "postgres", "--version"]
        return (
            subprocess.run(
                argv, user=name, group=name, extra_groups=[], cwd=base, capture_output=True
            ).returncode
            == 0
        )
    except OSError:
        return False


def _copy_programs(root: Path, base: Path) -> Path:
    """Copy the programs to where the user can reach them, libraries beside as in the wheel."""
    package = root.parent
    target = base / "programs" / package.name / root.name
    shutil.rmtree(base / "programs", ignore_errors=True)
    shutil.copytree(root, target, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, base / "programs" / libraries.name)
    os.chmod(base / "programs", 0o755)  # noqa: S103 the server runs as another user
    return target
