"""An inventory.yml of the published tool taken over: hosts, inputs and secrets, seen first."""

from pathlib import Path

import pytest
from django.urls import reverse

from tenants import actors, inventoryimport, secrets, services
from tenants.envelopes import EnvelopeGone
from tenants.errors import InputsRefused, NotAllowed
from tenants.models import AuditEntry, Host, Stack
from tests.factories import make_region, make_user

pytestmark = pytest.mark.django_db
BLUEPRINTS = Path(__file__).parents[2] / "hcl_template"
# As it is published, with the values of a tenant.
INVENTORY = """
all:
  hosts:
    omnileads-voice: {ansible_host: 192.0.2.8, ansible_ssh_port: 2222, omni_ip_lan: 10.0.0.8,
                      application_host: 10.0.0.7}
    omnileads-app:
      ansible_host: 192.0.2.7
      omni_ip_lan: 10.0.0.7
      voice_host: 10.0.0.8
      shm_size: 128
      SCA: 7200
  vars:
    ansible_user: admin
    ansible_ssh_private_key_file: keys/admin
    TZ: America/Lima
    infra_env: lan
    fqdn: "{{ name }}.example.test"
    django_version: 240201.10
    asterisk_version: not a tag
    certs: selfsigned
    postgres_ssl: no
    postgres_port: 5433
    postgres_host:
    dialer_host: NULL
    postgres_password: very-secret-word
    ami_password: short
    s3_http_admin_user: store
    s3_http_admin_pass: another-secret-word
    google_maps_center: '{"lat": -31}'
"""


@pytest.fixture
def acme(settings) -> Stack:
    """Return the stack of a tenant on hosts, with none yet."""
    settings.BLUEPRINT_ROOT = BLUEPRINTS
    tenant = services.create_tenant(
        actors.system("test"), name="acme", region=make_region(), blueprint="omnileads-hosts"
    )
    return tenant.stack


def test_what_it_would_bring_is_told_with_the_reason_for_what_stays(acme):
    found = inventoryimport.preview(acme, INVENTORY)
    assert [(h["name"], h["role"], h["user"], h["port"]) for h in found.hosts] == [
        ("omnileads-voice", "voice", "admin", 2222), ("omnileads-app", "app", "admin", 22),
    ]  # fmt: skip
    assert found.values == {
        "shm_size": 128, "sca": 7200, "infra_env": "lan", "django_version": "240201.10",
        "postgres_port": 5433, "minio_user": "store",
    }  # fmt: skip
    before = {taken.name: taken.before for taken in found.inputs}
    assert before["infra_env"] == "cloud" and before["postgres_port"] == 5432
    assert [taken.name for taken in found.secrets_taken] == ["postgres_password", "minio_password"]
    left = {one.old: one.why for one in found.left}
    assert set(left) == {
        "ansible_ssh_private_key_file", "TZ", "fqdn", "asterisk_version", "ami_password",
        "google_maps_center",
    }  # fmt: skip
    assert "how a host is reached itself" in left["ansible_ssh_private_key_file"]
    assert "The portal sets this itself" in left["TZ"] and "template" in left["fqdn"]
    assert "“not a tag” is refused: " in left["asterisk_version"]
    assert "does not know" in left["google_maps_center"] and "back-tick" in left["ami_password"]
    assert sorted(found.same) == ["certs", "postgres_ssl"]
    assert "Admin password" in found.lacking and not found.unjudged
    told = f"{found} {found.to_json()}"
    assert "secret-word" not in told
    assert not Host.objects.exists() and not Stack.objects.get(pk=acme.pk).desired_inputs


