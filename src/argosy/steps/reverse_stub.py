"""`dynamo.tasks.reverse_stub`."""

import errno
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from argosy.core.entry import Entry
from argosy.core.errors import ArgosyError
from argosy.core.outcome import Outcome, Planned
from argosy.hsm.arrival.hydration import Hydration
from argosy.hsm.arrival.preference import Preference, Preferred
from argosy.hsm.file.state import refuse_unguarded
from argosy.hsm.object.trust import Owners
from argosy.site import Site
from argosy.steps.arriving import arriving
from argosy.steps.base import STEPS, Work

_TRIES: Final = 3


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseStub:
    """Make entries at this site of what a store holds: stubs; with `hydrate` they are whole from the first moment."""

    hydrate: Annotated[bool, "Fetch the bytes at once"] = False
    stub_size: Annotated[int, "Files of up to so many bytes are fetched at once as well", msgspec.Meta(ge=0)] = 0
    skip_hash: Annotated[
        bool, "Accepted for compatibility; the hash is always checked, which costs next to nothing"
    ] = False
    overwrite: Annotated[
        bool, "Replace what differs, keeping it in the version store; of the same content attributes alone are replaced"
    ] = False
    endpoint: Annotated[str | None, "Datastore to look in where several are linked to the path"] = None
    retry_stale: Annotated[
        Literal["stub", "all"] | None, "Try stubs, or all files, up to three times where the filesystem says ESTALE"
    ] = None
    lock_level: Annotated[
        Literal["partial", "implicit"], "Accepted for compatibility and does nothing: files are always locked whole"
    ] = "implicit"
    default_uid: Annotated[str | None, "Owner, by number or name, where the object records none"] = None
    default_gid: Annotated[str | None, "Group, by number or name, where the object records none"] = None
    update_atime: Annotated[bool, "Accepted for compatibility; the atime of what is made is now"] = False
    update_mtime: Annotated[bool, "Set mtime to now; the copy counts as good for the file all the same"] = False
    conflict_preference: Annotated[
        Literal["newest", "local", "ignore"] | None,
        "Which of two that differ stays, in the place of overwrite: the newest, the local one, or (ignore) the other",
    ] = None
    fail_on_mismatch: Annotated[bool, "Fail an entry where one that differs in content or attributes is there"] = False

    def prepare(self, entry: Entry, site: Site) -> Work | Outcome:
        """Make one entry out of sight; it gets its name with the batch."""
        hydration = self._hydration()
        for _ in range(self._tries() - 1):
            try:
                return hydration.prepare(entry, site)
            except ArgosyError as error:
                if not _is_stale(error):
                    raise
        return hydration.prepare(entry, site)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would be made here, stub or whole, and what that would replace."""
        if not self.hydrate:
            refuse_unguarded(site)
        return arriving(entry, self._hydration(), site)

    def _tries(self) -> int:
        wanted = self.retry_stale == "all" or (self.retry_stale == "stub" and not self.hydrate)
        return _TRIES if wanted else 1

    def _hydration(self) -> Hydration:
        return Hydration(
            preferred=Preferred(
                overwrite=self.overwrite,
                preference=None if self.conflict_preference is None else Preference(self.conflict_preference),
                fail_on_mismatch=self.fail_on_mismatch,
            ),
            hydrate=self.hydrate,
            stub_size=self.stub_size,
            endpoint=self.endpoint,
            owners=Owners.named(self.default_uid, self.default_gid),
            update_mtime=self.update_mtime,
        )


def _is_stale(error: ArgosyError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno == errno.ESTALE
