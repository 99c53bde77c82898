"""Rules of inputs, judged by the real terraform."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tenants import blueprints
from tenants.blueprints import RulesNotJudged

BINS = Path(__file__).parent.parent / "bins"
pytestmark = [
    pytest.mark.terraform,
    pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform is not installed"),
]

MANIFEST = """
title: Demo
kinds:
  tenant:
    root: tenant
    naming: {pattern: ".*", message: Any.}
    provided: {stack_name: stack.name}
    actions:
      plan: {label: Plan, kind: plan, risk: none, steps: [{kind: terraform.plan}]}
"""


@pytest.fixture
def judge(tmp_path, settings):
    """Return a function that judges values against some HCL."""
    settings.BLUEPRINT_ROOT = tmp_path / "hcl"
    folder = settings.BLUEPRINT_ROOT / "demo" / "tenant"
    folder.mkdir(parents=True)

    def ask(hcl, values=None, secrets_set=(), **kwargs):
        (folder.parent / "blueprint.yaml").write_text(MANIFEST)
        (folder / "main.tf").write_text('variable "stack_name" {}\n' + hcl)
        kind = blueprints.load("demo").kinds["tenant"]
        found = blueprints.judge(kind, values or {}, set(secrets_set), "terraform", **kwargs)
        return [(problem.variable, problem.message) for problem in found]

    return ask


@pytest.fixture
def tenant():
    """The tenant kind of the shipped lab blueprint."""
    return blueprints.load("lab").kinds["tenant"]


def rule(condition: str, message: str = "Refused.") -> str:
    return (
        f'  validation {{\n    condition     = {condition}\n    error_message = "{message}"\n  }}\n'
    )


def test_the_defaults_of_the_lab_are_accepted(tenant):
    assert blueprints.judge(tenant, {}, set(), "terraform") == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"replicas": 501}, "0 to 500"),
        ({"replicas": 1.5}, "whole number"),
        ({"replicas": "many"}, "A number is required"),
        ({"app_size": "huge"}, "small, medium and large"),
        ({"app_version": "2.4"}, "three numbers"),
        ({"carrier_cidrs": ["192.0.2.0/33"]}, "CIDR"),
        ({"carrier_cidrs": ["0.0.0.0/0"]}, "everybody"),
        ({"codecs": ["mp3"]}, "Known codecs"),
        ({"maintenance_window": {"day": "someday"}}, "mon, tue"),
        ({"maintenance_window": {"hour": "late"}}, "number is required"),
        ({"labels": ["a"]}, "ap of string required"),
        ({"ledger_path": "relative"}, "absolute path"),
        ({"flood_line_ms": 0.001}, "0.01"),
    ],
)
def test_terraform_says_what_is_wrong_at_its_variable(tenant, values, says):
    (problem,) = blueprints.judge(tenant, values, set(), "terraform")

    assert says in problem.message
    assert problem.variable in values
    assert problem.file == "lab/tenant/variables.tf"
    assert problem.line == tenant.variables[problem.variable].line


def test_all_problems_come_at_once(tenant):
    values = {"replicas": -1, "app_size": "huge", "database_disk_gib": 3}

    found = blueprints.judge(tenant, values, set(), "terraform")

    assert sorted(problem.variable for problem in found) == sorted(values)


def test_required_inputs_are_demanded_only_when_all_must_be_there(judge):
    hcl = 'variable "a" {}\nvariable "b" {\n  sensitive = true\n}\n'

    assert judge(hcl) == []
    assert [name for name, _text in judge(hcl, complete=True)] == ["a", "b"]
    assert judge(hcl, {"a": 1}, {"b"}, complete=True) == []


def test_a_value_that_nobody_may_set_is_refused(judge):
    found = dict(
        judge('variable "b" {\n  sensitive = true\n}\n', {"b": "x", "stack_name": "y", "c": 1})
    )

    assert set(found) == {"b", "c", "stack_name"}


def test_a_secret_among_the_values_never_reaches_terraform(tenant, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    values = {"admin_password": "planted-value", "replicas": 77}

    blueprints.judge(tenant, values, {"admin_password"}, str(BINS / "terraform-tells-all"))

    told = (tmp_path / "told").read_text()
    assert '"replicas": 77' in told
    assert "drwx------" in told
    assert "planted-value" not in told


def test_rules_that_name_a_secret_wait_for_the_plan(judge):
    hcl = (
        'variable "b" {\n  sensitive = true\n' + rule("length(var.b) > 100") + "}\n"
        'variable "a" {\n  type = string\n' + rule("var.a != var.b") + rule('var.a != "x"') + "}\n"
    )

    assert judge(hcl, {"a": "stand-in"}, {"b"}) == []
    assert judge(hcl, {"a": "x"}, {"b"}) == [("a", "Refused.")]


def test_rules_that_name_other_objects_wait_for_the_plan(judge):
    hcl = (
        'locals {\n  allowed = ["a"]\n}\n'
        'variable "a" {\n' + rule("contains(local.allowed, var.a)") + rule('var.a != "x"') + "}\n"
    )

    assert judge(hcl, {"a": "b"}) == []
    assert judge(hcl, {"a": "x"}) == [("a", "Refused.")]


def test_rules_that_name_a_provided_value_wait_for_the_plan(judge):
    hcl = 'variable "a" {\n' + rule('var.a != "y" || var.stack_name == "acme"') + "}\n"

    assert judge(hcl, {"a": "y"}) == []


def test_rules_between_plain_inputs_are_judged(judge):
    hcl = (
        'variable "low" {\n  default = 1\n}\n'
        'variable "high" {\n  default = 9\n'
        + rule("var.high > var.low", "High is above low.")
        + "}\n"
    )

    assert judge(hcl, {"low": 5}) == []
    assert judge(hcl, {"low": 50}) == [("high", "High is above low.")]


@pytest.mark.parametrize(
    "kind",
    [
        "string",
        "number",
        "bool",
        "list(string)",
        "set(number)",
        "map(any)",
        "tuple([string, bool])",
        "object({ a = object({ b = list(string) }), c = optional(string) })",
        "any",
    ],
)
def test_every_type_of_secret_has_a_stand_in(judge, kind):
    hcl = f'variable "b" {{\n  type      = {kind}\n  sensitive = true\n  nullable  = false\n}}\n'

    assert judge(hcl, {}, {"b"}) == []


def test_a_nul_value_of_a_variable_that_may_not_be_null_is_the_default(judge):
    assert judge('variable "a" {\n  nullable = false\n  default = 1\n}\n', {"a": None}) == []


def test_values_with_quotes_newlines_and_templates_are_plain_values(judge):
    hcl = 'variable "a" {\n  type = string\n' + rule("length(var.a) == 19") + "}\n"

    assert judge(hcl, {"a": '"\n${file("x")} %{x}'[:19]}) == []


def test_without_terraform_it_says_how_to_get_it(tenant):
    with pytest.raises(RulesNotJudged) as refused:
        blueprints.judge(tenant, {}, set(), "terraform-that-is-not-there")

    assert "https://developer.hashicorp.com/terraform/install" in str(refused.value)


def test_a_terraform_that_answers_something_else_is_told(tenant):
    with pytest.raises(RulesNotJudged) as refused:
        blueprints.judge(tenant, {}, set(), str(BINS / "terraform-babbles"))

    assert "flag provided but not defined" in str(refused.value)


def test_nothing_is_left_behind(judge, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    os.mkdir(tmp_path / "tmp")

    judge('variable "a" {\n  type = number\n}\n', {"a": "x"})

    assert list((tmp_path / "tmp").iterdir()) == []
