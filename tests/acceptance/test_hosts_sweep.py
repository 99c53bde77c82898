"""The sweep on hosts: every secret of a tenant there, its SSH key and its certificate's key.

One install is played on a real portal, over SSH to a booted host, by forms; whatever may be looked
through is looked through meanwhile and afterwards, the processes of that host too. Only podman is
a double.
"""

import json
import shlex
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import nspawnhosts
from tests.acceptance.conftest import Planted
from tests.acceptance.test_hosts_secrets import KeyLines
from tests.acceptance.test_secrets_sweep import SEEDS, ProcessWatch, Story, fields_of
from tests.markers import Marker, contents, files_below
from tests.portal import wait_for
from tests.tenantweb import everywhere

pytestmark = [
    pytest.mark.aside,
    pytest.mark.portal,
    pytest.mark.terraform,
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(nspawnhosts.why_not()), reason=nspawnhosts.why_not()),
]
TENANT = "sweephosts"
NAME = "sweephosts.example.test"
# Every secret input of the blueprint, in shapes that somebody might take for something else:
# markup, templates, a vault's tag, what an address or a form would escape.
SECRETS = {
    "postgres_password": "p<&w%2F+STEM>",
    "ami_password": "{{lookup-STEM}}",
    "admin_password": "a<b&STEM/=+;ü",
    "minio_password": "!vault|STEM|AES256;",
    "bucket_access_key": "AKIASTEM0",
    "bucket_secret_key": "k/+STEM/==",
    "dialer_password": "{%raw%}STEM",
    "grafana_password": "g:*&STEM-[0]",
}
VERSIONS = ("django", "websockets", "nginx", "kamailio", "asterisk", "rtpengine")


