"""Where the hub keeps its tables: in a file of its data directory (SQLite), or at a PostgreSQL server.

Which it is stands in the data directory, so that whoever has that finds the tables: `argosy admin` knows no more.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from argosy.core.errors import ArgosyError, Busy, Denied, Invalid, NotFound, Unavailable, Unsupported

OLDEST: Final = 15
"""Version of PostgreSQL that is needed."""
PATIENCE: Final = 5
"""Seconds until a server that says nothing counts as away, and that a writer waits for another at most."""
CONNECTIONS: Final = 20
"""How many a process has at most; requests beyond wait their turn."""
_IDLE: Final = 300
"""Seconds after which the server ends a transaction that asks nothing: its process was stopped, and holds rows."""
_NEW: Final = 60
"""Seconds to wait for another process that is making the tables."""
_MAKING: Final = 0x4172676F7379
"""The lock that a process holds while it makes the tables."""


class Database(msgspec.Struct, frozen=True):
    """A database of a PostgreSQL server; without `url`: a file of the data directory."""

    url: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Show nothing that is secret."""
        return f"Database(url={self.url!r})"


def at(data_dir: Path) -> Database:
    """Return where the tables of the hub of this directory are."""
    try:
        return msgspec.json.decode(_record(data_dir).read_bytes(), type=Database)
    except FileNotFoundError:
        return Database()


def exists(data_dir: Path) -> bool:
    """Say whether a hub was ever prepared there."""
    return bool(at(data_dir).url) or _file(data_dir).exists()


def settings(data_dir: Path | None) -> dict[str, Any]:
    """Return what Django is told of it."""
    database = at(data_dir) if data_dir else Database()
    if database.url:
        return _server(database)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(_file(data_dir)) if data_dir else ":memory:",
        "OPTIONS": {
            # A deferred transaction that turns from reading to writing fails at once instead of waiting its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": PATIENCE,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY",
        },
    }


@contextmanager
def settled(data_dir: Path, database: Database) -> Iterator[None]:
    """Have the hub of the directory use the database; while the block runs no other process makes tables there.

    Raises:
        Invalid: the hub has its tables elsewhere, or the database cannot hold them.
        NotFound: the server has no such database.
        Denied: the server does not let us in, or make tables.
        Unsupported: the server is too old, or what speaks to it is not installed.
        Unavailable: the server cannot be reached.
    """
    _check_kept(data_dir, database)
    if not database.url:
        yield
        return
    with _connected(database) as connection:
        _check(connection, database)
        connection.execute(f"SET lock_timeout = '{_NEW}s'")
        with _told(database):
            connection.execute("SELECT pg_advisory_lock(%s)", [_MAKING])
        _keep(data_dir, database)
        yield


def look(database: Database) -> str:
    """Return what server it is, if the hub can use it; raises as `settled` does."""
    with _connected(database) as connection:
        _check(connection, database)
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


def order_by_bytes() -> None:
    """Have the database compare texts byte by byte, as SQLite and Python do, whatever language it was made for.

    An index over texts in the order of a language is also wrong once the system's idea of that order changes.
    """
    from django.db import connection

    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(_TEXTS)
        tables: dict[str, list[str]] = {}
        for table, change in cursor.fetchall():
            tables.setdefault(table, []).append(change)
        for table, changes in tables.items():
            cursor.execute(f"ALTER TABLE {table} {', '.join(changes)}")


_TEXTS: Final = """
SELECT format('%I.%I', n.nspname, c.relname),
       format('ALTER COLUMN %I TYPE %s COLLATE "C"', a.attname, format_type(a.atttypid, a.atttypmod))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname = current_schema() AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attcollation = (SELECT oid FROM pg_collation WHERE collname = 'default')
ORDER BY 1, a.attnum
"""


def _file(data_dir: Path) -> Path:
    return data_dir / "hub.sqlite3"


def _record(data_dir: Path) -> Path:
    return data_dir / "database.json"


def _check_kept(data_dir: Path, database: Database) -> None:
    kept = at(data_dir)
    if database.url and not kept.url and _file(data_dir).exists():
        raise Invalid(
            f"hub.database: the hub of this data directory has its users, jobs and history in {_file(data_dir)}, and "
            f"they would not be in {database.url}: leave hub.database out, or move that file away to begin anew"
        )
    if kept.url and not database.url:
        raise Invalid(
            f"hub.database: the hub of this data directory has its users, jobs and history in {kept.url}: name that "
            f"in hub.database, or move {_record(data_dir)} away to begin anew"
        )


def _keep(data_dir: Path, database: Database) -> None:
    """Write it down; a torn record would be a hub that has lost its tables."""
    new = _record(data_dir).with_suffix(".tmp")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(database))
        file.flush()
        os.fsync(file.fileno())
    new.replace(_record(data_dir))


