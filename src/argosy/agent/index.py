"""What a site remembers beside what its inodes say: keys and last paths of objects, and how it left its inodes.

A hint, rebuilt as files are met again: losing it costs requests, never bytes. So notes are gathered and written
together, within a moment.

A ctime says that nobody wrote only as long as the machine runs: a power cut may leave bytes on the disk that were
written after it, and the times that the file had before. So it counts for the boot in which it was noted.
"""

import sqlite3
import struct
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from argosy.core.entry import Stored
from argosy.core.errors import Exhausted, Unsupported
from argosy.core.pointer import Binding
from argosy.site import Note

log = structlog.get_logger()

VERSION = 3
"""2 added what is known of inodes and when content was read, 3 in which boot; older files are upgraded when opened."""
MOMENT = 0.25
"""Seconds that a note may wait to be written."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS object (
    uuid BLOB PRIMARY KEY,
    datastore TEXT,
    key TEXT NOT NULL,
    path BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS inode (
    binding BLOB PRIMARY KEY,
    uuid BLOB NOT NULL,
    ctime_ns INTEGER NOT NULL,
    stub INTEGER NOT NULL,
    boot INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS boot (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS content (
    uuid BLOB PRIMARY KEY,
    read_ns INTEGER NOT NULL
) WITHOUT ROWID;
"""
_BINDING: Final = struct.Struct(">16sQQq")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class _Object(NamedTuple):
    """What is known of one object; without a path nothing points to it yet."""

    datastore: str | None
    key: str
    path: bytes | None


