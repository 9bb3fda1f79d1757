"""A fileset as the agents of its site know it: a registered tree, and what tells it from every other."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from argosy.core.errors import Invalid
from argosy.core.paths import PRIVATE, ROTATE, below, display, quoted, relative
from argosy.core.pointer import Binding

_LONGEST: Final = 4095
"""Bytes of a path that the kernel takes."""
_LONGEST_NAME: Final = 255

SnapshotKind = Literal["index", "btrfs", "gpfs"]

State = Literal["ok", "unmarked", "copy", "other", "missing", "unmounted", "nested", "unfit", "unreadable"]
"""What lies at the top of a fileset.

ok: the directory that was registered. unmarked: one without a marker. copy: one whose marker was written for another
directory. other: another fileset. missing: nothing. unmounted: nothing of the filesystem that it lay on. nested: the
directory, in another fileset. unfit: one that cannot be held still as it is registered. unreadable: something that
cannot be told.
"""


class Registered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fileset as the configuration or the hub has it, whatever lies there."""

    name: str
    path: bytes
    """Its top directory."""
    snapshots: SnapshotKind = "index"
    adopt: bool = False
    """Whether a person said, since the hub was last asked, that what lies there is the fileset."""
    trash_days: float | None = None
    """How long what was removed and replaced in it is kept; None: as long as the site has it."""


class Fileset(msgspec.Struct, frozen=True, kw_only=True):
    """A fileset whose top is known to be what it was registered for."""

    name: str
    path: bytes
    """Its top directory."""
    root: bytes
    """The root of the site that holds it, or is it."""
    id: str
    """32 hexadecimal digits, random: no other fileset has it."""
    number: int
    """A small one that no other fileset of the site has: names of files tell it by that."""
    binding: Binding
    """Which directory its top is."""
    others: tuple[Binding, ...] = ()
    """The tops of the site's other filesets: boundaries, wherever somebody has moved them."""
    snapshots: SnapshotKind = "index"
    trash_days: float | None = None
    """As `Registered` has it."""


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent last found at the top of a fileset, as it tells the hub."""

    name: str
    path: bytes
    state: State
    reason: str = ""
    """What is wrong, and what to do; "" where nothing is."""
    id: str = ""
    number: int = 0
    locked_ns: int = 0
    """Since when its lock is held, ns since 1970; 0: nobody holds it."""
    locked_by: str = ""
    """The task that holds it, as the lock says."""


def check_filesets(site: str, roots: Sequence[bytes], registered: Sequence[Registered]) -> None:
    """Return if the site can have these filesets: each below one of the roots, if those are known; none in another.

    Raises:
        Invalid: it cannot; the message names the key, as the configuration has it.
    """
    for number, one in enumerate(registered):
        key = f"sites.{site}.filesets.{one.name}.path"
        _check_length(key, one.path)
        if roots:
            _check_below(key, one.path, roots)
        for other in registered[:number]:
            if below(one.path, other.path) or below(other.path, one.path):
                raise Invalid(
                    f"{key}: {display(one.path)} is, holds or lies in {display(other.path)}, fileset {other.name}: "
                    "filesets do not nest"
                )


def _check_length(key: str, path: bytes) -> None:
    """Refuse what no directory can be called: who looks for it would meet an error and no answer."""
    name = max(path.split(b"/"), key=len)
    if len(name) > _LONGEST_NAME:
        raise Invalid(f"{key}: a name in it has {len(name)} bytes, {quoted(name)}: no filesystem allows more than 255")
    if len(path) > _LONGEST:
        raise Invalid(f"{key}: has {len(path)} bytes: Linux allows no more than {_LONGEST}")


def _check_below(key: str, path: bytes, roots: Sequence[bytes]) -> None:
    root = next((root for root in roots if below(path, root)), None)
    if root is None:
        known = ", ".join(map(display, roots))
        raise Invalid(f"{key}: {display(path)} lies below none of the roots of the site: {known}")
    if relative(path, root).partition(b"/")[0] in {PRIVATE, ROTATE}:
        raise Invalid(f"{key}: {display(path)} belongs to Argosy: name a directory of your own")
