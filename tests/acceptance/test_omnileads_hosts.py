"""The contact centre on two throw-away hosts: real systemd and sshd, a double of podman alone."""

import subprocess
from pathlib import Path

import pytest

from deployments.errors import InstalledAlready
from deployments.models import InstancesRecord, Run
from deployments.runstatus import RunStatus
from tenants import actors, hosts, services
from tenants.models import Stack
from tests import nspawnhosts
from tests.factories import make_region
from tests.hosted import Hosted, do, log_of

pytestmark = [
    pytest.mark.aside,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(nspawnhosts.why_not()), reason=nspawnhosts.why_not()),
]
S = RunStatus
HCL = Path(__file__).parents[2] / "hcl_template"
APP_UNITS = ("postgresql", "redis", "minio", "kamailio", "omnileads", "daphne", "omlcron",
             "websockets", "nginx")  # fmt: skip
VOICE_UNITS = ("rtpengine", "asterisk")
SECRETS = {
    "postgres_password": "pg-word-of-acme-1",
    "ami_password": "ami-word-of-acme-2",
    "admin_password": "admin-word-of-acme-3",
    "minio_password": "minio-word-of-acme-4",
    "bucket_access_key": "access-of-acme-5",
    "bucket_secret_key": "bucket-word-of-acme-6",
}


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Return two hosts that were just booted."""
    with nspawnhosts.booted(tmp_path_factory.mktemp("booted"), ("app-one", "voice-one")) as made:
        yield made


@pytest.fixture
def acme(settings, places, machines, worker, tmp_path, answering) -> Hosted:
    """Return the tenant acme whose hosts are known; nothing of it is installed."""
    settings.BLUEPRINT_ROOT = HCL
    settings.SILENCE_TIMEOUT_S = nspawnhosts.SILENCE_S
    settings.INSTANCES_REMOTE = str(tmp_path / "instances.git")
    actor = actors.system("test")
    tenant = services.create_tenant(
        actor, name="acme", region=make_region(slug="site", probe=answering),
        blueprint="omnileads-hosts",
        time_zone="America/Argentina/Cordoba",
    )  # fmt: skip
    for name, value in SECRETS.items():
        services.set_secret(actor, tenant.stack, name, value)
    versions = ("django", "websockets", "nginx", "kamailio", "asterisk", "rtpengine")
    inputs = {f"{name}_version": "230215.01" for name in versions}
    services.save_inputs(actor, tenant.stack, {**inputs, "minio_image": "quay.io/minio/minio:1"})
    for name, machine in machines.items():
        hosts.add_host(
            actor, tenant.stack, name=name, role=name.partition("-")[0], address="127.0.0.1",
            port=machine.port, ssh_key=machine.key,
        )  # fmt: skip
    made = Hosted(actor, tmp_path, machines)
    do(worker, made.queue("contact"))
    made.pin_all()
    return made


def applied(worker, run: Run) -> Run:
    """Do a run that has to succeed."""
    run = do(worker, run)
    assert run.status in (S.APPLIED, S.PLANNED_AND_FINISHED), (run.error_text, log_of(run))
    return run


def changed(run: Run) -> int:
    """Return how many tasks changed something in a run's playbooks."""
    steps = run.steps.filter(kind__in=("ansible.playbook", "ansible.check"))
    return sum(step.progress["totals"]["changed"] for step in steps)


def change(acme: Hosted, **values: object) -> None:
    services.save_inputs(acme.actor, acme.stack(), values)


def inactive(machine, units) -> dict[str, str]:
    """Return the units that do not run, with what systemd says of them."""
    found = {}
    for unit in units:
        if not machine.is_active(unit):
            found[unit] = machine.run(f"systemctl status --no-pager {unit}", check=False).stdout
    return found


def starts(machine, unit: str) -> int:
    """Return how often a container of a unit was started."""
    return sum(f"--env-file=/etc/default/{unit}.env" in line for line in machine.told())


