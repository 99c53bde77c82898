"""Boot orders: what a new machine does once, and what it must not leave out or do again.

The scripts are the real ones, see tests/tenantmachine.py.
"""

import json
import shutil
import tarfile

import pytest

from tests.tenantmachine import SCRIPTS, Machine

NAME = "260131-235000-oml-backup.tar.gz"
PASSWORD = "Un1que-and-long-enough"
LATER, EARLIER = "2999-01-01T00:00:00Z", "2026-01-31T18:00:00Z"
SERVICES = {"app": "nginx", "asterisk": "asterisk"}


@pytest.fixture(params=["app", "asterisk"])
def component(request):
    return request.param


@pytest.fixture
def machine(tmp_path, component):
    return with_backup(Machine(tmp_path, component), component)


@pytest.fixture
def app(tmp_path):
    return with_backup(Machine(tmp_path, "app"), "app")


def with_backup(made: Machine, component: str) -> Machine:
    """Put a backup of the component into the bucket; the store holds no order."""
    place = made.fakes / "s3/data/backups" / component / NAME
    place.parent.mkdir(parents=True)
    with tarfile.open(place, "w:gz") as archive:
        archive.add(made.root / "settings", arcname="content")
    made.parameters({"admin_password": PASSWORD})
    return made


def lend(machine: Machine, component: str, **values: str) -> None:
    """Put an order into the store, as the portal does."""
    order = {"run": "run_01", "until": LATER, **values}
    text = json.dumps(order)
    machine.parameters({"admin_password": PASSWORD, f"boot/{component}": text})


def boot(machine: Machine) -> None:
    """Do what an installer does with orders."""
    for step in ("take", "carry-out"):
        done = machine.run("boot-order", step)
        assert done.returncode == 0, done.stderr


def restores(machine: Machine) -> int:
    return machine.seen("told").count(f"--restore={NAME} ")


@pytest.mark.parametrize("given", [NAME, NAME.removesuffix(".tar.gz")])
def test_an_ordered_backup_is_restored_once(machine, component, given):
    lend(machine, component, restore=given)
    boot(machine)
    assert restores(machine) == 1
    assert (machine.state / "boot-order").read_text() == "run_01\n"
    boot(machine)
    assert restores(machine) == 1


def test_the_next_run_is_another_order(machine, component):
    lend(machine, component, restore=NAME)
    boot(machine)
    lend(machine, component, restore=NAME, run="run_02")
    boot(machine)
    assert restores(machine) == 2


def test_an_order_counts_as_it_was_taken(machine, component):
    """Installing takes half an hour, and the run may end meanwhile."""
    lend(machine, component, restore=NAME)
    assert machine.run("boot-order", "take").returncode == 0
    machine.parameters({"admin_password": PASSWORD})
    assert machine.run("boot-order", "carry-out").returncode == 0
    assert restores(machine) == 1


@pytest.mark.parametrize("values", [{}, {"restore": ""}])
def test_an_order_without_a_backup_restores_none(machine, component, values):
    lend(machine, component, **values)
    boot(machine)
    assert machine.seen("told") == ""


def test_without_an_order_the_boot_is_an_ordinary_one(machine, component):
    boot(machine)
    assert machine.seen("told") == ""
    assert f"systemctl start {SERVICES[component]}" in machine.seen("argv")
    if component == "app":
        assert machine.seen("stdin") == f"fresh\n{PASSWORD}\n"
        assert "inicializar_entorno" not in machine.seen("argv")


def test_an_order_whose_time_is_over_is_ignored(machine, component):
    lend(machine, component, restore=NAME, until=EARLIER)
    done = machine.run("boot-order", "take")
    assert "run_01 is ignored: its time is over" in done.stdout
    boot(machine)
    assert machine.seen("told") == ""


def test_a_store_that_refuses_fails_the_boot(machine):
    done = machine.run("boot-order", "take", DENIED="yes", PATIENCE_S="0")
    assert done.returncode != 0
    assert "the boot order cannot be read: An error occurred (AccessDenied" in done.stderr


def test_a_store_that_refuses_for_a_while_is_asked_again(machine, component):
    lend(machine, component, restore=NAME)
    real = machine.fakes / "real-aws"
    shutil.move(machine.fakes / "aws", real)
    machine.put(
        "aws",
        f"""#!/bin/bash
echo asked >>"$FAKES/asked"
[ "$(wc -l <"$FAKES/asked")" -gt 2 ] || exec env DENIED=yes {real} "$@"
exec {real} "$@"
""",
    )
    boot(machine)
    assert restores(machine) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"run": "run_01"}', '{"run": "run_01", "until": "soon"}', "{}"]
)
def test_a_damaged_order_fails_the_boot(machine, component, text):
    machine.parameters({f"boot/{component}": text})
    done = machine.run("boot-order", "take")
    assert done.returncode != 0
    assert done.stderr.endswith("omlsaas: the boot order is damaged\n")


@pytest.mark.parametrize("name", ["260201-235000-oml-backup.tar.gz", "../../etc/passwd"])
def test_what_could_not_be_restored_does_not_serve_and_may_be_done_again(machine, component, name):
    lend(machine, component, restore=name)
    assert machine.run("boot-order", "take").returncode == 0
    assert machine.run("boot-order", "carry-out").returncode != 0
    assert f"systemctl stop {SERVICES[component]}" in machine.seen("argv")
    assert "systemctl start" not in machine.seen("argv")
    assert not (machine.state / "boot-order").exists()
    # The portal took the order away; by hand the boot is tried again.
    machine.parameters({"admin_password": PASSWORD})
    assert machine.run("boot-order", "take").returncode == 0
    assert machine.run("boot-order", "carry-out").returncode != 0


def test_demo_data_and_the_password_are_ordered(app):
    lend(app, "app", init_environment="true", reset_admin_pass="true")
    boot(app)
    assert "manage.sh inicializar_entorno" in app.seen("argv")
    assert app.seen("stdin") == f"always\n{PASSWORD}\n"
    assert PASSWORD not in app.seen("argv")


def test_demo_data_and_the_password_are_off_unless_ordered(app):
    lend(app, "app", init_environment="false", reset_admin_pass="false", restore=NAME)
    boot(app)
    assert restores(app) == 1
    assert "inicializar_entorno" not in app.seen("argv")
    assert app.seen("stdin") == f"fresh\n{PASSWORD}\n"


def test_each_machine_reads_the_order_of_its_own_component(tmp_path):
    asterisk = with_backup(Machine(tmp_path, "asterisk"), "asterisk")
    lend(asterisk, "app", restore=NAME)
    boot(asterisk)
    assert asterisk.seen("told") == ""


@pytest.mark.parametrize("installer", ["install-app", "install-asterisk"])
def test_an_installer_takes_the_order_first_and_carries_it_out_last(installer):
    text = (SCRIPTS / installer).read_text()
    take, carry_out = text.index('boot-order" take'), text.index('boot-order" carry-out')
    assert take < text.index("\nfetch ") < carry_out
    assert text.index("schedule-backup") < carry_out
