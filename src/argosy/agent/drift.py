"""Whether what a plan was made for is still so when a task comes to do it; what its application did is no drift.

All entries of a task are looked at before anything is done to one of them. What an application touches is noted
before, and how it left that, afterwards: so that further names of a file, other rules, and another attempt know its
work from that of others.
"""

import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from argosy.agent.doings import Begun, Doing, hashed
from argosy.agent.looking import Looking
from argosy.agent.place import OrderSite
from argosy.core.entry import Entry, Kind, Seen
from argosy.core.errors import ArgosyError, NotFound
from argosy.core.faults import Drifted
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.site import Site
from argosy.steps.base import Batched, Planning, Step
from argosy.steps.foresight import held_by, is_kept
from argosy.steps.move_paths_on_gpfs import Moving

_LOOKS: Final = 3
"""How often something is looked at that is not as it was planned: another task of ours may be at it."""
_GONE: Final = b"gone"


def seen_at(path: bytes, site: Site, holds: bytes = b"") -> Seen:
    """Return what is at the path, if anything is."""
    return _seen(path, _there(path, site), site, holds)


def _there(path: bytes, site: Site) -> Entry | None:
    try:
        return site.tree(path).stat(path)
    except NotFound:
        return None


def _seen(path: bytes, now: Entry | None, site: Site, holds: bytes = b"") -> Seen:
    if now is None:
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


class _Looked(NamedTuple):
    """What is at the paths of an entry now, and what tasks of the application did there."""

    now: dict[bytes, Seen]
    doings: dict[bytes, list[Doing]]


class _Listed:
    """What a directory that goes with all it holds was found to hold."""

    def __init__(self) -> None:
        self.each = array("Q")
        """64 bits for every entry."""
        self._inodes, self._changed = array("Q"), array("q")

    def note(self, entry: Entry, changed_ns: int) -> int:
        """Take note of a file that has further names, and return when it was changed."""
        if entry.facts.links > 1:
            self._inodes.append(entry.inode)
            self._changed.append(changed_ns)
        return changed_ns

    def linked(self) -> Iterable[tuple[int, int]]:
        """Return inode and ctime of the files that have further names."""
        return zip(self._inodes, self._changed, strict=True)