class Index:
    """The index of one site, in one SQLite file; safe to use from many threads."""

    def __init__(self, file: Path, *, boot: str | None = None) -> None:
        """`boot`: names the time since the machine was started; by default, as the kernel does."""
        self._file = file
        self._lock = threading.Lock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._upgrade(file)
        self._boot = self._number_of(boot or _BOOT.read_text().strip())
        self._objects: dict[bytes, _Object] = {}
        self._forgone: set[bytes] = set()
        self._inodes: dict[bytes, Note] = {}
        self._reads: dict[bytes, int] = {}
        self._noted = threading.Event()
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="index", daemon=True)
        self._writer.start()

    def _upgrade(self, file: Path) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise Unsupported(
                f"the index {file} is of version {version}, this Argosy writes {VERSION}: "
                "use the newer Argosy, or remove the file and run `argosy rebuild`"
            )
        self._db.executescript(_SCHEMA)
        if "boot" not in {column for _, column, *_ in self._db.execute("PRAGMA table_info(inode)")}:
            self._db.execute("ALTER TABLE inode ADD COLUMN boot INTEGER NOT NULL DEFAULT 0")
        self._db.execute(f"PRAGMA user_version={VERSION}")

    def _number_of(self, boot: str) -> int:
        """Return what a boot is called in the notes: 1 or more."""
        self._db.execute("INSERT OR IGNORE INTO boot (id) VALUES (?)", (boot,))
        (number,) = self._db.execute("SELECT number FROM boot WHERE id = ?", (boot,)).fetchone()
        return int(number)

    def intend(self, uuid: bytes, key: str) -> None:
        """Note an object that nothing points to yet."""
        self._remember(uuid, _Object(None, key, None))

    def forgo(self, uuid: bytes) -> None:
        """Forget an object that was never begun to be written after all."""
        with self._lock:
            self._objects.pop(uuid, None)
            self._forgone.add(uuid)
        self._noted.set()

    def intended(self, uuid: bytes) -> bool:
        """Say whether nothing here ever came to point to an object this site began."""
        known = self._known(uuid)
        return known is not None and known.path is None

    def remember(self, stored: Stored, path: bytes) -> None:
        """Note key and path of an object."""
        self._remember(stored.uuid, _Object(stored.datastore, stored.key, path))

    def unpointed(self) -> Iterator[tuple[bytes, str]]:
        """Yield uuid and key of each object that this site began and nothing here came to point to."""
        self.flush()
        last = b""
        while rows := self._unpointed_after(last):
            yield from rows
            last = rows[-1][0]

    def _unpointed_after(self, uuid: bytes) -> list[tuple[bytes, str]]:
        wanted = "SELECT uuid, key FROM object WHERE path IS NULL AND uuid > ? ORDER BY uuid LIMIT 1000"
        with self._lock:
            return self._db.execute(wanted, (uuid,)).fetchall()

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object an inode pointed to, None where it is not known."""
        known = self._known(uuid)
        return known.key if known and known.path is not None else None

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path an object was last met at, None where it is not known."""
        known = self._known(uuid)
        return known.path if known else None

    def note(self, binding: Binding, note: Note) -> None:
        """Remember something of an inode."""
        with self._lock:
            self._inodes[name_of(binding)] = note
        self._noted.set()

    def noted(self, binding: Binding) -> Note | None:
        """Return what is remembered of an inode, None where that is nothing; of another boot without its ctime."""
        name = name_of(binding)
        with self._lock:
            if name in self._inodes:
                return self._inodes[name]
            row = self._db.execute("SELECT uuid, ctime_ns, stub, boot FROM inode WHERE binding = ?", (name,)).fetchone()
        return Note(row[0], row[1] if row[3] == self._boot else 0, bool(row[2])) if row else None

    def stub_filesystems(self) -> set[tuple[bytes, int]]:
        """Return filesystem and subvolume of every inode that was left without its bytes, as far as is remembered."""
        self.flush()
        with closing(sqlite3.connect(self._file)) as own:  # it reads all notes: nobody waits for that
            rows = own.execute("SELECT DISTINCT substr(binding, 1, 24) FROM inode WHERE stub")
            return {(prefix[:16], int.from_bytes(prefix[16:])) for (prefix,) in rows}

    def read_whole(self, uuid: bytes, when_ns: int) -> None:
        """Note when an object was read whole and was what was stored."""
        with self._lock:
            self._reads[uuid] = when_ns
        self._noted.set()

    def last_read_ns(self, uuid: bytes) -> int:
        """Return when an object was last read whole, 0 where that is not known."""
        with self._lock:
            if uuid in self._reads:
                return self._reads[uuid]
            row = self._db.execute("SELECT read_ns FROM content WHERE uuid = ?", (uuid,)).fetchone()
        return int(row[0]) if row else 0

    def write(self, uuid: bytes) -> None:
        """Return when what was noted of an object is written; the notes of others that wait are written with it.

        Raises:
            Exhausted: as `flush`.
        """
        with self._lock:
            waits = uuid in self._objects
        if waits:
            self.flush()

    def flush(self) -> None:
        """Return when all that was noted is written.

        Raises:
            Exhausted: the disk of the data directory does not take it; it stays noted.
        """
        with self._lock:
            if not (self._objects or self._forgone or self._inodes or self._reads):
                return
            try:
                self._write()
            except sqlite3.Error as error:
                raise Exhausted(f"the index of the site cannot be written ({error}): make room for it") from error
            self._objects, self._forgone, self._inodes, self._reads = {}, set(), {}, {}

    def _write(self) -> None:
        objects = [(uuid, *known) for uuid, known in self._objects.items()]
        inodes = [(binding, *note, self._boot) for binding, note in self._inodes.items()]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM object WHERE uuid = ?", [(uuid,) for uuid in self._forgone])
            self._db.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", objects)
            self._db.executemany("INSERT OR REPLACE INTO inode VALUES (?, ?, ?, ?, ?)", inodes)
            self._db.executemany("INSERT OR REPLACE INTO content VALUES (?, ?)", list(self._reads.items()))

    def close(self) -> None:
        """Write what was noted, if that can be, and let go of the file."""
        self._closed.set()
        self._noted.set()
        self._writer.join()
        with self._lock:
            self._db.close()

    def _remember(self, uuid: bytes, known: _Object) -> None:
        if self._known(uuid) == known:
            return
        with self._lock:
            self._objects[uuid] = known
        self._noted.set()

    def _known(self, uuid: bytes) -> _Object | None:
        with self._lock:
            if uuid in self._objects:
                return self._objects[uuid]
            if uuid in self._forgone:
                return None
            row = self._db.execute("SELECT datastore, key, path FROM object WHERE uuid = ?", (uuid,)).fetchone()
        return _Object(*row) if row else None

    def _write_on(self) -> None:
        while not self._closed.is_set():
            self._noted.wait()
            self._closed.wait(MOMENT)
            self._noted.clear()
            try:
                self.flush()
            except Exhausted as error:  # it stays noted, for as long as this process lives
                log.warning("index not written", reason=error.message)


def name_of(binding: Binding) -> bytes:
    """Return what an inode is called in the index."""
    return _BINDING.pack(binding.filesystem, binding.subvolume, binding.inode, binding.born_ns)
