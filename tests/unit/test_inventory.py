"""The inventory of a stack, read and written."""

import pytest

from tenants import inventory, inventoryfile, plainyaml
from tenants.blueprints import HostRole, HostRules
from tenants.errors import InventoryUnreadable
from tenants.models import Host

RULES = HostRules(
    roles={
        "app": HostRole("app", "Application", ("app",)),
        "voice": HostRole("voice", "Voice", ("voice",)),
        "all_in_one": HostRole("all_in_one", "All in one", ("app", "voice")),
    },
    needs=("app", "voice"),
    variables={"omni_ip_lan": "lan_address"},
    peers={"application_host": "app", "voice_host": "voice"},
)


def host(name: str, role: str, **more) -> Host:
    return Host(name=name, role=role, address=f"{name}.example.test", **more)


def test_a_host_in_both_groups_is_told_of_nobody():
    every = inventory.render([host("one", "all_in_one")], RULES)["all"]
    assert every["children"] == {
        "app": {"hosts": {"one": {}}}, "voice": {"hosts": {"one": {}}},
    }  # fmt: skip
    assert not {"application_host", "voice_host"} & set(every["hosts"]["one"])


def test_only_the_given_hosts_are_in_it_and_what_is_private_is_theirs():
    one, two = host("one", "app"), host("two", "voice", python="/usr/bin/python3.9")
    every = inventory.render([one, two], RULES, {"one": {"x": 1}})["all"]["hosts"]
    assert set(every) == {"one", "two"}
    assert every["one"]["x"] == 1 and "x" not in every["two"]
    assert every["two"]["ansible_python_interpreter"] == "/usr/bin/python3.9"


def test_needed_groups_are_told_by_role():
    assert RULES.missing(["app"]) == ["voice"]
    assert RULES.missing(["all_in_one"]) == []
    assert RULES.missing(["no-longer-known"]) == ["app", "voice"]


def test_what_was_written_is_read_back():
    hosts = [host("one", "all_in_one", port=2222, user="admin"), host("two", "voice")]
    text = inventory.export(hosts, RULES, {"size": 3})
    found, variables, _differing, _unused = inventoryfile.read(text, RULES)
    assert [(f["name"], f["role"], f["port"], f["user"]) for f in found] == [
        ("one", "all_in_one", 2222, "admin"), ("two", "voice", 22, "root"),
    ]  # fmt: skip
    assert variables == {"size": "3"}


MORE = HostRules(
    roles={**RULES.roles, "data": HostRole("data", "Data", ("data",)),
           "watch": HostRole("watch", "Observability", ("watch",))},
    needs=RULES.needs,
    variables=RULES.variables,
    peers={**RULES.peers, "data_host": "data", "observability_host": "watch"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "roles"),
    [
        ("one: {A, voice_host: b}, two: {A, application_host: a}", ["app", "voice"]),
        ("one: {A}", ["all_in_one"]),
        ("one: {A, voice_host: b, observability_host: c}, "
         "two: {A, application_host: a, observability_host: c}, "
         "three: {A, voice_host: b, application_host: a}", ["app", "voice", "watch"]),
    ],
)  # fmt: skip
def test_groups_that_an_inventory_does_not_speak_of_are_no_question(lines, roles):
    text = f"all: {{hosts: {{{lines}}}}}".replace("{A", "{ansible_host: x")
    assert [fields["role"] for fields in inventoryfile.read(text, MORE).hosts] == roles


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("all: [", "line "),
        ("- a", "no “all”"),
        ("all: {hosts: {}}", "no host"),
        ("all: {hosts: {one: {voice_host: x}}}", "one has no ansible_host"),
        ("all: {hosts: {one: {ansible_host: a, application_host: b, voice_host: c}}}",
         "what one is cannot be told"),
        ("all: {children: {app: {hosts: {one: {ansible_host: a, ansible_port: x}}}}}",
         "no number"),
        ("all: {children: {app: {hosts: {one: {ansible_host: a, ansible_port: '²'}}}}}",
         "no number"),
        ("all: {hosts: {one: {ansible_host: a, ansible_port: 99999999999}}}", "no number from"),
        ("all: {hosts: [one]}", "“all: hosts” holds names"),
        ("all: {hosts: {one: two}}", "“one” holds names"),
        ("all: {children: [app]}", "“all: children” holds names"),
        ("all: {children: {app: yes}}", "“app” holds names"),
        ("all: {hosts: {one: {ansible_host: a}}, vars: [1]}", "“all: vars” holds names"),
        ("all: {hosts: {one: {ansible_host: [a]}}, children: {app: {hosts: {one: }}}}",
         "ansible_host of one is no text"),
        ("all: {hosts: {one: {a: 1,\n a: 2}}}", "line 2: “a” stands there already"),
        ("all: {hosts: {one: {a: !vault x}}}", "line 1: the value is vaulted"),
        ("all: {hosts: {? [a] : {}}}", "line 1: a key is a text"),
        ("all: {hosts: {\"a\\0\": {}}}", "NUL"),
        ("all: {<<: [x], hosts: {}}", "“<<” takes mappings"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(text, words):
    with pytest.raises(InventoryUnreadable) as refused:
        inventoryfile.read(text, RULES)
    assert words in str(refused.value)


def test_an_inventory_is_no_python():
    with pytest.raises(InventoryUnreadable):
        inventoryfile.read("all: !!python/object/apply:os.system [true]", RULES)


def test_what_costs_only_time_and_memory_is_refused():
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]\n"
        for last, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    endless = "all: &all {hosts: {one: {ansible_host: a}}, children: {more: *all}}"
    for text in (f"{bomb}all: *h", endless, "all: " + "[" * 5000, "all: " + "{a: " * 50 + "}" * 50):
        with pytest.raises(InventoryUnreadable, match="nested too deeply"):
            inventoryfile.read(text, RULES)


