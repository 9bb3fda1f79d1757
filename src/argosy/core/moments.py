"""Moments, as indexes and plans have them: ns since 1970 in 64 bits, which begin in 1677 and end in 2262."""

import os
from typing import Final

LAST: Final = 2**63 - 1
FIRST: Final = -(2**63)


def moment(ns: int) -> int:
    """Return the time; of one beyond those that 64 bits hold, the nearest that they do."""
    return ns if FIRST <= ns <= LAST else LAST if ns > 0 else FIRST


def modified_ns(found: os.stat_result) -> int:
    """Return the moment when the content was changed."""
    return moment(found.st_mtime_ns)
