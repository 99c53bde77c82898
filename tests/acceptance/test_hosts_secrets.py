"""A tenant's secrets on hosts: planted, used by playbooks, one of which leaks; found nowhere."""

import time
from pathlib import Path

import pytest

from deployments.runstatus import RunStatus
from tenants import services
from tests import sshhosts
from tests.acceptance.test_secrets_in_runs import rows
from tests.acceptance.test_secrets_sweep import ProcessWatch
from tests.hosted import Hosted, do, log_of, make_hosted
from tests.markers import Marker, contents, files_below

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(sshhosts.why_not()), reason=sshhosts.why_not()),
]
S = RunStatus


class KeyLines(Marker):
    """A private SSH key: each of its long lines is looked for."""

    def __init__(self, key: str) -> None:
        lines = [line for line in key.splitlines() if len(line) > 20 and "-----" not in line]
        # What all unencrypted keys of this kind begin with tells nothing.
        self.needles = {line.encode() for line in lines[1:]}
        assert self.needles


@pytest.fixture
def planted(throw_away, worker, tmp_path) -> tuple[Hosted, Marker, KeyLines]:
    """Return a tenant on two hosts that are known, and what to look for."""
    with sshhosts.two_hosts(tmp_path / "machines") as machines:
        hosted = make_hosted(tmp_path / "written", machines)
        marker = Marker()
        services.set_secret(hosted.actor, hosted.stack(), "password", marker.value('a"STEM{{x}}'))
        do(worker, hosted.queue("contact"))
        hosted.pin_all()
        yield hosted, marker, KeyLines(machines["app-one"].key)


def test_nothing_secret_is_found_anywhere(planted, worker, places):
    hosted, marker, key = planted
    since = time.time()
    watch = ProcessWatch(marker, [key])
    try:
        for action, params in (("install", None), ("say", {"words": "so"})):
            run = do(worker, hosted.queue(action, params=params))
            assert run.status == S.APPLIED, (run.error_text, log_of(run))
    finally:
        watch.stop()
    # The hosts themselves have what they need.
    assert marker.found_in(hosted.file("password").read_bytes())
    assert "it is ••••••••" in log_of(run)
    assert watch.looks > 5 and "ssh" in watch.programs
    assert (watch.command_lines, watch.environments) == (set(), set())
    assert not watch.engine_had_it and not watch.keys_of_engines
    ours = [places / "written", places / "machines"]
    left = [*files_below(places, ours), *files_below(Path("/tmp"), [places.parent], since)]
    for secret in (marker, key):
        assert secret.hits(rows()) == []
        assert secret.hits(contents(left)) == []


def test_a_leak_would_be_found(planted, places):
    hosted, marker, key = planted
    (places / "left").write_text(f"{marker.stem} {next(iter(key.needles)).decode()}")
    found = list(contents(files_below(places, [places / "written", places / "machines"])))
    assert marker.hits(found) and key.hits(found)
    hosted.stack().hosts.update(python=f"/{marker.stem}")
    assert marker.hits(rows())
