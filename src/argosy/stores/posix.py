"""A store in a directory: objects are files under their keys, so that people can read them with anything.

Metadata lies in a user xattr that is written before the file gets its name, so an object is visible whole or not at
all: staged under `.argosy/staging` -> bytes -> xattr -> fsync -> read back from the disk and compared -> named ->
directory fsync. Whoever stages holds a lock (flock) on the staged file: what nobody holds was left by one that was
killed.

Paths are walked by directory descriptors without following symlinks: nothing in the directory leads outside of it.

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
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Annotated, NamedTuple
from uuid import uuid4

import blake3
import crc32c
import msgspec

from argosy.core.errors import (
    ArgosyError,
    Busy,
    Changed,
    Corrupt,
    Denied,
    Exhausted,
    Exists,
    Invalid,
)
from argosy.core.faults import LimitReached, ObjectGone, StoreDown, StoreFull
from argosy.core.ready import ready
from argosy.linux.syncing import fsync
from argosy.stores.base import CHUNK, STORES, Abilities, Absent, Condition, Object, Source

_XATTR = "user.argosy.object"
_STAGING = (".argosy", "staging")
_LOCKS = (".argosy", "locks")
_FLAT = (".argosy", "flat")
_STORE = (".argosy", "store")
_OURS = {_STAGING, _LOCKS, _FLAT, _STORE}
_ID = "id"
_KEY_XATTR = "user.argosy.key"
_NO_FLAT = (FileNotFoundError, NotADirectoryError, PermissionError)
"""What says that nothing is kept flat, or nothing that we may read; who writes must own `.argosy`."""
_FICLONE = 0x40049409
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a fifo that somebody put there must not block us
_NEW = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_PRUNED = 20
"""How often a put makes its directories again that deletes of their last objects removed meanwhile."""
_PATIENCE = 10.0
"""Seconds to wait for a lock. All are held for moments only, so who holds one longer hangs, or means no good."""

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


class _FileInTheWay(Exists):
    """A file has the name of a directory on the way."""


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

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`; it is on the disk when this returns."""
        with self._translated(key), self._staged() as staged:
            expected = _fill(staged.fd, source)
            return self._finish(key, staged, metadata, condition, expected=expected)

    def head(self, key: str, *, version: str = "") -> Object:  # noqa: ARG002 - there are no versions here
        """Return the object's description."""
        with self._translated(key), self._opened(key) as fd:
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
        with self._translated(key), self._opened(key) as fd:
            if etag:
                self._expect(key, fd, etag)
            end = offset + length if length is not None else None
            while chunk := os.pread(fd, CHUNK if end is None else min(CHUNK, end - offset), offset):
                offset += len(chunk)
                yield chunk

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`, by code point."""
        with self._translated(prefix):
            before = None
            for found in heapq.merge(self._list_flat(prefix), self._walk(prefix), key=attrgetter("key")):
                if found.key != before:  # somebody may have put a file where an object would lie that is kept flat
                    yield found
                before = found.key

    def copy(self, source: str, target: str, *, etag: str) -> Object:
        """Copy an object with its metadata; where the filesystem can, both share their blocks."""
        with self._translated(source), self._opened(source) as found:
            before = self._expect(source, found, etag)
            with self._translated(target), self._staged() as staged:
                expected = None if _cloned(found, staged.fd) else _fill(staged.fd, _Opened(found, before.size))
                self._expect(source, found, etag)  # nobody replaces the bytes of an open file, but may write into it
                return self._finish(target, staged, before.metadata, Absent(), expected=expected)

    def delete(self, key: str, *, etag: str = "") -> None:
        """Remove the object, and the directories that held nothing else."""
        nothing = contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError)
        with self._translated(key), self._locked(_shard(key)), nothing:
            *parents, name = self._place(key)
            with self._directory(parents) as directory:
                if etag and _etag_at(key, directory, name) not in {"", etag}:
                    raise Changed(f"object {key} in {self.path} is not what was seen before")
                os.unlink(name, dir_fd=directory)
                fsync(directory)
            self._prune(parents)

    def probe(self) -> Abilities:
        """Return what can be done in the directory: it is there, is ours to write, and keeps user xattrs."""
        with self._translated("probe"), self._staged() as staged:
            _keep(staged.fd, {})
            fsync(staged.fd)
        return Abilities(
            conditions=self._keeps_what_is_there(), checksums=False, versions=False, copies=True, multipart=True
        )

    def identity(self) -> str:
        """Return the random id that the directory was given; "" where it has none, or none that we may read."""
        nothing = contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError)
        with (
            self._translated(_ID),
            nothing,
            self._directory(_STORE) as directory,
            _closing(os.open(_ID, _FILE, dir_fd=directory)) as fd,
        ):
            return os.read(fd, 64).decode("ascii", "replace")
        return ""

    def identify(self) -> str:
        """Return the id of the directory, which is given one, durably, where it has none.

        Raises:
            Denied: somebody else keeps objects there.
        """
        if known := self.identity():
            return known
        with self._translated(_ID), self._private(_STORE) as directory:
            with self._staged() as staged, contextlib.suppress(FileExistsError):
                os.write(staged.fd, uuid4().hex.encode())
                fsync(staged.fd)
                os.link(staged.name, _ID, src_dir_fd=staged.directory, dst_dir_fd=directory, follow_symlinks=False)
            fsync(directory)
        return self.identity()

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
        with self._locked("staging"), self._private(_STAGING) as staging:
            for name in os.listdir(staging):
                with contextlib.suppress(FileNotFoundError, BlockingIOError), _closing(_reopen(staging, name)) as fd:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(name, dir_fd=staging)

    @cached_property
    def _swept(self) -> bool:
        """True: what an earlier process left is gone. Looked at once, before this store first stages anything."""
        self.sweep()
        return True

    def _finish(
        self,
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
        self._publish(key, staged, condition)
        return _describe(key, staged.fd)

    def _publish(self, key: str, staged: _Staged, condition: Condition | None) -> None:
        with self._locked(_shard(key)):
            try:
                self._publish_at(self._place(key), key, staged, condition)
            except _FileInTheWay:
                self._publish_at(_flat(key), key, staged, condition)

    def _publish_at(self, place: Sequence[str], key: str, staged: _Staged, condition: Condition | None) -> None:
        if place == _flat(key):
            os.setxattr(staged.fd, _KEY_XATTR, key.encode())
            fsync(staged.fd)
        *parents, name = place
        for _ in range(_PRUNED):
            with contextlib.suppress(FileNotFoundError), self._directory(parents, make=True) as directory:
                self._name(key, staged, condition, directory=directory, name=name)
                fsync(directory)
                return
        raise StoreDown(f"object {key}: its directory in {self.path} disappears again and again")

    def _place(self, key: str) -> tuple[str, ...]:
        """Return where the object lies: flat if it is there, else under its key, where it also would be put first."""
        names, flat = _names(key), _flat(key)
        with contextlib.suppress(*_NO_FLAT), self._directory(_FLAT) as directory:
            os.stat(flat[-1], dir_fd=directory, follow_symlinks=False)
            return flat
        return names

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
            lower = _is_directory(directory, name)
            what = f"objects lie below {key}/, so no file can have that name" if lower else f"object {key} exists"
            raise Exists(f"{what} in {self.path}") from error

    @contextmanager
    def _staged(self) -> Iterator[_Staged]:
        """Yield a new file in staging, held against sweeps; it loses the name it has there, published or not."""
        assert self._swept
        name = uuid4().hex
        with self._private(_STAGING) as directory:
            with self._locked("staging", fcntl.LOCK_SH):
                fd = os.open(name, _NEW | os.O_EXCL, 0o600, dir_fd=directory)
                fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                yield _Staged(directory, name, fd)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=directory)
                os.close(fd)

    @contextmanager
    def _locked(self, name: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Hold a lock that all agents sharing the directory respect; threads of this process too."""
        with self._private(_LOCKS) as directory, _closing(os.open(name, _NEW, 0o600, dir_fd=directory)) as fd:
            if not _held(fd, how):
                lock = os.path.join(self.path, *_LOCKS, name)
                raise Busy(f"lock {lock} is held by somebody else for {_PATIENCE:g} s: see who it is (lslocks)")
            yield

    @contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        *parents, name = self._place(key)
        with self._directory(parents) as directory, _closing(os.open(name, _FILE, dir_fd=directory)) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ObjectGone(f"object {key} does not exist in {self.path}")
            yield fd

    @contextmanager
    def _directory(self, names: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """Yield the descriptor of a directory below the root. Of those on the way none is kept, however deep it is."""
        fd = self._root()
        try:
            for name in names:
                below = _enter(fd, name, make=make)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _private(self, names: tuple[str, str]) -> Iterator[int]:
        """Yield the descriptor of a directory of ours, where nobody else can hold locks or exchange files.

        Raises:
            Denied: it is somebody else's.
        """
        with self._directory(()) as root, contextlib.suppress(FileNotFoundError):  # first: we might not get it open
            self._check_ours(os.stat(names[0], dir_fd=root, follow_symlinks=False), names[0])
        with self._directory(names[:1], make=True) as above:
            self._check_ours(os.fstat(above), names[0])
            with _closing(_enter(above, names[1], make=True)) as fd:
                self._check_ours(os.fstat(fd), "/".join(names))
                yield fd

    def _check_ours(self, found: os.stat_result, name: str) -> None:
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise Denied(
                f"{os.path.join(self.path, name)} must belong to uid {os.geteuid()} and be writable by nobody else "
                f"(it belongs to uid {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}): "
                "see who made it, then correct its owner and mode"
            )

    def _prune(self, names: Sequence[str]) -> None:
        """Remove the directory, and those above it, as long as they are empty."""
        with contextlib.suppress(OSError):  # the first that is not empty ends it
            for end in range(len(names), 0, -1):
                with self._directory(names[: end - 1]) as above:
                    os.rmdir(names[end - 1], dir_fd=above)

    def _walk(self, prefix: str) -> Iterator[Object]:
        """Yield what lies under its own key. One directory is open at a time, however deep the tree."""
        rest: list[tuple[str, list[str] | None]] = [("", None)]
        while rest:
            above, names = rest.pop()
            gone = contextlib.suppress(FileNotFoundError, NotADirectoryError)
            with gone, self._directory(above.split("/")[:-1]) as directory:
                names = _wanted(directory, above, prefix) if names is None else names
                while names and not names[-1].endswith("/"):
                    name = names.pop()
                    yield from _listed(directory, name, above + name)
                if names:
                    below = above + names.pop()
                    rest += [(above, names), (below, None)] if names else [(below, None)]

    def _list_flat(self, prefix: str) -> Iterator[Object]:
        with contextlib.suppress(*_NO_FLAT), self._directory(_FLAT) as directory:
            keys = {_key_at(directory, name): name for name in os.listdir(directory)}
            for key in sorted(key for key in keys if key and key.startswith(prefix)):
                yield from _listed(directory, keys[key], key)

    def _root(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                raise  # this says nothing about the directory
            raise StoreDown(
                f"the store's directory {self.path} cannot be opened ({error.strerror}): make or mount it"
            ) from error

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


def _flat(key: str) -> tuple[str, ...]:
    return *_FLAT, blake3.blake3(key.encode()).hexdigest()


def _key_at(directory: int, name: str) -> str:
    """Return the key of an object that is kept flat; nothing where the file is no such object."""
    try:
        with _closing(os.open(name, _FILE, dir_fd=directory)) as fd:
            key = os.getxattr(fd, _KEY_XATTR).decode()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and issubclass(_ERRNO.get(error.errno or 0, StoreDown), Exhausted):
            raise
        return ""
    return key if _flat(key)[-1] == name else ""


def _shard(key: str) -> str:
    return f"{crc32c.crc32c(key.encode()) % 256:02x}"


def _enter(directory: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except NotADirectoryError as error:
        if not make:
            raise
        kind = _FileInTheWay if _is_file(directory, name) else Exists
        raise kind(f"{name} in the store is no directory, so no object can lie below it") from error
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=directory)
        fsync(directory)
    return os.open(name, _DIRECTORY, dir_fd=directory)


def _held(fd: int, how: int) -> bool:
    """Take the lock, waiting with patience; say whether that succeeded."""
    end, pause = time.monotonic() + _PATIENCE, 0.001
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
        else:
            return True
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


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
        with _closing(os.open(name, _FILE, dir_fd=directory)) as fd:
            return _describe(key, fd).etag
    except FileNotFoundError:
        return ""


def _is_directory(directory: int, name: str) -> bool:
    return stat.S_ISDIR(_mode(directory, name))


def _is_file(directory: int, name: str) -> bool:
    return stat.S_ISREG(_mode(directory, name))


def _mode(directory: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return 0


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
        fd = os.open(name, _FILE, dir_fd=directory)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
            return  # gone meanwhile; a symlink; a socket
        raise
    with _closing(fd):
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


@contextmanager
def _closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)
