"""Pages of a stack's hosts: adding, confirming a key, the inventory out and in."""

import re
import subprocess
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
import yaml
from django.urls import reverse
from django.utils import timezone

from deployments.runner.plays import Plays
from deployments.runstatus import RunStatus
from deployments.steps.hosterrors import HostKeyOffered
from tenants import actors, hosts, secrets, services
from tenants.errors import HostRefused
from tenants.models import AuditEntry, Host
from tests import sshhosts
from tests.factories import make_region, make_run, make_step, make_tenant, make_user

pytestmark = pytest.mark.django_db
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGt0u9bTJpSOxVsuOHD1zQG8XbyMQyPBG1r3QpWgYFeD"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKq0u9bTJpSOxVsuOHD1zQG8XbyMQyPBG1r3QpWgYFeD"


@pytest.fixture
def acme(throw_away):
    """Return the stack of a tenant on hosts, with none yet."""
    tenant = services.create_tenant(
        actors.system("test"), name="acme", region=make_region(), blueprint="hosted"
    )
    return tenant.stack


@pytest.fixture
def alice(client, acme):
    """Return a browser of somebody who operates acme."""
    client.force_login(make_user("alice", role="operator", over=acme.region))
    return client


def add(client, stack, **more):
    """Send the form of a new host."""
    data = {"name": "app-one", "role": "app", "address": "192.0.2.7", "port": "22",
            "user": "root", **more}  # fmt: skip
    return client.post(reverse("stack_host_new", args=[stack.public_id]), data)


def page(client, name: str, *args: str) -> str:
    """Return a page's text."""
    response = client.get(reverse(name, args=args))
    assert response.status_code == 200
    return response.content.decode()


def test_a_stack_without_hosts_says_how_it_gets_some(alice, acme):
    shown = page(alice, "stack_hosts", acme.public_id)
    assert "No hosts yet" in shown and "inventory.yml" in shown
    add(alice, acme)
    assert "No hosts yet" not in page(alice, "stack_hosts", acme.public_id)


def test_a_host_is_added_with_its_key_which_no_page_shows(alice, acme, tmp_path):
    key = sshhosts.make_key(tmp_path / "key")
    # As a browser sends it.
    response = add(alice, acme, ssh_key=key.replace("\n", "\r\n").strip())
    assert response.status_code == 302
    host = Host.objects.get()
    assert secrets.own(host) == key
    secret = key.splitlines()[1]
    for html in (
        page(alice, "stack_hosts", acme.public_id),
        page(alice, "stack_host", host.public_id),
        page(alice, "tenant", acme.tenant.public_id),
    ):
        assert "app-one" in html and secret not in html
    entry = AuditEntry.objects.get(action="machine.add")
    assert entry.after["secret"] == "(set)" and secret not in str(entry.after)
    assert entry.tenant_name == "acme"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("address", "-oProxyCommand=x", "without port or user"),
        ("address", "a b", "without port or user"),
        ("user", "root;x", "name of a user"),
        ("name", "App_One", "lower-case letters"),
        ("name", "localhost", "Call it localhost-1"),
        ("name", "all", "playbooks mean something else"),
        ("name", "voice", "Call it voice-1"),
        ("python", "python3", "Write a path"),
        ("ssh_key", "no key at all", "no private key"),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(alice, acme, field, value, words):
    response = add(alice, acme, **{field: value})
    html = response.content.decode()
    assert response.status_code == 200 and words in html
    assert not Host.objects.exists()
    if field == "ssh_key":
        assert value not in html


def test_a_name_is_one_line_through_every_door(acme):
    for name in ("app-one\n", "app\none"):
        with pytest.raises(HostRefused, match="lower-case letters"):
            hosts.add_host(actors.system("test"), acme, name=name, role="app", address="192.0.2.7")
    assert not Host.objects.exists()


