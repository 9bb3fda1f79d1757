"""Everything below an open directory, as columns; and whether directories are still what they were.

`tree.c` does it where Argosy was installed with a C compiler at hand, `tree_slowly` where not. Neither follows a
symlink nor enters what is mounted; rows come depth first, siblings in byte order, a directory before what it holds.
"""

import ctypes
import errno
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple, Protocol

Identity = tuple[int, int]
"""Inode and birth time, ns; below 0 a generation, where the filesystem keeps no such times."""

ROWS: Final = 65_536
TORN: Final = 64
SAME, CHANGED, ELSEWHERE = 0, 1, 2
"""What became of a directory: nothing; something in it or of it; its name is another's now, or nobody's."""

_NAMES: Final = 4 << 20
_TARGETS: Final = 1 << 20
_EXTRAS: Final = 8 << 20
_PATHS: Final = 4 << 20
_VERSION: Final = 2
"""As in tree.c."""
_UNSIGNED: Final = (1 << 64) - 1
_Fields = list[tuple[str, type]]
_Columns = tuple[tuple[str, Literal["Q", "q", "I", "i", "H", "B"]], ...]

FIXED: Final[_Columns] = (
    ("inode", "Q"),
    ("born_ns", "q"),
    ("parent_inode", "Q"),
    ("parent_born_ns", "q"),
    ("size", "q"),
    ("mtime_ns", "q"),
    ("ctime_ns", "q"),
    ("uid", "I"),
    ("gid", "I"),
    ("links", "I"),
    ("depth", "I"),
    ("name_ends", "i"),
    ("target_ends", "i"),
    ("extra_ends", "i"),
)
_BYTES: Final = (("names", _NAMES), ("targets", _TARGETS), ("extras", _EXTRAS))
_SMALL: Final[_Columns] = (("mode", "H"), ("kind", "B"), ("unknown", "B"))
_COLUMNS: Final[_Columns] = (*FIXED, *_SMALL)
_SIZES: Final = {"Q": 8, "q": 8, "I": 4, "i": 4, "H": 2, "B": 1}


class _Struct(ctypes.Structure):
    """`struct block` of tree.c."""

    _fields_: ClassVar[_Fields] = [
        *((name, ctypes.c_void_p) for name, _ in (*FIXED, *_BYTES, *_SMALL)),
        ("torn", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("rows_room", "names_room", "targets_room", "extras_room")),
        ("rows", ctypes.c_int64),
        ("torn_count", ctypes.c_int64),
    ]


class _Asked(ctypes.Structure):
    """`struct asked` of tree.c."""

    _fields_: ClassVar[_Fields] = [
        ("sure_ns", ctypes.c_int64),
        ("hidden", ctypes.c_void_p),
        ("nested", ctypes.c_void_p),
        ("hidden_count", ctypes.c_int64),
        ("nested_count", ctypes.c_int64),
        ("descend", ctypes.c_int64),
        ("depth", ctypes.c_int64),
        ("parent_inode", ctypes.c_uint64),
        ("parent_born_ns", ctypes.c_int64),
        ("name", ctypes.c_char_p),
        ("known", ctypes.c_void_p),
    ]


class Block:
    """Room for rows, filled again and again.

    `name_ends`, `target_ends` and `extra_ends` have one value more than there are rows, the first 0: where in `names`,
    `targets` and `extras` what is a row's ends. An extra is the xattrs of an entry that are Argosy's business: those of
    users, ACLs, and those by which it points to copies. Each is the length of the name (2 bytes), of the value (4),
    name, value.
    """

    def __init__(self, room: int = ROWS) -> None:
        self.room = room
        self.rows = 0
        self.torn: list[Identity] = []
        """Directories of which not all is there: they moved away while they were read."""
        self.memory: dict[str, ctypes.Array[ctypes.c_char]] = {}
        for name, code in _COLUMNS:
            self.memory[name] = ctypes.create_string_buffer((room + 1) * _SIZES[code])
        for name, size in _BYTES:
            self.memory[name] = ctypes.create_string_buffer(size)
        self.views = {name: memoryview(self.memory[name]).cast("B").cast(code) for name, code in _COLUMNS}

    def used(self, name: str) -> memoryview:
        """Return the bytes of a column that belong to rows."""
        view = memoryview(self.memory[name]).cast("B")
        if name in {"names", "targets", "extras"}:
            return view[: self.views[name[:-1] + "_ends"][self.rows]]
        return view[: (self.rows + name.endswith("_ends")) * self.views[name].itemsize]


