"""What a step is: one verb with options, applied to one entry, harmless when repeated."""

from collections.abc import Mapping
from typing import Any, Final, NewType, Protocol, runtime_checkable

from argosy.core.entry import Entry
from argosy.core.errors import Invalid
from argosy.core.outcome import Outcome, Planned
from argosy.core.room import Room
from argosy.filesystems.base import Syncing
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
class Joint(Protocol):
    """Work, or something settling, that can be made durable together with others."""

    @property
    def syncing(self) -> Syncing:
        """What is to be on the disk."""

    def synced(self) -> None:
        """Do what is to be done once it was sent there with others: what else `sync` or `settle` would do."""


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


OURS: Final = "dynamo.tasks."
"""Beginning of the names of steps that come with Argosy."""
CUSTOM: Final = "dynamo.custom."
"""Beginning of the names of steps of other distributions."""
STEPS: Room[Step | Batched] = Room("argosy.steps", noun="step", prefix=OURS, custom=CUSTOM, contract=(Step, Batched))
"""By documented name: `dynamo.tasks.migrate`; those of other distributions as `dynamo.custom.NAME`."""

HUBS: Room[Step] = Room("argosy.steps", noun="step of the hub's own", prefix=OURS, custom=None)
"""Steps that remove objects or settle conflicts: in orders that the hub made for itself, and nowhere else."""


Signature = NewType("Signature", dict[str, Any])
"""Type of an option that names a step: `{"name": ..., OPTION: ...}`, or `{"task": ..., "kwargs": {...}}`."""


def signed(signature: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name of the step that a signature names, and its options.

    Raises:
        Invalid: it names none, or its options are no object.
    """
    options = dict(signature)
    name = options.pop("name", None) or options.pop("task", None)
    if not isinstance(name, str):
        raise Invalid("this names no step: give its `name`, and its options beside it")
    more = options.pop("kwargs", None) or {}
    if not isinstance(more, Mapping):
        raise Invalid("`kwargs` is an object: the names of options and their values")
    return name, options | dict(more)


def is_of_others(name: str, options: Mapping[str, Any]) -> bool:
    """Say whether another distribution's code has a part in a step: it is one of theirs, or an option names one."""
    return CUSTOM in repr((name, options))


def step_named(name: str) -> type[Step | Batched]:
    """Return the step that a workflow, an option of another step or an order names.

    Raises:
        Invalid: there is none of the name, or it is for the hub alone.
    """
    try:
        return STEPS.get(name)
    except Invalid as error:
        if name in HUBS.names():
            raise Invalid(
                f"{name} is not for workflows: garbage collection alone removes objects, and "
                "`argosy conflicts keep` settles conflicts"
            ) from error
        raise
