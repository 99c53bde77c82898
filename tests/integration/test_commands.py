"""Commands for cron: what they do, how they tell it, and their exit codes."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments import doctor, housekeeping, identity, worker
from deployments.doctor import findings
from deployments.models import (
    Approval,
    Plan,
    RestorePoint,
    Run,
    RunEvent,
    StateVersion,
    WorkerHost,
)
from deployments.models.logs import LogChunk
from deployments.onlyone import only_one
from tenants import secrets
from tenants.models import AuditEntry, Stack
from tests.conftest import BINS
from tests.factories import make_region, make_run, make_step, make_tenant

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("places")]
PROJECT = Path(__file__).resolve().parents[2]
Told = tuple[int, str]


def run(name: str, *arguments: str) -> Told:
    """Run a command here; return its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err, no_color=True)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue() + err.getvalue()
    return 0, out.getvalue() + err.getvalue()


def run_json(name: str, *arguments: str) -> dict:
    """Run a command with --json; return its one object."""
    code, text = run(name, *arguments, "--json")
    told = json.loads(text)
    assert told["exit_code"] == code
    return told


def make_host(seconds_ago: float = 0, **fields: object) -> WorkerHost:
    """Return a worker host that was heard so long ago."""
    fields.setdefault("checks", {"terraform": "1.11.4", "workdir_root": "/w", "busy": 0})
    fields.setdefault("host_id", f"host-{WorkerHost.objects.count()}")
    fields.setdefault("name", fields["host_id"])
    heard = timezone.now() - timedelta(seconds=seconds_ago)
    return WorkerHost.objects.create(heartbeat_at=heard, capacity=8, **fields)


def old_run(stack: Stack, days: int = 400, **fields: object) -> Run:
    """Return a run that ended so many days ago, with one line of log."""
    ended = timezone.now() - timedelta(days=days)
    made = make_run(stack, "applied", ended_at=ended, log_state="compacted", log_bytes=6, **fields)
    LogChunk.objects.create(
        run=made, offset=0, size=6, first_line=0, line_count=1, data=b"hello\n", written_at=ended
    )
    return made


# --- reap_runs ----------------------------------------------------------------------------------
def test_reap_lets_expired_plans_go_as_cron() -> None:
    late = timezone.now() - timedelta(minutes=1)
    planned = make_run(status="planned", planned_at=late, plan_expires_at=late)
    assert run_json("reap_runs")["expired_plans"] == 1
    planned.refresh_from_db()
    assert planned.status == "discarded"
    entry = AuditEntry.objects.get(action="run.discard")
    assert entry.actor_name == "system:cron"
    assert entry.origin.startswith("command by ")


def test_reap_tells_of_a_silent_host_and_takes_it_back() -> None:
    host = make_host(120, host_id="h")
    at_work = make_run(status="applying", host_id="h")
    assert run_json("reap_runs")["silent_hosts"] == 1
    at_work.refresh_from_db()
    assert at_work.notice["code"] == "HostSilent"
    assert at_work.status == "applying"
    WorkerHost.objects.filter(pk=host.pk).update(heartbeat_at=timezone.now())
    run("reap_runs")
    at_work.refresh_from_db()
    assert at_work.notice is None


def test_reap_says_on_queued_runs_that_their_worker_has_gone(settings) -> None:
    early = timezone.now() - timedelta(minutes=5)
    make_host(600)
    planned = make_run(status="plan_queued", admitted_at=early)
    confirmed = make_run(status="apply_queued", confirmed_at=early)
    fresh = make_run(status="apply_queued", confirmed_at=timezone.now())
    run("reap_runs")
    for one in (planned, confirmed):
        one.refresh_from_db()
        assert "No worker is alive" in one.waiting_text
    fresh.refresh_from_db()
    assert not fresh.waiting


def test_hosts_that_came_and_went_cost_a_look_nothing() -> None:
    """Each container that is replaced leaves a row; they must not be walked through for ever."""
    make_host(7200)
    with CaptureQueriesContext(connection) as one:
        housekeeping.reap()
    for _host in range(5):
        make_host(7200)
    with CaptureQueriesContext(connection) as six:
        assert housekeeping.reap()["silent_hosts"] == 6
    assert len(six) == len(one)