def _server(database: Database) -> dict[str, Any]:
    options = _parameters(database)
    return {
        "ENGINE": "argosy.hub.common.postgresql",
        "NAME": options.pop("dbname"),
        "PASSWORD": database.password,
        "OPTIONS": {
            **options,
            # Every request has a thread of its own. What does not answer within the time is told to the caller.
            "pool": {"min_size": 1, "max_size": CONNECTIONS, "timeout": PATIENCE, "reconnect_timeout": PATIENCE},
        },
        "CONN_HEALTH_CHECKS": True,  # a server that went away and came back needs other connections
    }


def _parameters(database: Database) -> dict[str, Any]:
    from psycopg.conninfo import conninfo_to_dict

    given = conninfo_to_dict(database.url)
    ours = f"-c lock_timeout={PATIENCE}s -c idle_in_transaction_session_timeout={_IDLE}s"
    defaults = {
        "application_name": "argosy",
        "connect_timeout": PATIENCE,
        "target_session_attrs": "read-write",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    return {**defaults, **given, "options": f"{ours} {given.get('options', '')}".strip()}


def expect_library() -> None:
    """Return if what speaks to servers is installed, with all of it imported.

    Raises:
        Unsupported: it is not.
    """
    try:
        import psycopg  # noqa: F401
        import psycopg_pool  # noqa: F401 - Django asks for it late
    except ImportError as error:
        raise Unsupported(
            f"hub.database: PostgreSQL needs {error.name}, which is not installed: pip install 'argosy[hub]'"
        ) from error


@contextmanager
def _connected(database: Database) -> Iterator[Any]:
    expect_library()
    import psycopg

    with _told(database):
        try:
            parameters = _parameters(database)
        except psycopg.ProgrammingError as error:
            raise Invalid(f"hub.database: {database.url}: {_line(error)}") from error
        if database.password:
            parameters["password"] = database.password
        connection = psycopg.connect(autocommit=True, **parameters)
    with connection:
        yield connection


@contextmanager
def _told(database: Database) -> Iterator[None]:
    """Say what keeps us from the server, and what to do about it."""
    import psycopg

    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise Busy(f"another hub is making its tables in {database.url}: wait until it is ready") from error
    except psycopg.OperationalError as error:
        raise _explained(_line(error), database) from error


_PASSWORD = "put the right one into the file that hub.database_password_file names, or into ARGOSY_DATABASE_PASSWORD"  # noqa: S105 - a remedy
_REASONS: Final[tuple[tuple[str, type[ArgosyError], str], ...]] = (
    ("password authentication failed", Denied, _PASSWORD),
    ("no password supplied|password is missing", Denied, _PASSWORD),
    (
        "(?:peer|ident) authentication failed",
        Denied,
        "run Argosy as the system user of that name, or have pg_hba.conf ask for a password instead",
    ),
    ("role .* does not exist", Denied, "make it with `createuser`, or name another in hub.database"),
    (
        "database .* does not exist",
        NotFound,
        "make it with `createdb --owner=USER --encoding=UTF8 --template=template0 NAME`, or name another",
    ),
    ("permission denied for database", Denied, "make the user of hub.database its owner"),
    ("no pg_hba.conf entry", Denied, "let the user of hub.database in by a line in pg_hba.conf of the server"),
    ("session is read-only|hot standby", Unavailable, "name the primary server in hub.database"),
    ("too many clients|connection slots", Unavailable, "raise max_connections of the server"),
    ("certificate|SSL", Denied, "mend sslmode and sslrootcert in hub.database, or the server's certificate"),
)
"""What servers and their library say, what it means, and what to do about it."""


def _explained(said: str, database: Database) -> ArgosyError:
    for pattern, kind, remedy in _REASONS:
        if re.search(pattern, said, re.IGNORECASE):
            return kind(f"the database {database.url} cannot be used ({said}): {remedy}")
    return Unavailable(
        f"the database {database.url} cannot be reached ({said}): start PostgreSQL, or name the right server in "
        "hub.database"
    )


def _line(error: Exception) -> str:
    """Return the first thing that was said, without the ornaments."""
    text = str(error).strip().partition("\n")[0].removeprefix("connection failed: ").strip()
    return re.sub(r"\s+", " ", text).rstrip(":")


def _check(connection: Any, database: Database) -> None:
    """Return if the database can hold our tables."""
    version = connection.info.server_version
    if version < OLDEST * 10_000:
        raise Unsupported(
            f"the database {database.url} is on PostgreSQL {version // 10_000}: Argosy needs {OLDEST} or newer: "
            "upgrade the server"
        )
    encoding, schema, may_make = connection.execute(
        "SELECT current_setting('server_encoding'), current_schema(), "
        "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)"
    ).fetchone()
    if encoding != "UTF8":
        raise Invalid(
            f"the database {database.url} keeps texts as {encoding}: make one with "
            "`createdb --encoding=UTF8 --template=template0 NAME`"
        )
    if not may_make:
        raise Denied(
            f"the database {database.url} lets {connection.info.user} make no tables in schema {schema or 'public'}: "
            f"make {connection.info.user} the owner of the database"
        )
