"""What the process is asked, what it answers, and which files of a round's folder hold the rest."""

from pathlib import Path

import msgspec

from argosy.sync.planner.options import Alarm, Guard, Policy
from argosy.sync.planner.trees import Side
from argosy.sync.transfers import Sent


class Needed(msgspec.Struct, frozen=True, array_like=True):
    """A file whose content must be known before there can be a plan, as the scan saw it."""

    side: Side
    path: bytes
    """Below the top."""
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What was found of a file that was needed. An empty digest: it could not be read."""

    side: Side
    path: bytes
    digest: bytes


class Stays(msgspec.Struct, frozen=True, array_like=True):
    """A path of a side at which something differs and nothing is done, or was not done for want of something else."""

    number: int
    side: Side
    path: bytes
    why: str
    skipped: bool = False
    """Whether that is what was asked for."""
    elsewhere: bytes = b""
    """Its path on the other side, where that is another one."""


class Quarrel(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What both sides claimed differently, and how that was settled."""

    dispute: str
    path: bytes
    winner: Side
    kept: bytes = b""
    """Where the other version stays visible; empty: in the version store, or nothing but a place was lost."""
    at: bytes = b""
    """Where what has the name is afterwards; empty: it was about no name."""
    object: str = ""
    named: str = ""
    copy: str = ""
    """Objects of the plan: what it is about, what has the name, and what the other version is."""
    why: str


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Make the plan of the round, or say what it needs first."""

    folder: str
    base: tuple[str, ...]
    policy: Policy
    one_way: bool
    confirmed: tuple[Alarm, ...]
    """What somebody saw that guards said of an earlier run, and wants all the same."""
    sites: tuple[str, str]
    guards: tuple[Guard, Guard] = (Guard(), Guard())


class Cut(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Leave out of the operations what could not be brought, and what cannot be done without it."""

    folder: str


class Commit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Write the base that is true after the round."""

    folder: str
    chunk: str
    """The file to write."""
    generation: int


Work = Plan | Cut | Commit


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of it; `error`: nothing did, and why."""

    error: str = ""
    message: str = ""
    needs: int = 0
    """Files that must be hashed first."""
    refusals: tuple[str, ...] = ()
    """Why nothing is done until somebody confirms it."""
    alarms: tuple[Alarm, ...] = ()
    """What he confirms by that."""
    operations: tuple[int, int] = (0, 0)
    transfers: int = 0
    bytes: int = 0
    """That cross between the sides."""
    stays: int = 0
    left: int = 0
    """Names of either side that are no objects."""
    unknown: int = 0
    """Of these: names that could not be looked at."""
    conflicts: int = 0
    drift: int = 0
    clocks: tuple[int, int] = (0, 0)
    """By how many ms the clock of each side may be off."""
    lost: bool = False
    """Whether a base was recorded that is no base of these two trees, or none any more: it was planned without."""
    changed: bool = False
    """Whether the base is another one."""


def index(folder: Path, side: Side) -> Path:
    """Return the index file of a side."""
    return folder / ("one.index", "two.index")[side]


def circumstances(folder: Path, side: Side) -> Path:
    """Return what a side says of itself: JSON of `Circumstances`; not there: nothing."""
    return folder / ("one.side", "two.side")[side]


def operations(folder: Path, side: Side) -> Path:
    """Return the operations of a side as they were planned: pages."""
    return folder / f"planned.{side:d}"


def applicable(folder: Path, side: Side) -> Path:
    """Return those that a side is to apply: pages, with the contents that were brought."""
    return folder / f"operations.{side:d}"


def outcomes(folder: Path, side: Side) -> Path:
    """Return what became of those: pages."""
    return folder / f"outcomes.{side:d}"


def needs(folder: Path) -> Path:
    """Return what must be hashed: pages of `Needed`."""
    return folder / "needs"


def told(folder: Path) -> Path:
    """Return what was hashed: pages of `Told`."""
    return folder / "told"


def transfers(folder: Path) -> Path:
    """Return what must be brought: pages of `transfers.Transfer`."""
    return folder / "transfers"


def brought(folder: Path) -> Path:
    """Return what became of that: msgpack of `Brought`."""
    return folder / "brought"


def stays(folder: Path) -> Path:
    """Return what stays different in this round: pages of `Stays`."""
    return folder / "stays"


def undone(folder: Path) -> Path:
    """Return what is not done for want of something that could not be brought: pages of `Stays`."""
    return folder / "undone"


def conflicts(folder: Path) -> Path:
    """Return what both sides claimed: pages of `Quarrel`."""
    return folder / "conflicts"


def met(folder: Path) -> Path:
    """Return those as they are planned, and once it is known as they came to be: pages of `quarrels.Met`."""
    return folder / "met"


def watched(folder: Path) -> Path:
    """Return conflicts of earlier rounds that nobody settled: pages of `quarrels.Watched`."""
    return folder / "watched"


def fates(folder: Path) -> Path:
    """Return what became of those: pages of `quarrels.Fate`."""
    return folder / "fates"


def agreement(folder: Path) -> Path:
    """Return what the next base is made of: msgpack of `Agreement`."""
    return folder / "agreement"


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What became of transfers: those that came to nothing, and what was found of those that were sent."""

    lost: list[int] = []
    sent: dict[int, Sent] = {}
