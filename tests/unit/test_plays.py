"""What a playbook's events make: the log's text, and the picture on the page."""

import json

from deployments.runner.humanlog import HumanLog
from deployments.runner.plays import MAX_BACKUPS, MAX_BARS, MAX_HOSTS, MAX_NOTES, Plays

AT = "2026-11-26T03:00:0%s.000Z"


def line(kind: str, text: str = "", **facts) -> bytes:
    """Return one line as the callback writes it."""
    told = {"@level": "info", "@message": text, "@timestamp": AT % 5, "type": kind, **facts}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def result(host: str, status: str, number: int = 1, began: str = AT % 5) -> bytes:
    return line("ansible_result", host=host, number=number, status=status, began=began)


def feed(*lines: bytes) -> tuple[str, Plays]:
    human, events = HumanLog().feed(b"".join(lines))
    plays = Plays()
    plays.update(events)
    return human.decode(), plays


def test_counters_of_hosts_and_of_all():
    _text, plays = feed(
        line("ansible_play", "Play: all", play="all"),
        line("ansible_task", "Task: one", number=1, task="one", place="site.yml:3"),
        result("a", "changed"), result("b", "ok"),
        line("ansible_task", "Task: two", number=2, task="two", place="site.yml:9"),
        result("a", "ok", 2), result("b", "failed", 2),
    )  # fmt: skip
    told = plays.to_dict()
    assert (told["totals"]["ok"], told["totals"]["changed"], told["totals"]["failed"]) == (2, 1, 1)
    assert [(h["host"], h["status"]) for h in told["hosts"]] == [("a", "changed"), ("b", "failed")]
    assert [task["name"] for task in told["tasks"]] == ["one", "two"]
    assert (told["task"], told["task_count"]) == ("two", 2)


def test_what_a_playbook_tells_of_a_host():
    note = {"host": "a", "about": "Certificate", "text": "good until \0 tomorrow"}
    said = {"@message": "a, Certificate: soon", "is_loud": True, **note}
    told = json.loads(line("ansible_told")) | said
    text, plays = feed(json.dumps(told, separators=(",", ":")).encode() + b"\n")
    assert text == "a, Certificate: soon\n"
    told = plays.to_dict()["notes"]
    assert [(n["host"], n["about"], n["is_loud"]) for n in told] == [("a", "Certificate", True)]
    assert "\0" not in told[0]["text"]
    for _turn in range(MAX_NOTES + 5):
        plays.update([{"type": "ansible_told", "is_loud": False, **note}])
    assert len(plays.notes) == MAX_NOTES


def test_the_backups_that_a_playbook_tells_are_no_lines_and_bounded():
    one = line("ansible_backup", key="backup/acme/20260101T030000Z/", size=17,
               taken_at="20260101T030000Z")  # fmt: skip
    text, plays = feed(one, line("ansible_backup", key="k", size=None, taken_at=None))
    assert text == ""
    assert plays.to_dict()["backups"] == [
        {"key": "backup/acme/20260101T030000Z/", "taken_at": "20260101T030000Z", "size": 17},
        {"key": "k", "taken_at": "", "size": 0},
    ]
    _text, plays = feed(*[one] * (MAX_BACKUPS + 5))
    assert len(plays.backups) == MAX_BACKUPS


CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"


def test_of_a_hosts_certificate_only_what_is_public_is_kept():
    pem = f"{CERTIFICATE}{KEY}\nwords\n{CERTIFICATE}"
    text, plays = feed(
        line("ansible_certificate", host="a", pem=pem),
        line("ansible_certificate", host="b", pem=KEY),
        line("ansible_certificate", host="c", pem=CERTIFICATE * 1_000),
    )
    assert text == "" and plays.to_dict()["certificates"] == {"a": CERTIFICATE * 2}


def test_a_bar_is_what_took_a_while_or_did_something():
    _text, plays = feed(result("a", "ok"), result("a", "ok", 2, AT % 1), result("b", "changed", 2))
    assert [(bar[0], bar[1], bar[4]) for bar in plays.bars] == [(0, 2, "ok"), (1, 2, "changed")]


def test_all_is_bounded():
    plays = Plays()
    events = [
        {"type": "ansible_result", "host": f"h{n}", "number": 1, "status": "changed",
         "began": AT % 1, "at": AT % 2}
        for n in range(MAX_HOSTS + 5)
    ]  # fmt: skip
    for _turn in range(3):
        plays.update(events)
    assert len(plays.hosts) == MAX_HOSTS and plays.more_hosts == 15
    assert len(plays.bars) == MAX_BARS and plays.more_bars > 0


def test_a_line_without_text_is_none_in_the_log():
    text, _plays = feed(line("ansible_note", "one"), result("a", "ok"), line("ansible_note", "two"))
    assert text == "one\ntwo\n"


def test_a_line_that_only_looks_like_an_event_harms_nothing():
    text, plays = feed(line("ansible_result", "odd", host=["x"], number="y"), b"plain\n")
    assert "plain" in text and plays.hosts == []


def test_secrets_in_names_and_failures_are_redacted():
    redact = lambda block: block.replace(b'very"secret', b"dots")  # noqa: E731
    finding = {"severity": "error", "summary": 'it is very"secret', "address": "a"}
    block = line("ansible_task", "Task", number=1, task='set very"secret', place="x:1")
    block += line("diagnostic", "bad", diagnostic=finding)
    _text, events = HumanLog(redact).feed(block)
    assert "secret" not in str(events)
    assert [event.get("task") or event.get("summary") for event in events] == [
        "set dots", "it is dots",
    ]  # fmt: skip
