"""What `make lint` finds beyond ruff: lengths, machine paths, texts outside gettext."""

import importlib.util
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "scripts"


def load(name):
    """Import a script by its file."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


house = load("check_house")
texts = load("check_texts")


@pytest.mark.parametrize(
    "line",
    # In pieces, or this file itself would be found.
    [("see ", "root/notes.txt"), ("PATH=", "home/alice/bin"), ("x ", "opt/wheels")],
)
def test_a_place_on_one_machine_is_found(line):
    assert list(house.check_machine(Path("docs/x.md"), "/".join(line)))


@pytest.mark.parametrize("line", ["/var/lib/omlsaas/", "https://example.com/root/x", "a/root/b/c"])
def test_other_paths_are_left_alone(line):
    assert not list(house.check_machine(Path("docs/x.md"), line))


def test_a_long_function_is_found():
    body = "\n".join(["def long():", *["    x = 1"] * 40])

    assert list(house.check_lengths(Path("x.py"), body)) == ["1: long has 41 lines, at most 40"]


def test_a_long_function_may_say_why():
    body = "\n".join(["def long():  # long: one table, read together", *["    x = 1"] * 40])

    assert not list(house.check_lengths(Path("x.py"), body))


@pytest.mark.parametrize(
    "page",
    [
        "<p>Confirm the plan</p>",
        '<input placeholder="Search tenants">',
        '<a href="{% url "x" %}" title="More of it">{{ name }}</a>',
        "{% trans 'One' %} and more",
    ],
)
def test_a_text_outside_trans_is_found(page):
    assert list(texts.check_template(page))


@pytest.mark.parametrize(
    "page",
    [
        "{% load i18n %}<p>{% trans 'Confirm the plan' %}</p>",
        "{% blocktrans with a=b %}Held by {{ a }}{% endblocktrans %}",
        '<input class="form-control" name="search" placeholder="{% trans "Search" %}">',
        "<code>make run</code> · {{ run.number }} &middot; +{{ n }}",
        "<script src='x.js' defer></script>{# a remark #}<!-- another -->",
    ],
)
def test_marked_texts_are_left_alone(page):
    assert not list(texts.check_template(page))


@pytest.mark.parametrize(
    "code",
    ['f = Field(label="Name of it")', 'verbose_name = "tenant"', 'messages.error(r, "No such")'],
)
def test_a_declared_text_outside_gettext_is_found(code):
    assert list(texts.check_python(code))


@pytest.mark.parametrize(
    "code", ['f = Field(label=_("Name"))', 'label = ""', 'messages.error(r, _("No such"))']
)
def test_declared_texts_in_gettext_are_left_alone(code):
    assert not list(texts.check_python(code))
