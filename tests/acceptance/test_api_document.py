"""The API does what its document says: tried by schemathesis, which reads nothing but that."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import factories
from tests.asgiserver import serving
from tests.lab import make_lab

CONFIG = Path(__file__).resolve().parents[1] / "schemathesis.toml"
SECONDS = 45


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who", ["operator", "narrow"])
def test_the_api_keeps_to_its_document(who: str, places, settings, tmp_path: Path):
    settings.API_RATE_ADDRESS = settings.API_RATE_TOKEN = settings.API_RATE_REFUSED = 10**9
    lab = make_lab()
    factories.make_run(lab.acme, "applied")
    user = factories.make_user("oscar", role="operator")
    narrow = {"kinds": ["view", "plan"], "places": [lab.acme]} if who == "narrow" else {}
    token = factories.make_token(user, **narrow)[1]
    seed = random.SystemRandom().randrange(2**32)
    program = Path(sys.executable).with_name("schemathesis")
    assert program.exists() or shutil.which("schemathesis")
    with serving() as server:
        done = subprocess.run(
            [program, "--config-file", CONFIG, "run",
             f"http://{server.address}/api/v1/openapi.json", "--max-time", str(SECONDS),
             "--max-examples", "6", "--seed", str(seed), "--generation-database", "none",
             "--no-color"],
            env=os.environ | {"API_TOKEN": token}, cwd=tmp_path, capture_output=True, text=True,
            timeout=240,
        )  # fmt: skip
    report = done.stdout[-12_000:].replace(token, "…")
    assert done.returncode == 0, f"seed {seed}\n{report}\n{done.stderr[-2000:]}"
    print(report[-2500:])
