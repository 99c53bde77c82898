"""A folder that stands for one of a tenant's machines: its real scripts, with fakes on PATH."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "hcl_template/omnileads/tenant/templates/bin"
PARAMETERS = "/omlsaas/acme"

AWS = f"""#!{sys.executable}
import json, os, shutil, sys
here = os.environ["FAKES"]
with open(here + "/argv", "a") as log:
    log.write(json.dumps(sys.argv) + "\\n")
words = sys.argv[1:]
if words[:2] == ["ssm", "get-parameter"]:
    if os.environ.get("DENIED"):
        sys.exit("An error occurred (AccessDeniedException) when calling GetParameter: no")
    stored = json.load(open(here + "/parameters.json"))
    name = words[words.index("--name") + 1]
    if name not in stored:
        sys.exit("An error occurred (ParameterNotFound) when calling GetParameter: " + name)
    print(stored[name])
else:
    source, target = [w.replace("s3:/", here + "/s3") for w in words if not w.startswith("--")][2:]
    os.makedirs(os.path.dirname(target), exist_ok=True)
    try:
        shutil.copy(source, target)
    except FileNotFoundError:
        sys.exit("404")
"""
TOOL = """#!/bin/bash
echo "$@" >>"$FAKES/told"
for word in "$@"; do case $word in --target=*) target=${word#*=} ;; esac; done
case "$1 ${NO_FILE:-}" in
    "--backup ") cp "$FAKES/made.tar.gz" "$target/260201-120000-oml-backup.tar.gz" ;;
esac
"""
RECORDER = """#!/bin/bash
echo "${0##*/} $*" >>"$FAKES/argv"
[ "${0##*/}" = su ] && cat >"$FAKES/stdin"
true
"""


class Machine:
    """A folder that stands for a machine of the tenant."""

    def __init__(self, folder: Path, component: str) -> None:
        self.folder = folder
        self.root = folder / "opt"
        self.fakes = folder / "fakes"
        shutil.copytree(SCRIPTS, self.root / "bin")
        self.fakes.mkdir()
        self.state = folder / "state"
        self.units = folder / "units"
        self.units.mkdir()
        settings = {
            "REGION": "us-east-2",
            "COMPONENT": component,
            "BUCKET": "data",
            "PARAMETERS": PARAMETERS,
        }
        lines = [f"{name}='{value}'\n" for name, value in settings.items()]
        (self.root / "settings").write_text("".join(lines))
        self.put("aws", AWS)
        self.put("tool", TOOL)
        for name in ("su", "systemctl", "ansible-playbook"):
            self.put(name, RECORDER)
        self.parameters({})

    def put(self, name: str, text: str) -> None:
        """Make an executable on PATH."""
        path = self.fakes / name
        path.write_text(text)
        path.chmod(0o755)

    def parameters(self, values: dict[str, str]) -> None:
        """Say what the Parameter Store holds."""
        stored = {f"{PARAMETERS}/{name}": value for name, value in values.items()}
        (self.fakes / "parameters.json").write_text(json.dumps(stored))

    def run(self, script: str, *words: str, **env: str) -> subprocess.CompletedProcess:
        """Run one of the machine's scripts to its end."""
        surroundings = {
            "PATH": f"{self.fakes}:{os.environ['PATH']}",
            "FAKES": str(self.fakes),
            "OMLSAAS_ROOT": str(self.root),
            "TOOL": str(self.fakes / "tool"),
            "UNITS": str(self.units),
            "LOCK_FILE": str(self.folder / "lock"),
            "STATE": str(self.state),
            "TMPDIR": str(self.folder),
            "RUN": str(self.folder),
            "RETRY_PAUSE_S": "0",
        }
        return subprocess.run(
            [str(self.root / "bin" / script), *words],
            env=surroundings | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def seen(self, name: str) -> str:
        """Return what a fake has written down."""
        path = self.fakes / name
        return path.read_text() if path.exists() else ""

    def bucket(self) -> list[str]:
        """Return the names of the objects in the bucket."""
        top = self.fakes / "s3"
        return sorted(str(p.relative_to(top)) for p in top.rglob("*") if p.is_file())
