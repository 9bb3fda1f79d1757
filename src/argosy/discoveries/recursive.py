"""`recursive` discovery (`dynamo.tasks.recursive_action`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, NotFound
from argosy.core.paths import below, walk_key
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems.base import OnError
from argosy.site import Site


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Recursive:
    """Walk the given trees and yield all files, directories and symlinks in them, the given paths included."""

    skip_missing: Annotated[bool, "Let given paths through although they are not on the filesystem"] = False

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
        """Yield what is found in one order over all given paths, so that it can be taken up behind any of it."""
        missing: list[Entry] = []
        tops = _outermost(self._resolved(given, site, on_error, missing))
        walked = chain.from_iterable(site.tree(top).scan(top, on_error=on_error, after=after) for top in tops)
        absent = [entry for entry in missing if after is None or walk_key(entry.path) > walk_key(after)]
        return _together(walked, absent) if absent else walked

    def _resolved(self, given: Sequence[Entry], site: Site, on_error: OnError, missing: list[Entry]) -> Iterator[bytes]:
        """Yield the paths that the given entries really have.

        Those that have none go to `on_error`, or to `missing`.
        """
        for entry in given:
            try:
                tree = site.tree(entry.path)
                path = tree.resolve(entry.path)
                tree.stat(path)
            except NotFound as error:
                if self.skip_missing:
                    missing.append(entry)
                else:
                    on_error(entry.path, error)
            except ArgosyError as error:
                on_error(entry.path, error)
            else:
                yield path


def _outermost(paths: Iterator[bytes]) -> list[bytes]:
    """Return the paths in walk order, without those that lie below another, whose walk finds them."""
    tops: list[bytes] = []
    for path in sorted(paths, key=walk_key):
        if not tops or not below(path, tops[-1]):
            tops.append(path)
    return tops


def _together(walked: Iterator[Entry], absent: Sequence[Entry]) -> Iterator[Entry]:
    """Yield both in walk order; what appeared since it was missed is found once."""
    last = b""
    for entry in merge(walked, sorted(absent, key=_order), key=_order):
        if entry.path != last:
            yield entry
        last = entry.path


def _order(entry: Entry) -> tuple[bytes, ...]:
    return walk_key(entry.path)
