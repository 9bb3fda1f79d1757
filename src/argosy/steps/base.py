"""What a step is: one verb with options, applied to one entry, harmless when repeated."""

from typing import Protocol, runtime_checkable

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome, Planned
from argosy.core.room import Room
from argosy.site import Site


@runtime_checkable
class Step(Protocol):
    """A frozen dataclass whose fields are its options and whose docstring is its help."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Do the work for one entry; what is wrong with the entry is raised as an `ArgosyError`."""


@runtime_checkable
class Settling(Protocol):
    """One entry that is done and not yet durable."""

    @property
    def outcome(self) -> Outcome:
        """What became of the entry, once it is durable."""

    def settle(self) -> None:
        """Make it durable."""

    def close(self) -> None:
        """Let go of what is held; harmless when repeated."""


@runtime_checkable
class Work(Protocol):
    """One entry of which nothing can be seen yet."""

    def sync(self) -> None:
        """Make durable what was prepared."""

    def commit(self) -> Settling:
        """Make the change."""

    def close(self) -> None:
        """Let go of what is held, done or not; harmless when repeated."""


@runtime_checkable
class Batched(Protocol):
    """A step whose durability rewards batches: many entries share the waits for the disk.

    The runner takes a whole batch through each stage before it begins the next: prepare, sync, commit, settle.
    """

    def prepare(self, entry: Entry, site: Site) -> Work | Settling | Outcome:
        """Do all that changes nothing anybody sees; or, where the order of writes allows, all but what is durable."""


@runtime_checkable
class Planning(Protocol):
    """A step that can say what it would do. Of others a plan says that they would run."""

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say what would become of the entry; the site lets it look, and nothing else.

        What is wrong with the entry is raised, as `apply` or `prepare` would raise it.
        """


STEPS: Room[Step | Batched] = Room(
    "argosy.steps", noun="step", prefix="dynamo.tasks.", custom="dynamo.custom.", contract=(Step, Batched)
)
"""By documented name: `dynamo.tasks.migrate`; those of other distributions as `dynamo.custom.NAME`."""
