"""The form of a blueprint's inputs: a field for each type, what is kept, what is a secret."""

import json
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants import blueprints
from tenants.blueprints import TypeSpec
from tenants.input_fields import JsonTextField, LinesField, NumberField, PairsField
from tenants.inputs import InputsForm

HEAD = """
title: Demo
kinds:
  tenant:
    root: tenant
    naming: {pattern: ".*", message: Any.}
    actions:
      plan: {label: Plan, kind: plan, risk: none, steps: [{kind: terraform.plan}]}
"""


@pytest.fixture
def make(tmp_path, settings):
    """Return a function that makes a form for the HCL of some variables."""
    settings.BLUEPRINT_ROOT = tmp_path
    (tmp_path / "demo" / "tenant").mkdir(parents=True)

    def form(hcl, data=None, *, more="", values=None, secrets_set=(), names="all"):
        (tmp_path / "demo" / "blueprint.yaml").write_text(HEAD + textwrap.indent(more, "    "))
        (tmp_path / "demo" / "tenant" / "variables.tf").write_text(hcl + "\n")
        kind = blueprints.load("demo").kinds["tenant"]
        return InputsForm(
            kind, values=values or {}, secrets_set=secrets_set, names=names, data=data
        )

    return form


def variable(body: str, name: str = "x") -> str:
    return f'variable "{name}" {{\n{body}\n}}\n'


def posted(form) -> dict[str, str]:
    """Return what a browser sends back when nothing is touched."""
    data = {}
    for bound in form:
        value = bound.value()
        if value is True:
            data[bound.html_name] = "on"
        elif value is not False:
            data[bound.html_name] = str(value or "").replace("\n", "\r\n")
    return data


TYPES = [
    ("string", "plain"),
    ("string", "  blanks around and = signs  "),
    ("string", "two\nlines"),
    ("number", 0),
    ("number", 0.5),
    ("number", 10**30),
    ("bool", True),
    ("bool", False),
    ("list(string)", ["b", "a", "a"]),
    ("list(string)", ["two\nlines", ""]),
    ("list(number)", [1, 2.5]),
    ("list(bool)", [True, False]),
    ("set(string)", ["b", "a"]),
    ("map(string)", {"a": "1", "b c": "x=y"}),
    ("map(string)", {"a=b": "1"}),
    ("map(number)", {"a": 1}),
    ("object({ a = string, b = optional(number, 3) })", {"a": "x"}),
    ("object({ a = object({ b = string }) })", {"a": {"b": "x"}}),
    ("list(object({ a = string }))", [{"a": "x"}]),
    ("tuple([string, number])", ["a", 1]),
    ("any", {"free": [1, None, "ü"]}),
]


@pytest.mark.parametrize(("kind", "value"), TYPES)
def test_a_stored_value_that_is_not_touched_stays_exactly_as_it_is(make, kind, value):
    hcl = variable(f"type = {kind}")
    data = posted(make(hcl, values={"x": value}))

    form = make(hcl, data, values={"x": value})

    assert form.is_valid(), form.errors
    assert form.changes == {}


@pytest.mark.parametrize(("kind", "value"), TYPES)
def test_a_default_that_is_not_touched_is_not_stored(make, kind, value):
    if isinstance(value, str) and "\n" in value:
        value = value.replace("\n", "\\n")
    default = json.dumps(value, ensure_ascii=False).replace("\\\\n", "\\n")
    hcl = variable(f"type = {kind}\ndefault = {default}")

    form = make(hcl, posted(make(hcl)))

    assert form.is_valid(), form.errors
    assert form.changes == {}


@pytest.mark.parametrize(
    ("body", "text", "value"),
    [
        ("type = string", "new", "new"),
        ("type = string", "two\r\nlines", "two\nlines"),
        ("type = number", "7", 7),
        ("type = number", " 7 ", 7),
        ("type = number", "1.5", 1.5),
        ("type = number", "1e3", 1000.0),
        ("type = bool", "true", True),
        ("type = list(string)", "a\r\n\r\n b \r\na", ["a", "b", "a"]),
        ("type = list(number)", "1\n2.5", [1, 2.5]),
        ("type = set(string)", "b\na\nb", ["b", "a"]),
        ("type = map(string)", "a = 1\nb c=x = y\n", {"a": "1", "b c": "x = y"}),
        ("type = map(bool)", "a = true", {"a": True}),
        ("type = list(list(string))", '[["a"]]', [["a"]]),
        ("type = any", "[]", []),
    ],
)
def test_a_typed_text_becomes_a_value_of_the_type(make, body, text, value):
    form = make(variable(body), {"x": text})

    assert form.is_valid(), form.errors
    assert form.changes == {"x": value}
    assert type(form.changes["x"]) is type(value)