def test_a_key_with_a_passphrase_is_refused(alice, acme, tmp_path):
    sshhosts.make_key(tmp_path / "key")
    command = ["ssh-keygen", "-p", "-q", "-N", "long words", "-P", "", "-f"]
    subprocess.run([*command, str(tmp_path / "key")], check=True)
    response = add(alice, acme, ssh_key=(tmp_path / "key").read_text())
    assert "asks for a passphrase" in response.content.decode()


def test_a_name_is_taken_once(alice, acme):
    assert add(alice, acme).status_code == 302
    assert "is taken" in add(alice, acme).content.decode()


def test_a_shown_key_is_confirmed_by_its_fingerprint_and_no_other(alice, acme):
    add(alice, acme)
    host = Host.objects.get()
    hosts.note_key(host, KEY)
    shown = host.offered_fingerprint
    html = page(alice, "stack_hosts", acme.public_id)
    assert shown in html and "Is this the key of app-one?" in html
    pin = reverse("stack_host_pin", args=[host.public_id])
    # Between the look and the click the host showed another one.
    hosts.note_key(host, OTHER)
    refused = alice.post(pin, {"fingerprint": shown})
    assert "does not show the key" in refused.content.decode()
    assert not Host.objects.get().is_pinned
    alice.post(pin, {"fingerprint": Host.objects.get().offered_fingerprint})
    assert Host.objects.get().host_key == OTHER


def test_another_address_is_another_machine(alice, acme):
    add(alice, acme)
    host = Host.objects.get()
    hosts.note_key(host, KEY)
    hosts.pin_key(actors.system("test"), host, host.offered_fingerprint)
    edit = reverse("stack_host", args=[host.public_id])
    data = {"name": "app-one", "role": "app", "address": "192.0.2.7", "port": "22", "user": "root"}
    alice.post(edit, {**data, "lan_address": "10.0.0.7"})
    assert Host.objects.get().is_pinned
    alice.post(edit, {**data, "address": "192.0.2.99"})
    assert not Host.objects.get().is_pinned


def test_a_removed_host_is_gone_and_its_name_free(alice, acme):
    add(alice, acme)
    alice.post(reverse("stack_host_remove", args=[Host.objects.get().public_id]), {"reason": "old"})
    assert "app-one" not in page(alice, "stack_hosts", acme.public_id)
    assert AuditEntry.objects.get(action="machine.remove").reason == "old"
    assert add(alice, acme).status_code == 302


def test_the_inventory_comes_out_as_operators_know_it(alice, acme):
    add(alice, acme, lan_address="10.0.0.7")
    add(alice, acme, name="voice-one", role="voice", address="192.0.2.8", user="admin")
    response = alice.get(reverse("stack_inventory", args=[acme.public_id]))
    every = yaml.safe_load(response.content)["all"]
    assert every["hosts"]["app-one"] == {
        "ansible_host": "192.0.2.7", "ansible_port": 22, "ansible_user": "root",
        "omni_ip_lan": "10.0.0.7", "voice_host": "192.0.2.8",
    }  # fmt: skip
    assert every["hosts"]["voice-one"]["ansible_become"] is True
    assert every["hosts"]["voice-one"]["application_host"] == "10.0.0.7"
    assert list(every["children"]["voice"]["hosts"]) == ["voice-one"]
    assert every["vars"]["stack_name"] == "acme"


def test_a_stack_of_another_blueprint_has_no_hosts(client, settings, places):
    settings.BLUEPRINT_ROOT = Path(__file__).parents[2] / "hcl_template"
    stack = make_tenant("globex").stack
    client.force_login(make_user("dana", role="admin"))
    assert "configures no hosts" in page(client, "stack_hosts", stack.public_id)
    add(client, stack)
    assert not Host.objects.exists()


# -- the page of a run --------------------------------------------------------------------------


