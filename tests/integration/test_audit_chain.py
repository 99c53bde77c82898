"""The chain over the audit trail: written by many at once, and whatever is done to it is found."""

import gzip
import io
import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from deployments import doctor, sealing
from tenants import actors, audit, auditchain, auditverify
from tenants.auditarchive import ArchiveFailed, archive_day, due_days, verify_file
from tenants.models import AuditAnchor, AuditCursor, AuditEntry, AuditSeal
from tenants.models.audit import AppendOnly
from tests.factories import make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("places")]
ACTOR = actors.system("test", origin="tests")
DAY = date(2026, 3, 1)
OTHER_VALUES = {"BooleanField": "true", "JSONField": "'{\"a\": 1}'", "BigIntegerField": "77",
                "GenericIPAddressField": "'192.0.2.9'", "DateTimeField": "now()"}  # fmt: skip
TABLES = ("tenants_auditentry", "tenants_auditseal", "tenants_auditanchor")


def write(count: int = 1, **more: object) -> list[AuditEntry]:
    """Write so many entries as services do."""
    made = []
    for number in range(count):
        with transaction.atomic():
            after = {"n": number, "ratio": 2.0, "text": "ä\u2028", **more}
            made.append(audit.record(ACTOR, "export", audit.PORTAL, after=after))
    return made


@contextmanager
def _as_owner() -> Iterator[object]:
    """Do what only the owner of the tables can: take the triggers away for a moment."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        for table in TABLES:
            for name in ("rows", "all"):
                cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER omlsaas_audit_{name}")


def by_sql(*statements: str) -> None:
    """Change the trail behind the portal's back."""
    with _as_owner() as cursor:
        for statement in statements:
            cursor.execute(statement)


def found(**more: object) -> list[tuple[str, str]]:
    """Return (code, entry id) of each flaw."""
    return [(flaw.code, flaw.entry.partition(" ")[0]) for flaw in auditverify.verify(**more).flaws]


@contextmanager
def refused(words: str) -> Iterator[object]:
    """Expect that the database refuses what is done in one transaction."""
    with pytest.raises(ProgrammingError, match=words), transaction.atomic():
        yield connection.cursor()


def run(*arguments: str) -> tuple[int, str]:
    """Run a command; return exit code and output."""
    out = io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


# --- writing and sealing ------------------------------------------------------------------------
def test_fifty_writers_at_once_and_a_chain_without_gaps() -> None:
    start, failures, is_over = threading.Barrier(51), [], threading.Event()

    def work(act: Callable[[], object]) -> None:
        try:
            start.wait(30)
            act()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    def seal_on_and_on() -> None:
        while not is_over.is_set():
            auditchain.seal()

    writers = [threading.Thread(target=work, args=(lambda: write(8),)) for _ in range(50)]
    sealer = threading.Thread(target=work, args=(seal_on_and_on,))
    for thread in (*writers, sealer):
        thread.start()
    for thread in writers:
        thread.join(60)
    is_over.set()
    sealer.join(60)
    auditchain.seal()
    assert not failures
    assert list(AuditSeal.objects.values_list("seq", flat=True)) == list(range(1, 401))
    verdict = auditverify.verify()
    assert (verdict.checked, verdict.waiting, verdict.flaws) == (400, 0, [])


def test_an_entry_that_is_committed_after_later_ones_is_sealed_too() -> None:
    is_written, may_commit = threading.Event(), threading.Event()
    late: list[int] = []

    def slow() -> None:
        with transaction.atomic():
            late.append(audit.record(ACTOR, "export", audit.PORTAL).pk)
            is_written.set()
            may_commit.wait(30)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert is_written.wait(30)
    newer = write(3)
    long_ago = int(timezone.now().timestamp()) - 3600
    for _look in range(4):
        auditchain.seal()
        # As if each look had been an hour ago: only the open transaction holds the ids back.
        row = AuditCursor.objects.get(name="sealer")
        row.detail = {"marks": [[a, b, long_ago] for a, b, _at in row.detail["marks"]]}
        row.save()
    assert newer[-1].pk in AuditSeal.objects.values_list("entry_id", flat=True)
    assert AuditCursor.objects.get(name="sealer").position < late[0]
    may_commit.set()
    thread.join(30)
    assert auditchain.seal() == 1
    assert AuditSeal.objects.get(entry_id=late[0]).seq == 4
    # And then the sealer no longer looks at old ids.
    auditchain.seal()
    assert AuditCursor.objects.get(name="sealer").position >= newer[-1].pk
    assert auditverify.verify().is_whole


