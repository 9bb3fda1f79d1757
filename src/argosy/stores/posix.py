"""A store in a directory: objects are files under their keys, so that people can read them with anything.

Metadata lies in a user xattr that is written before the file gets its name, so an object is visible whole or not at
all: staged under `.argosy/staging` -> bytes -> xattr -> fsync -> read back from the disk and compared -> named ->
directory fsync. Whoever stages holds a lock (flock) on the staged file: what nobody holds was left by one that was
killed.

Each verb opens the directory once and does all it does beneath that. For whoever keeps track of which directory it has
to be (`expect`) its id is read through the same descriptor first: where it is another, or has lost its id, nothing is
read or written.

Where a file has the name of a directory on the way to a key, the object lies under a hash of its key in `.argosy/flat`,
the key itself in another xattr. It stays there until it is deleted, whatever becomes of the file; who looks for an
object looks there first.
"""

import contextlib
import errno
import fcntl
import heapq
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Annotated, NamedTuple
from uuid import uuid4

import blake3
import crc32c
import msgspec

from argosy.core.errors import ArgosyError, Changed, Corrupt, Exhausted, Exists, Invalid
from argosy.core.faults import LimitReached, ObjectGone, StoreDown, StoreFull
from argosy.core.ready import ready
from argosy.linux.syncing import fsync
from argosy.stores._posix.root import (
    FILE,
    FLAT,
    ID,
    LOCKS,
    NEW,
    STAGING,
    STORE,
    FileInTheWay,
    Known,
    Root,
    closing,
    is_directory,
    opened,
    removed,
)
from argosy.stores.base import CHUNK, STORES, Abilities, Absent, Condition, Object, Source

_XATTR = "user.argosy.object"
_OURS = {STAGING, LOCKS, FLAT, STORE}
ID_FILE = (*STORE, ID)
"""What holds the id of the directory, below it."""
_KEY_XATTR = "user.argosy.key"
_NO_FLAT = (FileNotFoundError, NotADirectoryError, PermissionError)
"""What says that nothing is kept flat, or nothing that we may read; who writes must own `.argosy`."""
_FICLONE = 0x40049409
_PRUNED = 20
"""How often a put makes its directories again that deletes of their last objects removed meanwhile."""

_ERRNO: dict[int, type[ArgosyError]] = {
    errno.ENOENT: ObjectGone,
    errno.ENOTDIR: ObjectGone,
    errno.ELOOP: ObjectGone,
    errno.ENOSPC: StoreFull,
    errno.EDQUOT: StoreFull,
    errno.EFBIG: LimitReached,
    errno.EMFILE: LimitReached,
    errno.ENFILE: LimitReached,
    errno.ENAMETOOLONG: Invalid,
}


class _Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of the xattr: `tag` differs with every write."""

    tag: str = ""
    metadata: dict[str, str] = {}


class _Staged(NamedTuple):
    """A file that has no name yet but its own in staging."""

    directory: int
    name: str
    fd: int


class _Opened(NamedTuple):
    """An object as a source."""

    fd: int
    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes asked for."""
        return os.pread(self.fd, length, offset)


