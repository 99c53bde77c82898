"""What the demo needs of the machine, and how to say what is missing."""

import os
import shutil
import socket
import urllib.error
import urllib.request
from pathlib import Path

REGISTRY = "https://registry.terraform.io/.well-known/terraform.json"
# Where Terraform itself looks for providers, and where machines without internet keep them.
MIRRORS = ("/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins")
OTHERS = "/opt"
TIMEOUT_S = 10


class Missing(Exception):
    """Why the demo does not start, in words for the person."""


def terraform() -> None:
    """Refuse a machine without terraform. Raises Missing."""
    program = os.environ.get("TERRAFORM_BIN") or "terraform"
    if shutil.which(program) is None:
        raise Missing(
            f"{program} is not on this machine, and the demo runs the real one: get 1.11 or newer "
            "from https://developer.hashicorp.com/terraform/install (macOS: brew install "
            "hashicorp/tap/terraform), or name it: TERRAFORM_BIN=/path/to/terraform make demo-aws"
        )


def mirror() -> str:
    """Return a folder with providers; empty where the registry answers. Raises Missing."""
    given = os.environ.get("PROVIDER_MIRROR")
    candidates = [Path(place) for place in ((given,) if given else MIRRORS)]
    if not given:
        candidates += [found.parent for found in Path(OTHERS).glob("*/registry.terraform.io")]
    for place in candidates:
        if (place / "registry.terraform.io" / "hashicorp" / "aws").is_dir():
            return str(place)
    if given:
        raise Missing(
            f"PROVIDER_MIRROR names {given}, and there is no provider hashicorp/aws in it. Fill it "
            "with `terraform providers mirror`, or leave the setting out."
        )
    try:
        urllib.request.urlopen(REGISTRY, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError:
        return ""
    except OSError as problem:
        raise Missing(
            f"The demo runs the real AWS provider, and registry.terraform.io does not answer "
            f"({getattr(problem, 'reason', problem)}). Where a machine has internet, make a folder "
            "with `terraform providers mirror FOLDER` in hcl_template's root modules and name it: "
            "PROVIDER_MIRROR=FOLDER make demo-aws"
        ) from problem
    return ""


def port() -> str:
    """Return the portal's port. Raises Missing when another program has it."""
    text = os.environ.get("PORT") or "8000"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((os.environ.get("HOST") or "127.0.0.1", int(text)))
        except (OSError, ValueError, OverflowError) as problem:
            why = getattr(problem, "strerror", None) or "not a port"
            raise Missing(
                f"PORT {text} cannot be used ({why}). Another one: PORT=8010 make demo-aws"
            ) from problem
    return text
