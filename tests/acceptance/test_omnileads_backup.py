"""Backup, restore and rollback of the contact centre on a host: a real bucket, real files.

Real systemd, sshd and S3 (moto's server); `podman` alone is a double: its database is a file.
"""

import json

import pytest

from deployments.models import Backup, RestorePoint, Run
from deployments.runstatus import RunStatus
from deployments.services import retry_run
from tenants import actors, hosts, services
from tests import nspawnhosts
from tests.acceptance.test_omnileads_hosts import HCL, SECRETS, applied, change, inactive
from tests.acceptance.test_omnileads_places import notes
from tests.factories import make_region
from tests.hosted import Hosted, do, log_of

pytestmark = [
    pytest.mark.aside,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(900),
    pytest.mark.skipif(bool(nspawnhosts.why_not()), reason=nspawnhosts.why_not()),
]
S = RunStatus
ROLES = {"core-one": "app", "voice-one": "voice"}
UNITS = ("kamailio", "omnileads", "daphne", "omlcron", "websockets", "nginx")
CUSTOM = "etc/asterisk/custom"
DATABASE = "var/lib/podman-double/volumes/oml_postgres"
BEFORE = "users: alice, bob\ncalls: 17\n"
VERSIONS = ("django", "websockets", "nginx", "kamailio", "asterisk", "rtpengine")


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Return two hosts that were just booted."""
    with nspawnhosts.booted(tmp_path_factory.mktemp("booted"), tuple(ROLES)) as made:
        yield made


@pytest.fixture
def s3(aws):
    """Return a client of the test's own at a store with the tenant's bucket."""
    client = aws.client("s3")
    client.create_bucket(
        Bucket="acme-data", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    )
    return client


@pytest.fixture
def acme(settings, places, machines, worker, tmp_path, answering, aws, s3) -> Hosted:
    """Return the tenant acme, installed on two hosts, with something that can be lost."""
    settings.BLUEPRINT_ROOT = HCL
    settings.SILENCE_TIMEOUT_S = nspawnhosts.SILENCE_S
    settings.INSTANCES_REMOTE = str(tmp_path / "instances.git")
    actor = actors.system("test")
    region = make_region(slug="site", probe=answering)
    tenant = services.create_tenant(actor, name="acme", region=region, blueprint="omnileads-hosts")
    for name, value in SECRETS.items():
        services.set_secret(actor, tenant.stack, name, value)
    inputs = {f"{name}_version": "230215.01" for name in VERSIONS}
    store = {"bucket_url": aws.url, "bucket_name": "acme-data", "bucket_region": "us-east-2"}
    services.save_inputs(actor, tenant.stack, {**inputs, **store})
    for name, machine in machines.items():
        hosts.add_host(
            actor, tenant.stack, name=name, role=ROLES[name], address="127.0.0.1",
            port=machine.port, ssh_key=machine.key,
        )  # fmt: skip
    made = Hosted(actor, tmp_path, machines)
    do(worker, made.queue("contact"))
    made.pin_all()
    applied(worker, made.queue("install"))
    (machines["core-one"].root / DATABASE).write_text(BEFORE)
    custom = machines["voice-one"].root / CUSTOM
    (custom / "sounds").mkdir()
    (custom / "extensions.conf").write_text("[own]\n")
    (custom / "sounds" / "hello.wav").write_bytes(b"\0wave")
    (custom / "extensions.conf").chmod(0o640)
    return made


def objects(s3) -> dict[str, int]:
    """Return key and size of all that the bucket holds."""
    found = s3.list_objects_v2(Bucket="acme-data").get("Contents", ())
    return {one["Key"]: one["Size"] for one in found}


def files(folder) -> dict[str, tuple[bytes, int]]:
    """Return the files below a folder with content and mode."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in folder.rglob("*")
        if path.is_file()
    }


def copies(machine) -> list[str]:
    """Return what of a backup stays on a host."""
    kept = (machine.root / "var/lib/omnileads", machine.root / "etc/asterisk")
    return [
        str(path)
        for folder in kept
        for path in folder.glob("*")
        if path.name.startswith(("backup", "custom."))
    ]