def test_reap_leaves_other_notices_of_a_living_host_alone() -> None:
    make_host(host_id="h")
    notice = {"code": "SupervisorGoneWaiting", "params": {"pids": "1", "host": "h"}}
    at_work = make_run(status="applying", host_id="h", notice=notice)
    run("reap_runs")
    at_work.refresh_from_db()
    assert at_work.notice == notice


def watched(host: WorkerHost, since: float, looked: float) -> None:
    """Note that a host's silence was looked at, from so many seconds ago to so many."""
    now = timezone.now()
    note = {name: (now - timedelta(seconds=ago)).isoformat()
            for name, ago in (("since", since), ("looked", looked))}  # fmt: skip
    WorkerHost.objects.filter(pk=host.pk).update(checks={**host.checks, "silence": note})


def test_runs_of_a_host_that_was_long_and_surely_silent_are_lost(settings) -> None:
    host = make_host(settings.HOST_LOST_AFTER_S + 60, host_id="h")
    at_work = make_run(status="applying", host_id="h")
    make_step(at_work, host_id="h")
    watched(host, since=900, looked=15)
    assert run_json("reap_runs")["lost_runs"] == 1
    at_work.refresh_from_db()
    assert at_work.status == "lost"
    assert AuditEntry.objects.get(action="run.lost").actor_name == "system:cron"


def test_no_run_is_lost_at_the_first_look_after_an_outage_of_ours(settings) -> None:
    """Hosts could not tell that they live while the database was away."""
    make_host(settings.HOST_LOST_AFTER_S + 60, host_id="h")
    at_work = make_run(status="applying", host_id="h")
    assert run_json("reap_runs")["lost_runs"] == 0
    at_work.refresh_from_db()
    assert at_work.status == "applying"


def test_a_silence_with_a_gap_in_the_looking_is_watched_anew(settings) -> None:
    host = make_host(settings.HOST_LOST_AFTER_S + 60, host_id="h")
    make_run(status="applying", host_id="h")
    watched(host, since=7200, looked=settings.HOST_LOST_AFTER_S)
    assert run_json("reap_runs")["lost_runs"] == 0


def test_reap_lets_waiting_runs_in_when_their_holder_has_gone() -> None:
    waiting = make_run()
    assert run_json("reap_runs")["admitted"] == 1
    waiting.refresh_from_db()
    assert waiting.status == "plan_queued"


@pytest.mark.parametrize("name", ["reap_runs", "prune_logs"])
def test_a_second_one_at_the_same_time_does_nothing(name: str) -> None:
    with only_one(name) as is_first:
        assert is_first
        told = run_json(name)
    assert told == {"already_running": True, "exit_code": 0}
    assert "already_running" not in run_json(name)


def test_the_lock_goes_with_its_process() -> None:
    with only_one("x") as first, only_one("x") as second, only_one("y") as other:
        assert (first, second, other) == (True, False, True)
    with only_one("x") as again:
        assert again


# --- prune_logs ---------------------------------------------------------------------------------
@pytest.fixture
def keep(settings) -> Iterator[None]:
    """Keep logs for 180 days, the last two of each stack, and two states."""
    settings.KEEP_LOGS_DAYS, settings.KEEP_LOGS_RUNS = 180, 2
    settings.KEEP_STATES, settings.KEEP_RUNS_DAYS = 2, 0


@pytest.mark.usefixtures("keep")
def test_old_logs_go_and_the_last_of_each_stack_stay() -> None:
    stack = make_tenant().stack
    runs = [old_run(stack) for _number in range(4)]
    told = run_json("prune_logs")
    assert (told["logs"], told["bytes"]) == (2, 12)
    kept = set(LogChunk.objects.values_list("run_id", flat=True))
    assert kept == {runs[2].pk, runs[3].pk}
    assert Run.objects.filter(log_state="pruned").count() == 2


@pytest.mark.usefixtures("keep")
def test_young_and_held_logs_stay() -> None:
    stack = make_tenant().stack
    held, young = old_run(stack, has_legal_hold=True), old_run(stack, days=10)
    old_run(stack), old_run(stack)
    assert run_json("prune_logs")["logs"] == 0
    assert LogChunk.objects.filter(run__in=[held, young]).count() == 2


@pytest.mark.usefixtures("keep")
def test_a_dry_run_counts_and_removes_nothing() -> None:
    stack = make_tenant().stack
    for _number in range(3):
        old_run(stack)
    told = run_json("prune_logs", "--dry-run")
    assert (told["logs"], told["dry_run"]) == (1, True)
    assert LogChunk.objects.count() == 3
    assert not AuditEntry.objects.exists()


