"""Causes: what lies behind an error that was recorded, and what somebody can do about it; by what is at fault.

A cause is told by the code of the error, which whoever raised it chose. The reason is for people: it names what users
have named, and is never searched for words.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from argosy.hub.jobs.explain.causes import agents, asked, disks, files, objects, stores, turns
from argosy.hub.jobs.explain.causes.agents import UNKNOWN
from argosy.hub.jobs.explain.causes.cause import Cause

BY_CODE: Final[Mapping[str, Cause]] = MappingProxyType(
    stores.CODES | objects.CODES | disks.CODES | files.CODES | asked.CODES | agents.CODES | turns.CODES
)
"""What lies behind each code that an error may have."""


def cause_of(code: str) -> Cause:
    """Return what lies behind an error of this code: `UNKNOWN` for one that nobody here has heard of."""
    return BY_CODE.get(code, UNKNOWN)
