"""docs/blueprints.md names every key that the manifest's schema knows."""

import json
from pathlib import Path

import tenants.blueprints.manifest as manifest
from deployments.steps.kinds import KINDS

SCHEMA = json.loads(Path(manifest.__file__).with_name("schema.json").read_text("utf-8"))
DOCS = Path(__file__).parents[2] / "docs" / "blueprints.md"


def keys(definition):
    return set(SCHEMA["$defs"][definition]["properties"])


def test_every_key_of_a_manifest_is_documented():
    text = DOCS.read_text("utf-8")
    wanted = set(SCHEMA["properties"]) - {"$schema"}
    for definition in (
        "kind",
        "naming",
        "secret",
        "group",
        "readiness",
        "action",
        "param",
        "stage",
        "adoption",
        "old_variable",
        "old_resource",
    ):
        wanted |= keys(definition)

    assert sorted(key for key in wanted if key not in text) == []


def test_everything_that_can_be_provided_is_documented():
    text = DOCS.read_text("utf-8")
    paths = SCHEMA["$defs"]["kind"]["properties"]["provided"]["additionalProperties"]["enum"]

    assert [path for path in paths if f"`{path}`" not in text] == []


def test_every_kind_of_step_is_documented_with_its_phases_and_parameters():
    rows = {}
    for line in DOCS.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            rows[cells[0].strip("`")] = cells
    missing = []
    for name, kind in KINDS.items():
        if name.startswith(("state.restore", "state.unlock", "providers.", "hosts.made")):
            continue  # the portal's own: no blueprint names them
        told = rows[name]
        missing += [(name, phase) for phase in (kind.phase, *kind.also) if phase not in told[1]]
        missing += [(name, param) for param in kind.params if f"`{param}" not in told[3]]
    assert missing == []
