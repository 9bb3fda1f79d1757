"""Whether what arrives may take the place of what is there."""

from dataclasses import dataclass
from enum import StrEnum

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.errors import Exists
from argosy.core.faults import Differs
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.hsm.object.trust import same_but_names


class Preference(StrEnum):
    """Who wins where a local entry and the one that arrives differ."""

    NEWEST = "newest"
    LOCAL = "local"
    IGNORE = "ignore"
    """The one that arrives, whatever is here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """How to choose: by preference where there is one, else by `overwrite`."""

    overwrite: bool = False
    preference: Preference | None = None
    fail_on_mismatch: bool = False

    def prevails(self, there: Entry, arriving: Attributes) -> bool:
        """Say whether what arrives is preferred to what is there; of equal age, what is there stays."""
        if self.preference is None:
            return self.overwrite
        if self.preference is Preference.NEWEST:
            return arriving.mtime_ns > there.mtime_ns
        return self.preference is Preference.IGNORE

    def takes_place_of(self, there: Entry, arriving: Attributes) -> bool:
        """Say whether what is there, and differs, is to be replaced.

        Raises:
            Exists: it may not be, and nobody said that it is to stay.
        """
        if there.kind is Kind.DIRECTORY:
            raise Exists(f"{display(there.path)} exists and is a directory; move it away")
        if self.fail_on_mismatch:
            raise Exists(f"{display(there.path)} exists and differs, which fail_on_mismatch forbids")
        prevails = self.prevails(there, arriving)
        if not prevails and self.preference is None:
            raise Differs(f"{display(there.path)} exists and differs; use overwrite")
        return prevails

    def stays(self, entry: Entry) -> Outcome:
        """Return what became of an entry that did not take the place of what is there."""
        newest = self.preference is Preference.NEWEST
        return Outcome.skipped(entry, "what is here is newer" if newest else "what is here is preferred")

    def check(self, entry: Entry, ours: Attributes, arriving: Attributes) -> None:
        """Return where nothing differs but the content, or that is allowed.

        Raises:
            Exists: attributes differ, and `fail_on_mismatch` is set.
        """
        if self.fail_on_mismatch and not same_but_names(ours, arriving):
            raise Exists(f"{display(entry.path)} exists and has other attributes, which fail_on_mismatch forbids")