def test_the_life_of_a_tenant_on_two_hosts(acme, worker, machines):  # noqa: PLR0915 in order
    app, voice = machines["app-one"], machines["voice-one"]
    # -- install
    run = applied(worker, acme.queue("install"))
    assert inactive(app, APP_UNITS) == {}
    assert inactive(voice, VOICE_UNITS) == {}
    assert not app.is_active("asterisk") and not voice.is_active("nginx")
    settings = app.root / "etc/default/omnileads.env"
    assert settings.stat().st_mode & 0o777 == 0o600
    assert f"PGPASSWORD={SECRETS['postgres_password']}\n" in settings.read_text()
    assert "TZ=America/Argentina/Cordoba" in settings.read_text()
    assert (app.root / "etc/omnileads/certs/key.pem").stat().st_mode & 0o777 == 0o600
    said = (app.root / "var/lib/podman-double/said").read_text()
    assert SECRETS["admin_password"] in said
    # -- nothing of a secret is in log, progress, or the repository
    told = log_of(run) + str(list(run.steps.values_list("progress", flat=True)))
    record = InstancesRecord.objects.get(run=run)
    told += str(record.files) + "\n".join(app.told() + voice.told())
    assert [name for name, value in SECRETS.items() if value in told] == []
    assert "secret:postgres_password#1" in record.files["inventory.yml"]
    assert "app-one" in record.files["inventory.yml"]
    used = (app.root / "etc/omnileads/certs/cert.pem").read_text()
    assert record.files["certificate-app-one.pem"] == used
    assert "PRIVATE KEY" not in str(record.files)
    # -- a second run changes nothing
    again = applied(worker, acme.queue("change"))
    assert changed(again) == 0, log_of(again)
    # -- another certificate: what reads it restarts, nothing else, and the repository has it
    before = {unit: starts(app, unit) for unit in APP_UNITS}
    renewed = applied(worker, acme.queue("certificate"))
    after = {unit: starts(app, unit) for unit in APP_UNITS}
    assert {u for u in APP_UNITS if after[u] != before[u]} == {"kamailio", "nginx"}
    assert inactive(app, APP_UNITS) == {}
    record = InstancesRecord.objects.get(run=renewed)
    used, old = (app.root / "etc/omnileads/certs/cert.pem").read_text(), used
    assert record.files["certificate-app-one.pem"] == used != old
    assert "inventory.yml" in record.files
    # -- installing once more would set the administrator back
    with pytest.raises(InstalledAlready) as refused:
        acme.queue("install")
    assert "Upgrade" in str(refused.value) and "Make a component anew" in str(refused.value)
    # -- one tag: one unit restarts, and the old image is gone from it
    before = {unit: starts(app, unit) for unit in APP_UNITS}
    change(acme, nginx_version="230301.01")
    applied(worker, acme.queue("upgrade", params={"backup": False}))
    unit = (app.root / "etc/systemd/system/nginx.service").read_text()
    assert "nginx:230301.01" in unit and "230215.01" not in unit
    after = {unit: starts(app, unit) for unit in APP_UNITS}
    assert {u for u in APP_UNITS if after[u] != before[u]} == {"nginx"}
    # -- a check tells what somebody changed by hand
    assert changed(applied(worker, acme.queue("check"))) == 0
    with open(app.root / "etc/default/redis.env", "a") as file:
        file.write("BIND_IP=0.0.0.0\n")
    assert applied(worker, acme.queue("check")).drift_count >= 1
    assert acme.stack().condition == "drift"
    applied(worker, acme.queue("component", params={"component": "redis"}))
    assert "0.0.0.0" not in (app.root / "etc/default/redis.env").read_text()
    # -- status, stop, start
    status = applied(worker, acme.queue("status", params={"component": "asterisk"}))
    assert "Active: active (running)" in log_of(status) and "container of run" in log_of(status)
    applied(worker, acme.queue("stop"))
    assert not any(app.is_active(unit) for unit in APP_UNITS)
    applied(worker, acme.queue("start"))
    assert inactive(app, APP_UNITS) == {}
    # -- uninstall keeps the data, unless told otherwise
    applied(worker, acme.queue("uninstall"))
    assert not any(app.is_active(unit) for unit in APP_UNITS)
    assert not (app.root / "etc/systemd/system/nginx.service").exists()
    assert not (app.root / "etc/default/omnileads.env").exists()
    volumes = app.root / "var/lib/podman-double/volumes"
    assert (volumes / "oml_postgres").exists()
    assert not acme.stack().is_installed
    applied(worker, acme.queue("uninstall", params={"remove_data": True}))
    assert not (volumes / "oml_postgres").exists()


