"""What a filesystem makes of names: tried out where Argosy keeps its own, or told from what is there already."""

import contextlib
import errno
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple, Protocol

from argosy.core.syncing import LONGEST_NAME
from argosy.linux.casefolding import folds_case
from argosy.linux.mounts import type_of

_NAME: Final = "Probe-\u00e9".encode()
_OTHER_CASE: Final = "probe-\u00e9".encode()
_DECOMPOSED: Final = "Probe-e\u0301".encode()
_NO_TEXT: Final = b"Probe-\xff"
_DOUBTFUL: Final = b'"*:<>?|\\'
"""What filesystems of other systems do not take."""
_REFUSED: Final = {errno.EINVAL, errno.EILSEQ, errno.ENOENT}
_LINK: Final = b"link"
_MODE: Final = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_FAT: Final = {"vfat", "exfat"}
"""Of these it is known without a trial."""
_ENOUGH: Final = 10_000
"""Names of a directory that are looked at."""


class Names(Protocol):
    """A directory of which is found out what it makes of names."""

    def make(self, name: bytes) -> bool:
        """Have there be a file of the name; say whether that can be."""

    def has(self, name: bytes) -> bool:
        """Say whether there is one."""

    def link(self, name: bytes, other: bytes) -> bool:
        """Give it another name as well; say whether that can be."""

    def remove(self, name: bytes) -> None:
        """Have there be none; harmless when repeated."""


class Found(NamedTuple):
    """What a directory makes of names."""

    case_insensitive: bool = False
    normalising: bool = False
    hard_links: bool = True
    forbidden: bytes = b""
    text_only: bool = False


def probed(names: Names) -> Found:
    """Return what a directory makes of names; nothing is left in it."""
    forbidden = bytes(byte for byte in _DOUBTFUL if not _takes(names, b"Probe%cx" % byte))
    text_only = not _takes(names, _NO_TEXT)
    for name in (_NAME, _LINK):
        names.remove(name)
    names.make(_NAME)
    try:
        alike = names.has(_OTHER_CASE), names.has(_DECOMPOSED)
        return Found(*alike, names.link(_NAME, _LINK), forbidden, text_only)
    finally:
        for name in (_NAME, _LINK):
            names.remove(name)


def _takes(names: Names, name: bytes) -> bool:
    if not names.make(name):
        return False
    names.remove(name)
    return True


def tried(directory: int) -> Found:
    """Return what an open directory of our own makes of names; nothing is left in it."""
    return probed(_Directory(directory))


def looked(top: int) -> Found:
    """Return what an open directory makes of names, as far as that shows without writing: nothing is changed in it.

    Names that are there are asked for in another case, and composed in another way. Where there are none that would
    tell, the name of the directory itself does, if it lies in another of the same filesystem.
    """
    own = _own_name(top)
    places = [(top, _listed(top))] + ([own] if own is not None else [])
    try:
        case, form = (_first(_answers(places, turned)) for turned in (_turned_case, _turned_form))
        found = Found(case_insensitive=case, normalising=form)
    finally:
        if own is not None:
            os.close(own[0])
    if type_of(top) in _FAT:
        return found._replace(case_insensitive=True, hard_links=False, forbidden=_DOUBTFUL, text_only=True)
    return found


def settled(top: int, found: Found) -> tuple[Found, int]:
    """Return what is so at the open top of a fileset, and the bytes of its longest name.

    `found`: what its filesystem was found to make of names; the top may have been marked otherwise.
    """
    folds = folds_case(top)
    both = found._replace(case_insensitive=found.case_insensitive or folds, normalising=found.normalising or folds)
    return both, min(LONGEST_NAME, os.fstatvfs(top).f_namemax)


_Place = tuple[int, list[bytes]]


def _listed(directory: int) -> list[bytes]:
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        return [os.fsencode(each.name) for each in islice(entries, _ENOUGH)]
    return []


def _own_name(top: int) -> _Place | None:
    """Return the directory that an open one is in, opened, with its name; None where that tells nothing of it."""
    name = os.fsencode(os.path.basename(os.readlink(f"/proc/self/fd/{top}")))
    with contextlib.suppress(OSError):
        above = os.open(b"..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=top)
        if os.fstat(above).st_dev == os.fstat(top).st_dev and name:
            return above, [name]
        os.close(above)
    return None


def _answers(places: Iterable[_Place], turned: Callable[[bytes], bytes]) -> Iterator[bool]:
    """Yield of each name that tells it whether another name finds the same."""
    for directory, names in places:
        listed = set(names)
        for name in names:
            other = turned(name)
            if other not in listed | {name}:
                with contextlib.suppress(OSError):
                    yield _is_same(directory, name, other)


def _first(answers: Iterator[bool]) -> bool:
    return next(answers, False)


def _is_same(directory: int, name: bytes, other: bytes) -> bool:
    here = os.stat(name, dir_fd=directory, follow_symlinks=False)
    try:
        there = os.stat(other, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _turned_case(name: bytes) -> bytes:
    return name.swapcase()


def _turned_form(name: bytes) -> bytes:
    with contextlib.suppress(UnicodeDecodeError):
        text = name.decode()
        other = unicodedata.normalize("NFD", text)
        return (other if other != text else unicodedata.normalize("NFC", text)).encode()
    return name


class _Directory:
    """One of a filesystem, held open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def make(self, name: bytes) -> bool:
        try:
            os.close(os.open(name, _MODE, 0o600, dir_fd=self._descriptor))
        except OSError as error:
            if error.errno in _REFUSED:
                return False
            raise
        return True

    def has(self, name: bytes) -> bool:
        try:
            os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except OSError:
            return False
        return True

    def link(self, name: bytes, other: bytes) -> bool:
        try:
            os.link(name, other, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError:
            return False
        return True

    def remove(self, name: bytes) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