def test_what_a_playbook_told_stands_on_the_pages_of_its_run_and_of_the_stack(alice, acme):
    note = {"type": "ansible_told", "host": "app-one", "about": "Certificate", "is_loud": True,
            "text": "<b>good</b> until tomorrow"}  # fmt: skip
    add(alice, acme)
    run = played(acme)
    step = run.steps.get()
    plays = Plays()
    plays.update([note])
    step.progress = {**step.progress, "notes": plays.to_dict()["notes"]}
    step.save()
    assert "Certificate" not in page(alice, "tenant", acme.tenant.public_id)
    acme.resource_count = 1
    acme.save()
    for shown in (page(alice, "run", run.public_id), page(alice, "tenant", acme.tenant.public_id)):
        assert "&lt;b&gt;good&lt;/b&gt; until tomorrow" in shown and "alert-triangle" in shown
    # -- what was told later counts, in whichever run
    later = played(acme, number=run.number + 1).steps.get()
    later.progress = {**later.progress, "notes": [{**note, "is_loud": False, "text": "all well"}]}
    later.save()
    shown = page(alice, "tenant", acme.tenant.public_id)
    assert "all well" in shown and "until tomorrow" not in shown


def played(stack, **fields):
    """Return a run with a playbook that two hosts had, one of which failed."""
    steps = [{"kind": "ansible.playbook", "params": {"playbook": "ansible/site.yml"}}]
    run = make_run(stack, fields.pop("status", RunStatus.ERRORED), steps_wanted=steps,
                   action="change", action_label="Change", **fields)  # fmt: skip
    began = timezone.now() - timedelta(seconds=8)
    step = make_step(run, kind="ansible.playbook", phase="configure")
    plays = Plays()
    at = [(began + timedelta(seconds=n)).isoformat() for n in range(8)]
    plays.update([
        {"type": "ansible_play", "play": "All"},
        {"type": "ansible_task", "task": "Ensure <b>it</b>", "number": 1, "place": "x:1",
         "at": at[0]},
        {"type": "ansible_result", "host": "app-one", "number": 1, "status": "changed",
         "began": at[0], "at": at[2]},
        {"type": "ansible_result", "host": "voice-one", "number": 1, "status": "failed",
         "began": at[0], "at": at[4]},
        {"type": "diagnostic", "severity": "error", "summary": "no room", "detail": "",
         "address": "voice-one", "place": "x:1, in “Ensure it”"},
    ])  # fmt: skip
    step.progress, step.started_at = plays.to_dict(), began
    step.ended_at = began + timedelta(seconds=6)
    step.save()
    return run


def test_the_page_of_a_playbook_has_a_line_for_each_host_the_failed_first(alice, acme):
    acme.resource_count = 2
    acme.save()
    html = page(alice, "run", played(acme).public_id)
    picture = html.split('id="run-plays"')[1].split('id="run-timeline"')[0]
    assert picture.index("voice-one") < picture.index("app-one")
    assert "1 failed" in picture and "1 changed" in picture
    assert "<title>Ensure &lt;b&gt;it&lt;/b&gt;</title>" in picture
    # The failure's own words stand on top of the page.
    assert html.index("no room") < html.index('id="run-plays"')
    assert "Only on the hosts that failed: voice-one" in html


def test_a_retry_for_the_failed_hosts_narrows_its_playbooks(alice, acme):
    add(alice, acme)
    add(alice, acme, name="voice-one", role="voice", address="192.0.2.8")
    acme.hosts.update(host_key=KEY)
    acme.desired_inputs, acme.resource_count = {"place": "/tmp"}, 2
    acme.save()
    secrets.store(acme, "password", "long-enough-word")
    run = played(acme)
    alice.post(reverse("run_retry", args=[run.public_id]), {"only_failed": "on"})
    made = run.stack.runs.latest("id")
    assert made.retry_of == run
    assert made.steps_wanted[0]["params"]["only_hosts"] == ["voice-one"]


