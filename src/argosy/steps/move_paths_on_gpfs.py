"""`dynamo.tasks.move_paths_on_gpfs`."""

from dataclasses import dataclass
from typing import Annotated

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Changed, NotFound
from argosy.core.foreseen import Cost, Leaves
from argosy.core.options import parse
from argosy.core.outcome import Outcome, Planned
from argosy.filesystems.base import Parked
from argosy.hsm.file.local import present
from argosy.hsm.tree.move import Move, forget_locations
from argosy.hsm.tree.moved import applied
from argosy.site import Site
from argosy.steps.base import (
    STEPS,
    Batched,
    Planning,
    Settling,
    Signature,
    Step,
    Work,
    signed,
    step_named,
)
from argosy.steps.foresight import held_by, holds_something


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What all moves have in common."""

    delete_remote_xattrs: Annotated[
        bool, "Let what was moved forget its copy, so that it is copied under its new name; stubs keep theirs"
    ] = False
    source_missing_signature: Annotated[
        Signature | None, "Step to hand paths to whose source is missing: its `name`, and its options beside it"
    ] = None
    target_max_age: Annotated[
        int | None, "Seconds since 1970: a target with a later ctime stays, and the source is removed"
    ] = None
    abort_missing: Annotated[bool, "A path whose source is missing ends as aborted, not failed"] = False

    def __post_init__(self) -> None:
        """Refuse a step that cannot be.

        Raises:
            Invalid: there is no such step, or it has no such options.
        """
        if self.source_missing_signature is not None:
            _named(self.source_missing_signature)

    def begin(self, entry: Entry, site: Site) -> Move | Outcome:
        """Return the move that is to be done, or what became of the entry without."""
        if (there := applied(entry, site)) is not None:
            said = ["is there already"]
            if self.delete_remote_xattrs:
                said += forget_locations(entry.path, site.tree(entry.path), site)
            return Outcome.skipped(there, ". ".join(said))
        try:
            return Move(entry, site, newest=self.target_max_age, forget=self.delete_remote_xattrs)
        except NotFound as error:
            if self.source_missing_signature is not None:
                return _done(_named(self.source_missing_signature), entry, site)
            if self.abort_missing:
                raise Changed(error.message) from error
            raise

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would get its new name, how, and what that would replace."""
        if (there := applied(entry, site)) is not None:
            return Planned.nothing(there, "is there already")
        try:
            move = Move(entry, site, newest=self.target_max_age, forget=False)
        except NotFound as error:
            if self.source_missing_signature is not None:
                return _planned(_named(self.source_missing_signature), entry, site)
            if self.abort_missing:
                raise Changed(error.message) from error
            raise
        site.tree(move.source).refuse_protected(move.source)
        there = present(site.tree(entry.path), entry.path)
        if there is not None and self._is_newer(there):
            return Planned(entry=entry, says="what has the name is newer: the source would go to the trash")
        how = (
            "would be copied to the other root, compared and removed here" if move.across else "would get its new name"
        )
        says = how + _over(there, site)
        if not move.holds_others:
            return Planned(entry=entry, says=says)
        held = held_by(move.source, site.tree(move.source))
        cost = Cost(along=held.entries - 1)
        return Planned(entry=entry, says=says, cost=cost, holds=held.digest, holds_at=move.source)

    def _is_newer(self, there: Entry) -> bool:
        return self.target_max_age is not None and there.ctime_ns // 10**9 > self.target_max_age


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class MovePathsOnGpfs(Moving):
    """Move each entry from its `source` to its path, a batch by way of a place out of sight, so that they can swap.

    What is at the path goes to the version store. Between two roots entries are copied, compared and then removed.
    """

    def prepare(self, entry: Entry, site: Site) -> Work | Settling | Outcome:
        """Take one entry from its source; a directory when all that may lie in it was taken."""
        move = self.begin(entry, site)
        if isinstance(move, Outcome):
            return move
        if move.across:
            return _Across(move)
        parking = _Parking(move)
        if not move.holds_others:
            parking.sync()
        return parking


class _Parking:
    """An entry on its way: taken from its name, looked at once all of its batch are taken, and given the other."""

    def __init__(self, move: Move) -> None:
        self._move = move
        self._parked: Parked | None = None

    def sync(self) -> None:
        """Take it; what a power cut leaves parked goes back."""
        if self._parked is None:
            self._parked = self._move.park()

    def commit(self) -> "_Moved | _Placing":
        self.sync()
        assert self._parked is not None
        over = self._move.check(self._parked)
        return _Placing(self._move, self._parked) if over is None else _Moved(over)

    def close(self) -> None:
        if self._parked is not None:
            self._parked.put_back()


class _Placing:
    """An entry without a name."""

    def __init__(self, move: Move, parked: Parked) -> None:
        self._move = move
        self._parked = parked
        self._outcome: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        assert self._outcome is not None
        return self._outcome

    def settle(self) -> None:
        self._outcome = self._move.place(self._parked)

    def close(self) -> None:
        self._parked.put_back()


class _Across:
    """An entry that is to be carried to another root."""

    def __init__(self, move: Move) -> None:
        self._move = move

    def sync(self) -> None:
        """Do nothing: nothing is done yet."""

    def commit(self) -> "_Moved":
        return _Moved(self._move.at_once())

    def close(self) -> None:
        """Hold nothing."""


class _Moved:
    """An entry that was moved, durably."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def settle(self) -> None:
        """Do nothing: it is durable."""

    def close(self) -> None:
        """Hold nothing."""


def _named(signature: Signature) -> Step | Batched:
    """Return the step a signature names."""
    name, options = signed(signature)
    return parse(step_named(name), options, noun=f"step {name}")


def _over(there: Entry | None, site: Site) -> str:
    """Say what becomes of what has the name: it may be moved away itself by then."""
    if there is None:
        return ""
    tree = site.tree(there.path)
    if there.kind is Kind.DIRECTORY and holds_something(there.path, tree):
        return ", if that is free by then: what has it is a directory that holds something"
    tree.refuse_protected(there.path)
    return "; what has it goes to the version store"


def _planned(step: Step | Batched, entry: Entry, site: Site) -> Planned:
    if isinstance(step, Planning):
        return step.plan(entry, site)
    says, cost = "its source is missing: another step would run", Cost(unknown=True)
    return Planned(entry=entry, says=says, cost=cost, leaves=Leaves.UNKNOWN)


def _done(step: Step | Batched, entry: Entry, site: Site) -> Outcome:
    """Take one entry through a step, alone."""
    if not isinstance(step, Batched):
        return step.apply(entry, site)
    prepared = step.prepare(entry, site)
    if isinstance(prepared, Outcome):
        return prepared
    try:
        if isinstance(prepared, Settling):
            return _settled(prepared)
        prepared.sync()
        return _settled(prepared.commit())
    finally:
        prepared.close()


def _settled(settling: Settling) -> Outcome:
    try:
        settling.settle()
        return settling.outcome
    finally:
        settling.close()
