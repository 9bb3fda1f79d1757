"""Releasing the lock of a fileset that a sync left which is no more."""

from typing import Final
from uuid import UUID

import structlog
from django.contrib.auth.models import User
from django.db import transaction

from argosy.core.entry import Entry
from argosy.core.errors import NotFound
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs import services
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import Job, Task
from argosy.hub.sites.models import Fileset
from argosy.hub.sync.beginning import busy

WORKFLOW: Final = "sync_unlock"

log = structlog.get_logger()


@transaction.atomic
def unlock(pk: int, *, owner: User | None) -> Job:
    """Return a job that has the site release the lock of a fileset, if it is held by then as it is now.

    What its holder had begun goes: a snapshot that nobody needs. The last snapshot stays the same.

    Raises:
        NotFound: there is no such fileset.
        Conflict: it is not locked, or whoever holds the lock is at work.
    """
    fileset = Fileset.objects.select_related("site").filter(pk=pk).first()
    if fileset is None:
        raise NotFound(f"there is no fileset {pk}: see `argosy fileset list`")
    said = f"fileset {fileset.name} of site {fileset.site.name}"
    if fileset.locked is None:
        raise Conflict(f"{said} is not locked, as its site says: what holds it up `argosy explain JOB` tells")
    _expect_over(fileset, said)
    log.warning("fileset to be unlocked", site=fileset.site.name, fileset=fileset.name, holder=fileset.locked_by)
    asked = services.Asked(
        site=fileset.site.name,
        workflow=WORKFLOW,
        paths=(Entry(path=bytes(fileset.path)),),
        fields={"holder": fileset.locked_by},
        ignore_site_includes=True,
        ignore_site_excludes=True,
    )
    return services.submit(asked, owner=owner)


def _expect_over(fileset: Fileset, said: str) -> None:
    for run in busy({fileset.ident}):
        raise Conflict(_at_work(said, Job.objects.get(pk=run.job)))
    holder = _task(fileset.locked_by)
    if holder is None:
        return
    job = holder.job
    if job.state in OPEN_JOB or job.numopen:
        raise Conflict(_at_work(said, job))
    if holder.lease_until is not None:
        raise Conflict(
            f"{said} is locked by a task of job {job.pk}, which has ended; the agent may be at it still, and releases "
            "the lock when it is not: wait a little"
        )


def _at_work(said: str, job: Job) -> str:
    if job.state in OPEN_JOB:
        return f"{said} is locked by job {job.pk} ({job.jobtype}), which goes on: wait for its end, or cancel it"
    return (
        f"{said} is locked by job {job.pk} ({job.jobtype}), which has ended, and releases the lock as soon as its site "
        f"does what is left: see `argosy explain {job.pk}`"
    )


def _task(holder: str) -> Task | None:
    """Return the task of which the lock tells; None where the hub does not know it, or no longer."""
    try:
        taskid = UUID(holder)
    except ValueError:
        return None
    return Task.objects.select_related("job").filter(taskid=taskid).first()
