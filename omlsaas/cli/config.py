"""Where the client keeps the portal's address and the token: a file of its owner alone."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from omlsaas.cli.errors import Trouble


@dataclass(frozen=True)
class Access:
    """The portal's address and a token."""

    url: str
    token: str


def path() -> Path:
    """Return the file, by the XDG base directory specification."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "omlsaas" / "client.json"


def load() -> Access:
    """Return what OMLSAAS_URL and OMLSAAS_TOKEN say, else the file. Raises Trouble."""
    kept: dict[str, str] = {}
    try:
        kept = json.loads(path().read_text())
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise Trouble(f"{path()} cannot be read: {error}. Run `omlsaas login` again.") from error
    url = os.environ.get("OMLSAAS_URL") or kept.get("url", "")
    token = os.environ.get("OMLSAAS_TOKEN") or ""
    if not token and url.rstrip("/") == kept.get("url", "").rstrip("/"):
        # A token goes to no other portal than the one that it was given for.
        token = kept.get("token", "")
    if not url or not token:
        raise Trouble("Not logged in. Run `omlsaas login`, or set OMLSAAS_URL and OMLSAAS_TOKEN.")
    return Access(url.rstrip("/"), token)


def save(access: Access) -> Path:
    """Keep the access; the file is readable by its owner alone from its first moment."""
    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        json.dump({"url": access.url, "token": access.token}, stream)
    fresh.replace(file)
    return file
