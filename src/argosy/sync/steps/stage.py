"""`dynamo.tasks.stage`."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError, Changed, Invalid
from argosy.core.fileset import Fileset
from argosy.core.outcome import Outcome
from argosy.core.paths import display, join
from argosy.filesystems._posix.root import Spot
from argosy.hsm.arrival.file import Arrival
from argosy.hsm.arrival.hydration import attributes_of
from argosy.hsm.arrival.preference import Preferred
from argosy.hsm.arrival.publish import Made
from argosy.site import Note, Site
from argosy.snapshots.attributes import digest
from argosy.sync.executor.staging import Staging
from argosy.sync.steps.base import RUN, SYNCS, fileset_over, staging_of

_BESIDE = b"staged"
"""Stands for the name that nobody knows yet: what is staged is made for the top of its fileset."""


@SYNCS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Bring what an operation of a sync needs to its site: out of sight, compared with what was sent, and durable.

    A file that was sent gets its bytes, or becomes a stub; of all else its attributes are kept.
    """

    run: Annotated[str, "Round of the run for which it is staged", msgspec.Meta(pattern=RUN)]
    hydrate: Annotated[bool | None, "Fetch the bytes; else files are stubs where the site may have stubs"] = None

    def prepare(self, entry: Entry, site: Site) -> "Waiting | Outcome":
        """Make a file, and keep attributes.

        Raises:
            Changed: it was sent another content than that for which the run was planned.
            Invalid: nothing says for which operation it is, or what its attributes are.
            NotFound, Corrupt: its object is gone, or is not what was stored.
        """
        number, attributes = entry.facts.operation, attributes_of(entry)
        if number < 0:
            raise Invalid(f"{display(entry.path)}: nothing says for which operation it is to be staged")
        fileset = fileset_over(entry.path, site)
        known_as = digest(attributes.xattrs)
        if known_as is not None:
            with site.locked(b"attached:" + known_as), staging_of(fileset, site, self.run) as staged:
                if not _has(staged, known_as):
                    staged.attach(attributes.xattrs)
        if entry.kind is not Kind.FILE or entry.facts.stored is None:
            return Outcome.processed(entry)
        return Waiting(self.run, self._arrival(entry, site).made(join(fileset.path, _BESIDE)), fileset)

    def _arrival(self, entry: Entry, site: Site) -> Arrival:
        stored = entry.facts.stored
        assert stored is not None
        if entry.facts.digest not in {b"", stored.digest}:
            raise Changed(f"{display(entry.path)}: is not what it was when the sync was planned: the next run sends it")
        return Arrival(
            entry=entry,
            attributes=attributes_of(entry),
            granting=True,
            stored=stored,
            whole=self._is_whole(stored.size, site),
            mtime_ns=None,
            preferred=Preferred(),
            site=site,
            tree=site.tree(entry.path),
        )

    def _is_whole(self, size: int, site: Site) -> bool:
        return bool(self.hydrate) or size < max(site.policy.min_stub_size, 1) or not site.policy.unguarded_stubs


@dataclass(frozen=True, slots=True)
class Waiting:
    """A file that is complete, on its way to where its operation will find it."""

    run: str
    made: Made
    fileset: Fileset

    @property
    def outcome(self) -> Outcome:
        """What became of the entry."""
        hollow = self.made.pointer.state.is_stub
        return Outcome.processed(self.made.entry, moved=0 if hollow else self.made.stored.size)

    def sync(self) -> None:
        """Make bytes and attributes durable, and have the index know the key of a stub."""
        self.made.sync()

    def commit(self) -> "Waiting":
        """Have it wait for its operation. One that waits already gives way."""
        made = self.made
        made.site.check_lease()
        hollow = made.pointer.state.is_stub
        note = Note(made.stored.uuid, 0, stub=hollow, handle=made.staged.handle())
        made.site.note(made.pointer.binding, note)
        with staging_of(self.fileset, made.site, self.run) as staged:
            number = made.entry.facts.operation
            made.staged.pass_on(lambda directory, name: staged.take(number, Spot(directory, name)))
        made.site.remember(made.stored, made.entry.path)
        return self

    def settle(self) -> None:
        """Whoever applies the run waits for the names of all that was staged at once."""

    def close(self) -> None:
        """Discard what does not wait."""
        self.made.close()


def _has(staged: Staging, known_as: bytes) -> bool:
    try:
        staged.attached(known_as)
    except ArgosyError:
        return False
    return True