@pytest.mark.usefixtures("keep")
def test_pruning_is_in_the_audit_trail_and_nothing_is_not() -> None:
    run("prune_logs")
    assert not AuditEntry.objects.exists()
    stack = make_tenant().stack
    for _number in range(3):
        old_run(stack)
    run("prune_logs")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.target_kind) == (
        "logs.prune", "system:cron", "portal",
    )  # fmt: skip
    assert entry.after["logs"] == 1


@pytest.mark.usefixtures("keep")
def test_pruning_goes_on_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping.prune, "__kwdefaults__", {"dry_run": False, "limit": 2})
    stack = make_tenant().stack
    for _number in range(7):
        old_run(stack)
    told = run_json("prune_logs")
    assert (told["logs"], told["more"]) == (5, False)
    assert AuditEntry.objects.filter(action="logs.prune").count() == 3


def make_state(stack: Stack, serial: int, run: Run | None = None) -> StateVersion:
    """Return a kept state that opens."""
    version = StateVersion(stack=stack, run=run, moment="after_apply", serial=serial)
    bound = f"state:{stack.public_id}:{version.public_id}"
    version.key_id, version.ciphertext = secrets.encrypt(b"{}", bound)
    version.save()
    return version


@pytest.mark.usefixtures("keep")
def test_surplus_states_go_oldest_first_and_held_ones_stay() -> None:
    stack = make_tenant().stack
    held = make_state(stack, 1, make_run(stack, "applied", has_legal_hold=True))
    for serial in range(2, 6):
        make_state(stack, serial)
    other = make_state(make_tenant().stack, 1)
    assert run_json("prune_logs")["states"] == 2
    left = StateVersion.objects.filter(stack=stack).order_by("serial")
    assert list(left.values_list("serial", flat=True)) == [1, 4, 5]
    assert StateVersion.objects.filter(pk__in=[held.pk, other.pk]).count() == 2


@pytest.mark.usefixtures("keep")
def test_history_stays_unless_it_is_limited(settings) -> None:
    stack = make_tenant().stack
    first = old_run(stack)
    RunEvent.objects.create(run=first, to_status="pending", actor_name="A", actor_id="a")
    Plan.objects.create(run=first, digest="d")
    make_step(first, ended_at=timezone.now())
    Approval.objects.create(run=first, digest="d", asked_by_id="a", asked_by="A")
    for _number in range(2):
        old_run(stack)
    assert run_json("prune_logs")["runs"] == 0
    settings.KEEP_RUNS_DAYS = 365
    assert run_json("prune_logs")["runs"] == 1
    assert not Run.objects.filter(pk=first.pk).exists()
    assert Run.objects.count() == 2


def test_whatever_holds_on_to_a_run_is_known_to_retention() -> None:
    """One table more that protects runs, and retention would stop at the first such run."""
    holding = {
        f"{relation.related_model.__name__}.{relation.field.name}"
        for relation in Run._meta.get_fields(include_hidden=True)
        if relation.auto_created and getattr(relation, "on_delete", None) is models.PROTECT
    }
    goes_with_it = {"Approval.run", "Plan.run", "RunEvent.run", "RunStep.run"}
    keeps_it = {"RestorePoint.run", "Run.retry_of", "StateVersion.run"}
    assert holding == goes_with_it | keeps_it


@pytest.mark.usefixtures("keep")
def test_history_that_something_refers_to_stays(settings) -> None:
    settings.KEEP_RUNS_DAYS = 365
    stack = make_tenant().stack
    with_state, retried = old_run(stack), old_run(stack)
    make_state(stack, 1, with_state)
    for _number in range(2):
        old_run(stack, retry_of=retried)
    run("prune_logs")
    assert run_json("prune_logs")["runs"] == 0
    assert Run.objects.filter(pk__in=[with_state.pk, retried.pk], log_state="pruned").count() == 2


@pytest.mark.usefixtures("keep")
def test_history_that_a_restore_point_needs_stays_and_stops_nothing(settings) -> None:
    settings.KEEP_RUNS_DAYS = 365
    stack = make_tenant().stack
    pointed, plain = old_run(stack), old_run(stack)
    RestorePoint.objects.create(stack=stack, run=pointed)
    for _number in range(2):
        old_run(stack)
    run("prune_logs")
    assert run_json("prune_logs")["runs"] == 1
    assert Run.objects.filter(pk=pointed.pk).exists()
    assert not Run.objects.filter(pk=plain.pk).exists()