def test_what_is_lost_comes_back_and_nothing_else(acme, worker, machines, s3):  # noqa: PLR0915
    core, voice = machines["core-one"], machines["voice-one"]
    database, custom = core.root / DATABASE, voice.root / CUSTOM
    kept = files(custom)
    # -- a backup is all of it, written down last; nothing of it stays on the hosts
    run = applied(worker, acme.queue("backup"))
    (row,) = Backup.objects.filter(stack=acme.stack())
    assert (row.component, row.run_id, row.key) == ("tenant", run.pk, f"backup/acme/{row.name}/")
    held = objects(s3)
    names = ("asterisk-voice-one.tar.gz", "database.dump", "manifest.json")
    assert sorted(held) == [f"{row.key}{name}" for name in names]
    assert row.size == sum(held.values()) and row.is_fresh()
    body = s3.get_object(Bucket="acme-data", Key=f"{row.key}manifest.json")["Body"].read()
    written = json.loads(body)
    assert (written["tenant"], written["versions"]["django"]) == ("acme", "230215.01")
    assert written["stack"] == acme.stack().public_id
    assert copies(core) == copies(voice) == []
    assert [note["about"] for note in notes(run)] == ["Backup"] and row.name in log_of(run)
    # -- an upgrade keeps a point; the fresh backup is enough for it
    change(acme, django_version="230301.01", nginx_version="230301.01")
    applied(worker, acme.queue("upgrade"))
    assert Backup.objects.count() == 1
    point = RestorePoint.objects.get()
    assert point.versions["django"] == "230215.01" and point.backups == {"tenant": row.key}
    # -- damage, and a restore
    database.write_text("users: mallory\nrefused here\n")
    (custom / "extensions.conf").unlink()
    (custom / "sounds" / "hello.wav").write_bytes(b"noise")
    (custom / "added.conf").write_text("[added]\n")
    run = applied(worker, acme.queue("restore", params={"backup": row.name}))
    assert database.read_text() == BEFORE
    assert files(custom) == kept
    assert inactive(core, UNITS) == {} and inactive(voice, ("asterisk", "rtpengine")) == {}
    assert copies(core) == copies(voice) == []
    assert any(note["about"] == "Versions" and note["is_loud"] for note in notes(run))
    # -- what was there before the restore is a backup, too
    before = Backup.objects.exclude(pk=row.pk).get()
    assert before.run_id == run.pk
    dump = s3.get_object(Bucket="acme-data", Key=f"{before.key}database.dump")["Body"].read()
    assert b"mallory" in dump
    # -- one component goes back, and the data stays
    applied(worker, acme.queue("rollback", params={"point": point.public_id, "component": "nginx"}))
    inputs = acme.stack().applied_inputs
    assert (inputs["nginx_version"], inputs["django_version"]) == ("230215.01", "230301.01")
    assert "nginx:230215.01" in (core.root / "etc/systemd/system/nginx.service").read_text()
    assert database.read_text() == BEFORE
    no_restore_that_harms(acme, worker, machines, s3, row, before)
    # -- the list follows the bucket
    for key in objects(s3):
        if key.startswith(before.key):
            s3.delete_object(Bucket="acme-data", Key=key)
    s3.put_object(Bucket="acme-data", Key="backup/acme/20200101T000000Z/database.dump", Body=b"x")
    assert Backup.objects.filter(name=before.name).exists()
    applied(worker, acme.queue("backups"))
    assert not Backup.objects.filter(name__startswith="2020").exists()
    assert before.name not in Backup.objects.values_list("name", flat=True)
    assert Backup.objects.get(name=row.name).run_id == row.run_id
    of_a_managed_database(acme, worker, core)
    # -- with the data goes what is Asterisk's own, and always what a broken run left
    left = core.root / "var/lib/omnileads/backup"
    left.mkdir(parents=True)
    (left / "database.env").write_text("PGPASSWORD=left\n")
    applied(worker, acme.queue("uninstall", params={"remove_data": True}))
    assert not left.exists() and not custom.exists()
    # -- no key and no password on a command line, in a log or in an event
    told = "\n".join(core.told() + voice.told())
    for run in Run.objects.all():
        told += log_of(run) + str(list(run.steps.values_list("progress", "params")))
    assert [name for name, value in SECRETS.items() if value in told] == []


