"""One at a time over all hosts, by an advisory lock of the database."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from deployments import notify


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Give True to the first that asks for a name, False to others while it works.

    The lock stands on a connection of its own, past any pooler, and goes with it: a process
    that dies holds nothing. It is given back before that, because the server closes connections
    in its own time. Raises psycopg.Error when the database cannot be reached.
    """
    with psycopg.connect(**notify.connect_params(listen=True), autocommit=True) as own:
        key = [f"omlsaas:{name}"]
        row = own.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", key).fetchone()
        is_first = bool(row and row[0])
        try:
            yield is_first
        finally:
            if is_first and not own.broken:
                own.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", key)