@pytest.mark.usefixtures("keep")
def test_surplus_states_are_removed_without_reading_them() -> None:
    stack = make_tenant().stack
    for serial in range(1, 5):
        make_state(stack, serial)
    with CaptureQueriesContext(connection) as captured:
        assert housekeeping.prune()["states"] == 2
    read = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
    assert not [sql for sql in read if "ciphertext" in sql]


def test_dead_sessions_go_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "ROWS_AT_ONCE", 2)
    late = timezone.now() - timedelta(days=1)
    for number in range(5):
        Session.objects.create(session_key=f"dead{number}", session_data="", expire_date=late)
    done = housekeeping.prune()
    assert (done["sessions"], done["more"]) == (2, True)
    assert run_json("prune_logs")["sessions"] == 3


def test_dead_sessions_go() -> None:
    late = timezone.now() - timedelta(days=1)
    Session.objects.create(session_key="dead", session_data="", expire_date=late)
    assert run_json("prune_logs")["sessions"] == 1


# --- without a database -------------------------------------------------------------------------
def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Run manage.py as cron does, with these changes of the environment."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


NOWHERE = {
    "DATABASE_URL": "postgresql://portal:geheim-99@127.0.0.1:1/none",
    "LISTEN_DATABASE_URL": "postgresql://portal:geheim-99@127.0.0.1:1/none",
}


@pytest.mark.parametrize("name", ["reap_runs", "prune_logs"])
def test_a_missing_database_is_said_in_words(name: str) -> None:
    done = manage(name, **NOWHERE)
    assert done.returncode == 1
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_looks_at_the_rest_without_a_database() -> None:
    done = manage("doctor", "--json", **NOWHERE)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    by_check = {row["check"]: row for row in told["checks"]}
    assert set(by_check) == set(doctor.CHECKS)
    assert by_check["database"]["status"] == "failed"
    assert by_check["disk"]["status"] == "ok"
    assert by_check["keys"]["code"] == "keys.unknown"
    assert "geheim" not in done.stdout + done.stderr


def test_a_missing_broker_is_said_without_its_password() -> None:
    url = "redis://:geheim-99@127.0.0.1:1/0"
    done = manage("doctor", "--json", "--check", "broker", REDIS_URL=url, CELERY_BROKER_URL=url)
    assert done.returncode == 1
    codes = {row["code"] for row in json.loads(done.stdout)["checks"]}
    assert codes == {"broker.unreachable", "broker.layer"}
    assert "geheim" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("doctor", "--check", "nonsense"), ("reap_runs", "--nonsense"), ("prune_logs", "x")],
)
def test_wrong_usage_exits_2(arguments: tuple[str, ...]) -> None:
    assert manage(*arguments).returncode == 2


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--request-key", "k" * 65), "usage"),
        (("--actor", "system:nobody"), "UnknownActor"),
        (("--actor", "system:" + "x" * 300), "UnknownActor"),
    ],
)
def test_run_action_refuses_what_no_row_can_hold(lab, more: tuple[str, ...], code: str) -> None:
    told = run_json("run_action", "acme", "install", *more)
    assert (told["error"], told["exit_code"]) == (code, 2)
    assert not Run.objects.exists()


# --- doctor -------------------------------------------------------------------------------------
def look(check: str, **more: str) -> dict[str, findings.Finding]:
    """Return what one check finds, by code."""
    return {finding.code: finding for _name, finding in doctor.examine([check], **more)}


def test_passwords_of_our_addresses_are_never_printed(settings) -> None:
    settings.REDIS_URL = "redis://:p%40ss-word@host/0"
    assert findings.safe("no p@ss-word, no p%40ss-word") == "no ***, no ***"


def test_a_check_that_fails_itself_stops_no_other(settings) -> None:
    settings.BLUEPRINT_ROOT = None
    found = dict(doctor.examine(["blueprints", "static"]))
    assert found["blueprints"].code == "broken"
    assert found["static"].status == "ok"


def test_database_is_well() -> None:
    found = look("database")
    assert {code: f.status for code, f in found.items()} == {
        "version": "ok", "migrations": "ok", "listen": "ok", "tables": "ok",
    }  # fmt: skip


def test_listening_through_a_wrong_address_is_found(settings) -> None:
    settings.LISTEN_DATABASE_URL = "postgresql://x@127.0.0.1:1/none"
    assert look("database")["listen"].status == "failed"