class HostStory(Story):
    """What happened to a tenant on a host, and what was found where."""

    def __init__(self, planted: Planted, machine: nspawnhosts.Booted, probe: dict) -> None:
        super().__init__(planted)
        self.machine = machine
        certificate, key = issue(machine.folder)
        self.certificate, self.certificate_key = certificate, key
        # The host has its secrets in its files; so have the files from which the test gives them.
        self.private = [machine.folder]
        self.secrets: list[Marker] = [self.secret, KeyLines(machine.key), KeyLines(key)]
        self.keys += self.secrets[1:]
        with psycopg.connect(self.portal.urls["DATABASE_URL"]) as database:
            database.execute("UPDATE tenants_region SET probe = %s", [json.dumps(probe)])
        self._make_tenant()

    def _make_tenant(self) -> None:
        answer = self.admin.send(
            "/tenants/new/", "blueprint", name=TENANT, blueprint="omnileads-hosts",
            region=self._one("SELECT id FROM tenants_region ORDER BY id LIMIT 1"),
        )  # fmt: skip
        assert answer.status_code == 302, answer.text
        self.stack_ids = self._stack_ids()
        # What the story of the lab does with its tenant is done here with this one.
        self.stack = self.stack_ids["acme"] = self.stack_ids[TENANT]
        answer = self.admin.send(
            f"/stacks/{self.stack}/hosts/new/", "ssh_key", name="core-one", role="all_in_one",
            address="127.0.0.1", port=str(self.machine.port), ssh_key=self.machine.key,
        )  # fmt: skip
        assert answer.status_code == 302, answer.text
        done = self.portal.manage("run_action", TENANT, "contact", "--wait", "--timeout", "90")
        assert done.returncode == 0, done.stdout + done.stderr
        host = self._one("SELECT public_id FROM tenants_host WHERE name = 'core-one'")
        shown = subprocess.run(
            ["ssh-keygen", "-lf", self.machine.root / "etc/oml-sshd/host_key.pub"],
            check=True, capture_output=True, text=True,
        ).stdout.split()[1]  # fmt: skip
        answer = self.admin.post(f"/hosts/{host}/pin/", {"fingerprint": shown})
        assert answer.status_code == 302, answer.text

    def _one(self, sql: str) -> str:
        with psycopg.connect(self.portal.urls["DATABASE_URL"]) as database:
            return str(database.execute(sql).fetchone()[0])

    def given(self) -> dict[str, str]:
        """Return every secret input with its value."""
        planted = {name: self.secret.value(template) for name, template in SECRETS.items()}
        return planted | {"certificate_key": self.certificate_key}

    def install(self) -> str:
        """Give all by the form of the installation; return its run."""
        plain = {f"{name}_version": "230215.01" for name in VERSIONS}
        answer = self.admin.send(
            f"/stacks/{self.stack}/actions/install/",
            "in-admin_password",
            **fields_of(
                minio_image="quay.io/minio/minio:1", fqdn=NAME, certs="custom",
                prometheus_enable="on", certificate=self.certificate, **plain, **self.given(),
            ),
        )  # fmt: skip
        assert answer.status_code == 302, answer.text
        return answer.headers["location"].split("/")[2]

    def wait(self, run: str, status: str) -> None:
        """Wait until a run stands there."""
        ends = {status, "errored", "lost", "canceled", "discarded"}
        wait_for(lambda: self.status(run) in ends, 180, f"{run} {status}")
        assert self.status(run) == status, self.admin.get(f"/runs/{run}/log").text[-3000:]

    def files(self, *, live: list[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the portal's files and those that are new in /tmp, but where secrets belong."""
        var = self.portal.var
        keys = ("secret_key", "encryption_keys", "audit_keys")
        leave_out = [var / "state", *(var / name for name in keys)]
        for run in live:
            folder = var / "workdirs" / run
            assert folder.stat().st_mode & 0o777 == 0o700
            leave_out.append(folder)
        yield from contents(files_below(var, leave_out))
        since = self.portal.started_at
        yield from contents(files_below(Path("/tmp"), [var, *self.private], since=since))

    def play(self) -> None:
        """Do it all."""
        with self.watched() as (self.processes, self.broker):
            self.run = self.install()
            listener = threading.Thread(target=self._listen, daemon=True)
            listener.start()
            self.wait(self.run, "configuring")
            secrets = self.portal.var / "workdirs" / self.run / "play" / "secrets.yml"
            wait_for(secrets.exists, 60)
            self.engine_had_them = all(
                marker.found_in(data)
                for marker in (self.secret, self.secrets[2])
                for data in [secrets.read_bytes()]
            )
            self._look_during()
            self.wait(self.run, "applied")
            listener.join(30)
            self.refusals = [self.refused(postgres_password=self.secret.value("it's-STEM"))]
            self.look("html", self.crawl([*SEEDS, f"/stacks/{self.stack}/",
                                          f"/stacks/{self.stack}/inventory.yml",
                                          *self.pages_of(self.run)]))  # fmt: skip
        self._look_after()


def issue(folder: Path) -> tuple[str, str]:
    """Return a certificate for the tenant's name, and its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
         "-keyout", folder / "k.pem", "-out", folder / "c.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "c.pem").read_text(), (folder / "k.pem").read_text()


@pytest.fixture(scope="module")
def story(planted: Planted, tmp_path_factory) -> Iterator[HostStory]:
    """Return the story, played once."""
    with (
        nspawnhosts.booted(tmp_path_factory.mktemp("booted"), ("core-one",)) as machines,
        everywhere(tmp_path_factory.mktemp("site")) as probe,
    ):
        told = HostStory(planted, machines["core-one"], probe)
        told.play()
        yield told


PLACES = (
    "files during", "own logs during", "html during", "frames", "messages", "refused forms",
    "html", "database", "files", "own logs", "broker data",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_nothing_secret_is_found_in(place, story):
    assert story.found[place] == []


def test_nothing_secret_is_shown_by_a_process_here_or_on_the_host(story):
    assert story.processes.command_lines == set()
    assert story.processes.environments == set()
    # Ansible reads files: not even the engine has them in its environment.
    assert not story.processes.engine_had_it
    assert story.processes.keys_of_engines == set()


def test_nothing_of_the_run_is_left_on_the_worker(story):
    assert not (story.portal.var / "workdirs" / story.run / "play").exists()


# --- the search does find, and it did look ------------------------------------------------------


def test_every_secret_input_of_the_blueprint_was_planted(story):
    from tenants import blueprints

    kind = blueprints.load("omnileads-hosts").kinds["tenant"]
    assert set(story.given()) == {v.name for v in kind.variables.values() if v.sensitive}


def test_the_run_had_them_and_the_host_has_them(story):
    assert story.engine_had_them
    root = story.machine.root
    settings = b"".join(path.read_bytes() for path in (root / "etc/default").glob("*.env"))
    given = story.given()
    for name in ("postgres_password", "ami_password", "minio_password", "bucket_secret_key"):
        assert given[name].encode() in settings, name
    assert (root / "etc/omnileads/certs/key.pem").read_text() == story.certificate_key
    said = (root / "var/lib/podman-double/said").read_bytes()
    assert story.secret.found_in(said)


def test_the_run_was_looked_at_while_it_was_at_work(story):
    assert story.status_during == ["configuring"] * 3
    assert story.processes.looks > 50
    assert "ssh" in story.processes.programs
    assert "Ensure the certificate" in b"".join(story.frames).decode()
    assert f"/runs/{story.run}/log" in story.pages and len(story.pages) > 40


@pytest.mark.parametrize("number", range(3))
def test_a_secret_shown_by_a_process_of_the_host_would_be_found(number, story):
    needle = max(story.secrets[number].needles, key=len).decode()
    script = story.machine.root / "etc" / "show"
    script.write_text(f"sh -c 'sleep 2; :' {shlex.quote(needle)}\n")
    watch = ProcessWatch(story.secret, story.keys)
    try:
        story.machine.run("sh /etc/show")
        assert any("sleep 2" in line for line in watch.command_lines)
    finally:
        watch.stop()
        script.unlink()


def test_a_key_that_was_left_would_be_found(story):
    for number, marker in enumerate(story.secrets):
        path = story.portal.var / "log" / f"planted-{number}"
        needle = max(marker.needles, key=len)
        try:
            path.write_bytes(b"left here: " + needle)
            assert len(marker.hits(story.files(live=[]))) == 1
        finally:
            path.unlink()
