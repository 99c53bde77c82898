"""What the texts claim of the code is so: transitions, links, settings, commands."""

import re
from pathlib import Path

import pytest

from deployments.runner.terraform import PASSED_ON
from deployments.runstatus import AT_WORK, HOLDS_STACK, TRANSITIONS, RunStatus
from omlsaas.lib.installation import SHARED_SETTINGS
from tenants.access import GRANTS, KINDS

PROJECT = Path(__file__).resolve().parent.parent.parent
TEXTS = sorted([PROJECT / "README.md", PROJECT / "CHANGELOG.md", *PROJECT.glob("docs/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def read(name: str) -> str:
    """Return a text of the project."""
    return (PROJECT / name).read_text(encoding="utf-8")


def table_rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table."""
    lines = (line for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    targets = [link for link in LINK.findall(path.read_text()) if "://" not in link]
    missing = [link for link in targets if not (path.parent / link).exists()]
    assert missing == []


def test_the_table_of_statuses_is_the_state_machine():
    rows = {row[0].strip("`"): row for row in table_rows(read("docs/run-lifecycle.md"))}
    for status in RunStatus:
        _, label, following, holds, works = rows[status.value]
        assert label == status.label
        assert set(re.findall(r"`(\w+)`", following)) == {str(s) for s in TRANSITIONS[status]}
        assert (holds == "yes", works == "yes") == (status in HOLDS_STACK, status in AT_WORK)


def test_the_picture_shows_edges_that_there_are():
    edges = re.findall(r"^    (\w+) --> (\w+)", read("docs/run-lifecycle.md"), re.MULTILINE)
    assert edges
    wrong = [(a, b) for a, b in edges if RunStatus(b) not in TRANSITIONS[RunStatus(a)]]
    assert wrong == []


def test_the_table_of_roles_is_what_is_granted():
    rows = table_rows(read("docs/security.md"))
    head = next(row for row in rows if row[0] == "Kind of action")
    told: dict[str, set[str]] = {role: set() for role in head[1:]}
    for row in rows[rows.index(head) + 2 : rows.index(head) + 6]:
        for role, cell in zip(head[1:], row[1:], strict=True):
            told[role] |= set(row[0].split(", ")) if cell == "yes" else set()
    granted = {role: {str(KINDS[kind]) for kind in kinds} for role, kinds in GRANTS.items()}
    assert told == granted


def test_the_environment_of_an_engine_is_told():
    text = read("docs/security.md")
    plain = {name for name in PASSED_ON if "proxy" not in name.lower() and "CA" not in name}
    assert [name for name in plain if f"`{name}`" not in text and "SSL" not in name] == []


def test_settings_in_the_texts_exist():
    known = set(re.findall(r"\b[A-Z][A-Z_]{3,}\b", read("omlsaas/settings.py")))
    known |= set(SHARED_SETTINGS) | {"PORT", "HOST"}
    told = set(re.findall(r"`([A-Z][A-Z_]+_(?:S|DAYS|RUNS|BYTES|LIMIT|ROOT|STATES))`",
                          "".join(path.read_text() for path in TEXTS)))  # fmt: skip
    assert told - known == set()


def test_commands_in_the_texts_exist():
    commands = {path.stem for path in PROJECT.glob("*/management/commands/*.py")}
    django = {"check"}
    told = set(re.findall(r"manage\.py (\w+)", "".join(path.read_text() for path in TEXTS)))
    assert told - commands - django == set()


def test_make_targets_in_the_texts_exist():
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    texts = "".join(path.read_text() for path in TEXTS)
    told = set(re.findall(r"(?:`|^    )make ([a-z-]+)", texts, re.MULTILINE))
    assert told - targets == set()