@pytest.mark.parametrize(
    ("body", "text", "says"),
    [
        ("type = string", "", "required"),
        ("type = list(string)", " \n ", "required"),
        ("type = number", "seven", "not a number"),
        ("type = number", "nan", "not a number"),
        ("type = number", "1e999", "not a number"),
        ("type = number", "1_000", "not a number"),
        ("type = bool", "maybe", "neither"),
        ("type = list(number)", "1\nx", "not a number"),
        ("type = map(string)", "a = 1\nb", "Line 2"),
        ("type = map(string)", "a = 1\na = 2", "Line 2"),
        ("type = map(string)", "= 2", "Line 1"),
        ("type = any", "{", "not JSON"),
        ("type = any", "NaN", "not JSON"),
        ("type = any", "[" * 60_000, "deep"),
        ("type = string", "x" * 70_000, "65536"),
        ("type = string", "a\x00b", "Null"),
    ],
)
def test_a_text_that_is_no_value_is_refused_and_shown_again(make, body, text, says):
    form = make(variable(body), {"x": text})

    assert not form.is_valid()
    assert says in form.errors["x"][0]
    assert form["x"].value() == text


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('type = string\ndefault = "a"', ""),
        ('type = string\ndefault = ""', None),
        ("type = string\ndefault = null", None),
        ("type = number\ndefault = 3", None),
        ('type = list(string)\ndefault = ["a"]', []),
        ("type = list(string)\ndefault = []", None),
        ('type = map(string)\ndefault = { a = "b" }', {}),
    ],
)
def test_an_emptied_field_means_empty_where_the_default_is_not(make, body, value):
    stored = {"x": {"list": ["z"], "map": {"z": "z"}, "numb": 9}.get(body[7:11].rstrip("("), "z")}
    if "map" in body:
        stored = {"x": {"z": "z"}}

    form = make(variable(body), {"x": ""}, values=stored)

    assert form.is_valid(), form.errors
    assert form.changes == {"x": value}


def test_a_field_that_was_not_sent_is_kept(make):
    hcl = variable("type = string\ndefault = null") + variable("type = string", "y")

    form = make(hcl, {"y": "new"}, values={"x": "old", "y": "old"})

    assert form.is_valid()
    assert form.changes == {"y": "new"}


def test_a_checkbox_says_no(make):
    form = make(variable("type = bool\ndefault = true"), {})

    assert form.is_valid()
    assert form.changes == {"x": False}


@pytest.mark.parametrize("body", ["type = bool", "type = bool\ndefault = null"])
def test_a_truth_value_that_may_be_unsaid_is_no_checkbox(make, body):
    assert "<select" in str(make(variable(body))["x"])


# --- choices -------------------------------------------------------------------------------------

SIZES = (
    'type = string\ndefault = "small"\nvalidation {\n'
    'condition = contains(["small", "large"], var.x)\nerror_message = "No."\n}'
)


def test_choices_are_a_select(make):
    html = str(make(variable(SIZES))["x"])

    assert "<select" in html
    assert '<option value="small" selected>' in html
    assert '<option value="large">' in html


def test_the_default_can_be_chosen_again(make):
    form = make(variable(SIZES), {"x": ""}, values={"x": "large"})

    assert form.is_valid()
    assert form.changes == {"x": None}


def test_a_stored_value_that_is_no_choice_any_more_is_shown_and_kept(make):
    html = str(make(variable(SIZES), values={"x": "huge"})["x"])

    assert '<option value="huge" selected>' in html
    assert "no longer offered" in html
    form = make(variable(SIZES), {"x": "huge"}, values={"x": "huge"})
    assert form.is_valid()
    assert form.changes == {}


def test_chosen_numbers_stay_numbers(make):
    body = "type = number\nvalidation {\ncondition = contains([1, 2], var.x)\n}"

    form = make(variable(body), {"x": "2"})

    assert form.is_valid()
    assert form.changes == {"x": 2}


# --- objects -------------------------------------------------------------------------------------

WINDOW = """
type = object({
  day   = optional(string, "sun")
  hour  = number
  quiet = optional(bool, false)
})
"""


def test_an_object_has_a_field_for_each_attribute(make):
    (group,) = make(variable(WINDOW), values={"x": {"hour": 3}}).groups()
    (row,) = group.rows

    assert row.is_object
    assert [field.label for field in row.fields] == ["Day", "Hour", "Quiet"]
    assert [field.value() for field in row.fields] == ["sun", "3", False]


def test_only_touched_attributes_are_stored(make):
    data = {"x.day": "mon", "x.hour": "3"}

    form = make(variable(WINDOW), data, values={"x": {"hour": 3}})

    assert form.is_valid(), form.errors
    assert form.changes == {"x": {"hour": 3, "day": "mon"}}


def test_an_attribute_that_no_form_knows_is_kept(make):
    form = make(
        variable(WINDOW), {"x.day": "mon", "x.hour": "3"}, values={"x": {"hour": 1, "z": 1}}
    )

    assert form.is_valid()
    assert form.changes["x"]["z"] == 1


def test_a_required_attribute_is_demanded(make):
    form = make(variable(WINDOW), {"x.day": "mon", "x.hour": ""})

    assert list(form.errors) == ["x.hour"]


