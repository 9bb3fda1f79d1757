"""Which filesets schedules keep in sync, and what cannot be: rings, and more than a star of pairs."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from argosy.core.errors import Invalid
from argosy.core.paths import display, from_json
from argosy.hub.common.errors import Conflict
from argosy.hub.schedules.models import BIDIRECTIONAL, Schedule, Subscription
from argosy.hub.sites.links import Linked, mapped
from argosy.hub.sites.models import Site

BOTH_WAYS: Final = "bidirectional_sync"
"""The workflow that keeps two filesets in sync with each other."""
ONE_WAY: Final = "site_sync"
"""The workflow that has one fileset follow another."""
_DESTINATION: Final = ("destinationsite", "destination", "destination site")

Tree = tuple[str, bytes]
"""A site and a path of it."""


class Pair(NamedTuple):
    """Two trees that a schedule keeps in sync."""

    schedule: str
    here: Tree
    there: Tree
    both: bool


def check(schedule: Schedule) -> None:
    """Return if what is recorded of the schedule can be, beside all others.

    Raises:
        Conflict: a tree of it would be kept in sync with itself by way of others, or with others that are no star.
    """
    _check_alone(schedule)
    pairs = list(_pairs(Subscription.objects.select_related("schedule__site", "workflow")))
    for number, pair in enumerate(pairs):
        if pair.schedule == schedule.name:
            _check_no_ring(pair, pairs[:number] + pairs[number + 1 :])
            _check_star(pair, [one for one in pairs if one.both])


def _check_alone(schedule: Schedule) -> None:
    """See to it that no other schedule keeps a path of this one in sync with others in both directions."""
    if not schedule.is_bidirectional:
        return
    mine = set(trees(schedule))
    for other in Schedule.objects.filter(discovery=BIDIRECTIONAL, site=schedule.site_id).exclude(pk=schedule.pk):
        if taken := mine & set(trees(other)):
            raise Conflict(
                f"managed_paths: {_named(min(taken))} is managed by the {BIDIRECTIONAL} schedule {other.name!r} "
                "already: change that one; to sync it with a further site, make the schedule at that site"
            )


def trees(schedule: Schedule) -> list[Tree]:
    """Return the paths of the schedule, each with its site."""
    return [(schedule.site.name, path) for path in paths(schedule)]


def paths(schedule: Schedule) -> list[bytes]:
    """Return the paths of the schedule."""
    return [from_json(said.get("path"), said.get("path_b64")) for said in schedule.managed_paths]


def _pairs(subscriptions: Iterable[Subscription]) -> Iterator[Pair]:
    for one in subscriptions:
        name = one.workflow.name if one.workflow else ""
        there = Site.objects.filter(name=_destination(one.fields)).first()
        if name in {BOTH_WAYS, ONE_WAY} and there is not None:
            for here in trees(one.schedule):
                yield Pair(one.schedule.name, here, _at(there, here, one.schedule.site), name == BOTH_WAYS)


def _destination(fields: dict[str, Any]) -> Any:
    return next((fields[name] for name in _DESTINATION if name in fields), None)


def _at(there: Site, here: Tree, site: Site) -> Tree:
    """Return where the tree lies at the other site; what no sitelink says is taken to be called the same."""
    try:
        return there.name, mapped(here[1], Linked.of(site), Linked.of(there))
    except Invalid:
        return there.name, here[1]


def _check_no_ring(pair: Pair, others: Sequence[Pair]) -> None:
    if pair.here == pair.there:
        raise Conflict(f"{_named(pair.here)} cannot be kept in sync with itself: name another site")
    back = _way(pair.there, pair.here, others)
    forth = _way(pair.here, pair.there, others) if pair.both else None
    if way := back or forth:
        ring = " - ".join(_named(tree) for tree in way)
        raise Conflict(
            f"{_named(pair.here)} and {_named(pair.there)} would be in a ring: {ring} are in sync already. "
            "Sync all sites with one, and none of the others with each other"
        )


def _way(start: Tree, end: Tree, pairs: Sequence[Pair]) -> list[Tree] | None:
    """Return by way of which trees changes at one come to the other, both included."""
    came: dict[Tree, Tree | None] = {start: None}
    queue = deque([start])
    while queue:
        tree = queue.popleft()
        if tree == end:
            return _back(came, end)
        for following in _following(tree, pairs):
            if following not in came:
                came[following] = tree
                queue.append(following)
    return None


def _following(tree: Tree, pairs: Sequence[Pair]) -> Iterator[Tree]:
    for pair in pairs:
        if pair.here == tree:
            yield pair.there
        if pair.there == tree and pair.both:
            yield pair.here


def _back(came: dict[Tree, Tree | None], end: Tree) -> list[Tree]:
    way: list[Tree] = []
    tree: Tree | None = end
    while tree is not None:
        way.append(tree)
        tree = came[tree]
    return way[::-1]


def _check_star(pair: Pair, pairs: Sequence[Pair]) -> None:
    """See to it that all pairs that hang together with this one have a tree in common."""
    if not pair.both:
        return
    joined = [one for one in pairs if _way(pair.here, one.here, pairs) is not None]
    if not set.intersection(*({one.here, one.there} for one in joined)):
        chain = ", ".join(f"{_named(one.here)} with {_named(one.there)}" for one in joined)
        raise Conflict(f"these pairs would be a chain, not a star: {chain}. Sync all sites with one of them")


def _named(tree: Tree) -> str:
    return f"{tree[0]}:{display(tree[1])}"
