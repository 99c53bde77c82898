"""A program drives the portal: a token from the pages, a whole run by the client `omlsaas`."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.portal import PROJECT, Person, Portal

pytestmark = [pytest.mark.portal, pytest.mark.terraform, pytest.mark.timeout(240)]
DELAY_MS = "800"


@pytest.fixture
def portal(tmp_path: Path):
    made = Portal(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def make_token(portal: Portal, *kinds: str) -> str:
    """Return the text of a token that the admin makes in the pages."""
    admin = Person(portal, "admin", portal.password)
    try:
        admin.get("/profile/tokens/new/")
        fields = {"name": "ci", "kinds": list(kinds), "days": "1"}
        page = admin.post("/profile/tokens/new/", fields).text
    finally:
        admin.close()
    found = re.search(r"oml_\w+\.[\w-]+", page)
    assert found, page[:2000]
    return found[0]


def test_a_program_installs_a_stack_and_reads_its_log(portal, tmp_path):
    token = make_token(portal, "view", "plan", "change")
    env = {key: value for key, value in os.environ.items() if not key.startswith("OMLSAAS")}
    env |= {"OMLSAAS_URL": portal.url, "OMLSAAS_TOKEN": token, "XDG_CONFIG_HOME": str(tmp_path)}

    def client(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "omlsaas.cli", *words], cwd=PROJECT, env=env,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    words = ("run", "install", "sharedlab", "--input", f"delay_ms={DELAY_MS}", "--reason", "new")
    waits = client(*words, "--key", "first")
    # It watched until somebody has to say yes.
    assert waits.returncode == 4, (waits.stdout, waits.stderr)
    again = client(*words, "--key", "first", "--detach")
    run_id = again.stdout.strip()
    assert run_id.startswith("run_") and run_id in waits.stdout + waits.stderr
    done = client("confirm", run_id, "--reason", "looked at it")
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "Apply complete" in done.stdout
    # Without the right to destroy, by the same token.
    refused = client("run", "destroy", "sharedlab", "--name", "sharedlab", "--reason", "x")
    assert refused.returncode == 2 and "destroy" in refused.stderr
    entries = client("list", "audit", "--json", "--limit", "50")
    assert entries.returncode == 0
    acts = {row["action"]: row for row in json.loads(entries.stdout)}
    token_id, secret = token.removeprefix("oml_").split(".")
    assert acts["run.queue"]["token"].endswith(token_id)
    assert acts["run.confirm"]["token"] == acts["run.queue"]["token"]
    assert secret not in entries.stdout + done.stdout + portal.output
