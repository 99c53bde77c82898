"""The contact centre with hosts of their own for data and figures; its certificates; bad hosts.

Real systemd and sshd; podman, certbot and sudo alone are doubles (tests/bins, and below).
"""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from deployments.models import Run
from deployments.runner.proctable import marked
from deployments.runstatus import RunStatus
from tenants import actors, hosts, services
from tenants.models import Stack
from tests import nspawnhosts
from tests.acceptance.test_omnileads_hosts import (
    HCL,
    SECRETS,
    applied,
    change,
    changed,
    inactive,
    starts,
)
from tests.conftest import BINS
from tests.factories import make_region
from tests.hosted import Hosted, do, log_of

pytestmark = [
    pytest.mark.aside,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(nspawnhosts.why_not()), reason=nspawnhosts.why_not()),
]
S = RunStatus
NAME = "acme.example.test"
ROLES = {"core-one": "all_in_one", "data-one": "data", "watch-one": "observability"}
LAN = {"core-one": "10.9.0.1", "data-one": "10.9.0.2", "watch-one": "10.9.0.3"}
CERTS = "etc/omnileads/certs"
SUDO = """#!/bin/sh
# Says what the real one says to a user who may not become root without a password.
echo "sudo: a password is required" >&2
exit 1
"""


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Return hosts that were just booted."""
    with nspawnhosts.booted(tmp_path_factory.mktemp("booted"), tuple(ROLES)) as made:
        yield made


@pytest.fixture
def acme(settings, places, machines, worker, tmp_path, answering) -> Hosted:
    """Return the tenant acme with one known host for everything; after it the worker is clean."""
    settings.BLUEPRINT_ROOT = HCL
    settings.SILENCE_TIMEOUT_S = nspawnhosts.SILENCE_S
    settings.INSTANCES_REMOTE = str(tmp_path / "instances.git")
    actor = actors.system("test")
    tenant = services.create_tenant(
        actor,
        name="acme",
        region=make_region(slug="site", probe=answering),
        blueprint="omnileads-hosts",
    )
    for name, value in {**SECRETS, "grafana_password": "grafana-word-of-acme-7"}.items():
        services.set_secret(actor, tenant.stack, name, value)
    versions = ("django", "websockets", "nginx", "kamailio", "asterisk", "rtpengine")
    inputs = {f"{name}_version": "230215.01" for name in versions}
    services.save_inputs(actor, tenant.stack, {**inputs, "minio_image": "quay.io/minio/minio:1"})
    made = Hosted(actor, tmp_path, machines)
    add(made, worker, "core-one")
    yield made
    for run in Run.objects.all():
        assert marked(run.public_id) == []
        assert not (places / "workdirs" / run.public_id / "play").exists()


def add(acme: Hosted, worker, *names: str) -> None:
    """Add hosts to the tenant, and confirm their keys."""
    for name in names:
        machine = acme.machines[name]
        hosts.add_host(
            acme.actor, acme.stack(), name=name, role=ROLES[name], address="127.0.0.1",
            lan_address=LAN[name], port=machine.port, ssh_key=machine.key,
        )  # fmt: skip
    do(worker, acme.queue("contact"))
    acme.pin_all()


def notes(run: Run) -> list[dict]:
    """Return what the run's playbook told for people."""
    return [
        note for step in run.steps.order_by("number") for note in step.progress.get("notes", ())
    ]


