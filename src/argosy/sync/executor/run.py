"""One application of operations to a side: what its acts share."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from argosy.core.entry import Entry as Listed
from argosy.core.errors import Changed
from argosy.core.paths import display
from argosy.filesystems._posix.entry import entry_of
from argosy.filesystems._posix.root import Spot
from argosy.sync.executor import seeing
from argosy.sync.executor.area import Area
from argosy.sync.executor.directories import Directories
from argosy.sync.executor.durability import Unsynced
from argosy.sync.executor.expecting import Expecting
from argosy.sync.executor.seeing import Found
from argosy.sync.executor.staging import Staging
from argosy.sync.executor.stirred import Stirred
from argosy.sync.planner.plans import Operation
from argosy.sync.planner.trees import Binding, Entry, Kind


class Result(NamedTuple):
    """What an act did, as an outcome tells it."""

    entry: Entry | None = None
    shelf_id: str = ""
    shelved: Entry | None = None
    given_ns: int | None = None
    copy: int | None = None


class Shelved(NamedTuple):
    """What lost a name to a shelf, as it is now, and the inode of the copy that lies there, if it is one."""

    entry: Entry
    copy: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the acts of one run share."""

    area: Area
    staging: Staging
    check: Callable[[], None]
    """Called before each visible change: it raises where the run belongs to somebody else by now."""
    shelf_id: str
    expecting: Expecting
    directories: Directories
    unsynced: Unsynced
    stirred: Stirred = field(default_factory=Stirred)
    made: dict[str, Binding] = field(default_factory=dict)
    """Directories that this run made, by object: later operations refer to them."""
    shared: dict[str, Entry] = field(default_factory=dict)
    """Files that this run made and that get more names."""

    def where_it_is(self, operation: Operation) -> Spot:
        """Return where the name is that the thing has now, in the directory in which the scan saw it."""
        seen = operation.expects
        return self._stirring(self.directories.spot(operation.path, None if seen is None else seen.parent))

    def where_it_comes(self, operation: Operation) -> Spot:
        """Return where the name is that the thing has after all moves, in the directory in which it is to be."""
        return self._stirring(self.directories.spot(operation.target, self.directory_of(operation)))

    def _stirring(self, spot: Spot) -> Spot:
        self.stirred.before(spot.directory)
        return spot

    def directory_of(self, operation: Operation) -> Binding | None:
        """Return the directory in which it is to be; None: nothing made it."""
        return operation.into or self.made.get(operation.parent)

    def listed(self, path: bytes, found: Found) -> Listed:
        """Return it as verbs of the filesystem want it to be told."""
        return entry_of(self.area.absolute(path), found.stat)

    def seen(
        self, spot: Spot, directory: Binding, content: bytes | None, *, inode: tuple[int, int], again: bool = False
    ) -> Entry:
        """Return what an act left under a name, and take note that it was us.

        `again`: an operation to come may meet it.

        Raises:
            Changed: it is not the inode that the act left there.
        """
        found = seeing.look(spot)
        if found.inode != inode:
            raise Changed(f"{display(spot.name)}: was replaced by another in the moment in which it came there")
        self.expecting.note(found, again=again)
        return seeing.entry(spot, found, top=self.area.binding, directory=directory, content=content)

    def shelved(self, place: Spot, seen: Entry, left: os.stat_result | None) -> Shelved:
        """Return what became of what was seen, and take note that it was us: it may have other names.

        `left`: what it is now, if a copy lies on the shelf. Only its ctime is our doing: what else of it differs from
        what was seen was written under another name since, and neither lies on the shelf nor is agreed on.
        """
        kept = seeing.look(place)
        found = kept if left is None else Found(left, seen.binding.born_ns)
        self.expecting.note(found, again=left is not None)
        version = seen.version._replace(ctime_ns=found.version.ctime_ns)
        entry = seen._replace(version=version, links=found.stat.st_nlink)
        return Shelved(entry, None if left is None else kept.stat.st_ino)

    def remember(self, operation: Operation, made: Entry) -> None:
        """Know what was made, if operations to come may ask for it by its object."""
        if operation.kind is Kind.DIRECTORY:
            self.made[operation.object] = made.binding
            self.stirred.made(made.binding.inode, made.version.mtime_ns)
        elif operation.shared:
            self.shared[operation.object] = made


def parked_name(identity: str) -> bytes:
    """Return the name that an object has while it is parked."""
    return hashlib.blake2b(identity.encode(), digest_size=16).hexdigest().encode()
