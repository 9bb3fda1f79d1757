"""Phases: what is dealt with before what, where changes are carried to another tree.

What was deleted comes first, then what moved, which may take several phases (see `argosy.core.renames`), then the rest.
"""

from typing import Final

DELETED: Final = 0
MOVED: Final = 1
"""The first of those of what moved; between two of them goes what is left where something is about to move."""
REST: Final = 1 << 20
"""What was created or updated; and all else, of which no state is known."""

EMPTIED: Final = REST - 1
"""Directories that were deleted after something had moved out of them: were they deleted first, that would be, too."""
ALONG: Final = REST - 2
"""What moved since the directory that it lies in did: it is told only where that is asked for, and done already."""

_OF_STATES: Final = {"deleted": DELETED, "moved": MOVED}


def phase_of(state: str) -> int:
    """Return in which phase entries of the state come, the first of its kind."""
    return _OF_STATES.get(state, REST)


def named(phase: int) -> str:
    """Return how people call what is done in the phase."""
    return "the deletions" if phase in {DELETED, EMPTIED} else "the moves" if phase < REST else "the rest"
