"""What is on the disk and in the store, read past Argosy, and whether that is a state nothing is lost in."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from argosy.core.pointer import Pointer, StubState
from argosy.linux.extents import extents
from argosy.stores import metadata
from argosy.stores.posix import PosixStore
from tests.verbs.agents import Location

ATTRIBUTE = "trusted.argosy"
BLOCK = 4096


@dataclass(frozen=True)
class Sight:
    """One file as it lies on the disk."""

    path: Path

    @cached_property
    def pointer(self) -> Pointer | None:
        """What its attribute says."""
        if ATTRIBUTE not in os.listxattr(self.path):
            return None
        return Pointer.decode(os.getxattr(self.path, ATTRIBUTE))

    @cached_property
    def bytes(self) -> bytes:
        """What a program reads."""
        return self.path.read_bytes()

    @property
    def state(self) -> StubState | None:
        """The state that is written, None for resident."""
        return self.pointer.state if self.pointer else None

    @property
    def data(self) -> int:
        """Bytes that are not in holes."""
        with self.path.open("rb") as file:
            found = extents(file.fileno())
        return len(self.bytes) if found is None else sum(length for _, length in found)

    @property
    def is_clean_stub(self) -> bool:
        """Whether it is a stub without any data."""
        return self.state is StubState.STUB and self.data == 0

    @property
    def foreign(self) -> list[str]:
        """Attributes of ours beside the one there may be."""
        return [name for name in os.listxattr(self.path) if "argosy" in name and name != ATTRIBUTE]


def objects(store: Path) -> dict[bytes, list[bytes]]:
    """Return the bytes of all objects by uuid; a version that was kept has the uuid of what it was."""
    opened = PosixStore(path=str(store))
    found: dict[bytes, list[bytes]] = {}
    for listed in opened.list(""):
        uuid = metadata.uuid_of(opened.head(listed.key).metadata)
        if uuid is not None:
            found.setdefault(uuid, []).append(b"".join(opened.get(listed.key)))
    return found


def assert_nothing_lost(path: Path, content: bytes, store: dict[bytes, list[bytes]]) -> None:
    """The file is in a state in which its content is on the disk, or known to be in the store."""
    seen = Sight(path)
    assert seen.foreign == []
    if seen.state is None or seen.state in {StubState.PREMIGRATED, StubState.PREMIGRATING}:
        assert seen.bytes == content, f"{path}: {seen.state} without its bytes"
        return
    assert seen.pointer is not None
    assert seen.pointer.size == len(seen.bytes) == len(content), f"{path}: {seen.state} of another size"
    for start in range(0, len(content), BLOCK):
        here = seen.bytes[start : start + BLOCK]
        assert here in (content[start : start + BLOCK], bytes(len(here))), f"{path}: {seen.state} holds other bytes"
    assert content in store.get(seen.pointer.uuid, []), f"{path}: {seen.state} and its object is not there"


def assert_state(path: Path, state: StubState | None, content: bytes, *, mtime_ns: int | None = None) -> None:
    """The file is in this state, whole or without data, with its mtime."""
    seen = Sight(path)
    assert seen.state is state, f"{path}: {seen.state!r}, not {state!r}"
    assert seen.foreign == []
    if state is StubState.STUB:
        assert seen.data == 0, f"{path}: a stub with {seen.data} bytes of data"
        assert path.stat().st_size == len(content)
    else:
        assert seen.bytes == content, f"{path}: {state!r} with other bytes"
    if mtime_ns is not None:
        assert path.stat().st_mtime_ns == mtime_ns, f"{path}: mtime"
        assert seen.pointer is None or seen.pointer.mtime_ns == mtime_ns


def leftovers(location: Location) -> list[Path]:
    """Return what is in staging, on its way between two names, or owed to directories."""
    folders = [location.root / ".argosy" / name for name in ("staging", "moving", "times")]
    return [path for folder in folders if folder.exists() for path in folder.iterdir()]


def shelved(location: Location, shelf: str) -> set[bytes]:
    """Return the contents of the files on a shelf."""
    top = location.root / ".argosy" / shelf
    return {path.read_bytes() for path in top.rglob("*") if path.is_file() and not path.is_symlink()}


def conflicts(path: Path) -> list[bytes]:
    """Return what was kept beside a file because somebody wrote past us."""
    return [other.read_bytes() for other in path.parent.iterdir() if other.name.startswith(f"{path.name}.hsm-conflict")]
