"""Whether what people did with the files of a conflict settled it."""

from typing import NamedTuple

from argosy.core.paths import display
from argosy.hub.sync.models import Conflict
from argosy.sync.rounds.quarrels import Fate, Placed, Version

_THIS, _OTHER, _BOTH = Conflict.Kept.THIS, Conflict.Kept.OTHER, Conflict.Kept.BOTH


class Verdict(NamedTuple):
    """How it was settled."""

    kept: str
    """Empty: neither of the two has the name as it was."""
    reason: str


def judged(fate: Fate, this: Version | None, other: Version | None, *, at: bytes, kept: bytes) -> Verdict | None:
    """Return how a conflict was settled, None: both versions are in sight still, and differ.

    `this` and `other` as they were last, at the paths `at` and `kept`.
    """
    if fate.copy is None:
        return None if fate.coming else _removed(fate.named, this, other, display(kept))
    if fate.named is None or fate.named.version.object == fate.copy.version.object:
        return _alone(fate.copy, at)
    if fate.copy.path != kept and not _went_along(fate.copy, fate.named, kept):
        return Verdict(_BOTH, f"somebody moved the other version to {display(fate.copy.path)}")
    return Verdict(_BOTH, "both are alike by now") if _alike(fate.named.version, fate.copy.version) else None


def _removed(named: Placed | None, this: Version | None, other: Version | None, copy: str) -> Verdict:
    if named is None:
        return Verdict("", f"somebody removed {copy}, and what had the name")
    if this is not None and _alike(named.version, this):
        return Verdict(_THIS, f"somebody removed {copy}")
    if other is not None and _alike(named.version, other):
        return Verdict(_OTHER, f"somebody removed {copy}, and what has the name holds the same by now")
    return Verdict("", f"somebody removed {copy}, and changed what has the name")


def _alone(copy: Placed, at: bytes) -> Verdict:
    if copy.path == at:
        return Verdict(_OTHER, "somebody gave the name to the other version")
    return Verdict("", f"somebody removed what had the name; the other version is {display(copy.path)}")


def _alike(one: Version, two: Version) -> bool:
    return (one.kind, one.content) == (two.kind, two.content)


def _went_along(copy: Placed, named: Placed, kept: bytes) -> bool:
    """Say whether the copy is still beside what has the name: their directory was moved, and both with it."""
    return _name(copy.path) == _name(kept) and _above(copy.path) == _above(named.path)


def _name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def _above(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]
