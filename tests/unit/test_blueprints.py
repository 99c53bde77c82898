"""Blueprints: what is read from manifest and HCL, what is refused, when it is read again."""

import os
import random
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.checks import run_checks
from hypothesis import given
from hypothesis import strategies as st

from deployments.steps.parameters import ALPHABET
from tenants import blueprints
from tenants.blueprints import lines
from tenants.blueprints.hcl import blank, read_folder
from tenants.blueprints.published import is_published
from tenants.checks import message
from tenants.errors import UnknownBlueprint

MANIFEST = """
title: Demo
kinds:
  tenant:
    root: tenant
    naming: {pattern: "[a-z]+", min: 3, max: 8, reserved: [admin], message: Letters only.}
    provided: {stack_name: stack.name}
    secrets:
      token: {min_length: 12, forbid: "'"}
    holds_data: [module.database.*]
    outputs_shown: [url]
    actions:
      install:
        label: Install
        kind: change
        risk: low
        fields: all
        steps:
          - kind: terraform.plan
          - kind: terraform.apply
"""
VARIABLES = """
variable "stack_name" {
  type        = string
  description = "Name."
}

variable "token" {
  type        = string
  description = "Token."
  sensitive   = true
}

variable "count_of" {
  type        = number
  default     = 2
  description = "How many."
}

output "url" {
  value = "https://${var.stack_name}"
}
"""


@pytest.fixture
def root(tmp_path, settings):
    """An empty blueprint root."""
    settings.BLUEPRINT_ROOT = tmp_path / "hcl"
    return settings.BLUEPRINT_ROOT


@pytest.fixture
def demo(root):
    """A sound blueprint called demo, to be broken by the test."""
    folder = root / "demo"
    (folder / "tenant").mkdir(parents=True)
    write(folder / "blueprint.yaml", MANIFEST)
    write(folder / "tenant" / "variables.tf", VARIABLES)
    return folder


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")


