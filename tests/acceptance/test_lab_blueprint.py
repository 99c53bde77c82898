"""The shipped lab blueprint on the real terraform."""

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from tenants import blueprints

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed"),
]
PASSWORD = 'planted "password" \\ 1'
CARRIER = "planted-carrier-secret"
COMPONENTS = ("app", "asterisk", "kamailio", "dialer")
LEDGER_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (\S+) (module\.\S+\.terraform_data\.this) (create|destroy)"
)


class Lab:
    """One stack of the lab in a folder of its own, worked by bare terraform."""

    def __init__(self, folder: Path, kind: str, name: str, **inputs: Any) -> None:
        blueprint = blueprints.load("lab")
        self.kind = blueprint.kinds[kind]
        blueprints.copy_files(blueprint, folder)
        self.cwd = folder / self.kind.root_name
        self.ledger_file = folder / "the ledger"
        self.inputs = {
            "stack_name": name,
            "region": "lab1",
            "domain": "lab.example.net",
            "delay_ms": 0,
            "ledger_path": str(self.ledger_file),
            **inputs,
        }
        self.run("init", "-input=false")

    def run(self, *arguments: str, code: int = 0, **inputs: Any) -> str:
        """Return what terraform prints; `inputs` hold from now on."""
        self.inputs |= inputs
        (self.cwd / "terraform.tfvars.json").write_text(json.dumps(self.inputs))
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.cwd),
            "TF_CLI_CONFIG_FILE": os.devnull,
            "CHECKPOINT_DISABLE": "1",
            "TF_VAR_admin_password": PASSWORD,
            "TF_VAR_carrier_secret": CARRIER,
        }
        done = subprocess.run(
            ["terraform", *arguments], cwd=self.cwd, env=env, capture_output=True, text=True
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def apply(self, code: int = 0, **inputs: Any) -> list[dict[str, Any]]:
        """Return the lines of an apply."""
        out = self.run("apply", "-json", "-auto-approve", "-input=false", code=code, **inputs)
        return [json.loads(line) for line in out.splitlines()]

    def plan(self, **inputs: Any) -> dict[str, list[str]]:
        """Return what a plan would do, by address."""
        self.run("plan", "-input=false", "-out=p", **inputs)
        changes = json.loads(self.run("show", "-json", "p"))["resource_changes"]
        return {
            change["address"]: change["change"]["actions"]
            for change in changes
            if change["change"]["actions"] != ["no-op"]
        }

    def outputs(self) -> dict[str, Any]:
        """Return the outputs by name."""
        return {k: v["value"] for k, v in json.loads(self.run("output", "-json")).items()}

    def ledger(self) -> Counter[tuple[str, str]]:
        """Return how often each address was made and removed; every line must be whole."""
        found = [LEDGER_LINE.fullmatch(line) for line in self.ledger_file.read_text().splitlines()]
        assert all(found)
        return Counter((match[2], match[3]) for match in found if match)


@pytest.fixture(scope="session")
def shared_outputs(tmp_path_factory) -> dict[str, Any]:
    """Outputs of a shared environment that was really applied."""
    lab = Lab(tmp_path_factory.mktemp("shared"), "shared", "sharedlab")
    lab.apply()
    return lab.outputs()


@pytest.fixture
def tenant(tmp_path, shared_outputs):
    """A tenant that is not installed yet, in a folder with blanks in its path."""
    return Lab(tmp_path / "a folder", "tenant", "acme", shared=shared_outputs)


def test_the_lab_has_no_flaws_and_no_warnings():
    assert blueprints.flaws("lab") == ()


def test_the_hcl_has_its_standard_form():
    done = subprocess.run(
        ["terraform", "fmt", "-check", "-recursive", "-diff", django_settings.BLUEPRINT_ROOT],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "TF_CLI_CONFIG_FILE": os.devnull},
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", ["shared", "tenant"])
def test_the_hcl_is_valid(tmp_path, kind):
    told = json.loads(Lab(tmp_path, kind, "sharedlab").run("validate", "-json"))

    assert told["valid"] is True
    assert told["diagnostics"] == []


@pytest.mark.parametrize("kind", ["shared", "tenant"])
def test_every_input_has_help(kind):
    found = blueprints.load("lab").kinds[kind].variables.values()

    assert [variable.name for variable in found if not variable.description] == []


def test_each_resource_is_made_once_and_removed_once(tenant):
    tenant.apply()
    made = tenant.ledger()
    tenant.run("destroy", "-auto-approve")

    assert len(made) == 20
    assert set(made.values()) == {1}
    assert {address for address, what in made} == {
        address for address, what in tenant.ledger() if what == "destroy"
    }
    assert set(tenant.ledger().values()) == {1}


def test_replicas_add_resources(tenant):
    planned = tenant.plan(replicas=40)

    assert len(planned) == 60
    assert 'module.app_node["040"].terraform_data.this' in planned


def test_lines_of_parallel_resources_do_not_mix_in_the_ledger(tenant):
    tenant.apply(replicas=30)

    assert sum(tenant.ledger().values()) == 50


def test_a_second_run_changes_nothing_whatever_the_durations(tenant):
    tenant.apply()

    assert tenant.plan(delay_ms=300, delays_ms={"redis": 7}, ledger_path="/tmp/other") == {}


def test_nodes_can_be_added_to_an_installed_tenant(tenant):
    tenant.apply()

    planned = tenant.plan(replicas=1)

    assert planned == {
        'module.app_node["001"].terraform_data.this': ["create"],
        "module.app_targets.terraform_data.this": ["update"],
    }


def test_force_replace_replaces_what_holds_data(tenant):
    tenant.apply()

    planned = tenant.plan(force_replace="again")

    replaced = [a for a, actions in planned.items() if "delete" in actions]
    assert replaced == ["module.database.terraform_data.this"]
    assert tenant.kind.holds(replaced[0])


@pytest.mark.parametrize("name", COMPONENTS)
def test_another_version_replaces_the_component_and_nothing_that_holds_data(tenant, name):
    tenant.apply()

    planned = tenant.plan(**{tenant.kind.versions[name]: "99.0.0"})

    replaced = [a for a, actions in planned.items() if "delete" in actions]
    assert any(address.startswith(f"module.{name}") for address in replaced)
    assert not any(tenant.kind.holds(address) for address in replaced)


def test_every_component_with_a_version_was_tried(tenant):
    assert sorted(tenant.kind.versions) == sorted(COMPONENTS)


def test_the_part_that_is_told_to_fail_fails_alone(tenant):
    told = tenant.apply(code=1, fail_resource="redis")

    failed = [line["hook"]["resource"]["addr"] for line in told if line["type"] == "apply_errored"]
    assert failed == ["module.redis.terraform_data.this"]
    made = {address for address, _what in tenant.ledger()}
    assert "module.redis.terraform_data.this" not in made
    assert "module.database.terraform_data.this" in made


def test_an_installed_tenant_can_be_made_to_fail_and_heals(tenant):
    tenant.apply()
    tenant.apply(code=1, fail_resource="redis")

    tenant.apply(fail_resource="")

    assert tenant.plan() == {}


def printed(told: list[dict[str, Any]]) -> list[str]:
    return [
        line["hook"]["output"]
        for line in told
        if line["type"] == "provision_progress" and line["hook"]["output"].startswith("line ")
    ]


@pytest.mark.parametrize("pause_ms", [0, 0.5, 20])
def test_the_warm_up_prints_numbered_lines(tenant, pause_ms):
    lines = printed(tenant.apply(flood_lines=60, flood_line_ms=pause_ms))

    assert [line.split(" of 60")[0] for line in lines] == [f"line {n}" for n in range(1, 61)]
    # A log of lines that are all alike would say little about its compression.
    assert len({line.split(" of 60")[1] for line in lines}) > (1 if pause_ms else 59)


def test_the_warm_up_runs_again_when_told(tenant):
    tenant.apply(flood_lines=3)

    assert len(printed(tenant.apply(flood_id="again"))) == 3


def test_outputs_are_those_that_the_portal_shows(tenant):
    tenant.apply()
    outputs = tenant.outputs()

    assert set(tenant.kind.outputs_shown) <= set(outputs)
    assert set(outputs) == set(tenant.kind.outputs)
    assert outputs["url"] == "https://acme.lab.example.net/"
    assert outputs["database_url"].startswith("postgres://oml:planted%20%22password")


def test_no_secret_is_printed_or_unmarked(tenant):
    told = json.dumps(tenant.apply(force_replace="x"))
    told += tenant.run("plan", "-json", "-out=p", app_size="large")
    plan = json.loads(tenant.run("show", "-json", "p"))
    state = json.loads(tenant.run("show", "-json"))

    for text in (told, *masked_changes(plan), *masked_state(state["values"]["root_module"])):
        assert "planted" not in text


def masked_changes(plan: dict[str, Any]) -> list[str]:
    changes = [change["change"] for change in plan["resource_changes"]]
    return [
        json.dumps(masked(change[side], change[f"{side}_sensitive"]))
        for change in changes
        for side in ("before", "after")
    ]


def masked_state(module: dict[str, Any]) -> list[str]:
    own = [
        json.dumps(masked(resource["values"], resource["sensitive_values"]))
        for resource in module.get("resources", ())
    ]
    return own + [text for child in module.get("child_modules", ()) for text in masked_state(child)]


def masked(value: Any, tree: Any) -> Any:
    if tree is True:
        return "(sensitive)"
    if isinstance(value, dict) and isinstance(tree, dict):
        return {key: masked(item, tree.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(tree, list):
        return [masked(item, tree[i] if i < len(tree) else None) for i, item in enumerate(value)]
    return value


def test_a_tenant_can_do_without_its_optional_parts(tenant):
    assert len(tenant.plan(dialer=False)) == 19


def test_the_shared_environment_comes_and_goes(tmp_path):
    lab = Lab(tmp_path, "shared", "sharedlab", zones=["a"], rtpengine_nodes=1)
    lab.apply()
    assert len(lab.ledger()) == 12
    lab.run("destroy", "-auto-approve")

    assert lab.run("state", "list") == ""
