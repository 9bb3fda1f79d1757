"""What a site tells the hub."""

import blake3
import msgspec

from argosy.core import wire
from argosy.core.entry import Entry
from argosy.core.fileset import Seen
from argosy.core.order import WIRE_VERSION, StoreAccess
from argosy.core.outcome import Outcome


class Batch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Entries a discovery found, sent while it goes on; `sequence` counts from 0 within the task."""

    v: int = WIRE_VERSION
    task: str
    attempt: int
    sequence: int
    entries: tuple[Entry, ...]
    failed: tuple[Outcome, ...] = ()
    """Paths the discovery could not look at."""
    phase: int = 0
    """Of which phase the entries are: none is dealt with before those of lower ones are done."""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one attempt at one task ended: an outcome for every entry, or an error that kept others from theirs."""

    v: int = WIRE_VERSION
    task: str
    attempt: int
    outcomes: tuple[Outcome, ...] = ()
    error: str = ""
    """Code of the error that broke the task, "" for none."""
    reason: str = ""
    met: tuple[Outcome, ...] = ()
    """Of entries that have no outcome: what kept them from it, where that is something else than `reason`."""
    asked: tuple[bytes, ...] = ()
    """Paths of entries that have no outcome and for which a store was asked: in the next attempt others go first."""
    retry: bool = False
    """Whether another attempt may succeed (a store that did not answer, say)."""
    seconds: float = 0.0


class Probed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was found at a datastore."""

    v: int = WIRE_VERSION
    datastore: str
    fingerprint: str
    """Of how it was reached."""
    abilities: dict[str, bool] | None = None
    """What it can do, by the names of `argosy.stores.base.Abilities`; None where that could not be found out."""
    trouble: str = ""
    """Why not."""
    code: str = ""
    """Code of the error that this is, "" where it is none of ours."""


class Present(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node that serves a site, as it is now."""

    v: int = WIRE_VERSION
    site: str
    node: str
    unserved: dict[str, str] = {}
    """Roots that it does not serve, as text, and why."""
    retired: tuple[str, ...] = ()
    """Roots that it served once and that its configuration has no longer, as text."""
    trouble: str = ""
    """What is to be done at the site, although its roots are served."""
    blocked: dict[str, str] = {}
    """Kinds of slots of which none is free, for tasks that were taken back hold them all; and which tasks."""
    unwell: dict[str, tuple[str, str]] = {}
    """Datastores in use that do not answer, or not as they should: the code of the error that is, and how."""
    filesets: tuple[Seen, ...] = ()
    """What lies at the tops of its filesets."""


def fingerprint(access: StoreAccess) -> str:
    """Return what tells one way of reaching a datastore from another."""
    return blake3.blake3(wire.dump(access)).hexdigest()
