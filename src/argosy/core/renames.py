"""Many renames of one tree into another: in which order they can be done one by one, and which cannot be done at all.

Sources are names of the older tree, paths of the newer. So what is to leave a directory leaves before that moves, what
is to take a name, or one below it, waits until what has it left, and what is to lie in a directory comes after that.
Where this goes round in a circle, as in a swap or where a directory and something in it get other names, all of that
goes together, by way of a place out of sight. A directory that is to lie in itself cannot go even so, nor what is to
have the name that it has, in another directory.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from argosy.core.paths import above

TOGETHER: Final = 1000
"""Renames that go together at most: a longer chain goes in parts, and a longer circle loses a member."""


class Rename(NamedTuple):
    """What has the name `source` in the older tree has the name `path` in the newer."""

    source: bytes
    path: bytes


class Arranged(NamedTuple):
    """What becomes of renames, by their number."""

    levels: list[list[int]]
    """Each level is done before the next; what is to go together is one behind the other, and shares names."""
    stuck: set[int]
    """Those that cannot be done; and those out of what is stuck."""


class _Graph:
    """What is to be done before what."""

    def __init__(self, renames: Sequence[Rename]) -> None:
        self.renames = renames
        self.sources = {rename.source: number for number, rename in enumerate(renames)}
        self.paths = {rename.path: number for number, rename in enumerate(renames)}
        self.after: defaultdict[int, set[int]] = defaultdict(set)
        """What is to be done after each."""
        self.nested: set[int] = set()
        """Those of which one lies, or is to lie, in another."""
        for number in range(len(renames)):
            self._leaving(number)
            self._arriving(number)

    def _leaving(self, number: int) -> None:
        source = self.renames[number].source
        if source == self.renames[number].path:  # while what it lies in is another directory
            self.after[number].add(number)
        if (taker := self.paths.get(source, number)) != number:
            self.after[number].add(taker)
        for directory in above(source):
            for other in (self.sources.get(directory), self.paths.get(directory)):
                if other is not None and other != number:
                    self._before(number, other)

    def _arriving(self, number: int) -> None:
        for directory in above(self.renames[number].path):
            if (other := self.paths.get(directory)) is not None and other != number:
                self._before(other, number)
            if (other := self.sources.get(directory)) is not None:
                self._before(other, number)

    def _before(self, first: int, then: int) -> None:
        self.after[first].add(then)
        self.nested |= {first, then}


def arranged(renames: Sequence[Rename], hopeless: Collection[int] = ()) -> Arranged:
    """Return the order of the renames. No two have one path.

    `hopeless`: numbers of those that something else than other renames keeps from being done.
    """
    graph = _Graph(renames)
    groups, stuck = _grouped(graph)
    stuck |= set(hopeless)
    stuck |= _out_of(stuck, renames)
    if stuck:  # what is left may go otherwise without them
        left = [number for number in range(len(renames)) if number not in stuck]
        again = arranged([renames[number] for number in left])
        levels = [[left[number] for number in level] for level in again.levels]
        return Arranged(levels, stuck | {left[number] for number in again.stuck})
    return Arranged(_levels(graph, groups), stuck)


def _grouped(graph: _Graph) -> tuple[list[list[int]], set[int]]:
    """Return what goes together, in an order in which each comes before what is to be done after it; what is stuck."""
    groups, stuck = list[list[int]](), set[int]()
    for circle in _circles(graph):
        inward = {number for number in circle if number in graph.after[number]}
        if inward:
            stuck |= inward
        elif len(circle) > TOGETHER:
            stuck |= {min(circle)} if graph.nested.isdisjoint(circle) else circle
        else:
            groups.append(_side_by_side(graph, circle))
    groups.reverse()
    return groups, stuck


def _side_by_side(graph: _Graph, circle: set[int]) -> list[int]:
    """Return the members of a circle in an order in which each has to do with one before it."""
    beside: defaultdict[int, list[int]] = defaultdict(list)
    for number in sorted(circle):
        for then in sorted(graph.after[number] & circle):
            beside[number].append(then)
            beside[then].append(number)
    members = dict.fromkeys([min(circle)])
    waiting = list(members)
    while waiting:
        following = [number for number in beside[waiting.pop()] if number not in members]
        members |= dict.fromkeys(following)
        waiting += following
    return list(members)


def _levels(graph: _Graph, groups: Sequence[Sequence[int]]) -> list[list[int]]:
    groups = _chained(graph, groups)
    level = dict.fromkeys(range(len(graph.renames)), 0)
    found: defaultdict[int, list[int]] = defaultdict(list)
    for group in groups:
        at = max(level[number] for number in group)
        for part in range(0, len(group), TOGETHER):
            found[at + part // TOGETHER] += group[part : part + TOGETHER]
        for then in {then for number in group for then in graph.after[number]} - set(group):
            level[then] = max(level[then], at + 1)
    return [found[at] for at in sorted(found)]


def _chained(graph: _Graph, groups: Sequence[Sequence[int]]) -> list[Sequence[int]]:
    """Join chains in which each takes the name of the next, and nothing else has to do with any of them."""
    plain = {group[0] for group in groups if len(group) == 1} - graph.nested
    joined: list[Sequence[int]] = []
    for group in groups:
        first = group[0]
        if first not in plain:
            joined.append(group)
        elif not _is_awaited(graph, first, plain):
            joined.append(list(_chain(graph, first, plain)))
    return joined


def _is_awaited(graph: _Graph, number: int, plain: set[int]) -> bool:
    """Say whether a plain rename is to be done before this one: it is the last of no chain."""
    return graph.sources.get(graph.renames[number].path, -1) in plain


def _chain(graph: _Graph, number: int, plain: set[int]) -> Iterator[int]:
    """Yield the rename that begins a chain, and then what takes the name that each leaves."""
    following: int | None = number
    while following is not None and following in plain:
        yield following
        following = graph.paths.get(graph.renames[following].source)


def _circles(graph: _Graph) -> Iterator[set[int]]:
    """Yield what depends on itself, together (Tarjan), and all else alone; what is to be done after it comes first."""
    index, low, on = dict[int, int](), dict[int, int](), set[int]()
    stack: list[int] = []
    for root in range(len(graph.renames)):
        if root in index:
            continue
        work = [(root, iter(sorted(graph.after[root])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on.add(root)
        while work:
            number, following = work[-1]
            for then in following:
                if then not in index:
                    index[then] = low[then] = len(index)
                    stack.append(then)
                    on.add(then)
                    work.append((then, iter(sorted(graph.after[then]))))
                    break
                if then in on:
                    low[number] = min(low[number], index[then])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[number])
                if low[number] == index[number]:
                    yield _popped(stack, on, number)


def _popped(stack: list[int], on: set[int], last: int) -> set[int]:
    circle = set[int]()
    while last not in circle:
        circle.add(stack.pop())
    on -= circle
    return circle


def _out_of(stuck: set[int], renames: Sequence[Rename]) -> set[int]:
    """Return the renames out of directories that are stuck: these are not carried, with all that was in them."""
    gone = {renames[number].source for number in stuck}
    if not gone:
        return set()
    return {number for number, rename in enumerate(renames) if not gone.isdisjoint(above(rename.source))}
