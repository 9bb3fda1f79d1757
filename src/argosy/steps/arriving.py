"""What would become of an entry that arrives at a site: looked up beforehand, and nothing is made."""

from dataclasses import dataclass
from typing import Final

import msgspec

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.errors import Exists
from argosy.core.foreseen import Cost
from argosy.core.outcome import Planned
from argosy.core.paths import display
from argosy.hsm.arrival.hydration import Hydration, attributes_of, is_known, stored_of
from argosy.hsm.file.local import present
from argosy.hsm.file.state import look
from argosy.hsm.object.described import described_at
from argosy.hsm.object.trust import same_but_names
from argosy.site import Site
from argosy.steps.foresight import HOLLOW, expect_parents, expect_room, has_content

_STAYS: Final = "what is here is preferred"
_INSTEAD: Final = " in the place of what is here, which is kept"


def arriving(entry: Entry, hydration: Hydration, site: Site) -> Planned:
    """Say whether an entry would be made here, stub or whole, and what that would replace.

    Raises:
        Exists: something else is here, and is to stay.
        NotFound: the store has nothing under its path; or there can be nothing at its path.
        DiskFull: there is no room for its bytes.
    """
    asked, granting = 0, True
    if not is_known(entry):
        entry, granting = described_at(entry, site, endpoint=hydration.endpoint, owners=hydration.owners)
        asked = 2
    there = present(site.tree(entry.path), entry.path)
    if there is None:
        expect_parents(entry.path, site.tree(entry.path))
    planned = _Arriving(entry, there, hydration, site, granting).planned()
    return msgspec.structs.replace(
        planned, cost=msgspec.structs.replace(planned.cost, requests=planned.cost.requests + asked)
    )


@dataclass(frozen=True, slots=True)
class _Arriving:
    entry: Entry
    there: Entry | None
    hydration: Hydration
    site: Site
    granting: bool
    """Whether its attributes may give what is here to others, or it more rights than it has."""

    def planned(self) -> Planned:
        if self.entry.kind is Kind.DIRECTORY:
            return self._directory()
        return self._symlink() if self.entry.kind is Kind.SYMLINK else self._file()

    def _directory(self) -> Planned:
        if self.there is None:
            return Planned(entry=self.entry, says="would make the directory")
        if self.there.kind is not Kind.DIRECTORY:
            raise Exists(f"{display(self.entry.path)}: exists and is not a directory; move it away")
        ours = self.site.tree(self.entry.path).attributes(self.entry.path)
        if self._renews(self.there, ours, hollow=False):
            return Planned(entry=self.entry, says="would give the directory that is here its attributes")
        return Planned.nothing(self.entry, "is there already")

    def _symlink(self) -> Planned:
        says, there = "would make the symlink", self.there
        if there is None:
            return Planned(entry=self.entry, says=says)
        tree = self.site.tree(self.entry.path)
        if there.kind is Kind.SYMLINK and tree.readlink(self.entry.path) == self.entry.facts.target:
            return Planned.nothing(self.entry, "is there already")
        if not self._takes_place_of(there):
            return Planned.nothing(self.entry, _STAYS)
        return Planned(entry=self.entry, says=says + _INSTEAD)

    def _file(self) -> Planned:
        if self.there is None:
            return self._made("")
        if self.there.kind is Kind.FILE:
            return self._beside_file(self.there)
        return self._made(_INSTEAD) if self._takes_place_of(self.there) else Planned.nothing(self.entry, _STAYS)

    def _beside_file(self, there: Entry) -> Planned:
        with self.site.tree(self.entry.path).open(self.entry.path) as file:
            seen, ours = look(file, self.site), file.attributes()
            same = has_content(file, seen, stored_of(self.entry))
        if same or (same is None and there.mtime_ns == self.entry.mtime_ns):
            told = "" if same else ", by its size and time"
            return self._of_same(there, ours, told, hollow=seen.state in HOLLOW)
        if same is None:
            return self._of_perhaps_same(there)
        return self._made(_INSTEAD) if self._takes_place_of(there) else Planned.nothing(self.entry, _STAYS)

    def _of_same(self, there: Entry, ours: Attributes, told: str, *, hollow: bool) -> Planned:
        """Say what becomes of a file here that has the content."""
        size = stored_of(self.entry).size
        if hollow and self.hydration.is_whole(size, self.site):
            expect_room(size, self.entry.path, self.site)
            says = "would bring the bytes of the stub that is here"
            return Planned(entry=self.entry, says=says, cost=Cost(bytes=size, requests=1))
        if self._renews(there, ours, hollow=hollow):
            return Planned(entry=self.entry, says=f"would give what is here its attributes: it has the bytes{told}")
        return Planned.nothing(self.entry, f"is there already{told}")

    def _of_perhaps_same(self, there: Entry) -> Planned:
        try:
            takes = self._takes_place_of(there)
        except Exists:
            if self.hydration.preferred.fail_on_mismatch:
                raise
            takes = False
        if not takes:
            return Planned.nothing(self.entry, "what is here stays; only its bytes tell whether it is the same")
        return self._made(f"{_INSTEAD}, if that has other bytes")

    def _made(self, instead: str) -> Planned:
        size = stored_of(self.entry).size
        whole = self.hydration.is_whole(size, self.site)
        if whole:
            expect_room(size, self.entry.path, self.site)
        says = f"would make {'the file whole' if whole else 'a stub'}{instead}"
        return Planned(entry=self.entry, says=says, cost=Cost(bytes=size if whole else 0, requests=1))

    def _renews(self, there: Entry, ours: Attributes, *, hollow: bool) -> bool:
        """Say whether what is here, and is the same, would get other attributes.

        Raises:
            Exists: it may not have others.
        """
        attributes, preferred = attributes_of(self.entry), self.hydration.preferred
        preferred.check(self.entry, ours, attributes)
        wanted = attributes if self.granting else attributes.restrained(ours)
        return (hollow or preferred.prevails(there, attributes)) and not same_but_names(ours, wanted)

    def _takes_place_of(self, there: Entry) -> bool:
        return self.hydration.preferred.takes_place_of(there, attributes_of(self.entry))