class Drift:
    """What one order of an applied plan meets, and how it leaves that."""

    def __init__(self, one: Entry, step: Step | Batched, site: OrderSite) -> None:
        """`one`: any entry of the order."""
        self._application = b"" if one.facts.expected is None else one.facts.expected.application
        self._step = step
        self._site = site
        self._doings = site.place.doings
        self._door = threading.Lock()
        self._left: dict[bytes, bytes] = {}
        self._held: dict[bytes, _Listed] = {}
        self._names: dict[bytes, set[bytes]] = {}
        """Of each file that was left: the paths it was met at."""

    def expect(self, entry: Entry) -> Entry:
        """Return the entry without what was expected of it at this site, now that it is so.

        Raises:
            Drifted: it is not: nothing is to be done to it.
        """
        expected = entry.facts.expected
        assert expected is not None
        here = [seen for seen in expected.seen if seen.site == self._site.name]
        for look in reversed(range(_LOOKS)):
            drifted = self._drifted(entry, here)
            if drifted is None:
                break
            if not look:
                raise drifted
        rest = tuple(seen for seen in expected.seen if seen.site != self._site.name)
        return entry.learned(expected=msgspec.structs.replace(expected, seen=rest))

    def begin(self, entries: list[Entry]) -> None:
        """Note that these are about to be touched."""
        things: set[bytes] = set()
        linked: list[tuple[bytes, int]] = []
        paths = [path for entry in entries for path in _paths(entry, self._site)]
        for path in paths:
            things.add(_named(path))
            with suppress(ArgosyError):  # which the step will meet as well
                there = _there(path, self._site)
                now = _seen(path, there, self._site)
                things |= {*self._inode(now), *self._missing_above(now)}
                if there is not None and there.facts.links > 1:
                    linked += [(inode, there.ctime_ns) for inode in self._inode(now)]
        held = {path: self._held[path] for path in paths if path in self._held}
        begun = Begun(
            things=chain(things, (inode for inode, _ in self._linked(held))),
            held={_named(path): listed.each for path, listed in held.items()},
            linked=chain(linked, self._linked(held)),
        )
        self._doings.begin(self._application, self._site.task, begun)

    def _linked(self, held: Mapping[bytes, _Listed]) -> Iterator[tuple[bytes, int]]:
        """Yield the files with further names that directories hold, each with its ctime."""
        for path, listed in held.items():
            for inode, changed_ns in listed.linked():
                yield _of_inode(inode, self._site.tree(path).root), changed_ns

    def left(self, entry: Entry, outcome: Outcome) -> None:
        """Take note of how an entry was left; where it did not end well, somebody else may have been at it."""
        if not outcome.state.goes_on:
            return
        for path in _paths(entry, self._site):
            self._note(path)

    def end(self) -> None:
        """Keep how the entries were left."""
        for path in [path for names in self._names.values() if len(names) > 1 for path in names]:
            self._note(path)  # to give a file a further name changes it
        if self._left:
            self._doings.end(self._application, self._site.task, self._left)

    def _note(self, path: bytes) -> None:
        with suppress(ArgosyError), self._door:
            now = seen_at(path, self._site)
            for inode in self._inode(now):
                self._names.setdefault(inode, set()).add(path)
            self._left |= dict.fromkeys([_named(path), *self._inode(now)], _version(now))

    def _drifted(self, entry: Entry, here: list[Seen]) -> Drifted | None:
        """Return what is not as it was planned, nor as this application left it; None where all is."""
        now = {seen.path: seen_at(seen.path, self._site) for seen in here}
        looked: _Looked | None = None
        for seen in here:
            if (reason := self._difference(seen, now[seen.path])) is None:
                continue
            looked = looked or _Looked(now, self._done(entry, now))
            if not (self._is_moved(entry, here, looked) or self._is_ours(entry, seen, looked)):
                return Drifted(f"{display(seen.path)}: {reason} since it was planned: plan again")
        return None

    def _difference(self, seen: Seen, now: Seen) -> str | None:
        """Return in what it is not as it was seen; None where it is."""
        if seen.kind is None:
            return None if now.kind is None else "appeared"
        if now.kind is None:
            return "is gone"
        if _version(now) != _version(seen):
            return "has changed"
        if seen.holds and seen.holds not in self._holds(seen.path):
            return "what it holds has changed"
        return None

    def _holds(self, path: bytes) -> Iterator[bytes]:
        """Yield the hash of what the directory holds; then, of that as it was before the application touched it."""
        yield self._list(path, _changed)
        if self._application:
            yield self._list(path, self._changed_before)

    def _list(self, path: bytes, changed: Callable[[Entry], int]) -> bytes:
        listed = self._held[path] = _Listed()
        return held_by(
            path, self._site.tree(path), each=listed.each, changed=lambda one: listed.note(one, changed(one))
        ).digest

    def _changed_before(self, entry: Entry) -> int:
        """Return when the entry was last changed, but for what the application did to other names of it."""
        if entry.kind is not Kind.FILE:
            return entry.ctime_ns
        before = self._doings.changed(self._application, _of_inode(entry.inode, self._site.tree(entry.path).root))
        return entry.ctime_ns if before is None else before

    def _done(self, entry: Entry, now: dict[bytes, Seen]) -> dict[bytes, list[Doing]]:
        if not self._application:  # one that was begun before applications had names
            return {}
        things = {_named(path) for path in _paths(entry, self._site)}
        for seen in now.values():
            things |= {_named(seen.path), *self._inode(seen), *map(_named, _above(seen.path))}
        return self._doings.of(self._application, things)

    def _is_moved(self, entry: Entry, here: list[Seen], looked: _Looked) -> bool:
        """Say whether the application gave the entry the name that it was to get."""
        there = looked.now.get(entry.path)
        planned = next((seen for seen in here if seen.path == entry.source), None)
        if there is None or planned is None or planned.path == entry.path or planned.kind is None:
            return False
        is_it = (there.kind, there.inode) == (planned.kind, planned.inode)
        return is_it and _is_left_so(self._doings_at(there, looked), _version(there), or_unseen=True)

    def _doings_at(self, now: Seen, looked: _Looked) -> list[Doing]:
        """Return what was done at a path and then to what is there: further names may have been given to it."""
        at_path = looked.doings.get(_named(now.path), [])
        if not at_path:
            return []
        return [*at_path, *(doing for thing in self._inode(now) for doing in looked.doings.get(thing, ()))]

    def _is_ours(self, entry: Entry, seen: Seen, looked: _Looked) -> bool:
        now = looked.now[seen.path]
        at_path = looked.doings.get(_named(seen.path), [])
        if now.kind is None:
            above = [doing for path in _above(seen.path) for doing in looked.doings.get(_named(path), ())]
            return _is_left_so([*at_path, *above], _GONE, or_unseen=True)
        if (now.kind, now.inode) != (seen.kind, seen.inode):
            return self._is_put_there(entry, seen, now, self._doings_at(now, looked))
        if _version(now) == _version(seen):  # it is a directory, and what it holds is another
            return self._held_before(seen.path)
        doings = [*at_path, *(doing for thing in self._inode(now) for doing in looked.doings.get(thing, ()))]
        if _is_left_so(doings, _version(now), or_unseen=False):
            return True
        unseen = any(doing.left is None for doing in doings)
        same = (now.size, now.mtime_ns) == (seen.size, seen.mtime_ns)
        return unseen and (same or self._is_as_wanted(entry))

    def _held_before(self, path: bytes) -> bool:
        """Say whether an attempt at this very task met all that the directory holds: it may have taken the rest."""
        before = self._doings.held(self._application, self._site.task, _named(path))
        return bool(before) and set(before).issuperset(self._held[path].each)

    def _is_put_there(self, entry: Entry, seen: Seen, now: Seen, doings: list[Doing]) -> bool:
        """Say whether the application put there what is at the path, and the entry is not what was there before."""
        if isinstance(self._step, Moving) or seen.path != entry.path or entry.inode not in {0, now.inode}:
            return False
        if _is_left_so(doings, _version(now), or_unseen=False):
            return True
        made_for_others = seen.kind is None and now.kind is Kind.DIRECTORY
        return any(doing.left is None for doing in doings) and (made_for_others or self._is_as_wanted(entry))

    def _is_as_wanted(self, entry: Entry) -> bool:
        """Say whether the step finds there what an earlier link said is to be made: so it was made by us."""
        if entry.facts.stored is None or not isinstance(self._step, Planning):
            return False
        try:
            return not self._step.plan(entry, Looking(self._site)).acts
        except ArgosyError:
            return False

    def _inode(self, seen: Seen) -> Iterator[bytes]:
        if seen.kind is Kind.FILE:
            yield _of_inode(seen.inode, self._site.tree(seen.path).root)

    def _missing_above(self, now: Seen) -> Iterator[bytes]:
        """Yield the directories that are not there either: they are made for what comes to lie in them."""
        if now.kind is not None:
            return
        for path in _above(now.path):
            if seen_at(path, self._site).kind is not None:
                return
            yield _named(path)