def test_a_tag_that_does_not_exist_is_told(acme, worker):
    change(acme, rtpengine_version="not-there")
    run = do(worker, acme.queue("install"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "ImageMissing"), log_of(run)
    assert "voice-one" in run.error_text and "Fetch the image" in run.error_text
    assert "Choose a tag" in run.error_text
    assert "manifest unknown" in log_of(run)
    assert acme.stack().condition == "errored" and not acme.stack().is_installed


def test_a_certificate_that_does_not_match_its_key_changes_nothing(
    acme, worker, machines, tmp_path
):
    for name in ("one", "two"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=acme.example.test", "-keyout", tmp_path / f"{name}.key",
             "-out", tmp_path / f"{name}.crt"],
            check=True, capture_output=True,
        )  # fmt: skip
    certificate = (tmp_path / "one.crt").read_text()
    change(acme, certs="custom", certificate=certificate, fqdn="acme.example.test")
    services.set_secret(acme.actor, acme.stack(), "certificate_key",
                        (tmp_path / "two.key").read_text())  # fmt: skip
    used = machines["app-one"].root / "etc/omnileads/certs/cert.pem"
    used.parent.mkdir(parents=True, exist_ok=True)
    kept = used.read_bytes() if used.exists() else None
    used.write_text("the certificate that is in use\n")
    run = do(worker, acme.queue("install"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "PlaybookFailed"), log_of(run)
    assert "does not match its key" in run.error_text
    assert used.read_text() == "the certificate that is in use\n"
    if kept is None:
        used.unlink()
    else:
        used.write_bytes(kept)
    # -- the right key, and a name that the certificate is not for
    services.set_secret(acme.actor, acme.stack(), "certificate_key",
                        (tmp_path / "one.key").read_text())  # fmt: skip
    change(acme, fqdn="globex.example.test")
    run = do(worker, acme.queue("install"))
    assert "is not for globex.example.test" in run.error_text
    key = (tmp_path / "one.key").read_text().splitlines()[1]
    assert key not in log_of(run)


def test_a_tag_that_moves_is_written_down_as_what_it_is(acme, worker, machines):
    change(acme, rtpengine_version="latest")
    run = applied(worker, acme.queue("install"))
    voice = machines["voice-one"]
    unit = voice.root / "etc/systemd/system/rtpengine.service"
    assert "rtpengine@sha256:" in unit.read_text()
    assert "rtpengine:latest moves; now it is" in log_of(run)
    assert changed(applied(worker, acme.queue("change"))) == 0
    # -- the registry has another one under the same tag
    before = unit.read_text()
    (voice.root / "var/lib/podman-double/moved").write_text("on")
    applied(worker, acme.queue("upgrade", params={"backup": False}))
    assert unit.read_text() != before


def test_a_system_that_is_not_known_is_refused(acme, worker, machines):
    release = machines["voice-one"].root / "etc/os-release"
    known = release.read_text()
    release.unlink()
    release.write_text(
        'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="10"\nVERSION="10 (buster)"\n'
    )
    (machines["voice-one"].root / "etc/debian_version").write_text("10.13\n")
    try:
        run = do(worker, acme.queue("install"))
    finally:
        release.write_text(known)
        (machines["voice-one"].root / "etc/debian_version").write_text("12.5\n")
    assert run.status == S.ERRORED
    assert "is not supported" in run.error_text and "Debian 10" in run.error_text
    assert not Stack.objects.get(name="acme").is_installed
