"""`recursive` discovery (`dynamo.tasks.recursive_action`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

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
        missing: set[bytes] = set()
        for top in _outermost(self._resolved(given, site, on_error, missing)):
            behind = after is None or walk_key(top.path) > walk_key(after)
            if top.path in missing:
                yield from [top] if behind else []
            elif behind or (after is not None and below(after, top.path)):
                yield from _walk(top, site, on_error, after)

    def _resolved(self, given: Sequence[Entry], site: Site, on_error: OnError, missing: set[bytes]) -> Iterator[Entry]:
        """Yield the given entries under the paths they really have.

        Those that have none go to `on_error`, or through, and then to `missing`.
        """
        for entry in given:
            try:
                tree = site.tree(entry.path)
                path = tree.resolve(entry.path)
                tree.stat(path)
            except NotFound as error:
                if self.skip_missing:
                    missing.add(entry.path)
                    yield entry
                else:
                    on_error(entry.path, error)
            except ArgosyError as error:
                on_error(entry.path, error)
            else:
                yield msgspec.structs.replace(entry, path=path)


def _walk(top: Entry, site: Site, on_error: OnError, after: bytes | None) -> Iterator[Entry]:
    for entry in site.tree(top.path).scan(top.path, on_error=on_error, after=after):
        yield msgspec.structs.replace(entry, state=top.state) if top.state else entry


def _outermost(given: Iterator[Entry]) -> list[Entry]:
    """Return the entries in walk order, without those that lie below another."""
    tops: list[Entry] = []
    for entry in sorted(given, key=lambda entry: walk_key(entry.path)):
        if not tops or not below(entry.path, tops[-1].path):
            tops.append(entry)
    return tops
