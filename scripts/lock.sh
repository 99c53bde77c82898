#!/bin/sh
# Compile requirements*.in and package.json into files with hashes, for all platforms.
# UPGRADE=1 takes the newest versions that the .in files allow.
set -eu
unset CDPATH
cd -- "$(dirname -- "$0")/.."

compile() {
    .venv/bin/python -m uv pip compile --quiet --universal --generate-hashes \
        --python-version 3.11 --no-emit-index-url --no-emit-find-links \
        --custom-compile-command 'make lock' ${UPGRADE:+--upgrade} "$@"
}

compile requirements.in -o requirements.txt
# The tests run against what the portal runs with.
compile requirements-dev.in -c requirements.txt -o requirements-dev.txt
compile requirements-npm.in -o requirements-npm.txt
compile requirements-tools.in -o requirements-tools.txt

npm install --package-lock-only --ignore-scripts --no-audit --no-fund --loglevel=error
# Addresses of a mirror would tie the file to one machine; npm finds the packages by name.
.venv/bin/python - <<'END'
import json
from pathlib import Path

path = Path("package-lock.json")
lock = json.loads(path.read_text())
for package in lock["packages"].values():
    package.pop("resolved", None)
path.write_text(json.dumps(lock, indent=2) + "\n")
END
