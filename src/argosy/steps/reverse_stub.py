"""`dynamo.tasks.reverse_stub`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry
from argosy.core.errors import Unsupported
from argosy.core.outcome import Outcome
from argosy.hsm.hydrate import Hydration
from argosy.site import Site
from argosy.steps.base import STEPS, Work


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class ReverseStub:
    """Make entries at this site of what a store holds; with `hydrate` they are whole from the first moment."""

    hydrate: Annotated[bool, "Fetch the bytes too; without it files become stubs, which is not available yet"] = False
    overwrite: Annotated[bool, "Replace what differs, keeping it in the version store"] = False
    lock_level: Annotated[str, "Accepted for compatibility; Linux filesystems have no such locks"] = "implicit"

    def prepare(self, entry: Entry, site: Site) -> Work | Outcome:
        """Fetch one entry out of sight; it gets its name with the batch."""
        if not self.hydrate:
            raise Unsupported("stubs are not available yet: set hydrate to true")
        return Hydration(overwrite=self.overwrite).prepare(entry, site)
