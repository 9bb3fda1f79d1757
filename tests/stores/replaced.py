"""Directories of stores that others replace at the worst of moments: right before any call to the kernel."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from argosy.stores import posix
from argosy.stores._posix import root
from argosy.stores.posix import PosixStore

STRANGERS = ("empty", "theirs", "store")
"""What comes to lie where a store was: nothing, files of somebody, or another store."""


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A filesystem that waits for no disk."""
    place = tmp_path / "memory"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


class Calls:
    """The calls to the kernel that a POSIX store makes, by name; before each that is named in `acts` that is done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, acts: Mapping[int, Callable[[], object]] | None = None) -> None:
        self.made: list[str] = []
        self._acts = acts or {}
        for module in (posix, root):
            for name in ("fsync", "open_beneath"):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, self._late(name, getattr(module, name)))
            monkeypatch.setattr(module, "os", _Module(os, self._late))
            monkeypatch.setattr(module, "fcntl", _Module(fcntl, self._late))

    def _late(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def late(*arguments: object, **options: object) -> object:
            if name not in {"fsencode", "geteuid"}:
                self.made.append(name)
                if (act := self._acts.get(len(self.made))) is not None:
                    act()
            return real(*arguments, **options)

        return late


class _Module:
    def __init__(self, module: object, late: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
        self._module = module
        self._make_late = late

    def __getattr__(self, name: str) -> object:
        found = getattr(self._module, name)
        return self._make_late(name, found) if type(found) is type(len) else found


def away(store: Path) -> Path:
    """Return where a store is that was replaced."""
    return store.with_name(store.name + ".away")


def replace(store: Path, by: str) -> None:
    """Move the directory away; something else has its path then."""
    store.rename(away(store))
    store.mkdir()
    fill(store, by)


def fill(store: Path, by: str) -> None:
    if by == "theirs":
        (store / "projects").mkdir()
        (store / "projects" / "f").write_text("theirs")
        (store / ".argosy").mkdir(mode=0o700)
    if by == "store":
        PosixStore(path=str(store)).identify()


def bring_back(store: Path) -> None:
    """Undo `replace`."""
    shutil.rmtree(store)
    away(store).rename(store)


def remove(store: Path) -> None:
    """Remove the directory with all that is in it, and make another."""
    shutil.rmtree(store)
    store.mkdir()


def within(top: Path) -> dict[str, bytes | None]:
    """Return what is in a directory: names, and what the files hold."""
    found = sorted(top.rglob("*"))
    return {str(path.relative_to(top)): path.read_bytes() if path.is_file() else None for path in found}
