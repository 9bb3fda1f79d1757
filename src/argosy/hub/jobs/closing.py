"""What a job does when all else of it is done, or it was cancelled: the snapshots of its discoveries are rotated.

The next discovery begins where this one did if this one came to its end: then all that changed was handed to the
chains, whatever became of it there. With the field `snapdiff_rotate_on_error` false, it does so only if all went
well.
"""

from typing import Final

from django.db.models import Exists, OuterRef

from argosy.core.states import TaskState
from argosy.discoveries.base import task_of
from argosy.hub.jobs.blobs import Carried, pack_carried, unpack_carried
from argosy.hub.jobs.models import Job, Queue, Submission, Task
from argosy.hub.workflows.discovering import ROTATE_ON_ERROR

ROTATE: Final = "dynamo.tasks.rotate_snapshot"
SNAPSHOTTING: Final = frozenset({task_of("snapdiff"), ROTATE, "dynamo.tasks.create_snapshot"})
"""Tasks that make or delete snapshots."""

Closing = tuple[Task, list[Carried]]


def closing(job: Job) -> list[Closing]:
    """Return the tasks that are left to do where a job has no others: one for each discovery that holds snapshots."""
    done = Task.objects.filter(parent=OuterRef("pk"), tasktype=ROTATE).exclude(state=TaskState.CANCELLED)
    ended = Task.objects.filter(job=job, tasktype=task_of("snapdiff"), started__isnull=False)
    return [_rotation(job, task) for task in ended.filter(~Exists(done)).select_related("site", "submission")]


def _rotation(job: Job, finder: Task) -> Closing:
    came_to_its_end = finder.state in {TaskState.SUCCESS, TaskState.ERROR}
    submission = Submission.objects.create(
        job=job,
        site=finder.site,
        rules=[],
        options={"discovery": str(finder.taskid), "forward": came_to_its_end and _may_turn(job)},
        paths=pack_carried([]),
    )
    task = Task(job=job, submission=submission, site=finder.site, parent=finder, tasktype=ROTATE, queue=Queue.DISCOVERY)
    return task, unpack_carried(finder.submission.paths)


def _may_turn(job: Job) -> bool:
    """Say whether the snapshots move on, for how the job went: that it was cancelled counts as an error, too."""
    went_well = not (job.numfailedfiles or job.numabortedfiles or job.numcancelledfiles or job.numbroken)
    return (went_well and not job.cancelled_by) or job.fields.get(ROTATE_ON_ERROR, True) is not False
