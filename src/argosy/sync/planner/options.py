"""How a pair wants to be synced."""

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

SECOND_NS: Final = 1_000_000_000
LONGEST_NAME: Final = 255
"""Bytes of the longest name that every filesystem takes."""


class Policy(StrEnum):
    """Who keeps the name where both sides changed the same thing; the other version is kept whoever does."""

    NEWEST = "newest"
    LOCAL = "local"
    IGNORE = "ignore"
    KEEP_BOTH = "keep_both"


class Rules(NamedTuple):
    """What the filesystem of a side makes of names, and whether it has hard links."""

    case_insensitive: bool = False
    normalising: bool = False
    hard_links: bool = True
    longest: int = LONGEST_NAME
    """Bytes of the longest name that it takes."""
    forbidden: bytes = b""
    """Bytes that no name may have."""
    text_only: bool = False
    """Whether names have to be UTF-8."""

    @property
    def takes_all(self) -> bool:
        """Whether it takes every name that there can be."""
        return self.longest >= LONGEST_NAME and not self.forbidden and not self.text_only


class Guard(NamedTuple):
    """From when on so much is missing on one side that somebody is asked first."""

    share: int = 50
    """Per cent of the base's objects: refused where more than that are gone on a side, ..."""
    objects: int = 10
    """... and more than this many."""
    roots: int = 2
    """Refused where one side alone has nothing at its top, though the base had this many objects there, or more."""


class Asks(StrEnum):
    """Why somebody is asked."""

    UNMARKED = "unmarked"
    """The top does not bear the fileset's marker."""
    EMPTIED = "emptied"
    """Nothing is left at the top."""
    GONE = "gone"
    """So much is gone."""


class Alarm(msgspec.Struct, frozen=True, array_like=True):
    """What a guard says of a side, or what somebody confirmed of that."""

    asks: Asks
    side: int
    amount: int
    """How much is missing; 1 where that is not counted."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one plan."""

    policy: Policy = Policy.NEWEST
    one_way: bool = False
    """Whether side ONE is the source, on which nothing is changed."""
    sites: tuple[str, str] = ("site1", "site2")
    """Names of the sites, for conflict names."""
    clock_offsets_ns: tuple[int, int] = (0, 0)
    """How far the clock of each side was found to be off, either way."""
    tie_ns: int = 2 * SECOND_NS
    """Times that differ by no more are equal."""
    rules: tuple[Rules, Rules] = (Rules(), Rules())
    guards: tuple[Guard, Guard] = (Guard(), Guard())
    """By the side on which something is missing."""
    confirmed: tuple[Alarm, ...] = ()
    """What somebody has seen that guards said, and wants all the same: that much, and nothing else."""
