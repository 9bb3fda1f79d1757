"""What a plan says: of each link of each rule, what it would do to how many files, and what that would take."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from argosy.core.entry import Entry
from argosy.core.foreseen import Cost, Foretold
from argosy.core.outcome import Outcome
from argosy.core.paths import to_json
from argosy.core.states import JOB_ENDED, FileState, JobState
from argosy.hub.jobs.blobs import Noted
from argosy.hub.jobs.explain.causes import cause_of
from argosy.hub.jobs.files import noted
from argosy.hub.jobs.models import Job, Plan, Result, Submission, Task

_Link = tuple[int | None, int, str, str]
"""Place of the rule, None for what was to be found; of the link in its chain; its step and site."""
_NOTHING = Cost()
_AGAIN = "is told of already, under another name or by another rule: goes with that"
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

    def add(self, told: "_Told") -> None:
        """Count one more."""
        self.files += 1
        self.size += told.size
        self.bytes += told.cost.bytes
        self.requests += told.cost.requests
        self.along += told.cost.along

    def to_json(self) -> dict[str, object]:
        """Return it as the API answers it."""
        counts = {name: getattr(self, name) for name in ("files", "size", "bytes", "requests", "along")}
        return {"state": self.state, "says": self.says, **counts, "reason": self.reason, **to_json(self.path)}


class _Told(NamedTuple):
    """What one link says of one entry."""

    link: _Link
    state: FileState
    says: str
    path: bytes
    size: int
    reason: str = ""
    cost: Cost = _NOTHING

    def once_more(self) -> "_Told":
        """Return what is to be said of a file that was told of already: its bytes come and go once."""
        return self._replace(says=_AGAIN, size=0, cost=_NOTHING)


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
        "untaken": job.numuntaken,
        **said,
    }


def _said(job: Job) -> dict[str, object]:
    links: dict[_Link, dict[tuple[str, str], Said]] = {}
    totals: Counter[str] = Counter()
    for told in _all_told(job):
        alike = links.setdefault(told.link, {})
        said = alike.setdefault(
            (told.state.value, told.says),
            Said(state=told.state.value, says=told.says, reason=told.reason, path=told.path),
        )
        said.add(told)
        totals.update(bytes=told.cost.bytes, requests=told.cost.requests, uncounted=int(told.cost.unknown))
    steps = [_step(link, links[link]) for link in sorted(links, key=lambda link: (link[0] is not None, *_place(link)))]
    return {
        "steps": steps,
        "files": job.numprocessedfiles,
        "untouched": job.numskippedfiles,
        "unable": job.numfailedfiles + job.numabortedfiles,
        "bytes": totals["bytes"],
        "requests": totals["requests"],
        "uncounted": totals["uncounted"],
    }


def _place(link: _Link) -> tuple[int, int, str]:
    return link[0] or 0, link[1], link[3]


def _step(link: _Link, said: dict[tuple[str, str], Said]) -> dict[str, object]:
    rule, place, step, site = link
    most_first = sorted(said.values(), key=lambda one: (_ORDER.index(one.state), -one.files))
    return {"rule": rule, "link": place, "step": step, "site": site, "says": [one.to_json() for one in most_first]}


def _all_told(job: Job) -> Iterator[_Told]:
    """Yield what links say of entries whose way along their chain ended: what applies to the rest is not known yet."""
    rules = {submission.pk: submission.rules for submission in Submission.objects.filter(job=job)}
    met: set[tuple[object, ...]] = set()
    rows = Result.objects.filter(job=job, late=False).exclude(final="").order_by("id").select_related("task__site")
    for row in rows.iterator(chunk_size=200):
        for each in noted(row):
            if each.outcome.cost is None:
                yield _ended_here(row.task, each.outcome)
            else:
                yield from _told_by_links(each, row, rules[row.task.submission_id], met)


def _told_by_links(each: Noted, row: Result, rules: Sequence[Any], met: set[tuple[object, ...]]) -> Iterator[_Told]:
    """Yield what the links of the chain say. `met`: files whose bytes were counted, with the step and site of that."""
    entry, task = each.outcome.entry, row.task
    assert task.chain is not None
    file = _file_of(entry) if _is_met_again(entry, rules) else None
    for place, link in enumerate(entry.facts.foreseen):
        step = rules[task.chain]["chain"][place]["step"]
        path = entry.path if link.site == task.site.name else each.source or entry.path
        acts = row.final == FileState.PROCESSED
        told = _of_link((task.chain, place, step, link.site), link, path, entry.size, acts=acts)
        if file is not None and link.changes and link.cost.bytes:
            yield told.once_more() if (step, link.site, file) in met else told
            met.add((step, link.site, file))
        else:
            yield told


def _ended_here(task: Task, outcome: Outcome) -> _Told:
    """Return what is said of an entry that is no part of it: nothing would be done to it by the links before either."""
    link = (task.chain, task.seq, task.tasktype, task.site.name)
    return _Told(link, outcome.state, _why(outcome), outcome.entry.path, outcome.entry.size, reason=outcome.reason)


def _of_link(place: _Link, link: Foretold, path: bytes, size: int, *, acts: bool) -> _Told:
    """`acts`: whether any link of the chain does; else nothing is done, and nothing asked for it."""
    state = FileState.PROCESSED if link.acts else FileState.SKIPPED
    return _Told(place, state, link.says, path, size, cost=link.cost if acts else _NOTHING)


def _is_met_again(entry: Entry, rules: Sequence[object]) -> bool:
    """Say whether the same file may come under another name, or by another rule."""
    found = entry.facts.expected.found if entry.facts.expected is not None else None
    return len(rules) > 1 or entry.facts.links > 1 or (found is not None and found.facts.links > 1)


def _file_of(entry: Entry) -> tuple[int, ...] | None:
    """Return what tells one file from another, whatever its names; of several disks inodes alone do not."""
    found = entry.facts.expected.found if entry.facts.expected is not None else None
    if found is None or not found.inode:
        return None
    return (found.inode, found.size, found.mtime_ns, found.ctime_ns)


def _why(outcome: Outcome) -> str:
    if outcome.state is FileState.CANCELLED:
        return "was not looked at: the plan was cancelled"
    if not outcome.error:
        return outcome.reason
    title = cause_of(outcome.error).title
    return title[:1].lower() + title[1:]