@STORES.register
@dataclass(frozen=True, kw_only=True)
class PosixStore:
    """A directory. It must exist, on a filesystem that keeps user xattrs; several agents may share it."""

    path: Annotated[str, "Directory that holds the objects"]
    _known: Known | None = field(default=None, init=False, repr=False, compare=False)
    """Which directory it has to be; None where nobody keeps track of that."""
    _swept: bool = field(default=False, init=False, repr=False, compare=False)
    """Whether what an earlier process left is gone. That is looked at before this store first stages anything."""

    def expect(self, known: Known) -> None:
        """Use the directory from now on only where it is the one that is known."""
        object.__setattr__(self, "_known", known)

    def check(self) -> None:
        """Return where the path leads to the directory that it has to be, and we may write there.

        Raises:
            Unavailable: it leads to another, or to none; or the directory lost its id.
        """
        with self._translated(ID), self._rooted(writing=True):
            pass

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`; it is on the disk when this returns."""
        with self._translated(key), self._rooted(writing=True) as root, self._staged(root) as staged:
            expected = _fill(staged.fd, source)
            return self._finish(root, key, staged, metadata, condition, expected=expected)

    def head(self, key: str, *, version: str = "") -> Object:  # noqa: ARG002 - there are no versions here
        """Return the object's description."""
        with self._translated(key), closing(self._look_up(key)) as fd:
            return _describe(key, fd)

    def get(
        self,
        key: str,
        *,
        offset: int = 0,
        length: int | None = None,
        etag: str = "",
        version: str = "",  # noqa: ARG002 - the protocol's signature; there are no versions here
    ) -> Iterator[bytes]:
        """Yield the object's bytes."""
        with self._translated(key), closing(self._look_up(key)) as fd:
            if etag:
                self._expect(key, fd, etag)
            end = offset + length if length is not None else None
            while chunk := os.pread(fd, CHUNK if end is None else min(CHUNK, end - offset), offset):
                offset += len(chunk)
                yield chunk

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`, by code point."""
        with self._translated(prefix), self._rooted() as root:
            before = None
            for found in heapq.merge(_list_flat(root, prefix), _walk(root, prefix), key=attrgetter("key")):
                if found.key != before:  # somebody may have put a file where an object would lie that is kept flat
                    yield found
                before = found.key
            if root.is_gone():
                raise removed(self.path)

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy an object with its metadata; where the filesystem can, both share their blocks."""
        with (
            self._translated(source),
            self._rooted(writing=True) as root,
            closing(self._open(root, source)) as found,
        ):
            before = self._expect(source, found, etag)
            with self._translated(target), self._staged(root) as staged:
                expected = None if _cloned(found, staged.fd) else _fill(staged.fd, _Opened(found, before.size))
                self._expect(source, found, etag)  # nobody replaces the bytes of an open file, but may write into it
                return self._finish(root, target, staged, before.metadata, Absent(), expected=expected)

    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object, and the directories that held nothing else."""
        nothing = contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError)
        with self._translated(key), self._rooted(writing=True) as root, root.locked(_shard(key)), nothing:
            *parents, name = _place(root, key)
            with root.directory(parents) as directory:
                if etag and _etag_at(key, directory, name) not in {"", etag}:
                    raise Changed(f"object {key} in {self.path} is not what was seen before")
                os.unlink(name, dir_fd=directory)
                fsync(directory)
            root.prune(parents)

    def probe(self) -> Abilities:
        """Return what can be done in the directory: it is there, is ours to write, and keeps user xattrs."""
        with self._translated("probe"), self._rooted(writing=True) as root, self._staged(root) as staged:
            _keep(staged.fd, {})
            fsync(staged.fd)
        return Abilities(
            conditions=self._keeps_what_is_there(), checksums=False, versions=False, copies=True, multipart=True
        )

    def identity(self) -> str:
        """Return the random id that the directory was given; "" where it has none, or none that we may read."""
        with self._translated(ID), opened(self.path) as root:
            return root.identity()

    def identify(self) -> str:
        """Return the id of the directory, which is given one, durably, where it has none.

        Raises:
            Denied: somebody else keeps objects there.
        """
        with self._translated(ID), opened(self.path) as root:
            if known := root.identity():
                return known
            with root.private(STORE) as directory:
                with self._staged(root) as staged, contextlib.suppress(FileExistsError):
                    os.write(staged.fd, uuid4().hex.encode())
                    fsync(staged.fd)
                    os.link(staged.name, ID, src_dir_fd=staged.directory, dst_dir_fd=directory, follow_symlinks=False)
                fsync(directory)
            return root.identity()

    def _keeps_what_is_there(self) -> bool:
        """Say whether a name that is taken cannot be taken again: some network filesystems do not know of it."""
        key, nothing = f".argosy/probe/{uuid4()}", _Opened(-1, 0)
        try:
            self.put(key, nothing, metadata={}, condition=Absent())
            self.put(key, nothing, metadata={}, condition=Absent())
        except Exists:
            return True
        finally:
            self.delete(key)
        return False

    def sweep(self) -> None:
        """Remove what killed writers left in staging; what a living one holds stays."""
        with self._translated("staging"), self._rooted(writing=True) as root:
            _sweep(root)

    def _finish(
        self,
        root: Root,
        key: str,
        staged: _Staged,
        metadata: Mapping[str, str],
        condition: Condition | None,
        *,
        expected: int | None,
    ) -> Object:
        """Make a staged file durable, verified and visible. `expected` None: its blocks are another object's."""
        _keep(staged.fd, metadata)
        fsync(staged.fd)
        if expected is not None and _sum_on_disk(staged.fd) != expected:
            raise Corrupt(f"object {key}: {self.path} does not give back what was written; look at its disk")
        self._publish(root, key, staged, condition)
        return _describe(key, staged.fd)

    def _publish(self, root: Root, key: str, staged: _Staged, condition: Condition | None) -> None:
        with root.locked(_shard(key)):
            try:
                self._publish_at(root, _place(root, key), key, staged, condition)
            except FileInTheWay:
                self._publish_at(root, _flat(key), key, staged, condition)

    def _publish_at(
        self, root: Root, place: Sequence[str], key: str, staged: _Staged, condition: Condition | None
    ) -> None:
        if place == _flat(key):
            os.setxattr(staged.fd, _KEY_XATTR, key.encode())
            fsync(staged.fd)
        *parents, name = place
        for _ in range(_PRUNED):
            with contextlib.suppress(FileNotFoundError), root.directory(parents, make=True) as directory:
                self._name(key, staged, condition, directory=directory, name=name)
                fsync(directory)
                return
        raise StoreDown(f"object {key}: its directory in {self.path} disappears again and again")

    def _expect(self, key: str, fd: int, etag: str) -> Object:
        found = _describe(key, fd)
        if found.etag != etag:
            raise Changed(f"object {key} in {self.path} is not the one that was asked for")
        return found

    def _name(self, key: str, staged: _Staged, condition: Condition | None, *, directory: int, name: str) -> None:
        try:
            if isinstance(condition, Absent):
                os.link(staged.name, name, src_dir_fd=staged.directory, dst_dir_fd=directory, follow_symlinks=False)
                return
            if condition and _etag_at(key, directory, name) != condition.etag:
                raise Changed(f"object {key} in {self.path} is not what was seen before")
            os.rename(staged.name, name, src_dir_fd=staged.directory, dst_dir_fd=directory)
        except (FileExistsError, IsADirectoryError) as error:
            lower = is_directory(directory, name)
            what = f"objects lie below {key}/, so no file can have that name" if lower else f"object {key} exists"
            raise Exists(f"{what} in {self.path}") from error

    @contextmanager
    def _staged(self, root: Root) -> Iterator[_Staged]:
        """Yield a new file in staging, held against sweeps; it loses the name it has there, published or not."""
        if not self._swept:
            _sweep(root)
            object.__setattr__(self, "_swept", True)
        name = uuid4().hex
        with root.private(STAGING) as directory:
            with root.locked("staging", fcntl.LOCK_SH):
                fd = os.open(name, NEW | os.O_EXCL, 0o600, dir_fd=directory)
                fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                yield _Staged(directory, name, fd)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
                os.close(fd)

    @contextmanager
    def _rooted(self, *, writing: bool = False) -> Iterator[Root]:
        """Hold the directory open for all of a verb, once it was seen to be the one that it has to be.

        Raises:
            Unavailable: it is another, or there is none; or it was removed meanwhile.
        """
        with opened(self.path) as root:
            if self._known is not None:
                self._known.expect(root.identity(), writing=writing)
            yield root

    def _look_up(self, key: str) -> int:
        """Return the descriptor of an object, which is all that is held of the directory."""
        with self._rooted() as root:
            return self._open(root, key)

    def _open(self, root: Root, key: str) -> int:
        *parents, name = _place(root, key)
        with root.directory(parents) as directory:
            fd = os.open(name, FILE, dir_fd=directory)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ObjectGone(f"object {key} does not exist in {self.path}")
        return fd

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """Turn the OSErrors of the block into ours, naming key and directory."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                raise StoreDown(f"the filesystem of {self.path} keeps no user xattrs: use one that does") from error
            kind = _ERRNO.get(error.errno or 0, StoreDown)
            remedy = ": raise the limit (ulimit -n)" if error.errno in {errno.EMFILE, errno.ENFILE} else ""
            raise kind(f"object {key} in {self.path}: {error.strerror}{remedy}") from error


def _names(key: str) -> tuple[str, ...]:
    """Return the components of a key that is one, so that no key leads outside or into what is not objects."""
    names = tuple(key.split("/"))
    if {"", ".", ".."}.intersection(names) or "\0" in key or names[:2] in _OURS:
        raise Invalid(f"{key!r} is not a key")
    return names


def _place(root: Root, key: str) -> tuple[str, ...]:
    """Return where the object lies: flat if it is there, else under its key, where it also would be put first."""
    names, flat = _names(key), _flat(key)
    with contextlib.suppress(*_NO_FLAT), root.directory(FLAT) as directory:
        os.stat(flat[-1], dir_fd=directory, follow_symlinks=False)
        return flat
    return names


def _flat(key: str) -> tuple[str, ...]:
    return *FLAT, blake3.blake3(key.encode()).hexdigest()


def _key_at(directory: int, name: str) -> str:
    """Return the key of an object that is kept flat; nothing where the file is no such object."""
    try:
        with closing(os.open(name, FILE, dir_fd=directory)) as fd:
            key = os.getxattr(fd, _KEY_XATTR).decode()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and issubclass(_ERRNO.get(error.errno or 0, StoreDown), Exhausted):
            raise
        return ""
    return key if _flat(key)[-1] == name else ""


def _shard(key: str) -> str:
    return f"{crc32c.crc32c(key.encode()) % 256:02x}"


def _fill(fd: int, source: Source | _Opened) -> int:
    """Write all of the source and return its CRC32C."""
    total = 0
    for start in range(0, source.size, CHUNK):
        chunk = memoryview(source.read(start, min(CHUNK, source.size - start)))
        total = crc32c.crc32c(chunk, total)
        while chunk:
            chunk = chunk[os.write(fd, chunk) :]
    return total


def _sum_on_disk(fd: int) -> int:
    """Return the CRC32C of what the disk holds: the pages in memory are let go of first."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    total = offset = 0
    while chunk := os.pread(fd, CHUNK, offset):
        total = crc32c.crc32c(chunk, total)
        offset += len(chunk)
    return total


