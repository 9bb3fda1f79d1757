"""A tree of this machine that is one side of a preview."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from argosy.core.errors import Invalid
from argosy.core.fileset import Fileset
from argosy.core.paths import below, display
from argosy.core.pointer import Binding
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.errors import translated
from argosy.filesystems._posix.fileset import top_at
from argosy.filesystems._posix.root import Root
from argosy.filesystems._posix.seal import Seal
from argosy.filesystems._posix.snapshots import own_directories
from argosy.linux.openat2 import DIRECTORY
from argosy.snapshots.scan import Scan
from argosy.snapshots.schema import About
from argosy.sync.planner.options import Guard


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A directory, or a fileset of a site that is this machine."""

    name: str
    """What its side is called in conflict names and messages."""
    path: bytes
    """Of its top: absolute."""
    root: bytes
    """The root of its site that holds it; of a plain directory itself."""
    registered: bool = False
    """Whether it is a fileset, which bears a marker once its agent has served it."""
    others: tuple[bytes, ...] = ()
    """The tops of the site's other filesets: boundaries."""
    guard: Guard = Guard()
    """How much may be gone in it before somebody is asked."""


def check_apart(places: Sequence[Place]) -> None:
    """Return if neither place is in the other.

    Raises:
        Invalid: one is.
    """
    one, two = (os.path.realpath(place.path) for place in places)
    if below(one, two) or below(two, one):
        raise Invalid(f"{display(one)} and {display(two)}: one is in the other: name two trees that lie apart")


def scan(place: Place, index: Path) -> About:
    """Write an index file of what lies there.

    Raises:
        NotFound, Denied: there is no such directory, or none that may be read.
        Exhausted: the disk with the index file is full.
    """
    with opened(place) as top, translated(place.path):
        binding = binding_of(top)
        about = About(
            fileset=_identity(place, binding),
            name=place.name,
            snapshot="preview",
            filesystem=binding.filesystem.hex(),
            subvolume=binding.subvolume,
            host=socket.gethostname(),
            began_ns=0,
        )
        own = Fileset(name=place.name, path=place.path, root=place.root, id=about.fileset, number=0, binding=binding)
        return Scan(about=about, hidden=own_directories(own), nested=_nested(place)).write(top, bytes(index))


def is_marked(place: Place) -> bool:
    """Say whether it bears the marker of a fileset that was written for it.

    Raises:
        NotFound: there is nothing.
        Corrupt: there is a marker that only its agent can read, or nobody.
    """
    found = top_at(Root(place.root), Seal(), place.path)
    return found.mark is not None and found.mark.binding == found.binding


@contextmanager
def opened(place: Place) -> Iterator[int]:
    """Yield a descriptor of the top.

    Raises:
        NotFound, Denied: there is none, or none that may be read.
        Invalid: it is no directory.
    """
    if os.path.exists(place.path) and not os.path.isdir(place.path):
        raise Invalid(f"{display(place.path)}: is not a directory: name two directories, or filesets as SITE:NAME")
    with translated(place.path):
        top = os.open(place.path, DIRECTORY | os.O_CLOEXEC)
    try:
        yield top
    finally:
        os.close(top)


def _identity(place: Place, binding: Binding) -> str:
    """Return the id of the fileset, or something that says which directory a plain one is, and no later one."""
    if place.registered:
        found = top_at(Root(place.root), Seal(), place.path)
        if found.mark is not None:
            return found.mark.id
    return f"{binding.filesystem.hex()}{binding.inode:016x}{binding.born_ns & (1 << 64) - 1:016x}"


def _nested(place: Place) -> list[tuple[int, int]]:
    found = []
    for path in place.others:
        try:
            other = os.open(path, DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there is no boundary
        try:
            binding = binding_of(other)
        finally:
            os.close(other)
        found.append((binding.inode, binding.born_ns))
    return found
