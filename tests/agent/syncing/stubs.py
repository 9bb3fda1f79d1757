"""A side on a real disk whose files may be stubs: read and written as through a recall guard."""

import os
from collections.abc import Callable
from pathlib import Path

import blake3

from argosy.filesystems._posix.seal import Seal
from argosy.sync.planner.trees import Kind
from tests.sync.executor.trees import Clock, RealDisk


class Contents:
    """Every content that anybody wrote, by its hash: what a stub stands for."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def note(self, data: bytes) -> None:
        self._known[blake3.blake3(data).digest()] = data

    def of(self, path: bytes) -> bytes:
        with open(path, "rb") as file:
            pointer = Seal().said(file.fileno())
            if pointer is None or not pointer.state.is_stub:
                return file.read()
            assert os.fstat(file.fileno()).st_size == pointer.size
            return self._known[pointer.digest]

    def below(self, top: Path) -> set[tuple[Kind | None, bytes]]:
        """Return every content that lies below a directory, whoever put it there."""
        found: set[tuple[Kind | None, bytes]] = set()
        for above, directories, files in os.walk(os.fsencode(top)):
            for name in (*directories, *files):
                path = above + b"/" + name
                if os.path.islink(path):
                    found.add((Kind.SYMLINK, os.readlink(path)))
                elif os.path.isfile(path):
                    found.add((Kind.FILE, self.of(path)))
        return found


class Disk(RealDisk):
    """A directory of this machine, served by a site that may have stubs."""

    def __init__(self, top: Path, name: str, clock: Clock, contents: Contents, recall: Callable[[bytes], None]) -> None:
        super().__init__(top, name, clock)
        self._contents, self._recall = contents, recall

    def data(self, path: bytes, kind: Kind | None) -> bytes:
        return self._contents.of(self.path(path)) if kind is Kind.FILE else super().data(path, kind)

    def facts(self, path: bytes, node: object) -> tuple[object, ...]:
        facts = super().facts(path, node)  # type: ignore[arg-type]
        return (facts[0], self.data(path, Kind.FILE), *facts[2:]) if facts[0] is Kind.FILE else facts

    def create(self, path: bytes, data: bytes, kind: Kind | None = Kind.FILE) -> None:
        self._contents.note(data)
        super().create(path, data, kind)

    def edit(self, path: bytes, data: bytes) -> None:
        self._contents.note(data)
        self._recall(self.path(path))
        super().edit(path, data)

    def is_stub(self, path: bytes) -> bool:
        with open(self.path(path), "rb") as file:
            pointer = Seal().said(file.fileno())
        return pointer is not None and pointer.state.is_stub