def test_one_seals_at_a_time() -> None:
    write(1)
    done: list[int] = []

    def other() -> None:
        done.append(auditchain.seal())
        connection.close()

    with transaction.atomic():
        assert auditchain._is_alone()
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(20)
    assert done == [0]
    assert auditchain.seal() == 1


def test_what_was_there_before_the_chain_is_taken_in_once() -> None:
    old, new = write(2)
    by_sql("UPDATE tenants_auditentry SET mark = ''")
    assert auditchain.seal() == 2
    by_sql(f"DELETE FROM tenants_auditseal WHERE entry_id = {new.pk}")
    write(1)
    by_sql(f"UPDATE tenants_auditentry SET mark = '' WHERE id > {new.pk}")
    assert auditchain.seal() == 1  # the unmarked one from before; not the later one
    assert found() == [("inserted", str(new.pk + 1))]
    assert old.pk == AuditSeal.objects.get(seq=1).entry_id


# --- append-only --------------------------------------------------------------------------------
def test_neither_model_nor_database_changes_or_deletes() -> None:
    entry = write(1)[0]
    auditchain.seal()
    for act in (entry.save, entry.delete, AuditEntry.objects.all().delete,
                lambda: AuditEntry.objects.update(reason="x"), AuditSeal.objects.all().delete,
                AuditAnchor.objects.get().save):  # fmt: skip
        with pytest.raises(AppendOnly):
            act()
    for table in TABLES:
        for statement in (f"UPDATE {table} SET id = id" if table != TABLES[1] else
                          f"UPDATE {table} SET seq = seq", f"DELETE FROM {table}"):  # fmt: skip
            with refused("written once") as cursor:
                cursor.execute(statement)
    assert found() == []


def test_truncate_needs_the_setting_and_the_tests_role() -> None:
    write(1)
    with refused("TRUNCATE") as cursor:
        cursor.execute("SET LOCAL omlsaas.tests = ''")
        cursor.execute("TRUNCATE tenants_auditentry")
    with refused("TRUNCATE") as cursor:
        # Everybody may set it: without the role it opens nothing.
        cursor.execute("REVOKE omlsaas_tests FROM CURRENT_USER")
        cursor.execute("SET LOCAL omlsaas.tests = 'on'")
        cursor.execute("TRUNCATE tenants_auditentry")
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE tenants_auditentry")
    assert not AuditEntry.objects.exists()


def test_the_setting_of_an_archive_opens_nothing_that_is_not_in_a_file() -> None:
    write(2)
    auditchain.seal(today=DAY)
    for table in TABLES:
        with refused("DELETE") as cursor:
            cursor.execute("SET LOCAL omlsaas.audit_archive = 'on'")
            cursor.execute(f"DELETE FROM {table}")


# --- what is done to it is named ----------------------------------------------------------------
def test_a_changed_an_inserted_and_a_missing_row_are_named_and_a_cut_end_is_found() -> None:
    rows = write(10)
    auditchain.seal(today=DAY)
    write(3)
    auditchain.seal(today=DAY + timedelta(days=1))
    assert run("verify_audit")[0] == 0
    changed, missing = rows[2].pk, rows[5].pk
    copied = ", ".join(
        f.column for f in AuditEntry._meta.concrete_fields if f.column not in ("id", "public_id")
    )
    by_sql(
        f"UPDATE tenants_auditentry SET actor_name = 'Mallory' WHERE id = {changed}",
        f"DELETE FROM tenants_auditentry WHERE id = {missing}",
        f"INSERT INTO tenants_auditentry (public_id, {copied}) "
        f"SELECT 'aud_put_in', {copied} FROM tenants_auditentry WHERE id = {rows[0].pk}",
    )
    put_in = AuditEntry.objects.get(public_id="aud_put_in").pk
    # The sealer does not bless it.
    assert auditchain.seal() == 0
    flaws = [("changed", str(changed)), ("missing", str(missing)), ("inserted", str(put_in))]
    assert found() == flaws
    code, text = run("verify_audit", "--json")
    told = json.loads(text)
    assert (code, told["exit_code"], told["flaw_count"], told["checked"]) == (2, 2, 3, 13)
    assert "Mallory" not in text
    assert found(since=DAY + timedelta(days=1)) == []

    # Cut off what the anchor of the first day has seen, seals included.
    end = rows[7].pk
    by_sql(
        f"DELETE FROM tenants_auditseal WHERE entry_id >= {end}",
        f"DELETE FROM tenants_auditentry WHERE id >= {end}",
    )
    code, text = run("verify_audit")
    assert code == 2
    assert "the end is cut off: the chain ends at number 7" in text
    last = DAY + timedelta(days=1)
    assert f"the anchor of {last} has seen number 13, so 6 entries are missing" in text


