"""Actions of omnileads-hosts about backups: what they ask for, and in which order."""

import subprocess
import tarfile
from pathlib import Path
from shlex import quote

import jinja2
import pytest
import yaml

from deployments.checks import check_steps
from deployments.services.points import brings_data_back, component_param, leaves_data
from deployments.steps import pieces_of
from deployments.steps.versions_refuse import is_version
from tenants import blueprints

ROLE = Path(__file__).parents[2] / "hcl_template/omnileads-hosts/ansible/roles/backup"


@pytest.fixture(scope="module")
def actions():
    return blueprints.load("omnileads-hosts").kinds["tenant"].actions


def wanted(action) -> list[dict]:
    """Return an action's steps as a run has them."""
    return [{"kind": s.kind, "params": dict(s.params), "phase": s.phase} for s in action.steps]


def order(action, phase: str) -> list[str]:
    return [planned.piece.kind for planned in pieces_of(wanted(action))[phase]]


def tasks(name: str) -> list[dict]:
    """Return the tasks of a file of the role, those in blocks too."""

    def walk(found):
        for task in found:
            yield task
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part, []))

    return list(walk(yaml.safe_load((ROLE / "tasks" / name).read_text())))


def test_the_blueprint_has_no_flaw():
    assert check_steps() == []


@pytest.mark.parametrize(
    ("name", "kind", "risk", "confirm"),
    [
        ("backup", "backup", "low", "button"),
        ("backups", "backup", "none", "button"),
        ("restore", "restore", "high", "name"),
        ("rollback", "restore", "high", "button"),
        ("upgrade", "upgrade", "medium", "button"),
    ],
)
def test_who_may_and_what_is_typed(actions, name, kind, risk, confirm):
    action = actions[name]
    assert (action.kind, action.risk, action.confirm, action.when) == (
        kind, risk, confirm, "installed",
    )  # fmt: skip
    assert action.is_plan_only is (name == "backups")
    assert not action.uses_engine and not action.auto_apply_allowed


def test_a_restore_looks_at_the_version_first_and_ends_when_the_site_answers(actions):
    action = actions["restore"]
    assert order(action, "plan") == ["versions.refuse"]
    assert order(action, "configure")[:2] == ["hosts.prepare", "ansible.playbook"]
    assert order(action, "verify") == ["probe.http"]
    (step,) = (s for s in action.steps if s.kind == "versions.refuse")
    assert step.params["versions"] == ["2.2.0", "2.2.1", "2.2.2"]
    playbook = next(s for s in action.steps if s.kind == "ansible.playbook")
    assert playbook.params["component"] == "tenant" and "leaves" not in playbook.params
    assert {p.name: p.default for p in action.params} == {"backup": None, "is_kept": True}


def test_an_upgrade_backs_up_and_keeps_a_point_before_it_changes_anything(actions):
    action = actions["upgrade"]
    assert order(action, "plan") == ["hosts.prepare", "ansible.backup", "hosts.kept"]
    assert order(action, "configure")[:2] == ["restore_point.keep", "hosts.prepare"]
    backup = action.steps[0].params
    assert (backup["wanted"], backup["skip_if_fresh_h"]) == ("{{ params.backup }}", 26)
    assert action.params[0].default is True


def test_a_rollback_leaves_the_data_and_may_be_of_one_component(actions):
    action = actions["rollback"]
    assert (action.returns_to_point, component_param(action)) == ("point", "component")
    assert leaves_data(action) and "not undone" in action.description
    on_aws = blueprints.load("omnileads").kinds["tenant"].actions["rollback"]
    assert brings_data_back(on_aws) and not leaves_data(on_aws) and component_param(on_aws) == ""


def test_a_large_database_may_be_silent_for_long(actions):
    for name in ("backup", "restore", "upgrade"):
        assert actions[name].timeouts["silence_s"] >= 4 * 3600


@pytest.mark.parametrize(
    ("text", "is_it"),
    [("2.2.1", True), ("oml-2.2.1-rc", True), ("release 2.2.1", True), ("2.2.10", False),
     ("12.2.1", False), ("2.2.1.4", False), ("1.2.2.1", False), ("", False), ("230215.01", False)],
)  # fmt: skip
def test_a_version_is_known_in_a_release_or_a_tag(text, is_it):
    assert is_version("2.2.1", text) is is_it


def test_nothing_is_brought_back_before_all_that_writes_was_stopped():
    names = [task["name"] for task in tasks("put_back.yml")]
    assert names[1:] == [
        "Stop what writes",
        "Bring the database back, all of it or nothing",
        "Put Asterisk's own files in the place of those that are there",
        "Start all of it again",
    ]


def test_what_is_secret_stands_on_no_command_line_of_the_role():
    secret = ("password", "access_key", "secret_key")
    for name in ("begin.yml", "make.yml", "fetch.yml", "put_back.yml", "list.yml"):
        for task in tasks(name):
            told = [str(task.get(f"ansible.builtin.{kind}", "")) for kind in ("shell", "command")]
            assert not [word for word in secret if word in "".join(told)], task["name"]
            if "postgres_password" in str(task):
                assert task["no_log"] is True
    spec = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    for point in ("begin", "make", "fetch", "put_back", "list"):
        for option, told in spec[point]["options"].items():
            assert told.get("no_log", False) is option.endswith(secret), (point, option)


@pytest.mark.parametrize(
    ("kind", "mode", "is_good"),
    [
        (tarfile.REGTYPE, 0o755, True),
        (tarfile.DIRTYPE, 0o2775, True),
        (tarfile.SYMTYPE, 0o777, True),
        (tarfile.REGTYPE, 0o4755, False),
        (tarfile.REGTYPE, 0o2755, False),
        (tarfile.CHRTYPE, 0o600, False),
        (tarfile.FIFOTYPE, 0o600, False),
    ],
)
def test_nothing_but_files_folders_and_links_comes_out_of_a_bucket(tmp_path, kind, mode, is_good):
    pack = tmp_path / "fetched-asterisk-voice.tar.gz"
    with tarfile.open(pack, "w:gz") as made:
        for number in range(3000):
            made.addfile(tarfile.TarInfo(f"./plain-{number}"))
        for number in range(9):
            odd = tarfile.TarInfo(f"./odd {number}")
            odd.type, odd.mode, odd.linkname = kind, mode, "plain-1"
            made.addfile(odd)
    (task,) = (t for t in tasks("fetch.yml") if t["name"].startswith("Check that Asterisk's own"))
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.filters["quote"] = quote
    values = {"backup_folder": tmp_path, "backup_mine": ["asterisk-voice.tar.gz"]}
    script = environment.from_string(task["ansible.builtin.shell"]["cmd"]).render(values)

    def checked() -> subprocess.CompletedProcess:
        return subprocess.run(["/bin/bash", "-c", script], capture_output=True, text=True)

    done = checked()
    assert (done.returncode == 0) is is_good, done.stderr
    assert ("odd 0" in done.stderr) is not is_good
    # -- one that cannot be read is none
    pack.write_bytes(pack.read_bytes()[:-40])
    assert checked().returncode != 0
    names = [t["name"] for t in tasks("fetch.yml")]
    assert names.index(task["name"]) < names.index(
        "Unpack Asterisk's own files beside those in use"
    )