def settings_of(machine, unit: str) -> dict[str, str]:
    """Return the settings of a unit."""
    lines = (machine.root / f"etc/default/{unit}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line)


# -- data and figures ----------------------------------------------------------------------------


def test_data_and_figures_on_hosts_of_their_own(acme, worker, machines):
    core, data, watch = (machines[name] for name in ROLES)
    add(acme, worker, "data-one", "watch-one")
    run = applied(worker, acme.queue("install"))
    watched = ("prometheus_node_exporter", "prometheus_podman_exporter", "promtail")
    on_data = ("postgresql", "redis", "minio", "prometheus_postgres", "prometheus_redis")
    assert inactive(data, on_data + watched) == {}
    assert inactive(watch, ("loki", "prometheus", "grafana", *watched)) == {}
    assert inactive(core, ("kamailio", "omnileads", "nginx", "asterisk", *watched)) == {}
    assert not any(core.is_active(unit) for unit in (*on_data, "grafana"))
    assert not any(data.is_active(unit) for unit in ("nginx", "asterisk", "grafana"))
    # -- each is told where the others are
    for unit, key in (("omnileads", "PGHOST"), ("omnileads", "REDIS_HOSTNAME"),
                      ("kamailio", "REDIS_HOSTNAME"), ("asterisk", "PGHOST"),
                      ("asterisk", "REDIS_HOSTNAME")):  # fmt: skip
        assert settings_of(core, unit)[key] == LAN["data-one"], (unit, key)
    assert settings_of(core, "nginx")["S3_ENDPOINT"] == f"http://{LAN['data-one']}:9000"
    assert settings_of(data, "redis")["BIND_IP"] == LAN["data-one"]
    asked = (watch.root / "etc/omnileads/prometheus.yml").read_text()
    for name, port in (("core-one", 9100), ("data-one", 9100), ("watch-one", 9100),
                       ("core-one", 9882), ("data-one", 9882), ("watch-one", 9882),
                       ("data-one", 9121), ("data-one", 9187), ("core-one", 7088)):  # fmt: skip
        assert f'"{LAN[name]}:{port}"' in asked
    assert f"{LAN['core-one']}:9187" not in asked and f"{LAN['data-one']}:7088" not in asked
    unit = (data.root / "etc/systemd/system/prometheus_podman_exporter.service").read_text()
    assert f"--web.listen-address={LAN['data-one']}:9882" in unit
    assert data.is_active("podman.socket") and "Requires=podman.socket" in unit
    assert (
        f"http://{LAN['watch-one']}:3100" in (core.root / "etc/omnileads/promtail.yml").read_text()
    )
    secrets = (*SECRETS.values(), "grafana-word-of-acme-7")
    told = log_of(run) + "\n".join(core.told() + data.told() + watch.told())
    assert [value for value in secrets if value in told] == []
    # -- a second run changes nothing; another configuration restarts what reads it
    assert changed(applied(worker, acme.queue("change"))) == 0
    before = [starts(watch, unit) for unit in ("prometheus", "grafana")]
    change(acme, metrics_days=30)
    applied(worker, acme.queue("component", params={"component": "prometheus"}))
    assert (
        "retention.time=30d" in (watch.root / "etc/systemd/system/prometheus.service").read_text()
    )
    assert [starts(watch, u) for u in ("prometheus", "grafana")] == [before[0] + 1, before[1]]
    # -- uninstall takes all of it, and leaves the data
    applied(worker, acme.queue("uninstall"))
    for machine in (core, data, watch):
        left = [p.name for p in (machine.root / "etc/systemd/system").glob("*.service")]
        assert not {"promtail.service", "redis.service", "grafana.service"} & set(left)
    volumes = {p.name for p in (data.root / "var/lib/podman-double/volumes").iterdir()}
    assert {"oml_postgres", "oml_redis", "oml_minio"} <= volumes


def test_exporters_come_and_go_with_the_input(acme, worker, machines):
    core = machines["core-one"]
    change(acme, prometheus_enable=True, infra_env="lan")
    applied(worker, acme.queue("install"))
    exporters = ("prometheus_node_exporter", "prometheus_podman_exporter", "prometheus_postgres",
                 "prometheus_redis")  # fmt: skip
    assert inactive(core, exporters) == {}
    assert (
        settings_of(core, "prometheus_postgres")["DATA_SOURCE_PASS"] == SECRETS["postgres_password"]
    )
    assert not core.is_active("promtail")
    assert settings_of(core, "rtpengine")["ENV"] == "lan"
    assert LAN["core-one"] in settings_of(core, "omnileads")["S3_ENDPOINT"]
    change(acme, prometheus_enable=False, infra_env="cloud")
    applied(worker, acme.queue("change"))
    assert not any(core.is_active(unit) for unit in exporters)
    assert settings_of(core, "rtpengine")["ENV"] == "cloud"
    assert "127.0.0.1" in settings_of(core, "omnileads")["S3_ENDPOINT"]
    assert core.is_active("postgresql")
    applied(worker, acme.queue("uninstall", params={"remove_data": True}))


# -- certificates --------------------------------------------------------------------------------


@pytest.fixture
def served(acme, machines) -> Hosted:
    """Return the tenant as if it were installed, with no certificate yet."""
    core = machines["core-one"]
    shutil.rmtree(core.root / CERTS, ignore_errors=True)
    (core.root / CERTS).mkdir(parents=True)
    (core.root / "var/lib/podman-double").mkdir(parents=True, exist_ok=True)
    shutil.copy(BINS / "certbot", core.root / "var/lib/podman-double/certbot")
    Stack.objects.filter(name="acme").update(resource_count=1)
    change(acme, fqdn=NAME)
    return acme


def used(machine) -> str:
    """Return the certificate that is in use; it is that of the key beside it."""
    folder = machine.root / CERTS
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
    return (folder / "cert.pem").read_text()


def issue(folder: Path, days: int, name: str = NAME) -> tuple[str, str]:
    """Return a certificate and its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days),
         "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", folder / "k.pem", "-out", folder / "c.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    return (folder / "c.pem").read_text(), (folder / "k.pem").read_text()


def test_a_self_signed_certificate_is_made_anew(served, worker, machines):
    core = machines["core-one"]
    applied(worker, served.queue("certificate"))
    first = used(core)
    run = applied(worker, served.queue("certificate"))
    assert used(core) != first
    assert [(n["host"], n["about"], n["is_loud"]) for n in notes(run)] == [
        ("core-one", "Certificate", False)
    ]
    assert "selfsigned, good until" in notes(run)[0]["text"] and "days" in log_of(run)
    assert f"subject CN={NAME}" in notes(run)[0]["text"]
    assert not (core.root / CERTS / "new").exists()


def test_a_certificate_of_ones_own_is_replaced_and_its_end_is_told(
    served, worker, machines, tmp_path
):
    core = machines["core-one"]
    certificate, key = issue(tmp_path, 10)
    services.set_secret(served.actor, served.stack(), "certificate_key", key)
    change(served, certs="custom", certificate=certificate)
    run = applied(worker, served.queue("certificate"))
    assert used(core) == certificate
    assert notes(run)[0]["is_loud"] and "Renew it" in notes(run)[0]["text"]
    # -- the status knows it, too
    status = applied(worker, served.queue("status", params={"component": "nginx"}))
    assert notes(status)[0]["is_loud"] and "custom, good until" in notes(status)[0]["text"]
    certificate, key = issue(tmp_path, 90)
    services.set_secret(served.actor, served.stack(), "certificate_key", key)
    change(served, certificate=certificate)
    run = applied(worker, served.queue("certificate"))
    assert used(core) == certificate and not notes(run)[0]["is_loud"]
    assert key.splitlines()[1] not in log_of(run)


def test_certbot_gets_it_renews_it_and_goes(served, worker, machines):
    core = machines["core-one"]
    change(served, certs="certbot", notification_email="ops@example.test")
    run = applied(worker, served.queue("certificate"))
    first = used(core)
    assert "certbot, good until" in notes(run)[0]["text"]
    asked = next(line for line in core.told() if " certonly " in line)
    assert "--server https://acme-v02.api.letsencrypt.org/directory" in asked
    assert f"--email ops@example.test --cert-name {NAME} --domain {NAME}" in asked
    assert core.run("systemctl is-enabled oml-certificate.timer").stdout.strip() == "enabled"
    # -- what is not due stays, unless somebody says so; a second run changes nothing
    assert changed(applied(worker, served.queue("certificate"))) == 0
    assert used(core) == first
    applied(worker, served.queue("certificate", params={"is_forced": True}))
    second = used(core)
    assert second != first
    # -- the timer's own run puts the new one in place and restarts what reads it
    (core.root / "etc/systemd/system/nginx.service").write_text(
        "[Service]\nExecStart=/bin/sleep infinity\n"
    )
    core.run("systemctl daemon-reload && systemctl start nginx")
    before = core.run("systemctl show -p MainPID nginx").stdout
    (core.root / "var/lib/podman-double/due").touch()
    core.run("systemctl start oml-certificate.service")
    assert used(core) != second
    assert core.run("systemctl show -p MainPID nginx").stdout != before
    core.run("systemctl stop nginx && rm /etc/systemd/system/nginx.service")
    # -- another choice takes the timer off
    change(served, certs="selfsigned")
    applied(worker, served.queue("certificate"))
    assert not (core.root / "etc/systemd/system/oml-certificate.timer").exists()
    # -- an authority that refuses leaves what is in use
    kept = used(core)
    change(served, certs="certbot", fqdn="refused.example.test")
    run = do(worker, served.queue("certificate"))
    assert run.status == S.ERRORED and used(core) == kept
    assert "Challenge failed for domain refused" in run.error_text and "port 80" in run.error_text
    # -- uninstall leaves account and certificates, unless it is told that data goes, too
    account = core.root / "etc/omnileads/letsencrypt"
    applied(worker, served.queue("uninstall"))
    assert (account / "live" / NAME).exists() and not (core.root / CERTS).exists()
    assert not (core.root / "etc/systemd/system/oml-certificate.timer").exists()
    applied(worker, served.queue("uninstall", params={"remove_data": True}))
    assert not account.exists()


# -- bad hosts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("has_sudo", [True, False])
def test_a_user_who_may_not_become_root_is_told(acme, worker, machines, has_sudo):
    core = machines["core-one"]
    sudo = core.root / "usr/bin/sudo"
    core.run("id ops >/dev/null 2>&1 || useradd --create-home --password '*' --shell /bin/sh ops")
    if has_sudo:
        sudo.write_text(SUDO)
        sudo.chmod(0o755)
    hosts.change_host(acme.actor, acme.host("core-one"), user="ops")
    try:
        run = do(worker, acme.queue("install"))
    finally:
        sudo.unlink(missing_ok=True)
    assert (run.status, run.error["code"]) == (S.ERRORED, "SudoRefused"), log_of(run)
    assert "core-one" in run.error_text and "sudo without a password" in run.error_text
    assert acme.stack().condition == "errored" and not acme.stack().is_installed


@pytest.mark.parametrize("where", ["etc/default", "etc/systemd/system"])
def test_a_full_disk_is_told_with_the_next_step(acme, worker, machines, where):
    core = machines["core-one"]
    core.run(
        f"mkdir -p /etc/omnileads && cp -a /{where} /var/tmp/kept"
        f" && mount -t tmpfs -o size=256k tmpfs /{where} && cp -a /var/tmp/kept/. /{where}/"
        f" && dd if=/dev/zero of=/{where}/filler bs=4k 2>/dev/null; df /{where}"
    )
    try:
        run = do(worker, acme.queue("install"))
    finally:
        core.run(f"umount /{where}; rm -rf /var/tmp/kept")
    assert (run.status, run.error["code"]) == (S.ERRORED, "HostDiskFull"), (
        run.error_text, log_of(run),
    )  # fmt: skip
    assert "core-one" in run.error_text and "Make room" in run.error_text
    assert acme.stack().condition == "errored" and not acme.stack().is_installed
