"""What the hub says of syncs."""

from typing import Any

import msgspec


class SyncSide(msgspec.Struct, frozen=True, kw_only=True):
    """A fileset that is synced."""

    site: str
    path: str


class Sync(msgspec.Struct, frozen=True, kw_only=True):
    """A sync, by the job that it is."""

    job: int
    state: str
    round: int
    one_way: bool
    policy: str
    sides: tuple[SyncSide, SyncSide]
    base: int
    """How often both sides have agreed anew; 0: never."""
    confirmed: bool
    confirmed_by: int | None = None
    refusals: list[str] = []
    reason: str = ""
    counts: dict[str, Any] = {}
    created: str
    completed: str | None = None


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """A plan to undo a sync, which is being made."""

    job: int
    plan: int
    note: str = ""
    """What whoever applies it should know."""
