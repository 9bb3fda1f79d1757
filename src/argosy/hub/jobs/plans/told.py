"""What a plan says: of each link of each rule, what it would do to how many files, and what that would take."""

from collections import Counter
from collections.abc import Iterator

import msgspec

from argosy.core.entry import Entry
from argosy.core.outcome import Cost, Outcome
from argosy.core.paths import to_json
from argosy.core.states import JOB_ENDED, FileState, JobState
from argosy.hub.jobs.explain.causes import cause_of
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.models import Job, Plan, Result

_Link = tuple[int | None, int, str, str]
"""Place of the rule, None for what was to be found; of the link in its chain; its step and site."""
_NOTHING = Cost()
_ORDER = [state.value for state in FileState]


class Said(msgspec.Struct, kw_only=True):
    """What a step would do to entries alike."""

    state: str
    says: str
    path: bytes
    """One of them."""
    reason: str = ""
    """Why not, of that one."""
    files: int = 0
    size: int = 0
    bytes: int = 0
    requests: int = 0
    along: int = 0

    def add(self, entry: Entry, cost: Cost) -> None:
        """Count one more."""
        self.files += 1
        self.size += entry.size
        self.bytes += cost.bytes
        self.requests += cost.requests
        self.along += cost.along

    def to_json(self) -> dict[str, object]:
        """Return it as the API answers it."""
        counts = {name: getattr(self, name) for name in ("files", "size", "bytes", "requests", "along")}
        return {"state": self.state, "says": self.says, **counts, "reason": self.reason, **to_json(self.path)}


def tell(plan: Plan) -> dict[str, object]:
    """Return what the plan says so far; once it is complete that is kept, since it will not say anything else."""
    if plan.told is None:
        said = _said(plan.job)
        if plan.job.state not in JOB_ENDED:
            return _with_job(plan, said)
        Plan.objects.filter(pk=plan.pk, told=None).update(told=said)
        plan.told = said
    return _with_job(plan, plan.told)


def _with_job(plan: Plan, said: dict[str, object]) -> dict[str, object]:
    job = plan.job
    return {
        "plan": job.pk,
        "workflow": job.jobtype,
        "site": job.site.name,
        "state": job.state,
        "complete": job.state in JOB_ENDED and job.state != JobState.CANCELLED,
        "applied": plan.applied_id,
        **said,
    }


def _said(job: Job) -> dict[str, object]:
    links: dict[_Link, dict[tuple[str, str], Said]] = {}
    totals: Counter[str] = Counter()
    for link, outcome in _outcomes(job):
        cost = outcome.cost or _NOTHING
        says = outcome.reason if outcome.cost is not None else _why(outcome)
        reason = "" if outcome.cost is not None else outcome.reason
        alike = links.setdefault(link, {})
        said = alike.setdefault(
            (outcome.state.value, says),
            Said(state=outcome.state.value, says=says, reason=reason, path=outcome.entry.path),
        )
        said.add(outcome.entry, cost)
        totals.update(bytes=cost.bytes, requests=cost.requests)
    steps = [_step(link, links[link]) for link in sorted(links, key=lambda link: (link[0] is not None, *_place(link)))]
    return {
        "steps": steps,
        "files": job.numprocessedfiles,
        "untouched": job.numskippedfiles,
        "unable": job.numfailedfiles + job.numabortedfiles,
        "bytes": totals["bytes"],
        "requests": totals["requests"],
    }


def _place(link: _Link) -> tuple[int, int, str]:
    return link[0] or 0, link[1], link[3]


def _step(link: _Link, said: dict[tuple[str, str], Said]) -> dict[str, object]:
    rule, place, step, site = link
    most_first = sorted(said.values(), key=lambda one: (_ORDER.index(one.state), -one.files))
    return {"rule": rule, "link": place, "step": step, "site": site, "says": [one.to_json() for one in most_first]}


def _outcomes(job: Job) -> Iterator[tuple[_Link, Outcome]]:
    """Yield what each link said of each entry, and what could not be found."""
    rows = Result.objects.filter(job=job, late=False).order_by("id").select_related("task__site")
    for row in rows.iterator(chunk_size=200):
        task = row.task
        link = (task.chain, task.seq, task.tasktype, task.site.name)
        for each in noted(row):
            yield link, each.outcome


def _why(outcome: Outcome) -> str:
    if outcome.state is FileState.CANCELLED:
        return "was not looked at: the plan was cancelled"
    if not outcome.error:
        return outcome.reason
    title = cause_of(outcome.error, outcome.reason).title
    return title[:1].lower() + title[1:]
