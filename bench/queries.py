"""Queries of the web process, counted in the database's own log."""

import contextlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg

from bench.portal import BenchFailed, Portal, wait_for

# Each statement of the extended protocol is logged as execute, of the simple one as statement.
STATEMENT = re.compile(r"^(\d+) LOG: {2}(?:execute [^:]*|statement): (.*)$", re.M)
NO_QUERY = re.compile(r"(?i)^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET |DISCARD|SELECT 1$)")


class QueryLog:
    """Counts what the database is asked; worker and beat have to be silent meanwhile."""

    def __init__(self, portal: Portal) -> None:
        self._path: Path = portal.var / "log" / "postgres.log"
        self._database = psycopg.connect(portal.runtime_env()["DATABASE_URL"], autocommit=True)
        self._marks = itertools.count(1)
        self._own = str(self._database.info.backend_pid)

    def _mark(self) -> int:
        """Return where the log ends once all that was asked before stands in it."""
        word = f"bench mark {next(self._marks)}"

        def is_there() -> bool:
            # Asked again and again: a session takes new settings up between two statements.
            self._database.execute(f"SELECT '{word}'")
            return word in self._path.read_text(errors="replace")

        wait_for(is_there, 10, "the query log", 0.1)
        return self._path.stat().st_size

    def count(self, act) -> int:
        """Return how many queries `act()` made."""
        begin = self._mark()
        act()
        end = self._mark()
        with self._path.open("rb") as file:
            file.seek(begin)
            text = file.read(end - begin).decode(errors="replace")
        found = [
            words for pid, words in STATEMENT.findall(text)
            if pid != self._own and not NO_QUERY.match(words)
        ]  # fmt: skip
        return len(found)

    def close(self) -> None:
        """Let the connection go."""
        self._database.close()


@contextlib.contextmanager
def query_log(portal: Portal) -> Iterator[QueryLog]:
    """Let the database log its statements, and worker and beat stand still."""
    log = QueryLog(portal)
    silent = [process for process in (portal.worker(), portal.beat()) if process]
    if len(silent) != 2:
        raise BenchFailed("worker or beat is not there")
    settings = {"log_statement": "all", "log_line_prefix": "%p ", "log_error_verbosity": "terse"}
    try:
        for process in silent:
            process.suspend()
        for name, value in settings.items():
            log._database.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        log._database.execute("SELECT pg_reload_conf()")
        log._mark()
        yield log
    finally:
        log._database.execute("ALTER SYSTEM RESET ALL")
        log._database.execute("SELECT pg_reload_conf()")
        for process in silent:
            process.resume()
        log.close()
