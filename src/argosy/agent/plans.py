"""Plans: what a step would do with an entry."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from argosy.agent.drift import seen_at
from argosy.agent.looking import Depends, Looking
from argosy.core.entry import Entry, Expected, Seen
from argosy.core.foreseen import Cost, Foretold, Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.site import Site
from argosy.steps.base import Batched, Planning, Step
from argosy.steps.foresight import is_kept

WOULD_RUN: Final = "would run: this step cannot say what it would do"
DEPENDS: Final = "depends on what the steps before it leave"


def foreseen(step: Step | Batched, entry: Entry, site: Looking) -> Outcome:
    """Return what the step would make of the entry, with what was seen of it on the way; nothing is changed."""
    before = entry.facts.foreseen
    planned = _planned(step, entry, site, before)
    expected = entry.facts.expected or Expected(found=entry, seen=())
    if not any(link.site == site.name and link.changes for link in before):  # else what is here will not be so then
        expected = msgspec.structs.replace(expected, seen=_added(expected.seen, _looked(entry, site, planned)))
    link = Foretold(site=site.name, says=planned.says, acts=planned.acts, cost=planned.cost, leaves=planned.leaves)
    found = planned.entry.learned(expected=expected, foreseen=(*before, link))
    return Outcome.planned(msgspec.structs.replace(planned, entry=found))


def _planned(step: Step | Batched, entry: Entry, site: Looking, before: Sequence[Foretold]) -> Planned:
    if any(_is_open(link, site.name) for link in before):
        return _unknown(entry, DEPENDS)
    if not isinstance(step, Planning):
        return _unknown(entry, WOULD_RUN)
    try:
        return step.plan(entry, site.after(before))
    except Depends:
        return _unknown(entry, DEPENDS)


def _is_open(link: Foretold, site: str) -> bool:
    """Say whether nobody knows how the link would leave the entry at the site."""
    if not link.changes or link.leaves is Leaves.WITHOUT_COPY:
        return False
    return link.site == site or link.leaves is Leaves.UNKNOWN


def _unknown(entry: Entry, says: str) -> Planned:
    return Planned(entry=entry, says=says, cost=Cost(unknown=True), leaves=Leaves.UNKNOWN)


def _added(seen: Sequence[Seen], new: Iterable[Seen]) -> tuple[Seen, ...]:
    """Add what no link before saw; of what one did, what it holds, if only now somebody asked for that."""
    known = {(each.site, each.path): each for each in seen}
    for each in new:
        first = known.setdefault((each.site, each.path), each)
        if each.holds and not first.holds:
            known[each.site, each.path] = msgspec.structs.replace(first, holds=each.holds)
    return tuple(known.values())


def _looked(entry: Entry, site: Site, planned: Planned) -> Iterator[Seen]:
    paths = planned.looks
    if paths is None:
        paths = (entry.path,) if entry.source is None or is_kept(entry, site) else (entry.path, entry.source)
    for path in dict.fromkeys(paths):
        yield seen_at(path, site, planned.holds if path == (planned.holds_at or entry.path) else b"")