def no_restore_that_harms(acme, worker, machines, s3, row, bad) -> None:
    """What was cut, what is refused, what breaks half-way: each leaves what is there."""
    core, voice = machines["core-one"], machines["voice-one"]
    database, custom = core.root / DATABASE, voice.root / CUSTOM
    database.write_text("users: carol\n")
    kept = files(custom)
    started = pids(core, voice)

    def refused(code: str, **params) -> Run:
        run = do(worker, acme.queue("restore", params={"backup": row.name, **params}))
        assert (run.status, run.error["code"]) == (S.ERRORED, code), (run.error_text, log_of(run))
        assert database.read_text() == "users: carol\n" and files(custom) == kept
        assert copies(core) == copies(voice) == []
        return run

    what_is_refused_at_once(acme, core, s3, row, refused)
    assert pids(core, voice) == started
    # -- an object that was cut, on one of two hosts: the other one does not go on alone
    key = f"{row.key}asterisk-voice-one.tar.gz"
    body = s3.get_object(Bucket="acme-data", Key=key)["Body"].read()
    s3.put_object(Bucket="acme-data", Key=key, Body=body[:-7])
    run = refused("PlaybookFailed")
    assert "is not what was backed up" in run.error_text and "voice-one" in run.error_text
    # -- nor is it done on the failed host alone
    rest = do(worker, retry_run(acme.actor, run, typed_name="acme", only_failed=True))
    assert "core-one is not in this run, and half a backup is none" in rest.error_text
    assert pids(core, voice) == started and files(custom) == kept
    s3.put_object(Bucket="acme-data", Key=key, Body=body)
    # -- a database that refuses half-way takes nothing of it, and all is started again
    run = refused("PlaybookFailed", backup=bad.name, is_kept=False)
    assert "Bring the database back" in run.error_text and "shared memory" in run.error_text
    assert inactive(core, UNITS) == {} and inactive(voice, ("asterisk", "rtpengine")) == {}
    # -- a backup that cannot be put away is none: no row, no object
    rows, held = Backup.objects.count(), objects(s3)
    applied_as(acme, bucket_name="nowhere")
    run = do(worker, acme.queue("backup"))
    assert (run.status, run.error["code"]) == (S.ERRORED, "PlaybookFailed"), log_of(run)
    assert "NoSuchBucket" in run.error_text and "bucket_name" in run.error_text
    assert Backup.objects.count() == rows and objects(s3) == held
    assert acme.stack().state_suspect is False
    applied_as(acme, bucket_name="acme-data")


def what_is_refused_at_once(acme, core, s3, row, refused) -> None:
    """Nothing stops for a version, a user or a backup that is not right."""
    # -- a version that is known to lose data
    stack = acme.stack()
    stack.applied_release = "OMniLeads 2.2.1"
    stack.save(update_fields=["applied_release"])
    assert "2.2.1" in refused("VersionRefused").error_text
    stack.applied_release = ""
    stack.save(update_fields=["applied_release"])
    # -- a user of the database who may not empty it
    may = core.root / "var/lib/podman-double/may"
    may.write_text("f\n")
    run = refused("PlaybookFailed")
    assert "ALTER SCHEMA public OWNER TO" in run.error_text
    may.unlink()
    # -- one of a tenant that is gone and had the same name
    manifest = f"{row.key}manifest.json"
    told = s3.get_object(Bucket="acme-data", Key=manifest)["Body"].read()
    other = json.dumps(json.loads(told) | {"stack": "stk_gone"}).encode()
    s3.put_object(Bucket="acme-data", Key=manifest, Body=other)
    assert "another tenant" in refused("PlaybookFailed").error_text
    s3.put_object(Bucket="acme-data", Key=manifest, Body=told)


def of_a_managed_database(acme, worker, core) -> None:
    """The dump comes by its own address, the password by a file."""
    # -- what is wanted and was not applied is no place of what runs
    change(acme, postgres_host="new.example.test", bucket_name="empty")
    run = applied(worker, acme.queue("backup"))
    assert Backup.objects.filter(run=run).exists()
    assert not [line for line in core.told() if "new.example.test" in line]
    applied(worker, acme.queue("backups"))
    assert Backup.objects.filter(run=run).exists()
    change(acme, postgres_host="", bucket_name="acme-data")
    # -- what was applied is
    applied_as(acme, postgres_host="db.example.test", postgres_port=6432)
    (core.root / "var/lib/podman-double/managed").write_text("managed\n")
    applied(worker, acme.queue("backup"))
    asked = next(line for line in core.told() if " pg_dump " in line and "run --rm" in line)
    assert "--host=db.example.test --port=6432" in asked and "--env-file=" in asked
    assert copies(core) == []


def applied_as(acme, **values) -> None:
    """Let the stack count as brought to these inputs, without the time that it takes."""
    stack = acme.stack()
    stack.applied_inputs |= values
    stack.save(update_fields=["applied_inputs"])


def pids(*machines) -> list[str]:
    """Return the main processes of what writes."""
    ask = "systemctl show --property=MainPID omnileads nginx asterisk"
    return [machine.run(ask).stdout for machine in machines]