def _is_left_so(doings: Sequence[Doing], version: bytes, *, or_unseen: bool) -> bool:
    """Say whether one of the tasks left it so; `or_unseen`: or may have, since nobody saw how it did."""
    how = hashed(version)
    return any(doing.left == how or (or_unseen and doing.left is None) for doing in doings)


def _version(seen: Seen) -> bytes:
    """Return what tells that it was changed: of a directory not the times, which change with what lies in it."""
    if seen.kind is None:
        return _GONE
    times = () if seen.kind is Kind.DIRECTORY else (seen.size, seen.mtime_ns, seen.ctime_ns)
    return repr((seen.kind.value, seen.inode, *times)).encode()


def _paths(entry: Entry, site: Site) -> tuple[bytes, ...]:
    """Return where the entry is, was or is to be in the tree; on a shelf nothing takes the place of anything."""
    if entry.source is None or entry.source == entry.path or is_kept(entry, site):
        return (entry.path,)
    return (entry.path, entry.source)


def _above(path: bytes) -> Iterator[bytes]:
    while (path := path.rpartition(b"/")[0]) not in {b"", b"/"}:
        yield path


def _changed(entry: Entry) -> int:
    return entry.ctime_ns


def _named(path: bytes) -> bytes:
    return b"path\0" + path


def _of_inode(inode: int, root: bytes) -> bytes:
    return b"inode\0%d\0" % inode + root
