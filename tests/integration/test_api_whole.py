"""The API does all that the pages do: docs/api.md says which operation stands for which act."""

import re
from pathlib import Path

import pytest

from tests.integration.audit_walk import ADMIN, APART, HOST_ROUTES, ROUTES
from tests.integration.audit_walk_people import EPHEMERAL, IN_STEPS, PEOPLE
from tests.integration.test_api_sweep import operations

TEXT = Path(__file__).resolve().parents[2] / "docs" / "api.md"
NAMES = re.compile(r"`([\w.]+)`")
# Acts that leave no entry in the trail, and so are in no table of these.
UNKEPT = {"inbox_read", "region_check", "theme"}
ACTS = {
    "Page": {*ROUTES, *HOST_ROUTES, *PEOPLE, *EPHEMERAL, *IN_STEPS, *APART, *UNKEPT},
    "In the administration": set(ADMIN),
}


def table(head: str) -> list[tuple[list[str], str]]:
    """Return the rows of the table with this head: names of acts, and what stands for them."""
    lines = TEXT.read_text().splitlines()
    first = lines.index(f"| {head} | Operation |") + 2
    found = []
    for line in lines[first:]:
        if not line.startswith("|"):
            break
        acts, counterpart = (cell.strip() for cell in line.strip("|").split("|"))
        found.append((NAMES.findall(acts), counterpart))
    return found


@pytest.mark.parametrize("head", ACTS)
def test_every_act_of_the_pages_has_an_operation_or_a_reason(head: str):
    named = [name for names, _ in table(head) for name in names]
    assert sorted(named) == sorted(ACTS[head]), "give the act a row in docs/api.md"


@pytest.mark.parametrize("head", ACTS)
def test_every_operation_of_the_table_is_one(head: str):
    known = set(operations())
    for names, counterpart in table(head):
        found = set(NAMES.findall(counterpart))
        if counterpart.startswith("pages only: "):
            assert not found and len(counterpart) > 30, names
        else:
            assert found and found <= known, (names, found - known)


def test_everything_that_writes_stands_in_the_tables():
    """An operation that no act of a page stands for would be a second way of its own."""
    told = {op for head in ACTS for _, text in table(head) for op in NAMES.findall(text)}
    writing = {name for name, (method, _path) in operations().items() if method != "get"}
    assert writing - told == set()
