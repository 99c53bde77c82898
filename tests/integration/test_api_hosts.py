"""What the API does with hosts, secret values, cloud accounts and workers."""

import pytest
import yaml
from django.utils import timezone

from deployments.models import Maintenance, WorkerHost
from tenants import actors, hosts, secrets, services
from tenants.models import AuditEntry, CloudAccount, Host, Stack
from tests import factories
from tests.integration.apicalls import caller

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGt0u9bTJpSOxVsuOHD1zQG8XbyMQyPBG1r3QpWgYFeD"
HOST = {"name": "app-one", "role": "app", "address": "192.0.2.7"}
SYSTEM = actors.system("test")
pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(settings):
    return caller(settings, factories.make_user("ada", role="admin"))


@pytest.fixture
def operator(settings):
    return caller(settings, factories.make_user("oscar", role="operator"))


@pytest.fixture
def stack(throw_away: None) -> Stack:
    tenant = services.create_tenant(
        SYSTEM, name="acme", region=factories.make_region(), blueprint="hosted"
    )
    return tenant.stack


def the_entry(action: str) -> AuditEntry:
    """Return the only entry of this action."""
    return AuditEntry.objects.get(action=action)


def test_a_host_is_added_changed_and_removed(operator, stack: Stack):
    made = operator("post", f"stacks/{stack.public_id}/hosts", HOST)
    assert made.status_code == 201, made.content
    path = made["Location"].removeprefix("/api/v1/")
    assert made.json()["port"] == 22 and path == f"hosts/{made.json()['id']}"
    assert the_entry("machine.add").origin == "api"
    changed = operator("patch", path, {"address": "192.0.2.9"})
    assert (changed.status_code, changed.json()["address"]) == (200, "192.0.2.9")
    listed = operator("get", f"stacks/{stack.public_id}/hosts").json()["items"]
    assert [one["name"] for one in listed] == ["app-one"]
    removed = operator("post", f"{path}/remove", {"reason": "old"})
    assert removed.status_code == 200 and removed.json()["archived_at"]
    assert the_entry("machine.remove").reason == "old"
    assert operator("get", f"stacks/{stack.public_id}/hosts").json()["items"] == []
    again = operator("patch", path, {"address": "192.0.2.10"})
    assert (again.status_code, again.json()["code"]) == (409, "ArchivedAlready")
    wrong = operator("post", f"stacks/{stack.public_id}/hosts", HOST | {"role": "king"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "HostRefused")


def test_a_host_key_is_confirmed_by_its_fingerprint(operator, stack: Stack):
    host = hosts.add_host(SYSTEM, stack, **HOST)
    hosts.note_key(host, KEY)
    path = f"hosts/{host.public_id}"
    offered = operator("get", path).json()["offered_fingerprint"]
    wrong = operator("post", f"{path}/pin", {"fingerprint": "SHA256:another"})
    assert (wrong.status_code, wrong.json()["code"]) == (409, "HostKeyNotOffered")
    pinned = operator("post", f"{path}/pin", {"fingerprint": offered}).json()
    assert (pinned["fingerprint"], pinned["offered_fingerprint"]) == (offered, "")
    assert the_entry("machine.pin").actor_name == "oscar"


def test_an_ssh_key_goes_in_never_out_and_null_takes_it_off(operator, stack: Stack, key: str):
    made = operator("post", f"stacks/{stack.public_id}/hosts", HOST | {"ssh_key": key})
    assert made.status_code == 201 and made.json()["has_ssh_key"] is True
    assert key.split("\n")[1] not in made.content.decode()
    path = f"hosts/{made.json()['id']}"
    assert operator("patch", path, {"user": "ops"}).json()["has_ssh_key"] is True
    assert operator("patch", path, {"ssh_key": None}).json()["has_ssh_key"] is False


@pytest.fixture
def key() -> str:
    from cryptography.hazmat.primitives import serialization as how
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    return made.private_bytes(
        how.Encoding.PEM, how.PrivateFormat.OpenSSH, how.NoEncryption()
    ).decode()


def test_an_inventory_is_told_first_then_added_and_given_out(operator, stack: Stack):
    members = {"omnileads_app": {"ansible_host": "192.0.2.7"}}
    variables = {"dialer": "x", "password": "s3cret-word"}
    text = yaml.safe_dump({"all": {"hosts": members, "vars": variables}})
    path = f"stacks/{stack.public_id}/inventory"
    told = operator("post", path, {"inventory": text})
    assert told.status_code == 200, told.content
    assert not Host.objects.exists() and told.json()["is_taken"] is False
    assert [one["old"] for one in told.json()["left"]] == ["dialer"]
    assert told.json()["secrets"] == ["password"]
    assert "s3cret-word" not in told.content.decode()
    done = operator("post", path, {"inventory": text, "is_dry_run": False}).json()
    assert [host["name"] for host in done["hosts"]] == ["omnileads-app"]
    assert Host.objects.get().address == "192.0.2.7"
    file = operator("get", path)
    assert AuditEntry.objects.get(action="export").after == {"what": "inventory.yml"}
    assert file["Content-Type"] == "application/yaml"
    assert "omnileads-app" in yaml.safe_load(file.content)["all"]["hosts"]
    broken = operator("post", path, {"inventory": "all: ["})
    assert (broken.status_code, broken.json()["code"]) == (422, "InventoryUnreadable")


def test_a_secret_output_is_shown_to_who_may_and_the_trail_says_so(admin, operator, settings):
    stack = factories.make_tenant("acme").stack
    secrets.store(stack, "admin_password", "s3cret-of-acme", kind="output")
    seen = operator("get", f"stacks/{stack.public_id}").json()
    assert seen["secret_outputs"] == ["admin_password"]
    path = f"stacks/{stack.public_id}/outputs/admin_password/reveal"
    assert operator("post", path).status_code == 403
    shown = admin("post", path)
    assert shown.json() == {"name": "admin_password", "value": "s3cret-of-acme"}
    assert shown["Cache-Control"] == "no-store"
    assert the_entry("stack.secret_shown").after == {"output": "admin_password"}
    assert admin("post", path.replace("admin_", "other_")).status_code == 404


def test_what_a_run_handed_over_is_shown_once(admin):
    steps = [{"kind": "secret.hand_over", "params": {}}]
    run = factories.make_run(factories.make_tenant("acme"), "applied", steps_wanted=steps)
    secrets.store(run.stack, f"run-{run.number}.password", "new-password", kind="handed")
    path = f"runs/{run.public_id}/handed/password/reveal"
    assert admin("post", path).json()["value"] == "new-password"
    again = admin("post", path)
    assert (again.status_code, again.json()["code"]) == (409, "NothingHanded")
    assert the_entry("stack.secret_shown").run_id == run.public_id


def test_a_cloud_account_takes_a_secret_key_and_never_gives_it(admin, operator):
    body = {"name": "north", "provider": "aws", "access_key_id": "AKIA1", "secret_key": "k" * 40}
    assert operator("post", "accounts", body).status_code == 403
    made = admin("post", "accounts", body)
    assert made.status_code == 201 and made.json()["has_secret_key"] is True
    assert "k" * 40 not in made.content.decode()
    path = f"accounts/{made.json()['id']}"
    changed = admin("patch", path, {"account_number": "123456789012"})
    assert (changed.status_code, changed.json()["account_number"]) == (200, "123456789012")
    assert changed.json()["has_secret_key"] is True
    gone = admin("patch", path, {"access_key_id": ""}).json()
    assert gone["has_secret_key"] is False
    assert [row["name"] for row in admin("get", "accounts?provider=aws").json()["items"]] == [
        "north"
    ]
    half = admin("patch", path, {"access_key_id": "AKIA2"})
    assert (half.status_code, half.json()["code"]) == (422, "PlaceRefused")
    assert admin("post", f"{path}/archive", {"reason": "unused"}).json()["archived_at"]
    actions = ["account.create", "account.change", "account.archive"]
    kept = AuditEntry.objects.filter(action__startswith="account.").order_by("pk")
    assert list(dict.fromkeys(kept.values_list("action", flat=True))) == actions


def test_an_account_is_checked_at_its_provider(admin):
    account = CloudAccount.objects.create(name="bare", provider="aws")
    found = admin("post", f"accounts/{account.public_id}/check").json()["items"]
    assert [(one["code"], one["status"]) for one in found] == [("identity", "failed")]
    assert "no access key" in found[0]["detail"]
    lab = factories.make_region().account
    found = admin("post", f"accounts/{lab.public_id}/check").json()["items"]
    assert [one["status"] for one in found] == ["ok"]


def test_a_regions_secret_address_and_backend_settings_change(admin):
    region = factories.make_region(state_backend="pg")
    path, address = f"regions/{region.public_id}", "postgres://u:pw-of-states@db.example/x"
    refused = admin("patch", path, {"title": "Oslo"})
    assert (refused.status_code, refused.json()["code"]) == (422, "PlaceRefused")
    done = admin("patch", path, {"title": "Oslo", "conn_str": address})
    assert done.status_code == 200 and done.json()["has_conn_str"] is True
    assert "pw-of-states" not in done.content.decode()
    wrong = admin("patch", path, {"backend_config": {"bucket": "x"}})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "PlaceRefused")
    assert the_entry("region.change").after["secret"] == "(changed)"


