"""Hosts that a stack's own infrastructure makes: rows that follow an output, pages, blueprint."""

import shutil
from pathlib import Path

import pytest
from django.urls import reverse

from deployments.links import owner_link
from deployments.runner.plays import Plays
from deployments.runstatus import RunStatus
from tenants import actors, blueprints, services
from tenants.errors import HostsUntold
from tenants.madehosts import sync_hosts
from tenants.models import AuditEntry, Host, Stack
from tests.factories import make_region, make_run, make_step, make_user

pytestmark = pytest.mark.django_db
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGt0u9bTJpSOxVsuOHD1zQG8XbyMQyPBG1r3QpWgYFeD"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0u9bTJpSOxVsuOHD1zQG8XbyMQyPBG1r3QpWgYFeD"
STEPS = [
    {"kind": "terraform.plan", "params": {}},
    {"kind": "terraform.apply", "params": {}},
    {"kind": "hosts.made", "params": {}},
    {"kind": "ansible.playbook", "params": {"playbook": "ansible/site.yml", "leaves": "installed"}},
]


def told(address: str = "192.0.2.7", **more) -> dict:
    return {"role": "app", "address": address, "host_key": f"{KEY} made@apply\n", **more}


@pytest.fixture
def stack(throw_away) -> Stack:
    """Return the stack of a tenant whose infrastructure makes its hosts; none is made yet."""
    actor = actors.system("test")
    return services.create_tenant(actor, name="acme", region=make_region(), blueprint="both").stack


def sync(stack, output) -> object:
    run = make_run(stack, RunStatus.APPLIED, steps_wanted=STEPS)
    return sync_hosts(actors.system("worker"), stack, output, run)


def host(stack, name: str = "app-one") -> Host:
    return stack.hosts.living().get(name=name)


def test_the_same_output_changes_nothing_and_writes_nothing(stack):
    assert sync(stack, {"app-one": told()}).added == ["app-one"]
    entries = AuditEntry.objects.count()
    assert not sync(stack, {"app-one": told()})
    assert AuditEntry.objects.count() == entries


def test_a_replaced_machine_brings_its_new_key(stack):
    sync(stack, {"app-one": told()})
    assert sync(stack, {"app-one": told(host_key=OTHER)}).changed == ["app-one"]
    assert host(stack).host_key == OTHER
    entry = AuditEntry.objects.filter(action="machine.pin").latest("id")
    assert entry.before["host_key"] != entry.after["host_key"] and entry.run_id


def test_a_key_that_a_person_confirmed_stays_until_the_place_is_another(stack):
    sync(stack, {"app-one": told(host_key=None)})
    Host.objects.update(host_key=KEY, pinned_by="alice")
    sync(stack, {"app-one": told(host_key=None, user="admin")})
    assert (host(stack).user, host(stack).host_key, host(stack).pinned_by) == (
        "admin", KEY, "alice",
    )  # fmt: skip
    sync(stack, {"app-one": told("192.0.2.9", host_key=None)})
    assert not host(stack).is_pinned and host(stack).pinned_by == ""


def test_one_that_is_not_told_any_more_is_history_and_may_come_again(stack):
    sync(stack, {"app-one": told()})
    assert sync(stack, {}).removed == ["app-one"]
    gone = Host.objects.get()
    assert gone.is_archived and AuditEntry.objects.filter(action="machine.remove").count() == 1
    sync(stack, {"app-one": told()})
    assert host(stack).pk != gone.pk


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (["app-one"], "no map"),
        ({"app-one": {"role": "app"}}, "lacks a role or an address"),
        ({"app-one": told(colour="red")}, "colour"),
        ({"App_One": told()}, "App_One"),
        ({"app-one": told(port=99999)}, "app-one"),
        ({"app-one": told(port="x")}, "port"),
        ({"app-one": told(user="-x")}, "app-one"),
        ({"app-one": told(host_key=f"{KEY}\n@cert-authority * {KEY}")}, "host key"),
        ({"app-one": told(host_key="ssh-dss AAAA")}, "host key"),
        # One that is right does not come in with one that is wrong.
        ({"app-one": told(), "app-two": told(role="queen")}, "queen"),
    ],
)
def test_an_output_that_cannot_be_is_refused_as_a_whole(stack, output, words):
    with pytest.raises(HostsUntold, match=words):
        sync(stack, output)
    assert not Host.objects.exists()


