"""`trash` discovery (`dynamo.tasks.trash`)."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, NotFound
from argosy.core.paths import absolute, display, join, relative
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems import ids
from argosy.filesystems.base import Filesystem, Kept, OnError, Shelf
from argosy.site import Site

_DAY = 86_400 * 10**9
_NAMED = re.compile(rb"(?P<path>.+)@(?P<id>\d{8}T\d{12}Z-[0-9a-f]{8})", re.DOTALL)


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Trash:
    """Find what lies in the trash and was at the given paths, or beneath them.

    Each entry comes under the path it had, or is to have, and with the place where it lies as its `source`. A path may
    be followed by an id, `PATH@ID`: then only what went there under that.
    """

    shelf: ClassVar[Shelf] = Shelf.TRASH

    id: Annotated[str, "Only what went there under this id"] = ""
    latest: Annotated[bool, "Of a given path the latest only, with all that went with it; else of each path below"] = (
        False
    )
    to: Annotated[str, "Path that what was at the given path is to have"] = ""
    older_than_days: Annotated[float, "Only what has been there for so many days", msgspec.Meta(ge=0)] = 0.0

    def find(
        self,
        given: Sequence[Entry],
        site: Site,
        *,
        on_error: OnError,
        after: bytes | None,  # noqa: ARG002 - an order by age cannot be taken up by path
    ) -> Iterator[Entry]:
        """Yield what is found, the oldest of each given path first; all of it once more in a later attempt.

        What is done to an entry on a shelf is done once, so that to be told of it twice does no harm.
        """
        for top in given:
            try:
                yield from self._found(top.path, site.tree(top.path))
            except ArgosyError as error:
                on_error(top.path, error)

    def _found(self, path: bytes, tree: Filesystem) -> Iterator[Entry]:
        path, name = self._named(path, tree)
        wanted, found = self._wanted(path, name, tree), False
        for kept in tree.kept(self.shelf, path):
            if wanted(kept):
                found = True
                yield self._entry(kept, path, tree.root)
        if not found and (name or self.latest):
            under = f" under {name}" if name else ""
            raise NotFound(f"{display(path)}: nothing of it is in the {self.shelf}{under}")

    def _named(self, path: bytes, tree: Filesystem) -> tuple[bytes, str]:
        """Return the path and the id that are meant: `PATH@ID` is both, unless something is called just so."""
        match = None if self.id else _NAMED.fullmatch(path)
        if match is None or next(tree.kept(self.shelf, path), None) is not None:
            return path, self.id
        return match["path"], match["id"].decode()

    def _wanted(self, path: bytes, name: str, tree: Filesystem) -> Callable[[Kept], bool]:
        if name:
            return lambda kept: kept.id == name and kept.since_ns <= self._before_ns()
        if self.latest:
            return self._latest(path, tree)
        before = self._before_ns()
        return lambda kept: kept.since_ns <= before

    def _before_ns(self) -> int:
        return time.time_ns() - int(self.older_than_days * _DAY)

    def _latest(self, path: bytes, tree: Filesystem) -> Callable[[Kept], bool]:
        """Choose the latest of each path: of all, or of what went with the given path when that went for the last time.

        That may have other ids: those of removals that were killed, or left something there, since it went before.
        """
        whole: list[str] = [kept.id for kept in tree.kept(self.shelf, path) if kept.entry.path == path]
        since, until = whole[-2:-1] or [""], whole[-1:]

        def counts(name: str) -> bool:
            return not until or name == until[0] or (since[0] < name < until[0] and ids.went_for(name, path))

        newest = {kept.entry.path: kept.id for kept in tree.kept(self.shelf, path) if counts(kept.id)}
        return lambda kept: newest.get(kept.entry.path) == kept.id

    def _entry(self, kept: Kept, path: bytes, root: bytes) -> Entry:
        target = kept.entry.path
        if self.to:
            target = join(absolute(self.to.encode()), relative(target, path))
        return msgspec.structs.replace(kept.entry, path=target, source=kept.place(root))