def test_workers_are_drained_and_declared_gone(admin, operator):
    heard = timezone.now() - timezone.timedelta(hours=3)
    WorkerHost.objects.create(host_id="h1", name="h1", capacity=1, heartbeat_at=heard)
    assert operator("post", "workers/h1/drain", {"on": True}).status_code == 403
    assert admin("post", "workers/h1/drain", {"on": True}).json()["is_draining"] is True
    lost = admin("post", "workers/h1/gone", {"reason": "burnt"})
    assert (lost.status_code, lost.json()) == (200, {"lost_runs": 0})
    assert the_entry("host.gone").reason == "burnt"
    assert admin("get", "workers").json()["items"] == []
    assert admin("post", "workers/h2/drain", {"on": False}).status_code == 404


def test_the_fleet_is_paused_and_goes_on(admin, operator):
    assert admin("put", "maintenance", {"on": True}).status_code == 422
    done = admin("put", "maintenance", {"on": True, "reason": "new racks"})
    assert (done.status_code, done.json()["is_on"]) == (200, True)
    assert operator("get", "maintenance").json()["reason"] == "new racks"
    assert operator("put", "maintenance", {"on": False}).status_code == 403
    assert admin("put", "maintenance", {"on": False}).json()["is_on"] is False
    assert Maintenance.objects.get().ended_at
    assert AuditEntry.objects.filter(action="maintenance.change").count() == 2


def test_a_lists_next_page_is_a_link_header(operator):
    for _ in range(3):
        factories.make_run()
    first = operator("get", "runs?limit=2")
    assert first["Link"] == f'<{first.json()["next"]}>; rel="next"'
    last = operator("get", first.json()["next"].partition("/api/v1/")[2])
    assert last.json()["next"] is None and "Link" not in last
