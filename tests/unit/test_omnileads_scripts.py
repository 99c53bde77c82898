"""What a tenant's machines run: backup, restore, the nightly timer, the administrator's password.

The scripts are the real ones; the cloud's command line, the product's own tools and systemd are
fakes on PATH.
"""

import fcntl
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from tests.tenantmachine import SCRIPTS, Machine

NAME = "260131-235000-oml-backup"
PASSWORD = "Un1que-and-long-enough"


@pytest.fixture(params=["app", "asterisk"])
def component(request):
    return request.param


@pytest.fixture
def machine(tmp_path, component):
    made = Machine(tmp_path, component)
    (tmp_path / "content").write_text("kept")
    with tarfile.open(made.fakes / "made.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "content", arcname=f"{NAME}/content")
    return made


@pytest.fixture
def app(tmp_path):
    return Machine(tmp_path, "app")


@pytest.mark.parametrize("script", sorted(p.name for p in SCRIPTS.iterdir()))
def test_scripts_are_sound_and_trace_nothing(script):
    text = (SCRIPTS / script).read_text()
    if text.startswith("#!/bin/bash"):
        checked = subprocess.run(["bash", "-n", SCRIPTS / script], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        code = [line for line in text.splitlines() if not line.startswith("#")]
        assert not [line for line in code if re.search(r"set -\w*x", line)]
    else:
        compile(text, script, "exec")


def test_no_secret_is_read_inside_other_words():
    """There its failure would go unseen, and an empty password would be installed."""
    wrong = [
        f"{path.name}: {line}"
        for path in SCRIPTS.iterdir()
        for line in path.read_text().splitlines()
        if "$(parameter" in line and not re.search(r"\w+=\$\(parameter \w+\)$", line.strip())
    ]
    assert not wrong


def test_a_backup_ends_in_the_components_folder_of_the_bucket(machine, component):
    done = machine.run("backup")
    assert done.returncode == 0, done.stderr
    assert machine.bucket() == [f"data/backups/{component}/260201-120000-oml-backup.tar.gz"]
    assert done.stdout.strip() == "omlsaas: backup 260201-120000-oml-backup.tar.gz"
    part = {"app": "--omniapp", "asterisk": "--asterisk"}[component]
    assert machine.seen("told").startswith(f"--backup {part} --target=")


def test_a_backup_leaves_nothing_on_the_machine(machine):
    before = set(machine.folder.iterdir())
    assert machine.run("backup").returncode == 0
    assert set(machine.folder.iterdir()) - before == {machine.folder / "lock"}


def test_a_backup_tool_that_makes_no_file_fails(machine):
    done = machine.run("backup", NO_FILE="yes")
    assert done.returncode != 0
    assert "made no file" in done.stderr
    assert machine.bucket() == []


def test_an_empty_backup_is_none(machine):
    (machine.fakes / "made.tar.gz").write_bytes(b"")
    assert machine.run("backup").returncode != 0
    assert machine.bucket() == []


def test_two_backups_at_once_are_refused(machine):
    with (machine.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = machine.run("backup")
    assert done.returncode != 0
    assert "being made already" in done.stderr


def test_a_component_without_data_has_no_backup(tmp_path):
    done = Machine(tmp_path, "redis").run("backup")
    assert done.returncode != 0
    assert "nothing to back up" in done.stderr


@pytest.mark.parametrize("given", [NAME, f"{NAME}.tar.gz"])
def test_a_restore_takes_names_with_and_without_ending(machine, component, given):
    place = machine.fakes / "s3/data/backups" / component / f"{NAME}.tar.gz"
    place.parent.mkdir(parents=True)
    shutil.copy(machine.fakes / "made.tar.gz", place)
    done = machine.run("restore", given)
    assert done.returncode == 0, done.stderr
    part = {"app": "--omniapp", "asterisk": "--asterisk"}[component]
    assert machine.seen("told").startswith(f"--restore={NAME}.tar.gz {part} --target=")


@pytest.mark.parametrize(
    "given", ["", "../../etc/passwd", f"x/{NAME}", f"{NAME}.zip", f"{NAME};id"]
)
def test_a_restore_refuses_what_is_no_backups_name(machine, given):
    done = machine.run("restore", given)
    assert done.returncode != 0
    assert "YYMMDD-HHMMSS" in done.stderr
    assert machine.seen("argv") == machine.seen("told") == ""


def test_a_restore_of_a_backup_that_is_not_there_fails(machine):
    done = machine.run("restore", NAME)
    assert done.returncode != 0
    assert f"no backup {NAME}" in done.stderr
    assert machine.seen("told") == ""


def test_a_damaged_backup_is_not_restored(machine, component):
    place = machine.fakes / "s3/data/backups" / component / f"{NAME}.tar.gz"
    place.parent.mkdir(parents=True)
    place.write_bytes((machine.fakes / "made.tar.gz").read_bytes()[:40])
    done = machine.run("restore", NAME)
    assert done.returncode != 0
    assert "damaged" in done.stderr
    assert machine.seen("told") == ""


def test_the_nightly_timer_has_the_tenants_time(machine):
    machine.parameters({"backup_time": "23:50"})
    assert machine.run("schedule-backup").returncode == 0
    timer = (machine.units / "omlsaas-backup.timer").read_text()
    assert "OnCalendar=*-*-* 23:50:00\n" in timer
    assert "WantedBy=timers.target" in timer
    service = (machine.units / "omlsaas-backup.service").read_text()
    assert f"ExecStart={machine.root}/bin/backup\n" in service
    assert "enable --now omlsaas-backup.timer omlsaas-schedule.timer" in machine.seen("argv")


def test_the_same_time_restarts_no_timer_and_another_one_does(machine):
    machine.parameters({"backup_time": "23:50"})
    machine.run("schedule-backup")
    first = machine.seen("argv").count("systemctl")
    machine.run("schedule-backup")
    assert machine.seen("argv").count("systemctl") == first > 0
    machine.parameters({"backup_time": "01:15"})
    machine.run("schedule-backup")
    assert machine.seen("argv").count("systemctl") > first
    assert "01:15:00" in (machine.units / "omlsaas-backup.timer").read_text()
    assert not list(machine.units.glob("*.new"))


@pytest.mark.parametrize("time", ["24:00", "2350", "", "23:50; reboot"])
def test_a_time_that_is_none_sets_no_timer(machine, time):
    machine.parameters({"backup_time": time})
    assert machine.run("schedule-backup").returncode != 0
    assert list(machine.units.iterdir()) == []


@pytest.mark.parametrize(("words", "when"), [((), "always"), (("--fresh",), "fresh")])
def test_the_password_passes_by_stdin_alone(app, words, when):
    app.parameters({"handover/admin": PASSWORD})
    done = app.run("reset-admin-password", *words, "/omlsaas/acme/handover/admin")
    assert done.returncode == 0, done.stderr
    assert app.seen("stdin") == f"{when}\n{PASSWORD}\n"
    assert "manage.sh shell" in app.seen("argv")
    assert PASSWORD not in app.seen("argv") + done.stdout + done.stderr


def test_a_password_that_is_not_there_sets_none(app):
    done = app.run("reset-admin-password", "/omlsaas/acme/handover/admin")
    assert done.returncode != 0
    assert "cannot be read" in done.stderr
    assert app.seen("stdin") == ""


DJANGO = """
import types


class User(types.SimpleNamespace):
    def set_password(self, text):
        self.password = text

    def save(self):
        print("saved", self.password)


def get_user_model():
    user = User(password="old", last_login={last_login})
    return types.SimpleNamespace(objects=types.SimpleNamespace(get=lambda username: user))
"""


@pytest.mark.parametrize(
    ("when", "last_login", "saved"),
    [
        ("always", None, True),
        ("always", '"2026-01-31"', True),
        ("fresh", None, True),
        ("fresh", '"2026-01-31"', False),
    ],
)
def test_a_fresh_start_never_undoes_the_administrators_own_password(
    tmp_path, when, last_login, saved
):
    package = tmp_path / "django/contrib/auth"
    package.mkdir(parents=True)
    (tmp_path / "django/__init__.py").touch()
    (tmp_path / "django/contrib/__init__.py").touch()
    (package / "__init__.py").write_text(DJANGO.format(last_login=last_login))
    done = subprocess.run(
        [sys.executable, SCRIPTS / "admin_password.py"],
        input=f"{when}\n{PASSWORD}\n",
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (f"saved {PASSWORD}" in done.stdout) is saved


INVENTORY = """[prodenv-aio]
localhost ansible_connection=local

[everyone:vars]
# websocket_host=IP or domain of that host
#postgres_password=published
websocket_host=websockets
SCA=3600
"""


def test_an_inventory_takes_names_set_commented_out_and_missing(app):
    path = app.folder / "inventory"
    path.write_text(INVENTORY)
    given = f"SCA=60\npostgres_password={PASSWORD}\nwebsocket_host=ws\nnew_name=a b\n"
    done = subprocess.run(
        [app.root / "bin/set-inventory", path], input=given, text=True, check=False
    )
    assert done.returncode == 0
    lines = path.read_text().splitlines()
    assert lines[3:] == [
        "[everyone:vars]",
        "new_name=a b",
        "# websocket_host=IP or domain of that host",
        f"postgres_password={PASSWORD}",
        "websocket_host=ws",
        "SCA=60",
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_inventory_without_a_place_is_refused(app):
    path = app.folder / "inventory"
    path.write_text("[hosts]\nlocalhost\n")
    done = subprocess.run(
        [app.root / "bin/set-inventory", path],
        input="a=1\n",
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert "no place for a" in done.stderr


def test_a_playbooks_variables_are_gone_when_it_ends(app):
    app.put("ansible-playbook", '#!/bin/bash\ncp "${5#@}" "$FAKES/vars"\nstat -c %a "${5#@}"\n')
    probe = app.root / "bin/probe"
    probe.write_text(f'#!/bin/bash\n. {app.root}/bin/lib\nyaml password "it\'s" | play x.yml\n')
    probe.chmod(0o755)
    done = app.run("probe")
    assert done.returncode == 0, done.stderr
    assert app.seen("vars") == "password: 'it''s'\n"
    assert done.stdout.strip() == "600"
    assert not list(app.folder.glob("tmp.*"))
