"""What a step is: one verb with options, applied to one entry, harmless when repeated."""

from typing import Protocol, runtime_checkable

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.core.room import Room
from argosy.site import Site


@runtime_checkable
class Step(Protocol):
    """A frozen dataclass whose fields are its options and whose docstring is its help."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Do the work for one entry; what is wrong with the entry is raised as an `ArgosyError`."""


class Work(Protocol):
    """One entry between the two halves of a batched step. The runner calls these in order, each for a whole batch."""

    def sync(self) -> None:
        """Make durable what was prepared."""

    def commit(self) -> Outcome:
        """Make the change."""

    def settle(self) -> None:
        """Make durable what was committed."""

    def close(self) -> None:
        """Let go of what is held, done or not; harmless when repeated."""


@runtime_checkable
class Batched(Protocol):
    """A step whose durability rewards batches: many entries share the waits for the disk."""

    def prepare(self, entry: Entry, site: Site) -> Work | Outcome:
        """Do all that changes nothing anybody sees; an outcome where that was all."""


STEPS: Room[Step | Batched] = Room("argosy.steps", noun="step", prefix="dynamo.tasks.")
