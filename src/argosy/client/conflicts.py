"""What the hub says of conflicts."""

import msgspec

from argosy.client.syncs import SyncSide


class ConflictVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A version of what both sites of a sync claimed."""

    site: str
    path: str | None
    """Below the top; None: it is in no sight."""
    path_b64: str | None = None
    type: str
    size: int
    mtime: str | None
    mtime_ns: int
    hash: str | None
    target: str | None = None
    target_b64: str | None = None


class Conflict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What both sites claimed differently: `this` has the name, `other` is what lost it."""

    id: int
    job: int
    """The sync that met it."""
    state: str
    dispute: str
    sides: tuple[SyncSide, SyncSide]
    path: str
    path_b64: str | None = None
    this: ConflictVersion | None
    other: ConflictVersion | None
    why: str
    kept: str | None
    keep_job: int | None
    kept_by: str
    reason: str
    created: str
    settled: str | None
