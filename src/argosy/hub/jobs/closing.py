"""What a job does when all else of it is done, or it was cancelled: the snapshots of its discoveries are rotated.

The next discovery begins where this one did if this one came to its end: then all that changed was handed to the
chains, whatever became of it there. With the field `snapdiff_rotate_on_error` false, it does so only if all went
well. Where entries were aborted, which a later run is to take, it does so only if that finds them all the same.
"""

from typing import Final

from django.db.models import Exists, OuterRef

from argosy.core.states import JobState, TaskState
from argosy.core.syncing import SCAN
from argosy.discoveries.base import task_of
from argosy.hub.jobs.blobs import Carried, pack_carried, unpack_carried
from argosy.hub.jobs.models import Job, Queue, Submission, Task, TaskEntries
from argosy.hub.workflows.discovering import ROTATE_ON_ERROR

ROTATE: Final = "dynamo.tasks.rotate_snapshot"
SNAPSHOTTING: Final = frozenset(
    {task_of("snapdiff"), SCAN, ROTATE, "dynamo.tasks.create_snapshot", "dynamo.tasks.delete_snapshot"}
)
"""Tasks that make or delete snapshots."""

Closing = tuple[Task, list[Carried]]


def closing(job: Job) -> list[Closing]:
    """Return the tasks that are left to do where a job has no others: one for each discovery that holds snapshots."""
    own = Task.objects.filter(parent=OuterRef("pk"), tasktype=ROTATE, chain=None)  # not one that a rule asks for
    done = own.exclude(state=TaskState.CANCELLED)
    ended = Task.objects.filter(job=job, tasktype__in=(task_of("snapdiff"), SCAN), started__isnull=False)
    later = Task.objects.filter(job=job, tasktype=SCAN, site=OuterRef("site"), pk__gt=OuterRef("pk"))
    left = ended.filter(~Exists(done)).exclude(Exists(later), tasktype=SCAN)  # a later scan has let go of that one's
    return [_rotation(job, task) for task in left.select_related("site", "submission")]


def _rotation(job: Job, finder: Task) -> Closing:
    came_to_its_end = finder.state in {TaskState.SUCCESS, TaskState.ERROR}
    submission = Submission.objects.create(
        job=job,
        site=finder.site,
        rules=[],
        options={"discovery": str(finder.taskid), "forward": came_to_its_end and _may_turn(job, finder)},
        paths=pack_carried([]),
    )
    task = Task(job=job, submission=submission, site=finder.site, parent=finder, tasktype=ROTATE, queue=Queue.DISCOVERY)
    given = TaskEntries.objects.filter(task=finder, attempt=1).first() if finder.tasktype == SCAN else None
    return task, unpack_carried(finder.submission.paths if given is None else given.blob)


def _may_turn(job: Job, finder: Task) -> bool:
    """Say whether the snapshots move on, for how the job went and those that it fed.

    What a cancelled one was to do would not be found again from there, but by a sync: that differs from its base still.
    """
    jobs = [job, *Job.objects.filter(fed_by=job.pk)]
    if finder.tasktype != SCAN and any(one.state == JobState.CANCELLED for one in jobs):
        return False
    return all(map(_turns, jobs))


def _turns(job: Job) -> bool:
    """Say whether the job has them move on; that a sync was cancelled counts as an error, too."""
    went_well = not (job.numfailedfiles or job.numabortedfiles or job.numcancelledfiles or job.numbroken)
    return (went_well and not job.cancelled_by) or job.fields.get(ROTATE_ON_ERROR, True) is not False
