"""What became of one entry in one step."""

from typing import Annotated

import msgspec

from argosy.core.entry import Entry, Stored
from argosy.core.errors import ArgosyError, Changed
from argosy.core.foreseen import Cost, Leaves
from argosy.core.paths import SAID, sayable
from argosy.core.states import FileState


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What a step would do with one entry, said without doing it."""

    entry: Entry
    """As the next link would get it."""
    says: str
    """What it would do, or why nothing: the same words for all entries alike, so that they can be counted."""
    acts: bool = True
    ends: bool = False
    """Whether no later link would get the entry, which needs nothing."""
    cost: Cost = Cost()
    leaves: Leaves = Leaves.CHANGED
    """What the links after this one would meet, where it acts."""
    holds: bytes = b""
    """BLAKE3 of the listing of all that would be taken along with a directory."""
    holds_at: bytes = b""
    """Path of that directory; b"": the entry's own."""
    looks: tuple[bytes, ...] | None = None
    """Paths that are to be as they are now when it is done; None: the entry's own, and its source."""

    @classmethod
    def nothing(cls, entry: Entry, says: str, *, requests: int = 0) -> "Planned":
        """There would be nothing to do."""
        return cls(entry=entry, says=says, acts=False, cost=Cost(requests=requests))


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry after one step, with the facts it now carries; `reason` says in words why it was not processed."""

    entry: Entry
    state: FileState
    reason: str = ""
    error: str = ""
    """Code of the error, "" for none."""
    moved: Annotated[int, msgspec.Meta(ge=0, le=1 << 60)] = 0
    """Bytes of content that crossed between filesystem and store."""
    unneeded: tuple[Stored, ...] = ()
    """Objects the entry needs no more; the hub has them deleted once it knows that nothing else refers to them."""
    cost: Cost | None = None
    """Of an outcome that was only planned: what it would take."""
    ends: bool = False
    """Whether no later link gets the entry although nothing is wrong with it: it needs nothing."""

    def __post_init__(self) -> None:
        """Make the reason one that can be told: it may have been made of the bytes of a name."""
        if not self.reason.isascii() or len(self.reason) > SAID:
            msgspec.structs.force_setattr(self, "reason", sayable(self.reason))

    @property
    def goes_on(self) -> bool:
        """Whether the entry is handed to the next link of its chain."""
        return self.state.goes_on and not self.ends

    @classmethod
    def processed(cls, entry: Entry, *, moved: int = 0) -> "Outcome":
        """The step did its work."""
        return cls(entry=entry, state=FileState.PROCESSED, moved=moved)

    @classmethod
    def skipped(cls, entry: Entry, reason: str) -> "Outcome":
        """The entry already was as wanted; it carries the same facts as if it had been processed."""
        return cls(entry=entry, state=FileState.SKIPPED, reason=reason)

    @classmethod
    def needless(cls, entry: Entry, reason: str) -> "Outcome":
        """The entry needs nothing of what the chain would do: it is skipped, and ends here."""
        return cls(entry=entry, state=FileState.SKIPPED, reason=reason, ends=True)

    @classmethod
    def planned(cls, planned: Planned) -> "Outcome":
        """The step said what it would do; nothing was done."""
        state = FileState.PROCESSED if planned.acts else FileState.SKIPPED
        return cls(entry=planned.entry, state=state, reason=planned.says, cost=planned.cost, ends=planned.ends)

    @classmethod
    def of_error(cls, entry: Entry, error: ArgosyError) -> "Outcome":
        """The step could not do its work: aborted where a later run should succeed, else failed."""
        state = FileState.ABORTED if isinstance(error, Changed) else FileState.FAILED
        return cls(entry=entry, state=state, reason=error.message, error=error.code)