class Known:
    """Inodes that have no xattrs as long as their ctime is the same: in those no walk looks for any.

    They are told by fingerprints of 64 bits, which take 11 to 22 bytes each. Without the library none is known.
    """

    def __init__(self, most: int) -> None:
        """Know none yet, and have room for so many.

        Raises:
            OSError: there is no memory.
        """
        self._library = LIBRARY
        self.handle: ctypes.c_void_p | None = None
        self.handle = None if LIBRARY is None else _begun(LIBRARY.argosy_known_begin(ctypes.c_int64(most)))

    def add(self, inode: memoryview, born_ns: memoryview, ctime_ns: memoryview) -> None:
        """Know these, told by columns."""
        if self._library is not None:
            columns = [ctypes.c_char_p(bytes(view)) for view in (inode, born_ns, ctime_ns)]
            self._library.argosy_known_add(self.handle, *columns, ctypes.c_int64(len(inode)))

    def __del__(self) -> None:
        if self._library is not None and self.handle is not None:
            self._library.argosy_known_end(self.handle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a walk is to do."""

    sure_ns: int
    """What has an older ctime cannot have changed since the walk began."""
    hidden: frozenset[Identity] = frozenset()
    """Directories that are left out."""
    nested: frozenset[Identity] = frozenset()
    """Directories that are boundaries."""
    descend: bool = True
    """Whether to look into the directories below, or only at what the top holds."""
    depth: int = 0
    parent: Identity = (0, 0)
    name: bytes = b""
    """How deep the top lies, in what, and as what; at depth 0 it is its own parent."""
    known: Known | None = None


class Walk(Protocol):
    """A walk that is under way; to be closed in the end."""

    def fill(self, block: Block) -> bool:
        """Fill the block with the next rows; say whether more may come.

        Raises:
            OSError: there is no memory, or no descriptor is left. What else goes wrong is told in the rows.
        """

    def close(self) -> None:
        """Let go of what is held open."""


class Directories(NamedTuple):
    """Directories in the order of a walk, as columns; `ends` has one value more, the first 0 unless it is a part."""

    inode: memoryview
    born_ns: memoryview
    ctime_ns: memoryview
    depth: memoryview
    ends: memoryview
    names: memoryview


class Check(Protocol):
    """A comparison that is under way; to be closed in the end."""

    def compare(self, these: Directories, sure_ns: int) -> tuple[bytes, list[bytes]]:
        """Return what became of each, a byte each, and the paths of those CHANGED.

        One whose ctime is not before `sure_ns` counts as changed.

        Raises:
            OSError: there is no memory, or no descriptor is left.
        """

    def close(self) -> None:
        """Let go of what is held open."""


def walk(top: int, asked: Asked) -> Walk:
    """Begin a walk of the open directory, which is the first row.

    Raises:
        OSError: as `Walk.fill`.
    """
    if LIBRARY is None:
        from argosy.linux.tree_slowly import SlowWalk

        return SlowWalk(top, asked)
    return _Walk(LIBRARY, top, asked)


def check(top: int) -> Check:
    """Begin a comparison of the directories below an open one, itself included, with what they were.

    Raises:
        OSError: as `Check.compare`.
    """
    if LIBRARY is None:
        from argosy.linux.tree_slowly import SlowCheck

        return SlowCheck(top)
    return _Check(LIBRARY, top)


def _library() -> ctypes.CDLL | None:
    """Load the library, which is not there where Argosy was installed without a compiler, or may be an old one."""
    try:
        library = ctypes.CDLL(str(Path(__file__).with_name("libtree.so")), use_errno=True)
        if library.argosy_version() != _VERSION:
            return None
    except (OSError, AttributeError):
        return None
    for begin in (library.argosy_tree_begin, library.argosy_check_begin, library.argosy_known_begin):
        begin.restype = ctypes.c_void_p
    return library


LIBRARY: ctypes.CDLL | None = _library()


def _identities(some: Collection[Identity]) -> "ctypes.Array[ctypes.c_uint64]":
    flat = [number & _UNSIGNED for pair in some for number in pair]
    return (ctypes.c_uint64 * max(len(flat), 1))(*flat)


def _begun(handle: int | None) -> ctypes.c_void_p:
    if not handle:
        number = ctypes.get_errno() or errno.ENOMEM
        raise OSError(number, os.strerror(number))
    return ctypes.c_void_p(handle)


def _refuse(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))


class _Walk:
    def __init__(self, library: ctypes.CDLL, top: int, asked: Asked) -> None:
        self._library = library
        self._kept = _identities(asked.hidden), _identities(asked.nested), asked
        told = _Asked(
            asked.sure_ns, ctypes.addressof(self._kept[0]), ctypes.addressof(self._kept[1]),
            len(asked.hidden), len(asked.nested), asked.descend, asked.depth, *asked.parent, asked.name,
            asked.known.handle if asked.known else None,
        )  # fmt: skip
        self._handle = _begun(library.argosy_tree_begin(top, ctypes.byref(told)))

    def fill(self, block: Block) -> bool:
        torn = (ctypes.c_int64 * (2 * TORN))()
        told = _Struct(
            *(ctypes.addressof(block.memory[name]) for name, _ in (*FIXED, *_BYTES, *_SMALL)),
            ctypes.addressof(torn), block.room, *(size for _, size in _BYTES),
        )  # fmt: skip
        result = self._library.argosy_tree_next(self._handle, ctypes.byref(told))
        _refuse(result)
        block.rows = told.rows
        flat = torn[: 2 * told.torn_count]
        block.torn = [(inode & _UNSIGNED, born) for inode, born in zip(flat[::2], flat[1::2], strict=True)]
        return bool(result)

    def close(self) -> None:
        self._library.argosy_tree_end(self._handle)


class _Check:
    def __init__(self, library: ctypes.CDLL, top: int) -> None:
        self._library = library
        self._handle = _begun(library.argosy_check_begin(top))
        self._paths = ctypes.create_string_buffer(_PATHS)

    def compare(self, these: Directories, sure_ns: int) -> tuple[bytes, list[bytes]]:
        count = len(these.inode)
        found = ctypes.create_string_buffer(max(count, 1))
        columns = [ctypes.c_char_p(bytes(view)) for view in these]
        _refuse(
            self._library.argosy_check(
                self._handle, *columns, ctypes.c_int64(count), ctypes.c_int64(sure_ns), found, self._paths,
                ctypes.c_int64(_PATHS),
            )
        )  # fmt: skip
        became = found.raw[:count]
        many = became.count(CHANGED)
        return became, self._paths.raw.split(b"\0", many)[:many] if many else []

    def close(self) -> None:
        self._library.argosy_check_end(self._handle)
