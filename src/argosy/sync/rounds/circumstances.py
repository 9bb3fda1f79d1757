"""What the sides of a round said of themselves."""

from pathlib import Path

import msgspec

from argosy.core.syncing import Circumstances
from argosy.sync.planner.options import Rules
from argosy.sync.planner.trees import Side
from argosy.sync.rounds import work


def told_of(folder: Path, side: Side) -> Circumstances:
    """Return what a side said; what is usual where it said nothing."""
    path = work.circumstances(folder, side)
    return msgspec.json.decode(path.read_bytes(), type=Circumstances) if path.exists() else Circumstances()


def rules_of(told: Circumstances) -> Rules:
    """Return what that means for names."""
    return Rules(
        case_insensitive=told.case_insensitive,
        normalising=told.normalising,
        hard_links=told.hard_links,
        longest=told.longest_name,
        forbidden=told.forbidden,
        text_only=told.text_only,
    )
