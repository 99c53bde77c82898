"""adopt.yaml: what its loader refuses, with file and line; what the contact centre's says."""

import re
import shutil
from pathlib import Path

import pytest

from deployments.checks import check_steps
from tenants import blueprints

PROJECT = Path(__file__).parents[2]
ADOPTABLE = PROJECT / "tests" / "blueprints" / "adoptable"
# Every variable of the old tenant's file and of its restore variants, by its documentation.
OLD = PROJECT / "docs" / "omnileads.md"


@pytest.fixture
def adoptable(tmp_path, settings):
    """Return a copy of the blueprint, to be broken."""
    settings.BLUEPRINT_ROOT = tmp_path
    shutil.copytree(ADOPTABLE, tmp_path / "adoptable")
    return tmp_path / "adoptable" / "adopt.yaml"


def flaws(path: Path, old: str, new: str) -> list[str]:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), "utf-8")
    line = text[: text.index(old)].count("\n") + 1
    found = blueprints.flaws("adoptable")
    assert all(flaw.file == "adoptable/adopt.yaml" for flaw in found)
    assert any(flaw.line == line for flaw in found), (line, [str(flaw) for flaw in found])
    return [flaw.text for flaw in found]


def test_a_sound_one_is_read(adoptable):
    kind = blueprints.load("adoptable").kinds["tenant"]
    assert kind.adoption.resources["database"].must
    assert set(kind.actions_of(True)) == {"convert_preview", "convert"}
    assert set(kind.actions_of(False)) == {"change"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("size: {to: size}", "size: {to: seize}", "There is no input “seize”"),
        ("size: {to: size}", "size: {to: stack_name}", "There is no input “stack_name”"),
        ("size: {to: size}", "size: {to: size, drop: x}", "one of both"),
        ("size: {to: size}", "size: {two: size}", "Unknown key “two”"),
        ("machine: \"{{ resources.machine.id }}\"", "x: \"y\"", "There is no output “x”"),
        ("app: \"{{ stack.name }}-machine\"", "app: \"{{ secrets.word }}\"", "not a look-up"),
        ("where: {tags.Name: \"{{ stack.name }}-machine\"}",
         "where: {tags.Name: \"{{ inputs.nothing }}\"}", "There is no “inputs.nothing”"),
        ("to: terraform_data.machine\n", "to: \"terraform_data.m or so\"\n", "not an address"),
        ("        id: \"{{ resources.machine.id }}\"\n", "", "go together"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_its_line(adoptable, old, new, words):
    if not new:
        # The flaw stands at the resource.
        adoptable.write_text(adoptable.read_text("utf-8").replace(old, new), "utf-8")
        assert words in blueprints.flaws("adoptable")[0].text
    else:
        assert any(words in text for text in flaws(adoptable, old, new))


def test_without_a_must_any_state_would_fit(adoptable):
    text = adoptable.read_text("utf-8").replace("        must: true\n", "")
    adoptable.write_text(text, "utf-8")
    assert "No resource is a “must”" in blueprints.flaws("adoptable")[0].text


def test_a_step_that_is_not_known_is_found_in_it_as_well(adoptable):
    text = adoptable.read_text("utf-8").replace("imports: true}\n", "importz: true}\n", 1)
    adoptable.write_text(text, "utf-8")
    (found,) = check_steps()
    assert "no parameter “importz”" in found.msg
    assert found.obj.startswith("adoptable/adopt.yaml:")


def test_the_contact_centres_knows_every_old_variable_that_its_documentation_names():
    kind = blueprints.load("omnileads").kinds["tenant"]
    text = OLD.read_text("utf-8").split("### The old deployer's variables")[1].split("New: ")[0]
    named = set()
    for line in text.splitlines():
        cells = line.split("|")
        if len(cells) == 4 and cells[1].strip().startswith("`"):
            named |= set(re.findall(r"`(\w+)`", cells[1]))
    # A flag of the old command, not a variable.
    assert named - {"DIALER"} - set(kind.adoption.variables) == set()
    assert len(named) > 40


def test_no_action_of_an_adopted_stack_applies_but_the_conversion():
    actions = blueprints.load("omnileads").kinds["tenant"].adoption.actions
    applying = [
        action.name
        for action in actions.values()
        if any(step.kind == "terraform.apply" for step in action.steps)
    ]
    assert applying == ["convert"]
    assert actions["convert"].confirm == "name"
    for name in ("convert", "convert_preview"):
        assert actions[name].steps[0].params == {"imports": True}


def resource_stands(folder: Path, address: str) -> bool:
    """Tell whether the HCL of a folder declares what an address names, through its modules."""
    parts = re.sub(r"\[\"[^\"]*\"\]", "", address).split(".")
    text = "\n".join(path.read_text("utf-8") for path in folder.glob("*.tf"))
    while parts[0] == "module":
        block = re.search(rf'^module "{parts[1]}" {{(.*?)^}}', text, re.S | re.M)
        if block is None:
            return False
        folder = folder / re.search(r'source\s*=\s*"([^"]+)"', block[1])[1]
        text = "\n".join(path.read_text("utf-8") for path in folder.glob("*.tf"))
        parts = parts[2:]
    return f'resource "{parts[0]}" "{parts[1]}"' in text


def test_every_import_has_a_resource_in_the_hcl():
    kind = blueprints.load("omnileads").kinds["tenant"]
    wanted = [one.to for one in kind.adoption.resources.values() if one.to]
    assert [to for to in wanted if not resource_stands(kind.root, to)] == []
    assert not resource_stands(kind.root, "module.postgresql.aws_db_instance.nothing")
    held = {re.sub(r"\[\"[^\"]*\"\]", "", to) for to in wanted if kind.holds(to)}
    assert held == {
        "module.postgresql.aws_db_instance.this",
        "module.mysql.aws_db_instance.this",
        "module.data_bucket.aws_s3_bucket.this",
    }
