"""`dynamo.tasks.reverse_stub`."""

import errno
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import ArgosyError
from argosy.core.outcome import Cost, Outcome, Planned
from argosy.hsm.arrival.hydration import Hydration
from argosy.hsm.arrival.preference import Preference, Preferred
from argosy.hsm.file.local import present
from argosy.hsm.file.state import State, refuse_unguarded
from argosy.hsm.object.described import described_at
from argosy.hsm.object.trust import Owners
from argosy.site import Site
from argosy.steps.base import STEPS, Work
from argosy.steps.foresight import HOLLOW, seen_at

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
        asked = 0
        if not _is_told(entry):
            owners = Owners.named(self.default_uid, self.default_gid)
            entry, _ = described_at(entry, site, endpoint=self.endpoint, owners=owners)
            asked = 2
        there = present(site.tree(entry.path), entry.path)
        if entry.kind is not Kind.FILE:
            return self._planned_marker(entry, there)
        size = entry.size if entry.facts.stored is None else entry.facts.stored.size
        whole = self.hydrate or size <= self.stub_size or size < site.policy.min_stub_size
        made = "the file whole" if whole else "a stub"
        cost = Cost(bytes=size if whole else 0, requests=asked + 1)
        if there is None:
            return Planned(entry=entry, says=f"would make {made}", cost=cost)
        if there.kind is Kind.FILE and (known := self._planned_there(entry, site, whole=whole)) is not None:
            return msgspec.structs.replace(known, cost=cost if known.acts else Cost(requests=asked))
        if not self._takes_place(entry, there):
            return Planned.nothing(entry, "what is here is preferred", requests=asked)
        return Planned(entry=entry, says=f"would make {made} in the place of what is here, which is kept", cost=cost)

    def _takes_place(self, entry: Entry, there: Entry) -> bool:
        attributes = entry.facts.attributes
        assert attributes is not None
        return self._hydration().preferred.takes_place_of(there, attributes)

    def _planned_there(self, entry: Entry, site: Site, *, whole: bool) -> Planned | None:
        """Return what is to be said where the file here has the content; None where it has not, or nobody knows."""
        seen, now, _ = seen_at(entry, site)
        stored = entry.facts.stored
        assert stored is not None
        if seen.pointer is None or not stored.uuid:
            if (now.size, now.mtime_ns) != (stored.size, entry.mtime_ns):
                return None
            return Planned.nothing(entry, "is there already, by its size and time")
        if seen.state in {State.DIRTY, State.STUB_DIRTY} or seen.pointer.uuid != stored.uuid:
            return None
        if whole and seen.state in HOLLOW:
            return Planned(entry=entry, says="would bring the bytes of the stub that is here")
        return Planned.nothing(entry, "is there already")

    def _planned_marker(self, entry: Entry, there: Entry | None) -> Planned:
        if there is None:
            return Planned(entry=entry, says=f"would make the {entry.kind}")
        if there.kind is entry.kind:
            return Planned(entry=entry, says=f"would make the {entry.kind} here like it, where it differs")
        if not self._takes_place(entry, there):
            return Planned.nothing(entry, "what is here is preferred")
        return Planned(entry=entry, says=f"would make the {entry.kind} in the place of what is here, which is kept")

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


def _is_told(entry: Entry) -> bool:
    """Say whether an earlier link said what is to be made."""
    return entry.facts.attributes is not None and (entry.kind is not Kind.FILE or entry.facts.stored is not None)
