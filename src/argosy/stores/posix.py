"""A store in a directory: objects are files under their keys, so that people can read them with anything.

Metadata lies in a user xattr that is written before the file gets its name, so an object is visible whole or not at
all: staged under `.argosy/staging` -> bytes -> xattr -> fsync -> read back from the disk and compared -> named ->
directory fsync. Whoever stages holds a lock (flock) on the staged file: what nobody holds was left by one that was
killed.

Paths are walked by directory descriptors without following symlinks: nothing in the directory leads outside of it.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, NamedTuple
from uuid import uuid4

import crc32c
import msgspec

from argosy.core.errors import ArgosyError, Changed, Corrupt, Exhausted, Exists, Invalid, NotFound, Unavailable
from argosy.stores.base import CHUNK, STORES, Absent, Condition, Object, Source

_XATTR = "user.argosy.object"
_STAGING = (".argosy", "staging")
_LOCKS = (".argosy", "locks")
_FICLONE = 0x40049409
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a fifo that somebody put there must not block us
_NEW = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_PRUNED = 20
"""How often a put makes its directories again that deletes of their last objects removed meanwhile."""

_ERRNO: dict[int, type[ArgosyError]] = {
    errno.ENOENT: NotFound,
    errno.ENOTDIR: NotFound,
    errno.ELOOP: NotFound,
    errno.ENOSPC: Exhausted,
    errno.EDQUOT: Exhausted,
    errno.EFBIG: Exhausted,
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

    def put(
        self, key: str, source: Source, *, metadata: Mapping[str, str], condition: Condition | None = None
    ) -> Object:
        """Store all of `source` under `key`; it is on the disk when this returns."""
        with self._translated(key), self._staged() as staged:
            expected = _fill(staged.fd, source)
            return self._finish(key, staged, metadata, condition, expected=expected)

    def head(self, key: str) -> Object:
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
            if etag and etag != _describe(key, fd).etag:
                raise Changed(f"object {key} in {self.path} is not the one that was asked for")
            end = offset + length if length is not None else None
            while chunk := os.pread(fd, CHUNK if end is None else min(CHUNK, end - offset), offset):
                offset += len(chunk)
                yield chunk

    def list(self, prefix: str) -> Iterator[Object]:
        """Yield the objects whose keys begin with `prefix`, by code point."""
        with self._translated(prefix), _closing(self._root()) as root:
            yield from _walk(root, "", prefix)

    def copy(self, source: str, target: str) -> Object:
        """Copy an object with its metadata; where the filesystem can, both share their blocks."""
        with self._translated(source), self._opened(source) as found:
            size, metadata = os.fstat(found).st_size, _record(source, found).metadata
            with self._translated(target), self._staged() as staged:
                expected = None if _cloned(found, staged.fd) else _fill(staged.fd, _Opened(found, size))
                return self._finish(target, staged, metadata, None, expected=expected)

    def delete(self, key: str) -> None:
        """Remove the object, and the directories that held nothing else."""
        *parents, name = _names(key)
        nothing = contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError)
        with self._translated(key), self._locked(_shard(key)), nothing, self._parents(parents) as fds:
            os.unlink(name, dir_fd=fds[-1])
            os.fsync(fds[-1])
            _prune(fds, parents)

    def probe(self) -> None:
        """Return where the directory is there, is ours to write, and keeps user xattrs."""
        with self._translated("probe"), self._staged() as staged:
            _keep(staged.fd, {})
            os.fsync(staged.fd)

    def sweep(self) -> None:
        """Remove what killed writers left in staging; what a living one holds stays."""
        with self._locked("staging"), self._parents(_STAGING, make=True) as fds:
            for name in os.listdir(fds[-1]):
                with contextlib.suppress(FileNotFoundError, BlockingIOError), _closing(_reopen(fds[-1], name)) as fd:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(name, dir_fd=fds[-1])

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
        os.fsync(staged.fd)
        if expected is not None and _sum_on_disk(staged.fd) != expected:
            raise Corrupt(f"object {key}: {self.path} does not give back what was written; look at its disk")
        self._publish(key, staged, condition)
        return _describe(key, staged.fd)

    def _publish(self, key: str, staged: _Staged, condition: Condition | None) -> None:
        *parents, name = _names(key)
        with self._locked(_shard(key)):
            for _ in range(_PRUNED):
                with contextlib.suppress(FileNotFoundError), self._parents(parents, make=True) as fds:
                    self._name(key, staged, condition, directory=fds[-1], name=name)
                    os.fsync(fds[-1])
                    return
        raise Unavailable(f"object {key}: its directory in {self.path} disappears again and again")

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
        with self._parents(_STAGING, make=True) as fds:
            with self._locked("staging", fcntl.LOCK_SH):
                fd = os.open(name, _NEW | os.O_EXCL, 0o600, dir_fd=fds[-1])
                fcntl.flock(fd, fcntl.LOCK_EX)
            try:
                yield _Staged(fds[-1], name, fd)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=fds[-1])
                os.close(fd)

    @contextmanager
    def _locked(self, name: str, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        """Hold a lock that all agents sharing the directory respect; threads of this process too."""
        with self._parents(_LOCKS, make=True) as fds, _closing(os.open(name, _NEW, 0o600, dir_fd=fds[-1])) as fd:
            fcntl.flock(fd, how)
            yield

    @contextmanager
    def _opened(self, key: str) -> Iterator[int]:
        *parents, name = _names(key)
        with self._parents(parents) as fds, _closing(os.open(name, _FILE, dir_fd=fds[-1])) as fd:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise NotFound(f"object {key} does not exist in {self.path}")
            yield fd

    @contextmanager
    def _parents(self, names: Sequence[str], *, make: bool = False) -> Iterator[tuple[int, ...]]:
        """Yield the descriptors of the root and of the directories below it, one in the other."""
        with ExitStack() as held:
            fds = [held.enter_context(_closing(self._root()))]
            for name in names:
                fds.append(held.enter_context(_closing(_enter(fds[-1], name, make=make))))
            yield tuple(fds)

    def _root(self) -> int:
        try:
            return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(
                f"the store's directory {self.path} cannot be opened ({error.strerror}): make or mount it"
            ) from error

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        """Turn the OSErrors of the block into ours, naming key and directory."""
        try:
            yield
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                raise Unavailable(f"the filesystem of {self.path} keeps no user xattrs: use one that does") from error
            kind = _ERRNO.get(error.errno or 0, Unavailable)
            raise kind(f"object {key} in {self.path}: {error.strerror}") from error


def _names(key: str) -> tuple[str, ...]:
    """Return the components of a key that is one, so that no key leads outside or into what is not objects."""
    names = tuple(key.split("/"))
    if {"", ".", ".."}.intersection(names) or "\0" in key or names[:2] in {_STAGING, _LOCKS}:
        raise Invalid(f"{key!r} is not a key")
    return names


def _shard(key: str) -> str:
    return f"{crc32c.crc32c(key.encode()) % 256:02x}"


def _enter(directory: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except NotADirectoryError as error:
        if not make:
            raise
        raise Exists(f"{name} in the store is no directory, so no object can lie below it") from error
    except FileNotFoundError:
        if not make:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=directory)
        os.fsync(directory)
    return os.open(name, _DIRECTORY, dir_fd=directory)


def _prune(fds: Sequence[int], names: Sequence[str]) -> None:
    with contextlib.suppress(OSError):  # the first that is not empty ends it
        for parent, name in zip(reversed(fds[:-1]), reversed(names), strict=True):
            os.rmdir(name, dir_fd=parent)


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
        return msgspec.json.decode(os.getxattr(fd, _XATTR), type=_Record)
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
    return Object(key=key, size=found.st_size, etag=etag, metadata=record.metadata)


def _etag_at(key: str, directory: int, name: str) -> str:
    try:
        with _closing(os.open(name, _FILE, dir_fd=directory)) as fd:
            return _describe(key, fd).etag
    except FileNotFoundError:
        return ""


def _is_directory(directory: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _walk(directory: int, above: str, prefix: str) -> Iterator[Object]:
    with os.scandir(directory) as found:
        names = sorted(entry.name + "/" * entry.is_dir(follow_symlinks=False) for entry in found)
    for name in filter(_is_text, names):
        key = above + name
        if not name.endswith("/"):
            yield from _listed(directory, name, key) if key.startswith(prefix) else ()
        elif key.startswith(prefix) or prefix.startswith(key):
            yield from _walk_into(directory, name[:-1], key, prefix)


def _walk_into(directory: int, name: str, key: str, prefix: str) -> Iterator[Object]:
    if tuple(key[:-1].split("/")) in {_STAGING, _LOCKS}:
        return
    try:
        below = os.open(name, _DIRECTORY, dir_fd=directory)
    except (FileNotFoundError, NotADirectoryError):
        return  # it went away meanwhile
    with _closing(below):
        yield from _walk(below, key, prefix)


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
