"""What the bench computes; the measurements themselves are `make bench`."""

import ast
import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench import loglines
from bench.client import _Forms
from bench.figures import LIMITS, Report, percentile
from bench.measures import ALL, chosen, playbooks

BENCH = Path(__file__).resolve().parent.parent.parent / "bench"


def test_the_bench_imports_nothing_of_the_portal():
    wrong = []
    for path in BENCH.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            tops = {name.split(".")[0] for name in names}
            wrong += [f"{path.name}: {top}" for top in tops & {"omlsaas", "tenants", "deployments"}]
    assert not wrong


def test_every_limit_has_a_measurement_and_the_other_way_round():
    measured = [figure for _, figures in ALL.values() for figure in figures]
    assert sorted(measured) == sorted(LIMITS)


@pytest.mark.parametrize("name", ["fanout", "fanout_lost"])
def test_a_measurement_is_chosen_by_its_name_or_a_figures(name):
    assert chosen(name) == ["fanout"]


def test_an_unknown_name_chooses_nothing():
    assert chosen("no-such-figure") == []


@pytest.mark.parametrize(("percent", "value"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_one_of_the_values(percent, value):
    assert percentile(range(1, 101), percent) == value


def told(capsys):
    return json.loads(capsys.readouterr().out)


def test_the_median_counts(capsys):
    Report().tell("run_overhead_s", [0.5, 9.0, 0.4])
    assert told(capsys)["value"] == 0.5


def test_a_floor_is_missed_from_below(capsys):
    Report().tell("fanout_ratio", [0.4])
    assert told(capsys)["ok"] is False


def test_a_void_measurement_misses_whatever_its_value(capsys):
    Report().tell("run_overhead_s", [0.1], void="too fast")
    assert told(capsys)["ok"] is False


def test_what_could_not_be_measured_is_valid_json(capsys):
    Report().tell("burst_lost", [], value=float("nan"), void="why")
    assert told(capsys)["value"] is None


def log(*numbers):
    return b"".join(loglines.line(number, 45_868_404_662) for number in numbers)


@pytest.mark.parametrize(
    ("numbers", "found"),
    [((1, 2, 3), (0, 0)), ((1, 3), (1, 0)), ((1, 2, 2, 3), (0, 1)), ((2, 1, 3), (0, 1))],
    ids=["whole", "one missing", "one twice", "disorder"],
)
def test_lost_lines_are_counted(numbers, found):
    assert loglines.lost_and_twice(log(*numbers), 3) == found


def test_other_lines_between_do_not_count():
    assert loglines.lost_and_twice(b"Plan: 20 to add\n" + log(1, 2) + b"\n", 2) == (0, 0)


def test_a_line_tells_its_own_time():
    assert loglines.stamp_us(log(1)) == 45_868_404_662


def test_two_lines_have_no_id_in_common():
    first, second = (loglines.line(number, 0).split(b", id ")[1][:8] for number in (1, 2))
    assert first != second


def test_a_form_is_read_as_a_browser_sends_it():
    parser = _Forms()
    parser.feed(
        '<form action="/x"><input name="a" value="1"><input type="checkbox" name="b">'
        '<textarea name="c">\nline</textarea><input type="submit" name="d" value="go">'
        '<select name="e"><option value="">-</option><option value="2" selected>two</option>'
        "</select></form>"
    )
    assert parser.forms[0]["fields"] == {"a": "1", "c": "line", "e": "2"}


def test_an_event_is_late_by_its_text_and_by_the_counters_that_hold_it():
    shift = time.monotonic() - time.time()
    watcher = SimpleNamespace(
        frames=[(1_000_500_000_000, 6), (1_002_000_000_000, 12)], over_ns=1_009_000_000_000,
        events=[(shift + 1001.5, {"type": "progress", "counts": {"ok": 1}})],
    )  # fmt: skip
    events = [
        (1000.0, {"@message": "ok: a", "type": "ansible_result"}),
        (1001.0, {"@message": "ok: b", "type": "ansible_result"}),
        (1001.0, {"@message": "", "type": "ansible_stats"}),
    ]
    lines, counts = playbooks.lags(watcher, b"ok: a\nok: b\n", events)
    assert lines == [0.5, 1.0]
    assert [round(lag, 1) for lag in counts] == [1.5, 8.0]


def test_the_folder_of_the_hosts_files_is_another_one_by_hand():
    text = '!unsafe {\n"place": "/one",\n"round": "2"\n}\n'
    assert playbooks._with_place(text, "/two") == text.replace("/one", "/two")