def test_every_column_is_covered() -> None:
    entry = write(1)[0]
    auditchain.seal()
    for field in AuditEntry._meta.concrete_fields:
        if field.name in ("id", "public_id"):
            continue
        kind = field.get_internal_type()
        value = OTHER_VALUES.get(kind, "'x'")
        column = connection.ops.quote_name(field.column)
        before = AuditEntry.objects.values_list(field.attname, flat=True).get()
        by_sql(f"UPDATE tenants_auditentry SET {column} = {value}")
        assert found() == [("changed", str(entry.pk))], field.name
        with _as_owner() as cursor:
            kept = json.dumps(before) if kind == "JSONField" and before is not None else before
            cursor.execute(f"UPDATE tenants_auditentry SET {column} = %s", [kept])
        assert found() == [], field.name


def test_gaps_exchanges_and_forged_anchors_are_found() -> None:
    rows = write(6)
    auditchain.seal(today=DAY)
    auditchain.seal(today=DAY + timedelta(days=1))
    by_sql(
        f"DELETE FROM tenants_auditseal WHERE entry_id = {rows[1].pk}",
        f"DELETE FROM tenants_auditentry WHERE id = {rows[1].pk}",
    )
    assert found()[0] == ("missing", "")
    by_sql("UPDATE tenants_auditanchor SET last_seq = 3 WHERE kind = 'day'")
    assert ("anchor", "") in found()


def test_an_end_that_no_anchor_has_seen_is_found_by_what_is_outside() -> None:
    rows = write(4)
    assert sealing.seal_and_forward()["sealed"] == 4
    head = auditchain.head()
    code, text = run("verify_audit", "--anchor")
    assert code == 0
    assert f"4:{head[1]}" in text
    by_sql(
        f"DELETE FROM tenants_auditseal WHERE entry_id = {rows[3].pk}",
        f"DELETE FROM tenants_auditentry WHERE id = {rows[3].pk}",
    )
    assert found() == [("end", "")]  # by the file of this host
    assert {f.code for _name, f in doctor.examine(["audit"]) if f.status == "failed"} == {"end"}
    auditverify.settings.VAR_ROOT.joinpath(auditverify.HEAD_FILE).unlink()
    assert found() == []
    code, text = run("verify_audit", "--expect", f"4:{head[1]}")
    assert (code, "the anchor that you gave has seen number 4" in text) == (2, True)


def test_keys_are_exchanged_and_a_missing_one_is_said(settings) -> None:
    write(2)
    auditchain.seal()
    old = settings.AUDIT_KEYS
    settings.AUDIT_KEYS = f"a2:{'B' * 43},{old}"
    write(2)
    auditchain.seal()
    assert set(AuditSeal.objects.values_list("key_id", flat=True)) == {"a1", "a2"}
    assert found() == []
    settings.AUDIT_KEYS = f"a2:{'B' * 43}"
    assert {code for code, _entry in found()} == {"key", "anchor"}