def test_no_worker_is_a_failure() -> None:
    assert look("worker")["none"].status == "failed"


def test_a_worker_that_beats_is_well_and_its_clock_agrees() -> None:
    worker.beat()
    found = look("worker")
    assert found["alive"].status == "ok"
    assert look("clock")["hosts"].status == "ok"


def test_a_host_whose_clock_is_off_is_found() -> None:
    ahead = (timezone.now() + timedelta(seconds=90)).isoformat()
    make_host(checks={"clock": ahead})
    assert look("clock")["hosts"].status == "failed"


def test_draining_is_said() -> None:
    make_host(is_draining=True)
    found = look("worker")
    assert found["all_draining"].status == "warning"
    assert "draining" in found["alive"].text


def test_a_silent_host_with_work_is_a_failure_and_without_a_warning() -> None:
    make_host(600, host_id="idle")
    assert look("worker")["silent"].status == "warning"
    make_run(status="applying", host_id="idle")
    assert look("worker")["silent"].status == "failed"


def test_an_old_terraform_on_a_host_is_found() -> None:
    make_host(checks={"terraform": "1.9.8"})
    assert look("terraform")["host"].status == "failed"


def test_a_missing_terraform_here_is_found(settings) -> None:
    settings.TERRAFORM_BIN = str(BINS / "there-is-none")
    assert look("terraform")["here"].status == "failed"


def test_different_workdir_roots_are_found() -> None:
    make_host(checks={"workdir_root": "/one"})
    make_host(checks={"workdir_root": "/two"})
    assert look("workdirs")["differs"].status == "failed"


def test_the_same_workdir_root_is_well(settings) -> None:
    make_host(checks={"workdir_root": str(settings.WORKDIR_ROOT)})
    assert look("workdirs")["same"].status == "ok"


def test_a_full_disk_is_found(settings) -> None:
    settings.MIN_FREE_BYTES = 1 << 60
    assert look("disk")["full"].status == "failed"


def test_a_full_disk_of_another_host_is_found(settings) -> None:
    make_host(checks={"free_bytes": 10, "workdir_root": "/w"})
    found = [f for _name, f in doctor.examine(["disk"]) if f.code == "full"]
    assert found[0].facts["free_bytes"] == 10


def test_keys_that_open_everything_are_well(lab) -> None:
    make_state(lab.acme.stack, 1)
    found = look("keys")
    assert set(found) == {"used"}
    assert sum(found["used"].facts["needed"].values()) == 3


def test_a_missing_key_is_named_with_what_it_would_open(lab, settings) -> None:
    settings.ENCRYPTION_KEYS = "k9:" + "A" * 43
    found = look("keys")["missing"]
    assert found.status == "failed"
    assert found.facts == {"key": "k1", "count": 2}


def test_a_value_that_was_moved_to_another_row_is_found(lab) -> None:
    rows = list(lab.acme.stack.secrets.all()) + list(lab.globex.stack.secrets.all())
    rows[1].ciphertext = rows[0].ciphertext
    rows[1].save()
    assert look("keys")["broken"].status == "failed"


def test_no_key_at_all_is_found(settings) -> None:
    settings.ENCRYPTION_KEYS = ""
    assert look("keys")["none"].status == "failed"


def test_blueprints_are_sound() -> None:
    assert look("blueprints")["sound"].status == "ok"


def test_a_broken_blueprint_is_named_with_its_file(settings, tmp_path: Path) -> None:
    folder = tmp_path / "blueprints" / "odd"
    folder.mkdir(parents=True)
    (folder / "blueprint.yaml").write_text("title: [\n")
    settings.BLUEPRINT_ROOT = folder.parent
    assert "odd/blueprint.yaml" in look("blueprints")["flaw"].text


def test_nothing_is_stuck_in_an_empty_portal() -> None:
    assert set(look("stuck")) == {"nothing"}


def stuck_unminded() -> None:
    late = timezone.now() - timedelta(minutes=5)
    make_step(make_run(status="applying"), lease_until=late)


def stuck_unheard() -> None:
    make_run(status="plan_queued", admitted_at=timezone.now() - timedelta(minutes=5))


def stuck_waiting() -> None:
    made = make_run()
    Run.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(hours=3))


def stuck_expired() -> None:
    late = timezone.now() - timedelta(hours=1)
    make_run(status="planned", planned_at=late, plan_expires_at=late)


