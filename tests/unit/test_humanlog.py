"""What people read of Terraform's machine output, and the events made of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.runner.humanlog import _EVENTS, DIM, GREEN, RED, RESET, YELLOW, HumanLog
from deployments.runner.projection import Projection
from deployments.runner.redact import DOTS, Redactor
from deployments.runner.tail import cut_line

KINDS = [*_EVENTS, "diagnostic", "provision_progress", "log"]
KEYS = st.sampled_from(
    ["hook", "resource", "addr", "action", "change", "changes", "add", "outputs", "diagnostic",
     "summary", "detail", "range", "start", "line", "filename", "snippet", "context", "terraform"]
)  # fmt: skip
AT = "2026-11-20T12:02:47.110440Z"


def message(kind, text="said", level="info", **more):
    return json.dumps(
        {"@level": level, "@message": text, "@module": "terraform.ui", "@timestamp": AT}
        | more
        | {"type": kind},
        separators=(",", ":"),
    ).encode()


def hook(**more):
    return {"hook": {"resource": {"addr": "terraform_data.a"}, "action": "create", **more}}


def feed(*lines, redact=None):
    human, events = HumanLog(redact).feed(b"".join(line + b"\n" for line in lines))
    return human.decode(), events


def test_block_without_json_is_the_very_same():
    block = b"plain\n{not ours}\n" * 100
    assert HumanLog().feed(block)[0] is block


def test_lines_around_a_message_stay_as_they_are():
    text, events = feed(b"before", message("log"), b'{"other": 1}', b"after")
    assert text == 'before\nsaid\n{"other": 1}\nafter\n'
    assert events == []


@pytest.mark.parametrize(
    ("line", "colour"),
    [
        (message("apply_complete", **hook()), GREEN),
        (message("apply_errored", **hook()), RED),
        (message("apply_progress", **hook()), DIM),
        (message("refresh_start", **hook()), DIM),
        (message("a_type_of_tomorrow", level="warn"), YELLOW),
        (message("a_type_of_tomorrow", level="error"), RED),
        (message("planned_change", change={"action": "replace"}), RED),
        (message("planned_change", change={"action": "create"}), GREEN),
    ],
)
def test_colour_of_a_line(line, colour):
    assert feed(line)[0] == f"{colour}said{RESET}\n"


def test_every_line_of_a_message_is_coloured_for_itself():
    assert feed(message("x", "a\n\nb", "error"))[0] == f"{RED}a{RESET}\n\n{RED}b{RESET}\n"


def test_output_of_a_provisioner_is_shown_with_its_resource():
    line = message("provision_progress", **hook(provisioner="local-exec", output="hello"))
    text, events = feed(line)
    assert text == f"{DIM}terraform_data.a (local-exec):{RESET} hello\n"
    assert events == []


def test_control_characters_inside_json_are_made_visible():
    line = message("provision_progress", **hook(provisioner="x", output="a\x00\x1b[2J\x1b[31mb"))
    assert feed(line)[0].endswith("a␀␛[2J\x1b[31mb\n")


def test_diagnostic_is_summary_place_and_detail():
    found = {
        "severity": "error",
        "summary": "Invalid value",
        "detail": "First.\n\nSecond.",
        "address": "terraform_data.a",
        "range": {"filename": "main.tf", "start": {"line": 12}},
        "snippet": {"context": 'resource "terraform_data" "a"', "code": 'password = "quoted"'},
    }
    text, (event,) = feed(message("diagnostic", level="error", diagnostic=found))
    plain = text.replace(RED, "").replace(RESET, "").replace("\x1b[1m", "")
    assert plain.splitlines() == [
        "Error: Invalid value",
        '  on main.tf:12, in resource "terraform_data" "a", terraform_data.a',
        "  First.",
        "  ",
        "  Second.",
    ]
    assert event == {
        "type": "diagnostic",
        "at": AT,
        "severity": "error",
        "summary": "Invalid value",
        "detail": "First.\n\nSecond.",
        "address": "terraform_data.a",
        "place": 'main.tf:12, in resource "terraform_data" "a"',
    }


def test_diagnostic_without_anything_is_no_crash():
    text, (event,) = feed(message("diagnostic", "Error: x", "error"))
    assert "Error: x" in text
    assert event["place"] == ""


def test_events_of_an_apply():
    changes = {"add": 1, "change": 0, "remove": 2, "import": 0, "operation": "apply"}
    _, events = feed(
        message("version", terraform="1.11.4"),
        message("planned_change", change={"resource": {"addr": "x.y"}, "action": "replace",
                                          "reason": "tainted"}),
        message("apply_start", **hook()),
        message("apply_complete", **hook(elapsed_seconds=3)),
        message("change_summary", changes=changes),
        message("outputs", outputs={"b": {"sensitive": True}, "a": {}}),
    )  # fmt: skip
    assert events == [
        {"terraform": "1.11.4", "type": "version", "at": AT},
        {"address": "x.y", "action": "replace", "reason": "tainted", "type": "planned_change",
         "at": AT},
        {"address": "terraform_data.a", "action": "create", "elapsed": None,
         "type": "apply_start", "at": AT},
        {"address": "terraform_data.a", "action": "create", "elapsed": 3,
         "type": "apply_complete", "at": AT},
        {"operation": "apply", "counts": {"add": 1, "change": 0, "remove": 2, "import": 0},
         "type": "change_summary", "at": AT},
        {"names": ["a", "b"], "type": "outputs", "at": AT},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        b'{"@level":"info","@mess',
        b'{"@level" "x"}',
        b'{"@level":"info"}',
        b'{"@level":1,"type":[1]}',
        b'{"@level":"info","@message":5,"type":"log"}',
        b'{"@level":"info","@message":null,"type":"apply_start","hook":null}',
        b'{"@level":"info","@message":"m","type":"apply_start","hook":{"resource":7}}',
        b'{"@level":"info","@message":"m","type":"planned_change","change":[]}',
        b'{"@level":"info","@message":"m","type":"diagnostic","diagnostic":"words"}',
        b'{"@level":"info","@message":"m","type":"outputs","outputs":["a"]}',
        b'{"@level":"info","@message":"m","type":"change_summary","changes":{"add":"x"}}',
    ],
)
def test_message_of_another_shape_is_a_line_and_no_crash(line):
    assert feed(line)[0].endswith("\n")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@given(kind=st.sampled_from(KINDS) | json_values, more=st.dictionaries(KEYS, json_values))
def test_no_message_at_all_is_a_crash(kind, more):
    text, events = feed(message(kind, **more))
    projection = Projection()
    projection.update(events)
    json.dumps(projection.to_dict())
    assert text.endswith("\n")


def test_message_that_was_cut_still_shows_its_text():
    long = message("log", 'he said "' + "x" * 70_000 + '"')
    text, _ = feed(cut_line(long, len(long)).rstrip(b"\n"))
    assert text.startswith('he said "xxx')
    assert text.endswith(f" … [line cut, {len(long)} bytes]\n")


def test_secret_is_gone_from_lines_events_and_escapes():
    secret = 'p"ss<w&rd'
    found = {"severity": "error", "summary": f"bad {secret}", "detail": json.dumps(secret)}
    redactor = Redactor([secret])
    human, events = HumanLog(redactor.apply).feed(
        message("diagnostic", level="error", diagnostic=found)
        + b"\n"
        + message("provision_progress", **hook(provisioner="x", output=f"echo {secret}"))
        + f"\nplain {secret}\n".encode()
    )
    assert human.decode().count(DOTS) == 4
    assert events[0]["summary"] == f"bad {DOTS}"
    assert events[0]["detail"] == f'"{DOTS}"'