def test_a_run_that_only_asked_does_not_claim_that_all_is_well(alice, acme):
    steps = [{"kind": "hosts.contact", "params": {}}]
    run = make_run(acme, RunStatus.PLANNED_AND_FINISHED, steps_wanted=steps, is_plan_only=True)
    html = page(alice, "run", run.public_id)
    assert "Nothing was changed." in html and "no drift was found" not in html
    found = HostKeyOffered(fingerprint="SHA256:abc", stack=acme)
    run.findings = [{"about": "app-one", **found.to_json()}]
    run.save()
    html = page(alice, "run", run.public_id)
    assert "SHA256:abc" in html and reverse("stack_hosts", args=[acme.public_id]) in html


def test_a_check_with_differences_says_where_they_stand(alice, acme):
    steps = [{"kind": "ansible.check", "params": {"playbook": "ansible/site.yml"}}]
    run = make_run(acme, RunStatus.PLANNED_AND_FINISHED, steps_wanted=steps, is_plan_only=True,
                   drift_count=2)  # fmt: skip
    assert "2 tasks would change something." in page(alice, "run", run.public_id)


# -- the page of the tenant: what comes next -----------------------------------------------------


def first_button(html: str) -> str:
    """Return the label of the one button that stands out above the page's cards."""
    (found,) = re.findall(r'<a class="btn o-go" href="[^"]*"><i [^>]*></i>([^<]+)</a>', html)
    return unescape(found)


def disabled(html: str) -> dict[str, str]:
    """Return the buttons that cannot be used, each with the reason."""
    pattern = r'<button class="btn" type="button" disabled title="([^"]*)"><i [^>]*></i>([^<]+)<'
    return {label: unescape(why) for why, label in re.findall(pattern, html)}


def test_hosts_come_first_then_their_keys_then_the_installation(alice, acme):
    tenant = acme.tenant.public_id
    html = page(alice, "tenant", tenant)
    assert first_button(html) == "Add hosts"
    assert disabled(html)["Install"] == "It needs a host for app, voice first."
    assert "First contact" in disabled(html)
    add(alice, acme, role="all_in_one")
    host = Host.objects.get()
    html = page(alice, "tenant", tenant)
    assert first_button(html) == "First contact"
    assert disabled(html)["Install"] == "The key of app-one is not confirmed yet."
    hosts.note_key(host, KEY)
    assert first_button(page(alice, "tenant", tenant)) == "Confirm host keys"
    hosts.pin_key(actors.system("test"), host, host.offered_fingerprint)
    html = page(alice, "tenant", tenant)
    assert (first_button(html), disabled(html)) == ("Install", {})


def test_a_tenant_without_terraform_has_no_cards_for_its_state(client, alice, acme):
    client.force_login(make_user("root", role="admin"))
    html = page(client, "tenant", acme.tenant.public_id)
    assert 'id="hosts"' in html and 'id="runs"' in html
    assert not {'id="outputs"', 'id="states"', 'id="settings"'} & set(re.findall(r'id="\w+"', html))


def test_what_only_asks_hosts_is_not_said_to_be_terraforms(alice, acme):
    html = page(alice, "stack_action", acme.public_id, "contact")
    assert "each host is asked for its own key" in html and "Queue first contact" in html
    assert "Terraform" not in html and "Queue plan" not in html
    assert "Ansible only compares" in page(alice, "stack_action", acme.public_id, "check")


def test_what_is_wrong_with_one_field_is_said_at_that_field(alice, acme):
    html = add(alice, acme, name="App One", address="-oProxyCommand=x").content.decode()
    assert html.count('class="o-wrong"') == 2 and "cannot be kept so" not in html
    assert not Host.objects.exists()


def test_an_inventory_is_shown_with_the_words_for_roles(alice, acme):
    one = "one: {ansible_host: a, voice_host: b}"
    words = f"all: {{hosts: {{{one}, two: {{ansible_host: b, application_host: a}}}}}}"
    html = alice.post(
        reverse("stack_inventory_read", args=[acme.public_id]), {"inventory": words}
    ).content.decode()
    preview = html.partition('id="preview"')[2]
    assert "<td>Voice</td>" in preview and "<td>voice</td>" not in preview
