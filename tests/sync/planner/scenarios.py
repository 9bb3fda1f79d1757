"""The operations of the decision tables: what each word at the head of a row or column means for one side."""

from collections.abc import Callable
from pathlib import Path

from argosy.sync.planner.trees import Kind
from tests.sync.planner.disks import SECOND, Disk
from tests.sync.planner.executor import Pair

Deed = Callable[[Disk, bytes], None]
"""Something that a user does; the bytes are the digit of the site, which goes into what is written."""
OLD, NEW = 0o644, {b"1": 0o601, b"2": 0o602}


def _all(*deeds: Deed) -> Deed:
    def deed(disk: Disk, n: bytes) -> None:
        for each in deeds:
            each(disk, n)

    return deed


def _nothing(disk: Disk, n: bytes) -> None:
    pass


FILE: dict[str, Deed] = {
    "nothing": _nothing,
    "modify": lambda disk, n: disk.edit(b"a", b"A" + n),
    "save (new inode)": lambda disk, n: disk.save(b"a", b"A" + n),
    "delete": lambda disk, n: disk.remove(b"a"),
    "move": lambda disk, n: disk.move(b"a", b"m" + n),
    "move+modify": _all(lambda disk, n: disk.move(b"a", b"m" + n), lambda disk, n: disk.edit(b"m" + n, b"A" + n)),
    "metadata": lambda disk, n: disk.chmod(b"a", NEW[n]),
    "to directory": _all(
        lambda disk, n: disk.remove(b"a"),
        lambda disk, n: disk.mkdir(b"a"),
        lambda disk, n: disk.create(b"a/i" + n, b"I" + n) and None,
    ),
    "to symlink": _all(lambda disk, n: disk.remove(b"a"), lambda disk, n: disk.symlink(b"a", b"t" + n)),
}
DIRECTORY: dict[str, Deed] = {
    "nothing": _nothing,
    "add child": lambda disk, n: disk.create(b"d/n" + n, b"N" + n) and None,
    "edit child f": lambda disk, n: disk.edit(b"d/f", b"F" + n),
    "delete child f": lambda disk, n: disk.remove(b"d/f"),
    "move f out": lambda disk, n: disk.move(b"d/f", b"o" + n),
    "rename dir": lambda disk, n: disk.move(b"d", b"r" + n),
    "delete dir": lambda disk, n: disk.remove(b"d"),
    "dir to file": _all(lambda disk, n: disk.remove(b"d"), lambda disk, n: disk.create(b"d", b"D" + n) and None),
}
NAMES: dict[str, Deed] = {
    "nothing": _nothing,
    "create x": lambda disk, n: disk.create(b"x", b"X" + n) and None,
    "create x same": lambda disk, n: disk.create(b"x", b"SAME") and None,
    "mkdir x + child": _all(
        lambda disk, n: disk.mkdir(b"x"), lambda disk, n: disk.create(b"x/c" + n, b"C" + n) and None
    ),
    "empty dir x": lambda disk, n: disk.mkdir(b"x"),
    "symlink x": lambda disk, n: disk.symlink(b"x", b"t" + n),
    "move a to x": lambda disk, n: disk.move(b"a", b"x"),
    "move b to x": lambda disk, n: disk.move(b"b", b"x"),
    "move a over b": lambda disk, n: disk.move(b"a", b"b"),
    "swap a b": lambda disk, n: disk.swap(b"a", b"b"),
    "edit b": lambda disk, n: disk.edit(b"b", b"B" + n),
}
BASES: list[tuple[dict[str, Deed], dict[bytes, bytes]]] = [
    (FILE, {b"a": b"A"}),
    (DIRECTORY, {b"d/f": b"F", b"d/g": b"G"}),
    (NAMES, {b"a": b"A", b"b": b"B"}),
]


def cells() -> list[tuple[int, str, str, str]]:
    """Return table, row, column and text of every cell, as they were printed."""
    text = (Path(__file__).parent / "tables.md").read_text()
    found = []
    for number, part in enumerate(text.split("#### ")[1:]):
        rows = [
            [cell.strip() for cell in line.strip("|\n ").split("|")] for line in part.splitlines() if line[:1] == "|"
        ]
        head = rows[0][1:]
        for row in rows[2:]:
            name = row[0].strip("*")
            found += [(number, name, column, cell.strip("`")) for column, cell in zip(head, row[1:], strict=True)]
    return found


def pair_of(table: int) -> Pair:
    """Return two sides that agree on what the table begins with."""
    pair = Pair()
    for path, data in BASES[table][1].items():
        above = path.rpartition(b"/")[0]
        if above and not pair.disks[0].has(above):
            pair.disks[0].mkdir(above)
        pair.disks[0].create(path, data)
        pair.disks[0].touch(path, SECOND)
    pair.sync()
    return pair


def printed(disk: Disk) -> str:
    """Return a tree as the tables print it."""
    words = []
    for path, _, _, node in disk.walk():
        shown = _unmarked(path).decode()
        changed = "" if node.metadata.mode == OLD else f"[x{node.metadata.mode & 3}]"
        if node.kind is Kind.DIRECTORY:
            words += [] if node.children else [f"{shown}/"]
        elif node.kind is Kind.SYMLINK:
            words.append(f"{shown}=->{node.data.decode()}")
        else:
            words.append(f"{shown}={node.data.decode()}{changed}")
    return _ordered(words)


def swapped(cell: str) -> str:
    """Return the cell as it would be, had the sites changed roles."""
    return _ordered(cell.translate(str.maketrans("12", "21")).split())


def _ordered(words: list[str]) -> str:
    return " ".join(sorted(words, key=lambda word: word.partition("=")[0].rstrip("/"))) or "(empty)"


def _unmarked(path: bytes) -> bytes:
    stem, mark, _ = path.partition(b".conflict-")
    return stem + (b".CONFLICT" if mark else b"")
