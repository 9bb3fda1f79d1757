"""DuckDB with bounds: so much memory, the rest in temporary files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from argosy.core.errors import Exhausted, Unavailable
from argosy.linux.scratch import scratch

MEMORY: Final = "1GB"
_BATCH: Final = 122_880


class Room(NamedTuple):
    """What a reduction may take."""

    memory: str = MEMORY
    """What DuckDB keeps before it writes to temporary files."""
    temporary: Path | None = None
    """Below which directory those are made; None: the system's."""
    threads: int | None = None


USUAL: Final = Room()


class Engine:
    """A connection with the files that are open in it."""

    def __init__(self, con: duckdb.DuckDBPyConnection, held: ExitStack) -> None:
        self.con = con
        self._held = held

    def view(self, name: str, files: Sequence[Path], without: Path | None = None) -> None:
        """Make the rows of Parquet files known under a name; `row` numbers them.

        `without`: another file, whose column `NAME_row` has the numbers of rows that are left out.
        """
        parts = [
            f"SELECT * EXCLUDE (file_row_number), file_row_number + {number << 40} AS row FROM {self._file(path)}"
            for number, path in enumerate(files)
        ]
        rows = " UNION ALL ".join(parts)
        if without is not None:
            rows = f"SELECT * FROM ({rows}) WHERE row NOT IN (SELECT {name}_row FROM {self._file(without)})"
        self.con.execute(f"CREATE VIEW {name} AS {rows}")

    def _file(self, path: Path) -> str:
        """Return what reads a file: by its descriptor, since names that hold * would mean several files."""
        file = self._held.enter_context(path.open("rb"))
        return f"read_parquet('/proc/{os.getpid()}/fd/{file.fileno()}', file_row_number = true)"

    def run(self, *statements: str) -> None:
        """Execute one after another."""
        for statement in statements:
            self.con.execute(statement)

    def number(self, query: str) -> int:
        """Return what a query for one number says."""
        return int(self.con.execute(query).fetchall()[0][0])

    def table(self, query: str) -> pa.Table:
        """Return what a query finds, by columns."""
        return self.con.sql(query).to_arrow_table()

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """Yield what a query finds, by columns, some rows at a time; nothing else is asked in between."""
        yield from self.con.sql(query).to_arrow_reader(_BATCH)

    def take(self, name: str, rows: pa.Table) -> None:
        """Have a temporary table of these rows, in place of one of that name."""
        with self.given({"given": rows}):
            self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM given")

    @contextmanager
    def given(self, tables: Mapping[str, pa.Table]) -> Iterator[None]:
        """Have queries within the block find these rows, where they are, by name."""
        for name, rows in tables.items():
            self.con.register(name, rows)
        try:
            yield
        finally:
            for name in tables:
                self.con.unregister(name)


@contextmanager
def engine(room: Room) -> Iterator[Engine]:
    """Yield a connection that keeps to its room; its temporary files are gone afterwards.

    Raises:
        Exhausted: neither memory nor the disk with temporary files are enough.
        Unavailable: files could not be read, or temporary ones not written.
    """
    with ExitStack() as held:
        folder = held.enter_context(scratch(room.temporary))
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": room.memory,
            "temp_directory": str(folder),
            "preserve_insertion_order": False,
            "arrow_lossless_conversion": True,  # ids stay ids
        }
        if room.threads:
            settings["threads"] = room.threads
        con = held.enter_context(duckdb.connect(config=settings))
        try:
            yield Engine(con, held)
        except duckdb.OutOfMemoryException as error:
            raise Exhausted(
                f"{folder}: neither {room.memory} of memory nor this disk are enough to compare the trees: "
                "have TMPDIR name a directory with more room"
            ) from error
        except (duckdb.Error, pa.ArrowException) as error:
            raise Unavailable(f"{folder}: the trees could not be compared there: {error}: try again") from error
