"""What became of one entry in one step."""

import msgspec

from argosy.core.entry import Entry, Stored
from argosy.core.errors import ArgosyError, Changed
from argosy.core.states import FileState


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry after one step, with the facts it now carries; `reason` says in words why it was not processed."""

    entry: Entry
    state: FileState
    reason: str = ""
    error: str = ""
    """Code of the error, "" for none."""
    moved: int = 0
    """Bytes of content that crossed between filesystem and store."""
    unneeded: tuple[Stored, ...] = ()
    """Objects the entry needs no more; the hub has them deleted once it knows that nothing else refers to them."""

    @classmethod
    def processed(cls, entry: Entry, *, moved: int = 0) -> "Outcome":
        """The step did its work."""
        return cls(entry=entry, state=FileState.PROCESSED, moved=moved)

    @classmethod
    def skipped(cls, entry: Entry, reason: str) -> "Outcome":
        """The entry already was as wanted; it carries the same facts as if it had been processed."""
        return cls(entry=entry, state=FileState.SKIPPED, reason=reason)

    @classmethod
    def of_error(cls, entry: Entry, error: ArgosyError) -> "Outcome":
        """The step could not do its work: aborted where a later run should succeed, else failed."""
        state = FileState.ABORTED if isinstance(error, Changed) else FileState.FAILED
        return cls(entry=entry, state=state, reason=error.message, error=error.code)
