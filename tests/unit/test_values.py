"""Values of inputs as text, and which can be kept."""

import pytest

from tenants import blueprints
from tenants.errors import InputsRefused
from tenants.values import is_keepable, value_from_text

LAB = blueprints.load("lab").kinds["tenant"].variables


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("database_disk_gib", "40", 40),
        ("database_disk_gib", "null", None),
        ("dialer", "Yes", True),
        ("carrier_cidrs", '["192.0.2.0/24"]', ["192.0.2.0/24"]),
        ("timezone" if "timezone" in LAB else "app_version", "1.10", "1.10"),
    ],
)
def test_a_text_becomes_a_value_of_the_variable(name, text, value):
    assert value_from_text(LAB[name], text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("database_disk_gib", "forty"),
        ("database_disk_gib", "9" * 5000),
        ("database_disk_gib", "true"),
        ("dialer", "maybe"),
        ("carrier_cidrs", "[" * 100_000),
    ],
)
def test_what_is_none_is_refused_with_what_is_wanted(name, text):
    with pytest.raises(InputsRefused) as refused:
        value_from_text(LAB[name], text)
    assert refused.value.problems[name].startswith("Write ")


@pytest.mark.parametrize(
    "value", ["a\0", "\ud800", float("inf"), float("nan"), ["a", {"b": "\0"}], {"\0": 1}]
)
def test_what_the_database_cannot_hold_is_told_before(value):
    assert not is_keepable(value)


def test_what_it_can_hold_is_kept():
    assert is_keepable({"a": [1, 1.5, None, True, "ü😀"], "b": {}})
    endless: list = []
    endless.append(endless)
    assert not is_keepable(endless)