def edit(path: Path, old: str, new: str) -> int:
    """Replace a text and return its line."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), "utf-8")
    return text[: text.index(old)].count("\n") + 1


def variables(tmp_path: Path, text: str) -> dict[str, blueprints.Variable]:
    write(tmp_path / "root" / "variables.tf", text)
    module = read_folder(tmp_path / "root", tmp_path)
    assert not module.flaws
    return module.variables


def errors(name: str = "demo") -> list[str]:
    return [str(flaw) for flaw in blueprints.flaws(name) if not flaw.is_warning]


# --- variables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"plain"', "plain"),
        ('""', ""),
        ('"a \\"quoted\\" \\\\ tab\\t and \\u00e9"', 'a "quoted" \\ tab\t and é'),
        ('"$${kept} and %%{kept}"', "${kept} and %{kept}"),
        ('"5"', "5"),
        ('"true"', "true"),
        ("5", 5),
        ("-5", -5),
        ("0.25", 0.25),
        ("1e3", 1000),
        ("12345678901234567890", 12345678901234567890),
        ("true", True),
        ("null", None),
        ("[]", []),
        ('["a", "b",]', ["a", "b"]),
        ("{}", {}),
        ('{ a = 1, "b c" = [true], 7 = null }', {"a": 1, "b c": [True], "7": None}),
        ("{\n    a : 1 # why\n    b = 2\n  }", {"a": 1, "b": 2}),
        ('<<EOT\n  one\n\ntwo "x" \\n\nEOT\n', '  one\n\ntwo "x" \\n\n'),
        ("<<-EOT\n    one\n      two\n\n    three\n  EOT\n", "one\n  two\n\nthree\n"),
    ],
)
def test_a_default_is_read_as_terraform_means_it(tmp_path, written, value):
    found = variables(tmp_path, f'variable "x" {{\n  default = {written}\n}}\n')["x"]

    assert found.default == value
    assert type(found.default) is type(value)
    assert found.has_default


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("string", "string"),
        ('"string"', "string"),
        ("list", "list(any)"),
        ("list(string)", "list(string)"),
        ("set( number )", "set(number)"),
        ("map(list(bool))", "map(list(bool))"),
        ("tuple([string, number])", "tuple([string, number])"),
        ("object({})", "object({})"),
        (
            'object({\n  a = optional(string, "x") # why\n  b = number\n'
            "  c = optional(map(any))\n})",
            "object({a = optional(string), b = number, c = optional(map(any))})",
        ),
    ],
)
def test_a_type_is_read_whatever_its_layout(tmp_path, written, text):
    assert variables(tmp_path, f'variable "x" {{\n  type = {written}\n}}\n')["x"].type == text


def test_defaults_of_optional_attributes_are_kept(tmp_path):
    spec = variables(
        tmp_path, 'variable "x" {\n  type = object({ a = optional(number, 3), b = string })\n}\n'
    )["x"].spec

    assert [(a.name, a.is_optional, a.default) for a in spec.attributes] == [
        ("a", True, 3),
        ("b", False, None),
    ]


def test_a_variable_without_a_body_is_required_and_of_any_type(tmp_path):
    found = variables(tmp_path, 'variable "x" {}\n')["x"]

    assert (found.type, found.required, found.nullable, found.sensitive) == (
        "any",
        True,
        True,
        False,
    )


def test_flags_and_lines_of_a_variable(tmp_path):
    found = variables(
        tmp_path,
        """
        # a comment
        variable "x" {
          sensitive = true
          nullable  = false
        }
        """,
    )["x"]

    assert (found.sensitive, found.nullable) == (True, False)
    assert (found.file, found.line, found.end_line) == ("root/variables.tf", 2, 5)


@pytest.mark.parametrize(
    ("condition", "choices"),
    [
        ('contains(["a", "b"], var.x)', ("a", "b")),
        ('(contains(["a", "b"], var.x))', ("a", "b")),
        ('contains(["a"], var.x) && length(var.x) > 0', ("a",)),
        ("contains([1, 2], var.x)", (1, 2)),
        ('!contains(["a"], var.x)', ()),
        ('contains(["a"], var.x) || var.x == "b"', ()),
        ('contains(["a"], lower(var.x))', ()),
        ('contains(["a"], var.y)', ()),
        ("contains(var.y, var.x)", ()),
        ('contains(["${var.y}"], var.x)', ()),
    ],
)
def test_choices_are_a_hint_from_contains_alone(tmp_path, condition, choices):
    text = (
        f'variable "y" {{}}\nvariable "x" {{\n  validation {{\n    condition = {condition}\n'
        f'    error_message = "No."\n  }}\n}}\n'
    )

    assert variables(tmp_path, text)["x"].choices == choices


def test_choices_of_an_attribute_belong_to_the_attribute(tmp_path):
    found = variables(
        tmp_path,
        """
        variable "x" {
          type = object({ day = string, hour = number })
          validation {
            condition     = contains(["mon", "tue"], var.x.day)
            error_message = "No."
          }
        }
        """,
    )["x"]

    assert found.choices == ()
    assert [a.choices for a in found.spec.attributes] == [("mon", "tue"), ()]


@pytest.mark.parametrize(
    ("condition", "is_foreign"),
    [
        ("length(var.x) > 0", False),
        ("alltrue([for each in var.x : each.ok])", False),
        ("alltrue([for k, v in var.x : v.a == k])", False),
        ("var.x == path.root", False),
        ("contains(local.allowed, var.x)", True),
        ("var.x == data.aws_region.here.name", True),
        ("var.x != module.network.id", True),
        ("var.x != aws_vpc.main.id", True),
    ],
)
def test_rules_that_name_other_objects_are_known(tmp_path, condition, is_foreign):
    text = f'variable "x" {{\n  validation {{\n    condition = {condition}\n  }}\n}}\n'

    assert variables(tmp_path, text)["x"].rules[0].is_foreign is is_foreign


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('variable "a" {\n  type = \n}\n', 2),
        ('variable "a" {}\n\nvariable "b" {\n', 4),
        ('variable "a" {\n  default = file("x")\n}\n', 1),
        ('variable "a" {\n  type = strin\n}\n', 1),
        ('variable "a" {}\nvariable "a" {}\n', 2),
    ],
)
def test_hcl_that_cannot_be_read_is_a_flaw_at_its_line(tmp_path, text, line):
    write(tmp_path / "root" / "variables.tf", text)

    (flaw,) = read_folder(tmp_path / "root", tmp_path).flaws

    assert (flaw.file, flaw.line, flaw.is_warning) == ("root/variables.tf", line, False)


def test_a_file_that_is_not_utf8_is_a_flaw(tmp_path):
    (tmp_path / "main.tf").write_bytes(b'variable "a" { description = "\xff" }\n')

    (flaw,) = read_folder(tmp_path, tmp_path).flaws

    assert "UTF-8" in flaw.text


def test_the_judge_gets_variable_blocks_alone_each_at_its_line(tmp_path):
    write(
        tmp_path / "root" / "main.tf",
        """
        locals { a = 1 }
        variable "x" {
          default = "}"
        }
        resource "terraform_data" "y" {}
        """,
    )

    text = read_folder(tmp_path / "root", tmp_path).judge_files["main.tf"]

    assert [line.rstrip() for line in text.split("\n")] == [
        "",
        'variable "x" {',
        '  default = "}"',
        "}",
        "",
        "",
    ]


@given(st.text(alphabet="ab\n ", max_size=40), st.data())
def test_blanking_keeps_length_and_lines(text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))

    result = blank(text, [(start, end)])

    assert len(result) == len(text)
    assert result.count("\n") == text.count("\n")
    assert result[start:end].strip() == ""
    assert result[:start] + result[end:] == text[:start] + text[end:]


# --- manifest ------------------------------------------------------------------------------------


def test_a_sound_blueprint_loads(demo):
    kind = blueprints.load("demo").kinds["tenant"]

    assert kind.provided == {"stack_name": "stack.name"}
    assert [variable.name for variable in kind.inputs] == ["token", "count_of"]
    assert kind.variables["token"].role == "secret"
    assert [step.kind for step in kind.actions["install"].steps] == [
        "terraform.plan",
        "terraform.apply",
    ]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title: Demo", "titel: Demo", "titel"),
        ("root: tenant", "root: ../tenant", "root"),
        ("root: tenant", "root: nowhere", "nowhere"),
        ('"[a-z]+"', '"[a-z"', "regular expression"),
        ("stack_name: stack.name", "stackname: stack.name", "stackname"),
        ("stack_name: stack.name", "stack_name: stack.nam", "stack.nam"),
        ("token: {min", "tokn: {min", "tokn"),
        ("min_length: 12", "min_length: 4", "min_length"),
        ('token: {min_length: 12, forbid: "\'"}', "count_of: {}", "sensitive = true"),
        ("outputs_shown: [url]", "outputs_shown: [uri]", "uri"),
        ("risk: low", "risk: lo", "risk"),
        ("fields: all", "fields: [count]", "count"),
        ("fields: all", "fields: [stack_name]", "stack_name"),
        ("- kind: terraform.plan", "- kind: state.copy", "needs a"),
        (
            "- kind: terraform.apply",
            "- {kind: probe.http, url: '{{ outputs.uri }}'}",
            "outputs.uri",
        ),
        ("- kind: terraform.apply", "- {kind: probe.http, url: '{{ 1 + 1 }}'}", "look-up"),
    ],
)
def test_a_broken_manifest_is_refused_at_its_line(demo, old, new, says):
    line = edit(demo / "blueprint.yaml", old, new)

    found = errors()

    near = tuple(f"demo/blueprint.yaml:{number}: " for number in (line - 1, line))
    assert [text for text in found if text.startswith(near) and says in text]


def test_a_missing_key_is_named(demo):
    edit(demo / "blueprint.yaml", "        label: Install\n", "")

    assert "label" in errors()[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [1\nb: 2\n", 2),
        ("a: 1\nb: 2\na: 3\n", 3),
        ("a: 1\n2: b\n", 2),
        ("a: 1\nb: *nowhere\n", 2),
        ("a: \x01\n", 1),
        ("a: &a [*a]\n", 1),
    ],
)
def test_yaml_that_cannot_be_read_tells_the_line(text, line):
    with pytest.raises(lines.YamlBroken) as refused:
        lines.read(text)

    assert refused.value.line == line


def test_merged_mappings_give_their_keys_and_yield_to_own_ones():
    document = lines.read("base: &b\n  x: 1\n  y: 2\nown:\n  <<: *b\n  y: 3\n")

    assert document.value["own"] == {"x": 1, "y": 3}
    assert document.line(("own", "x")) == 2
    assert document.line(("own", "y")) == 6


def test_a_module_that_is_not_there_is_a_flaw_of_the_hcl(demo):
    write(demo / "tenant" / "main.tf", 'module "x" {\n  source = "../../modules/nowhere"\n}\n')

    assert errors() == [
        "demo/tenant/main.tf:2: There is no module “../../modules/nowhere” in the blueprint root."
    ]


def test_a_module_outside_the_blueprint_root_is_refused(demo, tmp_path):
    write(tmp_path / "outside" / "main.tf", "locals {}\n")
    write(demo / "tenant" / "main.tf", 'module "x" {\n  source = "../../../outside"\n}\n')

    assert "../../../outside" in errors()[0]


def test_a_sensitive_variable_with_a_validation_block_is_a_warning(demo):
    path = demo / "tenant" / "variables.tf"
    line = edit(
        path,
        "  sensitive   = true\n",
        "  sensitive   = true\n  validation {\n    condition     = length(var.token) > 3\n"
        '    error_message = "Too short."\n  }\n',
    )

    (flaw,) = blueprints.load("demo").warnings

    assert flaw.is_warning
    assert "sensitive" in flaw.text
    assert (flaw.file, flaw.line) == ("demo/tenant/variables.tf", line - 3)


def test_a_variable_in_no_group_still_gets_a_field(demo):
    groups = blueprints.load("demo").kinds["tenant"].groups

    assert [(group.title, group.variables) for group in groups] == [("More", ("token", "count_of"))]


def test_steps_of_unknown_kinds_are_found(demo):
    blueprint = blueprints.load("demo")

    (flaw,) = blueprints.unknown_steps(blueprint, {"terraform.plan"})

    assert "terraform.apply" in flaw.text
    assert flaw.file == "demo/blueprint.yaml"
    assert blueprints.unknown_steps(blueprint, {"terraform.plan", "terraform.apply"}) == []


@pytest.mark.parametrize("name", ["", "../demo", "Demo", "demo/tenant", "nowhere"])
def test_an_unknown_blueprint_is_refused_with_the_known_ones(demo, name):
    with pytest.raises(UnknownBlueprint) as refused:
        blueprints.load(name)

    assert "demo" in str(refused.value)


def test_a_broken_blueprint_is_left_out_of_the_list_and_refused_by_name(demo, caplog):
    edit(demo / "blueprint.yaml", "risk: low", "risk: lo")

    assert blueprints.all_blueprints() == []
    assert "demo/blueprint.yaml" in caplog.text
    with pytest.raises(blueprints.BlueprintFlawed) as refused:
        blueprints.load("demo")
    assert "demo/blueprint.yaml" in str(refused.value)


def test_check_refuses_a_broken_blueprint_with_file_and_line(demo):
    line = edit(demo / "blueprint.yaml", "risk: low", "risk: lo")

    found = [m for m in run_checks(tags=["blueprints"]) if m.id == "tenants.E001"]

    assert [m.obj for m in found] == [f"demo/blueprint.yaml:{line}"]
    assert found[0].is_serious()


def test_a_warning_does_not_stop_a_check():
    assert not message(blueprints.Flaw("a.tf", 1, "odd", is_warning=True)).is_serious()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("acme", ""),
        ("ab", "3 to 8"),
        ("far-too-long", "3 to 8"),
        ("acme1", "Letters"),
        ("admin", "reserved"),
    ],
)
def test_names_are_judged_by_the_blueprint(demo, name, says):
    problem = blueprints.load("demo").kinds["tenant"].naming.problem(name)

    assert says in problem
    assert bool(problem) is bool(says)


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("module.database.terraform_data.this", True),
        ('module.database.aws_db_instance.this["a"]', True),
        ("module.database_subnets.terraform_data.this", False),
        ("xmodule.database.terraform_data.this", False),
    ],
)
def test_holding_data_is_told_by_address(demo, address, holds):
    assert blueprints.load("demo").kinds["tenant"].holds(address) is holds


def test_brackets_in_an_address_pattern_mean_themselves(demo):
    edit(demo / "blueprint.yaml", "module.database.*", "'module.shard[\"a\"].*'")
    kind = blueprints.load("demo").kinds["tenant"]

    assert kind.holds('module.shard["a"].x.this')
    assert not kind.holds("module.sharda.x.this")


# --- digest --------------------------------------------------------------------------------------


def test_the_same_files_give_the_same_blueprint_object(demo):
    assert blueprints.load("demo") is blueprints.load("demo")


def test_a_changed_file_is_read_again(demo):
    before = blueprints.load("demo")
    edit(demo / "tenant" / "variables.tf", "default     = 2", "default     = 3")

    after = blueprints.load("demo")

    assert after.digest != before.digest
    assert after.kinds["tenant"].variables["count_of"].default == 3


def test_a_touched_file_changes_nothing(demo):
    before = blueprints.load("demo")
    os.utime(demo / "tenant" / "variables.tf", (1, 1))

    assert blueprints.load("demo") is before


def test_a_copy_elsewhere_has_the_same_digest(demo, tmp_path, settings):
    before = blueprints.load("demo").digest
    shutil.copytree(demo.parent, tmp_path / "copy")
    settings.BLUEPRINT_ROOT = tmp_path / "copy"

    assert blueprints.load("demo").digest == before


@pytest.mark.parametrize("name", [".terraform/x.json", ".DS_Store", "tenant/.terraform/y"])
def test_what_terraform_and_editors_leave_does_not_count(demo, name):
    before = blueprints.load("demo").digest
    write(demo / name, "left over\n")

    assert blueprints.load("demo").digest == before


@pytest.mark.parametrize("name", ["tenant/.terraform.lock.hcl", "tenant/user_data.sh", "notes.txt"])
def test_every_other_file_counts(demo, name):
    before = blueprints.load("demo").digest
    write(demo / name, "more\n")

    assert blueprints.load("demo").digest != before


def test_a_used_module_counts_and_an_unused_one_does_not(demo, root):
    write(root / "modules" / "used" / "main.tf", 'module "y" {\n  source = "../deep"\n}\n')
    write(root / "modules" / "deep" / "main.tf", "locals {}\n")
    write(root / "modules" / "unused" / "main.tf", "locals {}\n")
    write(demo / "tenant" / "main.tf", 'module "x" {\n  source = "../../modules/used"\n}\n')
    before = blueprints.load("demo")

    write(root / "modules" / "unused" / "main.tf", "locals { a = 1 }\n")
    assert blueprints.load("demo").digest == before.digest
    write(root / "modules" / "deep" / "main.tf", "locals { a = 1 }\n")
    assert blueprints.load("demo").digest != before.digest
    assert "modules/deep/main.tf" in before.files


def test_copied_files_are_those_of_the_digest(demo, tmp_path):
    write(demo / "tenant" / ".terraform" / "x", "left over\n")
    blueprint = blueprints.load("demo")

    blueprints.copy_files(blueprint, tmp_path / "work")

    found = [p for p in (tmp_path / "work").rglob("*") if p.is_file()]
    assert sorted(p.relative_to(tmp_path / "work").as_posix() for p in found) == sorted(
        blueprint.files
    )
    assert (tmp_path / "work" / blueprint.kinds["tenant"].root_name / "variables.tf").is_file()


def test_copying_refuses_files_that_are_no_longer_those_of_the_digest(demo, tmp_path):
    blueprint = blueprints.load("demo")
    edit(demo / "tenant" / "variables.tf", "default     = 2", "default     = 3")

    with pytest.raises(blueprints.BlueprintChanged):
        blueprints.copy_files(blueprint, tmp_path / "work")


# --- templates -----------------------------------------------------------------------------------

CONTEXT = {"outputs": {"url": "https://acme", "hosts": ["a", "b"], "port": 8, "none": None}}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("{{ outputs.url }}", "https://acme"),
        ("{{outputs.url}}/healthz", "https://acme/healthz"),
        ("{{ outputs.hosts }}", ["a", "b"]),
        ("{{ outputs.hosts.1 }}", "b"),
        ("port {{ outputs.port }}", "port 8"),
        ({"a": ["{{ outputs.port }}", 3]}, {"a": [8, 3]}),
        (True, True),
    ],
)
def test_a_template_is_filled_by_look_up(template, value):
    assert blueprints.render(template, CONTEXT) == value


@pytest.mark.parametrize(
    "template",
    [
        "{{ outputs.none }}",
        "{{ outputs.nowhere }}",
        "{{ outputs.hosts.9 }}",
        "{{ outputs.url.upper }}",
        "{{ secrets.token }}",
        "in a text: {{ outputs.hosts }}",
    ],
)
def test_a_look_up_without_value_is_refused(template):
    with pytest.raises(blueprints.LookupMissing):
        blueprints.render(template, CONTEXT)


def test_a_value_that_looks_like_a_template_is_not_filled_again():
    context = {"outputs": {"a": "{{ secrets.b }}"}, "secrets": {"b": "hidden"}}

    assert blueprints.render("x {{ outputs.a }}", context) == "x {{ secrets.b }}"


# --- secrets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("short", False),
        ("eleven chars"[:11], False),
        ("long enough 1", True),
        ("it's long enough", False),
    ],
)
def test_secret_rules_are_judged_without_terraform(demo, value, accepted):
    problem = blueprints.judge_secret(blueprints.load("demo").kinds["tenant"], "token", value)

    assert (problem == {}) is accepted
    assert value not in str(problem)


@pytest.mark.parametrize(
    "value",
    ["Password-2026", "changeMePlease!", "administrator", "qwertyuiop12", "1234567890",
     "aaaaaaaaab", "PASSW0RD passw0rd", "9876543210", "The-Default-Of-The-Maker"],
)  # fmt: skip
def test_a_password_that_everybody_knows_is_refused_with_the_reason(demo, value):
    kind = replace(blueprints.load("demo").kinds["tenant"], published=("the-default-OF-the-maker",))
    problem = blueprints.judge_secret(kind, "token", value)

    assert "Everybody knows it" in problem["token"]
    assert value not in str(problem)


def test_random_passwords_and_sentences_are_no_published_ones():
    made = ["".join(random.choices(ALPHABET, k=12)) for _n in range(5000)]
    sentences = ["only-4-the-simulation", "Correct-Horse-42-Battery", "password-of-Zaphod-9"]

    assert [value for value in made + sentences if is_published(value)] == []


def test_required_inputs_without_a_value_are_named(demo):
    kind = blueprints.load("demo").kinds["tenant"]

    assert blueprints.missing(kind, {}, set()) == ["token"]
    assert blueprints.missing(kind, {}, {"token"}) == []