# -- pages ------------------------------------------------------------------------------------


@pytest.fixture
def alice(client, stack):
    client.force_login(make_user("alice", role="operator", over=stack.region))
    return client


def test_the_page_of_made_hosts_offers_no_change_by_hand(alice, stack):
    address = reverse("stack_hosts", args=[stack.public_id])
    assert "made with the infrastructure" in alice.get(address).content.decode()
    sync(stack, {"app-one": told()})
    html = alice.get(address).content.decode()
    one = reverse("stack_host", args=[host(stack).public_id])
    assert "192.0.2.7" in html and "the stack's key" in html
    assert reverse("stack_host_new", args=[stack.public_id]) not in html and one not in html
    for path, data in (
        (reverse("stack_host_new", args=[stack.public_id]), {"name": "app-two"}),
        (one, {"name": "app-one"}),
    ):
        sent = {"role": "app", "address": "192.0.2.8", "port": "22", "user": "root", **data}
        answer = alice.post(path, sent)
        assert "are made with its infrastructure" in answer.content.decode()
    remove = reverse("stack_host_remove", args=[host(stack).public_id])
    assert alice.post(remove, {"reason": "no more"}).status_code in (200, 403)
    assert stack.hosts.living().count() == 1 and host(stack).address == "192.0.2.7"


def test_a_stranger_sees_none_of_them(client, stack):
    sync(stack, {"app-one": told()})
    client.force_login(make_user("mallory", role="operator", over=make_region()))
    for name, key in (("stack_hosts", stack.public_id), ("stack_host", host(stack).public_id)):
        assert client.get(reverse(name, args=[key])).status_code == 404


def failed(stack) -> object:
    """Return a run whose apply was done and whose playbook failed."""
    run = make_run(stack, RunStatus.ERRORED, action="change", steps_wanted=STEPS)
    plays = Plays()
    at = "2026-01-01T10:00:00.000Z"
    result = {"host": "voice-one", "number": 1, "status": "failed", "began": at, "at": at}
    plays.update([{"type": "ansible_result", **result}])
    make_step(run, kind="ansible.playbook", phase="configure", progress=plays.to_dict())
    return run


def test_configuring_alone_is_offered_and_leaves_terraform_out(alice, stack):
    sync(stack, {"app-one": told(), "voice-one": told(role="voice")})
    inputs = {"place": "/tmp", "machines": {}}
    Stack.objects.filter(pk=stack.pk).update(
        resource_count=2, state_serial=3, hosts_state="behind", desired_inputs=inputs,
        applied_inputs={**inputs, "stack_name": "acme"},
    )  # fmt: skip
    services.set_secret(actors.system("test"), stack, "ssh_private_key", "a key of some length")
    run = failed(stack)
    html = alice.get(reverse("run", args=[run.public_id])).content.decode()
    assert "Only configure, without Terraform" in html and "voice-one" in html
    owner = alice.get(owner_link(stack)).content.decode()
    assert "Applied, but not configured" in owner
    alice.post(reverse("run_retry", args=[run.public_id]), {"only_failed": "on"})
    made = stack.runs.latest("id")
    assert made.retry_of == run and not made.uses_engine
    assert [step["kind"] for step in made.steps_wanted] == ["ansible.playbook"]
    params = made.steps_wanted[0]["params"]
    assert params["only_hosts"] == ["voice-one"] and params["only_applied"]


# -- blueprint --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("from_output: machines", "from_output: nothing", "no output “nothing”"),
        ("ssh_key: ssh_private_key", "ssh_key: greeting", "sensitive variable “greeting”"),
        ("      from_output: machines\n", "", "from_output"),
    ],
)
def test_a_blueprint_that_names_what_is_not_there_is_refused(settings, tmp_path, old, new, words):
    source = Path(__file__).parents[1] / "blueprints" / "both"
    shutil.copytree(source, tmp_path / "both")
    manifest = tmp_path / "both" / "blueprint.yaml"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    settings.BLUEPRINT_ROOT = tmp_path
    with pytest.raises(blueprints.BlueprintFlawed, match=words):
        blueprints.load("both")