def _cloned(source: int, target: int) -> bool:
    """Make the target share the source's blocks; False where the filesystem cannot."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS}:
            raise
        return False
    return True


def _keep(fd: int, metadata: Mapping[str, str]) -> None:
    os.setxattr(fd, _XATTR, msgspec.json.encode(_Record(uuid4().hex[:16], dict(metadata))))


def _record(key: str, fd: int) -> _Record:
    try:
        return msgspec.json.decode(os.getxattr(fd, _XATTR), type=ready(_Record))
    except msgspec.MsgspecError as error:
        raise Corrupt(f"the metadata of object {key} cannot be read: its xattr was changed") from error
    except OSError as error:
        if error.errno not in {errno.ENODATA, errno.ENOTSUP}:
            raise
        return _Record()  # a file that somebody else put there


def _describe(key: str, fd: int) -> Object:
    """Describe an open file. Its tag alone would not tell that somebody wrote into it behind our back."""
    found, record = os.fstat(fd), _record(key, fd)
    etag = f"{record.tag or format(found.st_ino, 'x')}-{found.st_mtime_ns:x}-{found.st_size:x}"
    return Object(key=key, size=found.st_size, etag=etag, metadata=record.metadata, modified_ns=found.st_mtime_ns)


def _etag_at(key: str, directory: int, name: str) -> str:
    try:
        with closing(os.open(name, FILE, dir_fd=directory)) as fd:
            return _describe(key, fd).etag
    except FileNotFoundError:
        return ""


def _sweep(root: Root) -> None:
    with root.locked("staging"), root.private(STAGING) as staging:
        for name in os.listdir(staging):
            with contextlib.suppress(FileNotFoundError, BlockingIOError), closing(_reopen(staging, name)) as fd:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name, dir_fd=staging)


def _walk(root: Root, prefix: str) -> Iterator[Object]:
    """Yield what lies under its own key. Of the directories below the root one is open at a time."""
    rest: list[tuple[str, list[str] | None]] = [("", None)]
    while rest:
        above, names = rest.pop()
        gone = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with gone, root.directory(above.split("/")[:-1]) as directory:
            names = _wanted(directory, above, prefix) if names is None else names
            while names and not names[-1].endswith("/"):
                name = names.pop()
                yield from _listed(directory, name, above + name)
            if names:
                below = above + names.pop()
                rest += [(above, names), (below, None)] if names else [(below, None)]


def _list_flat(root: Root, prefix: str) -> Iterator[Object]:
    with contextlib.suppress(*_NO_FLAT), root.directory(FLAT) as directory:
        keys = {_key_at(directory, name): name for name in os.listdir(directory)}
        for key in sorted(key for key in keys if key and key.startswith(prefix)):
            yield from _listed(directory, keys[key], key)


def _wanted(directory: int, above: str, prefix: str) -> list[str]:
    """Return the names in a directory that lead to what is listed, last first; directories end with a slash."""
    with os.scandir(directory) as found:
        names = [entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in found]
    return sorted((name for name in names if _is_text(name) and _leads(above + name, prefix)), reverse=True)


def _leads(key: str, prefix: str) -> bool:
    if not key.endswith("/"):
        return key.startswith(prefix)
    return tuple(key[:-1].split("/")) not in _OURS and (key.startswith(prefix) or prefix.startswith(key))


def _listed(directory: int, name: str, key: str) -> Iterator[Object]:
    try:
        fd = os.open(name, FILE, dir_fd=directory)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
            return  # gone meanwhile; a symlink; a socket
        raise
    with closing(fd):
        if stat.S_ISREG(os.fstat(fd).st_mode):
            yield msgspec.structs.replace(_describe(key, fd), metadata={})


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False  # no key, so no object: somebody else's file
    return True


def _reopen(directory: int, name: str) -> int:
    return os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
