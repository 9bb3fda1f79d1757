"""Which of the jobs that belong together, since one feeds the others, may go on."""

from django.db.models import F

from argosy.core.states import JOB_OPEN
from argosy.hub.jobs.models import Job


def to_go_on(job: Job) -> Job | None:
    """Return whose held tasks may begin now that all this job has left to do is held; None: others are at work."""
    if job.fed_by is None:
        return job
    len(Job.objects.select_for_update(no_key=True).filter(pk=job.fed_by).values_list("pk"))  # others may end one, too
    at_work = Job.objects.filter(fed_by=job.fed_by, state__in=sorted(JOB_OPEN), numopen__gt=F("numheld"))
    return None if at_work.exists() else Job.objects.filter(pk=job.fed_by, numheld__gt=0).first()
