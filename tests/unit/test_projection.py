"""The bounded picture that a run's pages show of its events."""

import json

import pytest

from deployments.runner import picture
from deployments.runner import projection as module
from deployments.runner.projection import Projection, replay


def at(seconds):
    return f"2026-11-20T12:00:{seconds:02d}Z"


def event(kind, address="x.a", action="create", when=0, **more):
    more = {"reason": ""} | more if kind == "planned_change" else more
    return {"type": kind, "address": address, "action": action, "at": at(when), **more}


def projected(*events):
    projection = Projection()
    projection.update(events)
    return projection


def test_resource_from_plan_to_done():
    projection = projected(
        event("planned_change"), event("apply_start", when=1), event("apply_complete", when=4)
    )
    assert projection.resources == [
        {"address": "x.a", "action": "create", "status": "done", "reason": "",
         "started": at(1), "ended": at(4)}
    ]  # fmt: skip
    assert (projection.done, projection.total, projection.failed) == (1, 1, 0)


def test_replacement_is_one_row_that_ends_with_its_second_half():
    events = [
        event("planned_change", action="replace", reason="cannot_update"),
        event("apply_start", action="delete", when=1),
        event("apply_complete", action="delete", when=2),
    ]
    projection = projected(*events)
    assert projection.resources[0]["status"] == "running"
    assert (projection.done, projection.total) == (1, 2)
    projection.update([event("apply_start", when=2), event("apply_complete", when=5)])
    (row,) = projection.resources
    assert (row["action"], row["status"]) == ("replace", "done")
    assert (row["started"], row["ended"]) == (at(1), at(5))
    assert (projection.done, projection.total) == (2, 2)


def test_failure_is_told():
    projection = projected(
        event("planned_change"), event("apply_start", when=1), event("apply_errored", when=2)
    )
    assert projection.resources[0]["status"] == "errored"
    assert (projection.done, projection.failed) == (0, 1)


def test_refresh_before_a_change_is_not_its_start():
    projection = projected(
        event("refresh_start", action="", when=1),
        event("refresh_complete", action="", when=2),
        event("planned_change", action="update"),
    )
    (row,) = projection.resources
    assert (row["action"], row["status"], row["started"]) == ("update", "planned", None)


def test_reading_a_data_source_is_no_progress():
    projection = projected(
        event("apply_start", action="read"), event("apply_complete", action="read")
    )
    assert (projection.done, projection.total) == (0, 0)


def test_resources_beyond_the_bound_are_counted(monkeypatch):
    monkeypatch.setattr(module, "MAX_RESOURCES", 3)
    planned = [event("planned_change", f"x.{n}") for n in range(5)]
    started = [event("apply_start", f"x.{n}") for n in range(5)]
    ended = [event("apply_complete", f"x.{n}") for n in range(5)]
    projection = projected(*planned, *started, *ended)
    assert len(projection.resources) == 3
    assert projection.more == 2
    assert (projection.done, projection.total) == (5, 5)


def test_changes_push_out_what_was_only_refreshed(monkeypatch):
    monkeypatch.setattr(module, "MAX_RESOURCES", 3)
    refreshed = [event("refresh_start", f"x.{n}", "") for n in range(5)]
    changed = [event("planned_change", "x.0", "update"), event("planned_change", "x.4", "update"),
               event("planned_change", "x.new")]  # fmt: skip
    projection = projected(*refreshed, *changed)
    assert [row["address"] for row in projection.resources] == ["x.0", "x.4", "x.new"]
    assert projection.more == 3


def test_diagnostics_are_bounded_in_number_and_length(monkeypatch):
    monkeypatch.setattr(picture, "MAX_DIAGNOSTICS", 2)
    found = {"type": "diagnostic", "at": at(0), "severity": "error", "summary": "s" * 9_000,
             "detail": "", "address": "", "place": ""}  # fmt: skip
    projection = projected(found, found, found)
    assert len(projection.diagnostics) == 2
    assert projection.more_diagnostics == 1
    assert len(projection.diagnostics[0]["summary"]) == picture.MAX_TEXT


def test_it_goes_through_json_and_on():
    first = projected(
        event("planned_change"),
        event("refresh_start", "x.b", ""),
        {"type": "change_summary", "operation": "plan", "counts": {"add": 1}, "at": at(0)},
        {"type": "outputs", "names": ["b"], "at": at(0)},
    )
    again = Projection.from_dict(json.loads(json.dumps(first.to_dict())))
    assert again.to_dict() == first.to_dict()
    again.update([event("apply_complete")])
    assert again.done == 1


def test_picture_of_a_moment_does_not_change_later():
    projection = projected(event("planned_change"))
    picture = projection.to_dict()
    projection.update([event("apply_start", when=1)])
    assert picture["resources"][0]["status"] == "planned"


def test_signs_of_life_change_nothing():
    projection = projected(event("planned_change"))
    version = projection.version
    projection.update([event("apply_progress"), event("provision_start")])
    assert projection.version == version


@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_replay_takes_exactly_the_lines_that_were_stored(tmp_path, lines):
    raw = tmp_path / "raw.log"
    text = [
        json.dumps({"@level": "info", "@message": "", "@timestamp": at(0), "type": "apply_complete",
                    "hook": {"resource": {"addr": f"x.{n}"}, "action": "create"}},
                   separators=(",", ":")).encode() + b"\n"
        for n in range(3)
    ]  # fmt: skip
    raw.write_bytes(b"".join(text))
    assert replay(raw, sum(map(len, text[:lines]))).done == lines