def test_a_text_stays_what_it_is():
    found = plainyaml.read("{a: 240201.10, b: 1e3, c: no, d: 2024-99-99, e: ~, f: 0777, g: ''}")
    assert found == {"a": "240201.10", "b": "1e3", "c": "no", "d": "2024-99-99", "e": None,
                     "f": "0777", "g": ""}  # fmt: skip
    merged = plainyaml.read("{base: &b {x: 1, y: 2}, one: {<<: *b, y: 3}}")
    assert merged["one"] == {"x": "1", "y": "3"}


def test_variables_of_hosts_groups_and_all_are_those_of_the_stack():
    text = """
all:
  vars: {ansible_user: admin, fqdn: cc.example.test, django_version: 240201.10, size: 1}
  children:
    app:
      vars: {shm_size: 64}
      hosts:
        one: {ansible_host: 192.0.2.1, omni_ip_lan: 10.0.0.1, voice_host: 10.0.0.2, size: 2}
    voice:
      hosts:
        two: {ansible_host: 192.0.2.2, ansible_user: root}
"""
    found = inventoryfile.read(text, RULES)
    assert [(one["name"], one["user"]) for one in found.hosts] == [
        ("one", "admin"),
        ("two", "root"),
    ]
    assert found.variables == {
        "fqdn": "cc.example.test", "django_version": "240201.10", "shm_size": "64",
    }  # fmt: skip
    assert found.differing == ["size"]


GROUPED = """
all:
  vars: {ansible_port: 22, ansible_user: everybody, ansible_ssh_common_args: -o ProxyJump=gate}
  children:
    site:
      vars:
        ansible_ssh_user: of-site
        ansible_port: 2201
        ansible_python_interpreter: /usr/bin/python3
      children:
        app:
          vars: {ansible_port: 2202, ansible_become: yes}
          hosts:
            one: {ansible_ssh_host: 192.0.2.1}
        voice:
          hosts:
            two: {ansible_host: 192.0.2.2, ansible_ssh_port: 2203, ansible_user: own}
            three: {ansible_host: 192.0.2.3}
    other:
      vars: {ansible_user: of-nobody, ansible_become: no}
"""


def test_what_a_host_s_groups_say_counts_for_it_and_the_nearest_wins():
    found = inventoryfile.read(GROUPED, RULES)
    told = {h["name"]: (h["address"], h["port"], h["user"], h["python"]) for h in found.hosts}
    assert told == {
        "one": ("192.0.2.1", 2202, "of-site", "/usr/bin/python3"),
        "two": ("192.0.2.2", 2203, "own", "/usr/bin/python3"),
        "three": ("192.0.2.3", 2201, "of-site", "/usr/bin/python3"),
    }
    # -- what else there is of Ansible's own is not taken over, and not silently
    assert found.unused == ["ansible_become", "ansible_ssh_common_args"]
    assert found.variables == {}


def test_groups_that_hold_each_other_have_an_end():
    text = """
all:
  children:
    app:
      vars: {ansible_port: 2201}
      hosts: {one: {ansible_host: 192.0.2.1}}
      children: {site: {children: {app: {vars: {ansible_user: of-app}}}}}
"""
    (host,) = inventoryfile.read(text, RULES).hosts
    assert (host["port"], host["user"]) == (2201, "of-app")