def test_it_is_taken_over_whole_and_the_second_time_brings_nothing(acme):
    actor = actors.system("test")
    inventoryimport.take_over(actor, acme, inventoryimport.preview(acme, INVENTORY))
    assert Host.objects.count() == 2
    stack = Stack.objects.get(pk=acme.pk)
    assert stack.desired_inputs["django_version"] == "240201.10"
    assert secrets.values(stack)["minio_password"] == "another-secret-word"
    trail = AuditEntry.objects.filter(action__in=["machine.add", "stack.inputs"])
    assert sorted(trail.values_list("action", flat=True)) == [
        "machine.add", "machine.add", "stack.inputs"
    ]  # fmt: skip
    assert "secret-word" not in str(list(trail.values_list("before", "after")))
    again = inventoryimport.preview(stack, INVENTORY)
    # Whether a secret is the one that is set is told to nobody: it could be a guess.
    assert not again.hosts and not again.inputs and "omnileads-app" in again.same
    entries = AuditEntry.objects.count()
    inventoryimport.take_over(actor, stack, again)
    assert AuditEntry.objects.count() == entries
    moved = inventoryimport.preview(stack, INVENTORY.replace("192.0.2.8", "192.0.2.9"))
    assert not moved.hosts
    assert "another address" in {one.old: one.why for one in moved.left}["omnileads-voice"]


def test_all_of_it_or_nothing(acme):
    found = inventoryimport.preview(acme, INVENTORY)
    found.secrets["admin_password"] = "short"
    with pytest.raises(InputsRefused):
        inventoryimport.take_over(actors.system("test"), acme, found)
    assert not Host.objects.exists() and not secrets.versions(acme)


def test_what_the_database_cannot_hold_is_a_refusal(acme):
    actor = actors.system("test")
    for values, given in (({"fqdn": "a\0b"}, {}), ({}, {"ami_password": "long-enough-\ud800"})):
        with pytest.raises(InputsRefused, match="1 value"):
            services.save_inputs(actor, acme, values, given)
    with pytest.raises(InputsRefused):
        services.set_secret(actor, acme, "ami_password", "long-enough-\0")
    assert not secrets.versions(acme)


def test_what_was_shown_is_good_for_the_one_who_saw_it_and_there_alone(acme):
    found = inventoryimport.preview(acme, INVENTORY)
    packed = found.pack("alice:acme")
    assert inventoryimport.unpack(packed, "alice:acme") == found
    for text, bound_to in ((packed, "bob:acme"), (packed, "alice:globex"), ("x.y", "alice:acme")):
        with pytest.raises(EnvelopeGone):
            inventoryimport.unpack(text, bound_to)


def test_nobody_takes_over_without_the_right_to_change(acme):
    viewer = actors.from_user(make_user("vera", role="viewer", over=acme.region), origin="portal")
    with pytest.raises(NotAllowed):
        inventoryimport.take_over(viewer, acme, inventoryimport.preview(acme, INVENTORY))


def test_without_terraform_the_values_are_a_draft(acme, settings):
    settings.TERRAFORM_BIN = "no-such-terraform"
    found = inventoryimport.preview(acme, INVENTORY)
    assert "Terraform was not found" in found.unjudged
    inventoryimport.take_over(actors.system("test"), acme, found)
    assert Stack.objects.get(pk=acme.pk).desired_inputs["asterisk_version"] == "not a tag"


def test_the_page_shows_first_and_no_secret_is_in_it(client, acme):
    client.force_login(make_user("alice", role="operator", over=acme.region))
    address = reverse("stack_inventory_read", args=[acme.public_id])
    html = client.post(address, {"inventory": INVENTORY}).content.decode()
    assert not Host.objects.exists()
    assert "omnileads-voice" in html and "infra_env" in html and "secret-word" not in html
    packed = html.split('name="packed" value="')[1].split('"')[0]
    assert client.post(address, {"packed": packed}).status_code == 302
    found = {h.name: (h.role, h.address, h.lan_address, h.port) for h in Host.objects.all()}
    assert found == {
        "omnileads-voice": ("voice", "192.0.2.8", "10.0.0.8", 2222),
        "omnileads-app": ("app", "192.0.2.7", "10.0.0.7", 22),
    }
    again = client.post(address, {"packed": packed}).content.decode()
    assert "omnileads-voice" in again and Host.objects.count() == 2
    for broken, words in (
        ("all: {hosts: [a]}", "holds names"),
        ("all: {hosts: {a: {ansible_host: !vault x}}}", "line 1: the value is vaulted"),
        ("", "Paste an inventory"),
    ):
        answer = client.post(address, {"inventory": broken})
        assert answer.status_code == 200 and words in answer.content.decode()
    assert "no longer good" in client.post(address, {"packed": "x.y"}).content.decode()
