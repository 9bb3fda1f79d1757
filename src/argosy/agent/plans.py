"""Plans: what a step would do with an entry, and whether what a plan was made for is still so."""

from collections.abc import Iterator
from typing import Final

import msgspec

from argosy.agent.looking import Looking
from argosy.core.entry import Entry, Expected, Kind, Seen
from argosy.core.errors import Changed, NotFound
from argosy.core.outcome import Cost, Outcome, Planned
from argosy.core.paths import display
from argosy.site import Site
from argosy.steps.base import Batched, Planning, Step
from argosy.steps.foresight import held_by

WOULD_RUN: Final = "would run: this step cannot say what it would do"


def foreseen(step: Step | Batched, entry: Entry, site: Looking) -> Outcome:
    """Return what the step would make of the entry, with what was seen of it on the way; nothing is changed."""
    planned = step.plan(entry, site) if isinstance(step, Planning) else _would_run(entry)
    before = entry.facts.expected or Expected(found=entry, seen=())
    seen = before.seen
    if all(known.site != site.name for known in seen):  # what comes after the first link here is that link's doing
        seen = (*seen, *_looked(entry, site, planned.holds))
    expected = Expected(found=before.found, seen=seen)
    return Outcome.planned(msgspec.structs.replace(planned, entry=planned.entry.learned(expected=expected)))


def _would_run(entry: Entry) -> Planned:
    return Planned(entry=entry, says=WOULD_RUN, cost=Cost(bytes=0))


def _looked(entry: Entry, site: Site, holds: bytes) -> Iterator[Seen]:
    yield _seen(entry.path, site, holds)
    if entry.source is not None and entry.source != entry.path:
        yield _seen(entry.source, site, holds)


def _seen(path: bytes, site: Site, holds: bytes) -> Seen:
    try:
        now = site.tree(path).stat(path)
    except NotFound:
        return Seen(site=site.name, path=path)
    return Seen(
        site=site.name,
        path=path,
        kind=now.kind,
        inode=now.inode,
        size=now.size,
        mtime_ns=now.mtime_ns,
        ctime_ns=now.ctime_ns,
        holds=holds,
    )


def as_planned(entry: Entry, site: Site) -> Entry:
    """Return the entry without what was expected of it at this site, now that it is still so.

    Raises:
        Changed: it is not: nothing is to be done to it.
    """
    expected = entry.facts.expected
    if expected is None:
        return entry
    for seen in expected.seen:
        if seen.site == site.name:
            _expect(seen, site)
    rest = tuple(seen for seen in expected.seen if seen.site != site.name)
    return entry.learned(expected=msgspec.structs.replace(expected, seen=rest) if rest else None)


def _expect(seen: Seen, site: Site) -> None:
    now = _seen(seen.path, site, b"")
    if seen.kind is None:
        if now.kind is not None:
            raise Changed(f"{display(seen.path)}: appeared since it was planned: plan again")
        return
    if now.kind is None:
        raise Changed(f"{display(seen.path)}: is gone since it was planned: plan again")
    if _version(now) != _version(seen):
        raise Changed(f"{display(seen.path)}: has changed since it was planned: plan again")
    if seen.holds and held_by(seen.path, site.tree(seen.path)).digest != seen.holds:
        raise Changed(f"{display(seen.path)}: what it holds has changed since it was planned: plan again")


def _version(seen: Seen) -> tuple[object, ...]:
    """Return what tells that it was changed: of a directory not the times, which change with what lies in it."""
    if seen.kind is Kind.DIRECTORY:
        return (seen.kind, seen.inode)
    return (seen.kind, seen.inode, seen.size, seen.mtime_ns, seen.ctime_ns)