# --- retention ----------------------------------------------------------------------------------
def test_a_whole_day_moves_to_a_file_whose_hash_stays_in_the_chain(settings, tmp_path) -> None:
    settings.AUDIT_ARCHIVE_ROOT = tmp_path / "moved"
    old = write(5)
    with _as_owner() as cursor:
        cursor.execute("UPDATE tenants_auditentry SET created_at = %s", [_noon(DAY)])
    for row in AuditEntry.objects.all():
        row.sign()
        by_sql(f"UPDATE tenants_auditentry SET mark = '{row.mark}' WHERE id = {row.pk}")
    auditchain.seal(today=DAY)
    write(2)
    auditchain.seal(today=DAY + timedelta(days=1))
    assert due_days(10, today=DAY + timedelta(days=10)) == []
    assert due_days(0) == []
    assert run("archive_audit", "--keep-days", "10", "--dry-run")[1].strip().endswith(f"{DAY}")
    code, text = run("archive_audit", "--keep-days", "10", "--json")
    moved = json.loads(text)["moved"][0]
    assert (code, moved["entries"], moved["last"]) == (0, 5, 5)
    assert not AuditEntry.objects.filter(pk__lte=old[-1].pk).exists()
    path = settings.AUDIT_ARCHIVE_ROOT / moved["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entry = AuditEntry.objects.get(action="audit.archive")
    assert (entry.after["sha256"], entry.actor_name) == (moved["sha256"], "system:cron")
    auditchain.seal()
    assert found() == []
    assert run("verify_audit", "--file", str(path))[0] == 0
    with pytest.raises(ArchiveFailed):
        archive_day(ACTOR, DAY)

    # A row out of the file does not come back, however well it is marked.
    row = AuditEntry(**_first_row(path), before=None)
    with _as_owner():
        super(AuditEntry, row).save()
    assert auditchain.seal() == 0
    assert found() == [("inserted", str(old[0].pk))]

    _rewrite(path, b"system:test", b"system:evil")
    verdict = verify_file(path)
    assert {flaw.code for flaw in verdict.flaws} == {"changed", "anchor"}


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def _first_row(path: Path) -> dict:
    with gzip.open(path, "rt") as lines:
        next(lines)
        row = json.loads(next(lines))["entry"]
    return row | {"created_at": datetime.fromisoformat(row["created_at"])}


def _rewrite(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(old, new)))


def test_a_day_that_does_not_verify_is_not_moved(settings, tmp_path) -> None:
    settings.AUDIT_ARCHIVE_ROOT = tmp_path / "moved"
    row = write(2)[1]
    auditchain.seal(today=DAY)
    auditchain.seal(today=DAY + timedelta(days=1))
    by_sql(f"UPDATE tenants_auditentry SET reason = 'x' WHERE id = {row.pk}")
    with pytest.raises(ArchiveFailed, match="does not verify"):
        archive_day(ACTOR, DAY)
    assert AuditEntry.objects.count() == 2
    assert not list(settings.AUDIT_ARCHIVE_ROOT.iterdir())


# --- the doctor and recording -------------------------------------------------------------------
def test_the_doctor_tells_of_late_entries_and_dropped_guards(settings) -> None:
    write(1)
    assert {f.status for _name, f in doctor.examine(["audit"])} == {"ok"}
    with transaction.atomic(), connection.cursor() as cursor:
        past = timezone.now() - timedelta(seconds=61)
        cursor.execute("ALTER TABLE tenants_auditentry DISABLE TRIGGER USER")
        cursor.execute("UPDATE tenants_auditentry SET created_at = %s", [past])
        cursor.execute("DROP TRIGGER omlsaas_audit_rows ON tenants_auditseal")
        told = {f.code: f for _name, f in doctor.examine(["audit"])}
        transaction.set_rollback(True)
    assert {code: f.status for code, f in told.items()} == {
        "guards": "failed", "unsealed": "warning",
    }  # fmt: skip
    assert told["guards"].facts["tables"] == "tenants_auditentry, tenants_auditseal"
    settings.AUDIT_KEYS = ""
    assert [f.code for _name, f in doctor.examine(["audit"])] == ["keys"]


def test_an_entry_holds_who_approved_which_plan() -> None:
    approver = actors.from_user(make_user("bob"), origin="portal")
    with transaction.atomic():
        audit.record(ACTOR, "run.confirm", audit.PORTAL, approver=approver, plan_digest="d" * 64)
    row = AuditEntry.objects.get()
    assert (row.approver_id, row.approver_name) == (approver.id, "bob")
    assert row.plan_digest == "d" * 64
