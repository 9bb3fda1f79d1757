"""`snapshots` discovery (`dynamo.tasks.snapshots`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError, NotFound
from argosy.core.paths import display
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems._posix.snapshots import shelf_path
from argosy.filesystems.base import OnError
from argosy.site import Site
from argosy.snapshots.keeping import keeping


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """Find the snapshots of filesets: each under the path at which it is kept, the top as its `source`."""

    snapshot: Annotated[str, "Only the one of this name"] = ""

    def find(
        self,
        given: Sequence[Entry],
        site: Site,
        *,
        on_error: OnError,
        after: bytes | None,  # noqa: ARG002 - they are few
    ) -> Iterator[Entry]:
        """Yield them by name; what is done to one is done once, so that to be told of it twice does no harm."""
        for top in given:
            try:
                yield from self._found(top.path, site)
            except ArgosyError as error:
                on_error(top.path, error)

    def _found(self, path: bytes, site: Site) -> Iterator[Entry]:
        fileset = site.fileset(path)
        with keeping(fileset, site.check_lease) as kept:
            names = [name for name in kept.names() if self.snapshot in {"", name}]
            if self.snapshot and not names:
                there = ", ".join(kept.names()) or "there is none"
                raise NotFound(f"{display(path)}: there is no snapshot {self.snapshot}: {there}")
            told = list(map(kept.told, names))
        for one in told:
            yield Entry(path=shelf_path(fileset, one.name), source=fileset.path, size=one.size)
