"""What a site remembers beside what its inodes say: keys and last paths of objects, and how it left its inodes.

A hint, rebuilt as files are met again: losing it costs requests, never bytes. So notes are gathered and written
together, within a moment.

Other processes may have it as it was at the last checkpoint alone: it is held for one, and nothing of it is mapped. A
page of a mapped file that a full copy-on-write filesystem finds no room for would end the agent.

A ctime says that nobody wrote only as long as the machine runs: a power cut may leave bytes on the disk that were
written after it, and the times that the file had before. So it counts for the boot in which it was noted.
"""

import os
import sqlite3
import struct
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from argosy.core.entry import Stored
from argosy.core.errors import Exhausted, Unavailable, Unsupported
from argosy.core.faults import DiskFull
from argosy.core.pointer import Binding, brief, is_brief
from argosy.site import Note

log = structlog.get_logger()

VERSION = 4
"""2 added what is known of inodes and when content was read, 3 in which boot, 4 by which handle, and of which trees it
knows the stubs; older files are upgraded when opened."""
MOMENT = 0.25
"""Seconds that a note may wait to be written."""
CALM: Final = 2.0
"""Seconds without a note after which all is brought to where other processes read it."""

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
    boot INTEGER NOT NULL DEFAULT 0,
    handle BLOB NOT NULL DEFAULT x''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS whole (
    tree TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS surveyed (
    tree TEXT PRIMARY KEY
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lies (
    tree TEXT PRIMARY KEY,
    place BLOB NOT NULL
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
_ADDED: Final = {"boot": "INTEGER NOT NULL DEFAULT 0", "handle": "BLOB NOT NULL DEFAULT x''"}
"""Columns of an inode that older files lack."""
_NOTE: Final = """
INSERT INTO inode (binding, uuid, ctime_ns, stub, handle, boot) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (binding) DO UPDATE SET
    uuid = excluded.uuid, ctime_ns = excluded.ctime_ns, stub = excluded.stub, boot = excluded.boot,
    handle = CASE excluded.handle WHEN x'' THEN handle ELSE excluded.handle END
"""
_STUBS: Final = """
SELECT substr(binding, 1, 24), min(CASE WHEN stub THEN length(handle) END), max(binding)
FROM (SELECT binding, stub, handle FROM inode WHERE binding > ? ORDER BY binding LIMIT ?)
GROUP BY 1 ORDER BY 1
"""
_UNHELD: Final = "SELECT binding FROM inode WHERE binding > ? AND stub AND handle = x'' ORDER BY 1 LIMIT ?"
_LEFT: Final = "SELECT uuid FROM inode WHERE binding > ? AND binding < ? AND stub"
_RENAME: Final = """
UPDATE OR REPLACE inode SET binding = CAST(? || substr(binding, 17) AS BLOB) WHERE binding > ? AND binding < ?
"""
_BINDING: Final = struct.Struct(">16sQQq")
_AT_ONCE: Final = 1000
"""Rows that are read at once: nobody waits for more."""
_MANY: Final = 10_000
"""The same, of rows that are only counted."""
_BROKEN: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_PLACE: Final = 24
"""Bytes of an inode's name that tell filesystem and subvolume."""
_NUMBER: Final = 32
"""The same, and its number."""
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class _Object(NamedTuple):
    """What is known of one object; without a path nothing points to it yet."""

    datastore: str | None
    key: str
    path: bytes | None


class Index:
    """The index of one site, in one SQLite file; safe to use from many threads."""

    def __init__(self, file: Path, *, boot: str | None = None, trees: Collection[str] = ()) -> None:
        """Open it; one that is broken is set aside as `index.db.broken`, and a new one knows nothing.

        `boot`: names the time since the machine was started; by default, as the kernel does. `trees`: of which trees
        a file of an older version knows the stubs.

        Raises:
            Unavailable: it cannot be opened.
            Unsupported: a newer Argosy wrote it.
        """
        self._file = file
        self._lock = threading.Lock()
        self._boot_id, self._trees = boot or _BOOT.read_text().strip(), trees
        self._full: dict[bytes, bytes] = {}
        """The UUIDs of filesystems that some notes may call by what `statfs` answers."""
        try:
            self._db = self._opened()
        except sqlite3.Error as error:
            raise Unavailable(f"the index {file} cannot be opened ({error})") from error
        self._objects: dict[bytes, _Object] = {}
        self._forgone: set[bytes] = set()
        self._inodes: dict[bytes, Note] = {}
        self._reads: dict[bytes, int] = {}
        self._noted = threading.Event()
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="index", daemon=True)
        self._writer.start()

    def _opened(self) -> sqlite3.Connection:
        """Return the index, or a new one where it is broken."""
        try:
            return self._connected()
        except sqlite3.DatabaseError as error:
            if not _is_broken(error):
                raise
            self._set_aside(error)
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._file, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            self._upgrade(database)
            self._boot = _number_of(self._boot_id, database)
            self._full = {brief(uuid): uuid for uuid in _filesystems(database.execute) if not is_brief(uuid)}
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self, error: sqlite3.Error) -> None:
        """Give the broken file another name, and its log after it: without the file, the log counts for nothing."""
        with suppress(FileNotFoundError):
            os.replace(self._file, f"{self._file}.broken")
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{self._file}{end}", f"{self._file}.broken{end}")
        log.error("the index was broken: it was set aside, run `argosy rebuild`", file=self._file, reason=str(error))

    def _upgrade(self, database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise Unsupported(
                f"the index {self._file} is of version {version}, this Argosy writes {VERSION}: "
                "use the newer Argosy, or remove the file and run `argosy rebuild`"
            )
        database.executescript(_SCHEMA)
        there = {column for _, column, *_ in database.execute("PRAGMA table_info(inode)")}
        for column, kind in _ADDED.items():
            if column not in there:
                database.execute(f"ALTER TABLE inode ADD COLUMN {column} {kind}")
        if 0 < version < VERSION:
            database.executemany("INSERT OR IGNORE INTO surveyed VALUES (?)", [(tree,) for tree in self._trees])
        database.execute(f"PRAGMA user_version={VERSION}")

    def _rows(self, question: str, values: Collection[Any] = ()) -> list[tuple[Any, ...]]:
        """Return what is asked for, with the lock held; an index that turns out to be broken begins anew."""
        try:
            return self._db.execute(question, tuple(values)).fetchall()
        except sqlite3.DatabaseError as error:
            self._begin_anew(error)
            return self._db.execute(question, tuple(values)).fetchall()

    def _begin_anew(self, error: sqlite3.Error) -> None:
        """Set the index aside if it is broken, else raise the error."""
        if not _is_broken(error):
            raise error
        self._db.close()
        self._set_aside(error)
        self._db = self._connected()

    def intend(self, uuid: bytes, key: str) -> None:
        """Note an object that nothing points to yet: its uuid is new."""
        self._noting(uuid, _Object(None, key, None))

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

    def point(self, uuid: bytes, path: bytes) -> None:
        """Note that something points to an object after all; its datastore stays unknown."""
        known = self._known(uuid)
        if known is not None:
            self._remember(uuid, known._replace(path=path))

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
            return [(row[0], row[1]) for row in self._rows(wanted, (uuid,))]

    def key_of(self, uuid: bytes) -> str | None:
        """Return the key of an object an inode pointed to, None where it is not known."""
        known = self._known(uuid)
        return known.key if known and known.path is not None else None

    def datastore_of(self, uuid: bytes) -> str | None:
        """Return the datastore of an object, None where it is not known."""
        known = self._known(uuid)
        return known.datastore if known else None

    def path_of(self, uuid: bytes) -> bytes | None:
        """Return the path an object was last met at, None where it is not known."""
        known = self._known(uuid)
        return known.path if known else None

    def note(self, binding: Binding, note: Note) -> None:
        """Remember something of an inode; a handle that is known stays known."""
        with self._lock:
            name = self._name(binding)
            if not note.handle and name in self._inodes:
                note = note._replace(handle=self._inodes[name].handle)
            self._inodes[name] = note
        self._noted.set()

    def noted(self, binding: Binding) -> Note | None:
        """Return what is remembered of an inode, None where that is nothing; of another boot without its ctime."""
        with self._lock:
            name = self._name(binding)
            if name in self._inodes:
                return self._inodes[name]
            rows = self._rows("SELECT uuid, ctime_ns, stub, handle, boot FROM inode WHERE binding = ?", (name,))
        for uuid, ctime_ns, stub, handle, boot in rows:
            return Note(uuid, ctime_ns if boot == self._boot else 0, bool(stub), handle)
        return None

    def held(self, filesystems: Collection[bytes] = ()) -> Iterator[tuple[Binding, Note]]:
        """Yield every inode of which there is a handle, by filesystem and number; ctimes are left out.

        `filesystems`: only what lies on these, and their names as they are given here.
        """
        self.flush()
        with self._lock:
            wanted = {self._called(name): name for name in filesystems or list(_filesystems(self._rows))}
        for called, name in wanted.items():
            for binding, note in self._held_on(called):
                yield (binding if called == name else msgspec.structs.replace(binding, filesystem=name)), note

    def unheld(self) -> Iterator[Binding]:
        """Yield every inode that was left as a stub and of which there is no handle."""
        self.flush()
        last = b""
        while rows := self._some(_UNHELD, last, _AT_ONCE):
            yield from (binding_of(name) for (name,) in rows)
            last = rows[-1][0]

    def left_as(self, binding: Binding) -> set[bytes]:
        """Return the objects of which the inode was left as a stub: one at most where it tells when it was born.

        A filesystem without birth times may not tell which inode of that number it is: then those of all of them.
        """
        if binding.born_ns > 0:
            noted = self.noted(binding)
            return {noted.uuid} if noted is not None and noted.stub else set()
        self.flush()
        with self._lock:
            number = self._name(binding)[:_NUMBER]
            return {uuid for (uuid,) in self._rows(_LEFT, _within(number))}

    def _held_on(self, filesystem: bytes) -> Iterator[tuple[Binding, Note]]:
        last, end = filesystem, _behind(filesystem)
        wanted = "SELECT binding, uuid, stub, handle FROM inode WHERE binding > ? AND binding < ? ORDER BY 1 LIMIT ?"
        while rows := self._some(wanted, last, end, _AT_ONCE):
            for name, uuid, stub, handle in rows:
                if handle:
                    yield binding_of(name), Note(uuid, 0, bool(stub), handle)
            last = rows[-1][0]

    def _some(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._rows(question, values)

    def leave(self, inodes: Iterable[tuple[Binding, Note]]) -> None:
        """Forget inodes that are no more, or have nothing to be remembered, unless something else was noted since."""
        told = list(inodes)
        with self._lock:
            gone = [(name, note.uuid) for binding, note in told if (name := self._name(binding)) not in self._inodes]
            self._change(lambda: self._drop(gone))

    def _drop(self, gone: list[tuple[bytes, bytes]]) -> None:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM inode WHERE binding = ? AND uuid = ?", gone)

    def stub_places(self) -> dict[tuple[bytes, int], bool]:
        """Return filesystem and subvolume of every inode that was left without its bytes, as far as is remembered.

        With each: whether there are handles of all those inodes.
        """
        self.flush()
        found: dict[tuple[bytes, int], bool] = {}
        last = b""
        while rows := self._some(_STUBS, last, _MANY):
            for prefix, shortest, _ in rows:
                if shortest is not None:
                    place = (prefix[:16], int.from_bytes(prefix[16:]))
                    found[place] = found.get(place, True) and shortest > 0
            last = rows[-1][2]
        return found

    def is_whole(self, tree: str) -> bool:
        """Say whether every inode of a tree that points to an object was noted at some time."""
        with self._lock:
            return bool(self._rows("SELECT 1 FROM whole WHERE tree = ?", (tree,)))

    def make_whole(self, tree: str) -> None:
        """Remember that what points to an object in the tree of this identity has been noted."""
        self.flush()
        with self._lock:
            self._change(lambda: self._db.execute("INSERT OR IGNORE INTO whole VALUES (?)", (tree,)))

    def is_surveyed(self, tree: str) -> bool:
        """Say whether `stub_places` tells of all stubs of a tree: not of one that is older, before a rebuild."""
        with self._lock:
            return bool(self._rows("SELECT 1 FROM surveyed WHERE tree = ?", (tree,)))

    def make_surveyed(self, tree: str) -> None:
        """Remember that the stubs of the tree of this identity have been noted."""
        self.flush()
        with self._lock:
            self._change(lambda: self._db.execute("INSERT OR IGNORE INTO surveyed VALUES (?)", (tree,)))

    def locate(self, tree: str, top: Binding) -> None:
        """Remember on which filesystem and subvolume a tree lies: `top` is its root."""
        with self._lock:
            place = self._name(top)[:_PLACE]
            self._change(lambda: self._db.execute("INSERT OR REPLACE INTO lies VALUES (?, ?)", (tree, place)))

    def forget_tree(self, tree: str, others: Collection[str]) -> None:
        """Forget a tree, and all inodes of the filesystem or subvolume it lay on, if none of the others lies there."""
        self.flush()
        with self._lock:
            lies = dict(self._rows("SELECT tree, place FROM lies"))
            place = lies.get(tree)
            if place is not None and place not in {lies.get(other) for other in others}:
                self._change(
                    lambda: self._db.execute("DELETE FROM inode WHERE binding > ? AND binding < ?", _within(place))
                )
            for table in ("whole", "surveyed", "lies"):
                self._change(lambda table=table: self._db.execute(f"DELETE FROM {table} WHERE tree = ?", (tree,)))  # type: ignore[misc]  # noqa: S608 - one of ours

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
            rows = self._rows("SELECT read_ns FROM content WHERE uuid = ?", (uuid,))
        return int(rows[0][0]) if rows else 0

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
            self._change(self._write)
            self._objects, self._forgone, self._inodes, self._reads = {}, set(), {}, {}

    def settle(self) -> None:
        """Return when all that was noted is on the disk, which a power cut leaves.

        Raises:
            Exhausted: as `flush`.
        """
        self.flush()
        with suppress(FileNotFoundError):  # all of it is in the file itself, which is synced as that happens
            log_of_writes = os.open(f"{self._file}-wal", os.O_RDONLY)
            try:
                os.fsync(log_of_writes)
            finally:
                os.close(log_of_writes)

    def _change(self, act: Callable[[], object]) -> None:
        """Act, with the lock held; an index that turns out to be broken begins anew.

        Raises:
            Exhausted: as `flush`.
        """
        try:
            try:
                act()
            except sqlite3.DatabaseError as error:
                self._begin_anew(error)
                act()
        except sqlite3.Error as error:
            raise DiskFull(f"the index of the site cannot be written ({error}): make room for it") from error

    def _write(self) -> None:
        objects = [(uuid, *known) for uuid, known in self._objects.items()]
        inodes = [(binding, *note, self._boot) for binding, note in self._inodes.items()]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM object WHERE uuid = ?", [(uuid,) for uuid in self._forgone])
            self._db.executemany("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", objects)
            self._db.executemany(_NOTE, inodes)
            self._db.executemany("INSERT OR REPLACE INTO content VALUES (?, ?)", list(self._reads.items()))

    def close(self) -> None:
        """Write what was noted, if that can be, and let go of the file."""
        self._closed.set()
        self._noted.set()
        self._writer.join()
        with self._lock:
            self._db.close()

    def _remember(self, uuid: bytes, known: _Object) -> None:
        if self._known(uuid) != known:
            self._noting(uuid, known)

    def _noting(self, uuid: bytes, known: _Object) -> None:
        with self._lock:
            self._objects[uuid] = known
        self._noted.set()

    def _known(self, uuid: bytes) -> _Object | None:
        with self._lock:
            if uuid in self._objects:
                return self._objects[uuid]
            if uuid in self._forgone:
                return None
            rows = self._rows("SELECT datastore, key, path FROM object WHERE uuid = ?", (uuid,))
        return _Object(*rows[0]) if rows else None

    def _name(self, binding: Binding) -> bytes:
        """Return what an inode is called here, whichever name of its filesystem the binding has."""
        filesystem = self._called(binding.filesystem)
        return _BINDING.pack(filesystem, binding.subvolume, binding.inode, binding.born_ns)

    def _called(self, filesystem: bytes) -> bytes:
        """Return the UUID of the filesystem, if it is known; notes that know it by another name get that first."""
        short = brief(filesystem)
        if is_brief(filesystem) or self._full.get(short) == filesystem:
            return self._full.get(short, filesystem)
        self._change(lambda: self._db.execute(_RENAME, (filesystem, short, _behind(short))))
        self._full[short] = filesystem
        self._inodes = {
            filesystem + name[16:] if name.startswith(short) else name: note for name, note in self._inodes.items()
        }
        return filesystem

    def _write_on(self) -> None:
        while not self._closed.is_set():
            if not self._noted.wait(CALM):
                self._show()
                self._noted.wait()
            self._closed.wait(MOMENT)
            self._noted.clear()
            try:
                self.flush()
            except Exhausted as error:  # it stays noted, for as long as this process lives
                log.warning("index not written", reason=error.message)

    def _show(self) -> None:
        """Bring what was written to where other processes read it; where there is no room, later."""
        with self._lock, suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint").fetchall()


def _is_broken(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


def _number_of(boot: str, database: sqlite3.Connection) -> int:
    """Return what a boot is called in the notes: 1 or more."""
    database.execute("INSERT OR IGNORE INTO boot (id) VALUES (?)", (boot,))
    (number,) = database.execute("SELECT number FROM boot WHERE id = ?", (boot,)).fetchone()
    return int(number)


def _filesystems(ask: Callable[[str, tuple[bytes]], Iterable[tuple[Any, ...]]]) -> Iterator[bytes]:
    """Yield the filesystems of all inodes that were noted."""
    last: bytes | None = b""
    while last is not None:
        ((name,),) = ask("SELECT min(binding) FROM inode WHERE binding >= ?", (last,))
        if name is not None:
            yield name[:16]
        last = None if name is None else _behind(name[:16])


def _behind(place: bytes) -> bytes:
    """Return what sorts behind the names of all inodes of a filesystem or subvolume, and before those of others."""
    return place + b"\xff" * (_BINDING.size - len(place) + 1)


def _within(place: bytes) -> tuple[bytes, bytes]:
    """Return between what the names of all inodes of a filesystem or subvolume lie."""
    return place, _behind(place)


def name_of(binding: Binding) -> bytes:
    """Return what an inode is called in the index."""
    return _BINDING.pack(binding.filesystem, binding.subvolume, binding.inode, binding.born_ns)


def binding_of(name: bytes) -> Binding:
    """Return which inode is called so in the index."""
    filesystem, subvolume, inode, born_ns = _BINDING.unpack(name)
    return Binding(filesystem=filesystem, subvolume=subvolume, inode=inode, born_ns=born_ns)
