"""What the plan of a round leaves for the base to be made of."""

import msgspec

from argosy.sync.planner.trees import Binding, Entry, Known, Side
from argosy.sync.reduction.base import Dark, Place


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """What the base is made of afterwards, beside what became of the operations."""

    pair: str
    chunks: tuple[str, ...]
    """Of the base that the plan was made with."""
    fresh: bool
    """Whether that is what both sides had alike, and no base was recorded before."""
    sides: tuple[Place, Place]
    dark_before: tuple[tuple[Dark, ...], tuple[Dark, ...]]
    dark: tuple[tuple[Dark, ...], tuple[Dark, ...]]
    tops: tuple[Binding, Binding]
    base: list[Known]
    """What of it was told."""
    matched: tuple[dict[str, Entry], dict[str, Entry]]
    unknown: list[str]
    hashes: list[tuple[Side, Binding, bytes]]
