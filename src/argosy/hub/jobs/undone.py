"""Moves that did not end well, and what is therefore not done after them.

What was to be moved lies where it was. To remove or move the directory that it lies in would take it along, to write to
its name would replace it, and to write to the name that it is to get would be in its way. So whatever comes in a later
phase and would do that ends as aborted: where what did not go well is done again, it comes after the move once more.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Self

import msgspec

from argosy.core.entry import Entry, Kind
from argosy.core.errors import Invalid, NotFound
from argosy.core.faults import NotMoved
from argosy.core.outcome import Outcome
from argosy.core.paths import above, display
from argosy.core.states import FileState
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import Job, Result, Task
from argosy.hub.sites.links import mapped

NOT_WELL: Final = (FileState.FAILED, FileState.ABORTED)
_AT_ONCE: Final = 200
"""Results that are read at once."""


class Undone:
    """Those moves of a job, and of what is fed with it, by the names at the site where their entries are found."""

    def __init__(self, moves: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """`moves`: sources and paths."""
        self._names: dict[bytes, bytes] = {}
        self._above: dict[bytes, bytes] = {}
        for source, path in moves:
            for name in (source, path):
                self._names[name] = path
                self._above |= dict.fromkeys(above(name), path)

    @classmethod
    def of(cls, ledger: Ledger, task: Task, *, home: int) -> Self:
        """Return those that matter to what comes of the task, for they were to be done at a site where that is, too.

        They were recorded before this transaction. `home`: that site.
        """
        rows = Result.objects.filter(job__in=_jobs(task), final__in=NOT_WELL).select_related("task").order_by()
        sites = _sites(ledger, task.submission_id)
        there = (row for row in rows.iterator(chunk_size=_AT_ONCE) if sites & _sites_of(ledger, row.task))
        return cls(_moves(ledger, there, home))

    def expect_apart(self, entry: Entry) -> None:
        """Return where what is to be done with the entry has nothing to do with them.

        Raises:
            NotMoved: it has, and is not to be done.
        """
        for name in {entry.path, entry.source or entry.path}:
            moved = self._names.get(name) or next(filter(None, map(self._names.get, above(name))), None)
            if moved is None and _takes_along(entry):
                moved = self._above.get(name)
            if moved is not None:
                raise NotMoved(
                    f"{display(entry.path)}: was left as it is: {display(moved)} was to be moved before, and was not: "
                    "see why, then resubmit what failed of the job"
                )


def _jobs(task: Task) -> list[int]:
    """Return the job of the task, and those that are fed by the same."""
    fed_by = Job.objects.values_list("fed_by", flat=True).get(pk=task.job_id)
    return [task.job_id] if fed_by is None else list(Job.objects.filter(fed_by=fed_by).values_list("pk", flat=True))


def _sites(ledger: Ledger, submission: int) -> set[int]:
    """Return the sites at which anything is done for the submission."""
    return {link.site for rule in ledger.known.rules(submission) for link in rule.chain}


def _sites_of(ledger: Ledger, task: Task) -> set[int]:
    """Return the sites at which anything was to be done with the entries of the task."""
    if task.chain is None:
        return _sites(ledger, task.submission_id)
    return {link.site for link in ledger.known.rules(task.submission_id)[task.chain].chain}


def _takes_along(entry: Entry) -> bool:
    """Say whether what lies below the names of the entry would not stay where it is."""
    return entry.state == "deleted" or entry.source is not None or entry.kind is not Kind.DIRECTORY


def left_out(ledger: Ledger, task: Task) -> list[Outcome]:
    """Return how the entries of a task end that are not to be dealt with; they were given to it before the moves."""
    home = task.submission.site_id
    undone = Undone.of(ledger, task, home=home)
    outcomes = []
    for item in ledger.known.entries(task):
        source = item.entry.source and _at_home(ledger, item.entry.source, task, home)
        try:
            undone.expect_apart(msgspec.structs.replace(item.entry, path=item.origin, source=source))
        except NotMoved as error:
            outcomes.append(Outcome.of_error(item.entry, error))
    return outcomes


def _moves(ledger: Ledger, rows: Iterable[Result], site: int) -> Iterator[tuple[bytes, bytes]]:
    for row in rows:
        for each in noted(row):
            entry, error = each.outcome.entry, each.outcome.error
            if entry.source is not None and error != NotFound.code:  # of what is not there nothing can be lost
                yield _at_home(ledger, entry.source, row.task, site), each.source or entry.path


def _at_home(ledger: Ledger, path: bytes, task: Task, home: int) -> bytes:
    """Return where a path of the site of a task lies at the site where the entries were found."""
    if task.site_id == home:
        return path
    try:
        return mapped(path, ledger.known.linked(task.site_id), ledger.known.linked(home))
    except Invalid:  # the link is gone: nothing comes from one to the other any more
        return path
