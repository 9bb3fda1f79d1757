"""What agents send and ask for while they work for a sync."""

import os
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from argosy.core.errors import Invalid
from argosy.core.states import TaskState
from argosy.core.syncing import APPLY, INDEX, SCAN, SIDE, Applied, Piece, Wanted
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import Task
from argosy.hub.jobs.recorder import Recorder
from argosy.hub.sync import models, phases
from argosy.hub.sync.models import Run
from argosy.hub.sync.services import make_folder, received
from argosy.linux.syncing import fsync
from argosy.sync.executor.outcomes import Outcome as Done
from argosy.sync.rounds import pages, work

_PART: Final = ".part"


class _Theirs(NamedTuple):
    """A task that is the caller's, and the run that it is for."""

    task: Task
    run: Run


def piece(recorder: Recorder, sent: Piece) -> bool:
    """Keep a part of a file on the disk; False: the task is no longer the caller's.

    Raises:
        Invalid: what comes before it is missing, or nobody asked for such a file.
    """
    if sent.name not in {INDEX, SIDE}:
        raise Invalid(f"nobody asked for a file {sent.name!r}")
    theirs = recorder.record(partial(_theirs, taskid=sent.task, attempt=sent.attempt, step=SCAN), sent.task)
    if theirs is None:
        return False
    make_folder(theirs.run)
    _keep(received(theirs.run, theirs.task.site_id, sent.attempt, sent.name), sent)
    return True


def _keep(path: Path, sent: Piece) -> None:
    """Write it where it belongs: a piece that was written already is written again."""
    part = path.with_name(path.name + _PART)
    if not part.exists() and path.exists():
        return
    with part.open("r+b" if part.exists() else "w+b") as file:
        size = file.seek(0, os.SEEK_END)
        if sent.offset > size:
            raise Invalid(f"piece at {sent.offset} of an index came before the one at {size}: send it from the start")
        file.seek(sent.offset)
        file.write(sent.data)
        if sent.last:
            file.truncate()
        file.flush()
        fsync(file.fileno())
    if sent.last:
        part.rename(path)
    pages.sync_directory(path.parent)


def operations(recorder: Recorder, wanted: Wanted) -> bytes | None:
    """Return the next operations of the task's side, as msgpack; b"": that was all. None: it is not the caller's."""
    theirs = recorder.record(partial(_theirs, taskid=wanted.task, attempt=wanted.attempt, step=APPLY), wanted.task)
    if theirs is None:
        return None
    return pages.after(work.applicable(theirs.run.folder, theirs.run.side_of(theirs.task.site_id)), wanted.after)


def applied(recorder: Recorder, told: Applied) -> bool:
    """Record what became of operations; False: the task is no longer the caller's. Harmless when repeated.

    Raises:
        Invalid: it cannot be read.
    """
    return recorder.record(partial(_applied, told=told), told.task)


def _applied(ledger: Ledger, told: Applied) -> bool:
    theirs = _theirs(ledger, taskid=told.task, attempt=told.attempt, step=APPLY)
    if theirs is None:
        return False
    task, run = theirs
    page = {"run": run, "round": run.round, "side": int(run.side_of(task.site_id)), "attempt": told.attempt}
    rows = models.Applied.objects.filter(**page, sequence=told.sequence)
    if rows.exists():
        return True
    models.Applied.objects.create(**page, sequence=told.sequence, done=told.done)
    phases.note_done(ledger, run, task, _decoded(told.done))
    return True


def _decoded(done: bytes) -> tuple[Done, ...]:
    try:
        return msgspec.msgpack.decode(done, type=tuple[Done, ...])
    except msgspec.MsgspecError as error:
        raise Invalid(f"what became of operations cannot be read: {error}") from error


def _theirs(ledger: Ledger, *, taskid: str, attempt: int, step: str) -> _Theirs | None:
    """Return the task and its run, if it is the caller's."""
    task = ledger.known.task(taskid)
    if task is None or task.attempt != attempt or task.state != TaskState.STARTED or task.tasktype != step:
        return None
    run = Run.objects.select_related("pair", "site_one", "site_two").filter(job=task.job_id).first()
    return _Theirs(task, run) if run is not None else None