def stuck_unstopped() -> None:
    make_run(status="applying", cancel_requested_at=timezone.now() - timedelta(hours=1))


def stuck_suspect() -> None:
    Stack.objects.filter(pk=make_tenant().stack.pk).update(state_suspect=True)


@pytest.mark.parametrize(
    ("arrange", "code", "status"),
    [
        (stuck_unminded, "unminded", "failed"),
        (stuck_unheard, "unheard", "warning"),
        (stuck_waiting, "waiting", "warning"),
        (stuck_expired, "expired", "warning"),
        (stuck_unstopped, "unstopped", "warning"),
        (stuck_suspect, "suspect", "warning"),
    ],
)
def test_what_is_stuck_is_found(arrange: Callable[[], None], code: str, status: str) -> None:
    arrange()
    found = look("stuck")
    assert {name: f.status for name, f in found.items()} == {code: status}
    assert found[code].way_out


def test_a_log_that_lags_is_found(places: Path) -> None:
    made = make_run(status="applying")
    folder = places / "step"
    folder.mkdir()
    (folder / "raw.log").write_bytes(b"x" * (9 << 20))
    make_step(made, host_id=identity.host_id(), step_dir=str(folder), raw_offset=0)
    assert look("logs")["lag"].status == "warning"


def test_logs_that_nobody_compresses_are_found() -> None:
    ended = timezone.now() - timedelta(hours=2)
    make_run(status="applied", ended_at=ended, log_state="complete", log_bytes=5)
    assert look("logs")["uncompacted"].status == "warning"


def test_the_broker_tells_its_queues() -> None:
    make_region("north")
    make_host(host_id="h1")
    found = look("broker")
    assert found["queues"].status == "ok"
    assert {"portal", "region.north", "host.h1"} <= set(found["queues"].facts["queues"])


def test_static_files_are_there() -> None:
    assert set(look("static")) == {"there"}


def test_a_missing_static_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.doors, "FILES", ("css/omlsaas.css", "vendor/none.js"))
    assert "vendor/none.js" in look("static")["missing"].text


def test_a_portal_that_does_not_answer_is_found(settings) -> None:
    settings.PORT = 1
    found = look("websocket")["unreachable"]
    assert found.status == "failed"
    assert found.facts["url"] == "http://127.0.0.1:1"


def serve_once(answer: bytes) -> str:
    """Answer one request on a free port with these bytes; return the address."""
    import socket

    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with door, door.accept()[0] as guest:
            guest.recv(4096)
            guest.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{door.getsockname()[1]}"


def test_a_proxy_that_blocks_websockets_is_told_apart() -> None:
    url = serve_once(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    found = look("websocket", url=url)["blocked"]
    assert found.status == "warning"
    assert "poll" in found.text


def test_a_websocket_that_opens_is_well() -> None:
    from websockets.sync.server import serve

    with serve(lambda socket: None, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        assert look("websocket", url=f"http://127.0.0.1:{port}")["open"].status == "ok"
        server.shutdown()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_the_own_address_is_one_that_can_be_reached(settings, host: str) -> None:
    settings.HOST, settings.PORT = host, 8000
    assert doctor.doors.own_url() in ("http://127.0.0.1:8000", "http://[::1]:8000")


def test_doctor_exits_0_with_warnings_and_1_with_a_failure() -> None:
    make_host(is_draining=True)
    told = run_json("doctor", "--check", "worker")
    assert (told["status"], told["exit_code"]) == ("warning", 0)
    WorkerHost.objects.all().delete()
    told = run_json("doctor", "--check", "worker")
    assert (told["status"], told["exit_code"]) == ("failed", 1)
    assert told["checks"][0]["way_out"]


def test_doctor_prints_the_way_out_below_each_finding() -> None:
    code, text = run("doctor", "--check", "worker")
    lines = text.splitlines()
    assert code == 1
    assert lines[0].startswith("failed   worker")
    assert lines[1].strip().startswith("→")


def test_doctor_changes_nothing() -> None:
    make_run(make_tenant())
    before = AuditEntry.objects.count()
    run("doctor")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone()[0] == 0
    assert AuditEntry.objects.count() == before


def test_no_key_is_in_what_the_doctor_prints(lab) -> None:
    _code, text = run("doctor", "--json")
    for item in django_settings.ENCRYPTION_KEYS.split(","):
        assert item.partition(":")[2] not in text
    assert django_settings.SECRET_KEY not in text
