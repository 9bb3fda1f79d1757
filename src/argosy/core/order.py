"""What the hub asks of a site: one task, with all that is needed to run it. Secrets stay in memory."""

from typing import Any

import msgspec

from argosy.core.entry import Entry

WIRE_VERSION = 1


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The map between a tree of the site and a prefix of a datastore; `datastore_path` is b"" or ends in /."""

    site_path: bytes
    datastore: str
    datastore_path: bytes


class StoreAccess(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach a datastore. `settings` holds the fields of its type, secrets included."""

    id: int
    name: str
    type: str
    layout: str = "native"
    settings: dict[str, Any] = {}
    seal: bytes = b""
    """Secret under which the metadata of objects is described; b"": none is believed in what grants rights."""

    def __repr__(self) -> str:
        """Name the datastore and nothing that is secret."""
        return f"StoreAccess(name={self.name!r}, type={self.type!r})"


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a site has settled for its files."""

    unguarded_stubs: bool = False
    """Whether there may be stubs where nothing keeps programs from reading zeros."""
    min_stub_size: int = 65536
    """Files below it, in bytes, are not made stubs: they stay premigrated."""
    trash_days: float = 30.0
    """How long removed entries and replaced contents are kept; 0: not at all."""
    lock_threshold: float = 86400.0
    """Seconds after which the lock of a discovery of changes counts as left by one that is no more."""
    snapshot_retry: float = 1000.0
    """Seconds for which it is tried again to make or delete a snapshot; 0: once only."""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One attempt at one task: a step over entries, or a discovery over paths."""

    v: int = WIRE_VERSION
    task: str
    attempt: int
    age: float = 0.0
    """Seconds since the first attempt was given to an agent."""
    job: int
    site: str
    step: str
    """Documented name of a step (`dynamo.tasks.migrate`) or of a discovery (`dynamo.tasks.recursive_action`)."""
    options: dict[str, Any] = {}
    entries: tuple[Entry, ...] = ()
    lease: float
    """Seconds this attempt may run before it must have been renewed."""
    links: tuple[Link, ...] = ()
    stores: tuple[StoreAccess, ...] = ()
    policy: Policy = Policy()
    batch_files: int = 40
    batch_bytes: int = 1 << 30
    sequence: int = 0
    """Number of the first batch a discovery is to send: those below it are recorded."""
    dry_run: bool = False
    """Whether the step is only to say what it would do, and the discovery only to look."""
    own: bool = False
    """Whether the hub began the job for itself: only then may objects be removed."""
    after: bytes | None = None
    """Last path of the last recorded batch: a discovery goes on behind it."""
    phase: int = 0
    """Phase of that batch or, where `after` is None, the one to begin with: what is of lower ones is done."""