def test_an_object_that_may_be_left_out_is_judged_as_a_whole(make):
    hcl = variable(WINDOW + "default = null")

    assert make(hcl, {"x.day": "sun", "x.hour": ""}).is_valid()
    assert list(make(hcl, {"x.day": "mon", "x.hour": ""}).errors) == ["x.hour"]


# --- secrets -------------------------------------------------------------------------------------

TOKEN = variable('type = string\nsensitive = true\ndescription = "Token."', "token")
RULES = "secrets:\n  token: {min_length: 12, message: Twelve or more.}\n"


def test_a_secret_is_a_password_field_that_shows_nothing(make):
    html = str(make(TOKEN, values={"token": "leaked-value"}, secrets_set={"token"}))

    assert 'type="password"' in html
    assert "leaked-value" not in html
    assert "leave empty to keep" in html


def test_a_typed_secret_is_not_shown_again(make):
    form = make(TOKEN, {"token": "short"}, more=RULES)

    assert not form.is_valid()
    assert "Twelve or more." in str(form.errors)
    assert "short" not in str(form)


def test_an_empty_secret_keeps_the_old_one(make):
    form = make(TOKEN, {"token": ""}, secrets_set={"token"})

    assert form.is_valid()
    assert (form.changes, form.new_secrets) == ({}, {})


def test_a_required_secret_must_be_typed_once(make):
    assert list(make(TOKEN, {"token": ""}).errors) == ["token"]


def test_a_new_secret_stands_apart_from_the_plain_values(make):
    form = make(TOKEN, {"token": " with blanks around "})

    assert form.is_valid()
    assert form.changes == {}
    assert form.new_secrets == {"token": " with blanks around "}


def test_rows_tell_whether_a_secret_is_set(make):
    for names in ((), ("token",)):
        (group,) = make(TOKEN, secrets_set=names).groups()
        assert group.rows[0].is_set is bool(names)


def test_a_secret_of_several_lines_is_an_empty_textarea(make):
    rules = "secrets:\n  token: {multiline: true}\n"

    html = str(make(TOKEN, {"token": "-----BEGIN\nKEY-----"}, more=rules)["token"])

    assert "<textarea" in html
    assert "BEGIN" not in html


# --- groups, refusals ----------------------------------------------------------------------------


def test_rows_stand_in_the_groups_of_the_blueprint(make):
    more = (
        "provided: {n: stack.name}\n"
        "labels: {b: Better}\n"
        "groups:\n  - {title: First, help: Why., variables: [b]}\n"
    )
    hcl = variable('description = "A."', "a") + variable("", "b") + variable("", "n")

    groups = make(hcl, more=more).groups()

    assert [(g.title, g.help, [r.label for r in g.rows]) for g in groups] == [
        ("First", "Why.", ["Better"]),
        ("More", "", ["A"]),
    ]


def test_an_action_shows_its_own_fields_alone(make):
    hcl = variable("", "a") + variable("", "b")

    form = make(hcl, names=("b",))

    assert list(form.fields) == ["b"]
    assert list(make(hcl, names=()).fields) == []


def test_a_refusal_stands_at_its_field_and_any_other_above(make):
    form = make(variable(WINDOW) + variable("type = string", "y"), {"x.hour": "1", "y": "a"})
    assert form.is_valid()

    form.refuse({"x": "Not this.", "y": "Nor this.", "": "Not at all.", "gone": "Who?"})

    assert form.errors["x.day"] == ["Not this."]
    assert form.errors["y"] == ["Nor this."]
    assert form.non_field_errors() == ["Not at all.", "gone: Who?"]


def test_help_comes_from_the_description(make):
    assert "Some words." in make(variable('description = "Some words."')).as_div()


def test_html_in_a_description_is_text(make):
    html = make(variable('type = string\ndescription = "<script>alert(1)</script>"')).as_div()

    assert "<script>" not in html


# --- texts and back ------------------------------------------------------------------------------

LINE = st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
ITEM = LINE.map(str.strip).filter(bool)


@given(st.lists(ITEM))
def test_lists_survive_being_shown(value):
    field = LinesField(TypeSpec("string"), required=False)

    assert LinesField.fits(TypeSpec("string"), value)
    assert (field.to_python(field.shown(value)) or []) == value


@given(st.dictionaries(ITEM.filter(lambda key: "=" not in key), ITEM))
def test_maps_survive_being_shown(value):
    field = PairsField(TypeSpec("string"), required=False)

    assert PairsField.fits(TypeSpec("string"), value)
    assert (field.to_python(field.shown(value)) or {}) == value


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_being_shown(value):
    field = NumberField()

    assert field.to_python(field.shown(value)) == value


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | LINE,
        lambda inner: st.lists(inner) | st.dictionaries(LINE, inner),
        max_leaves=8,
    )
)
def test_json_survives_being_shown(value):
    field = JsonTextField(required=False)

    assert field.to_python(field.shown(value)) == value
