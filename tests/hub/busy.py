"""A database at which somebody else writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from argosy.hub.common import turns
from tests.hub.home import DIRECTORY, URL


def impatient() -> None:
    """Have this thread's connection wait no longer than 10 ms for others; at a server all wait no longer than 2 s."""
    from django.db import connection

    if not URL:
        connection.cursor().execute("PRAGMA busy_timeout = 10")


@contextmanager
def another_writes() -> Iterator[None]:
    """Be in the middle of a transaction."""
    if URL:
        with psycopg.connect(URL) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s)", [turns.NUMBER])
            yield
            other.rollback()
        return
    with closing(sqlite3.connect(DIRECTORY / "hub.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
