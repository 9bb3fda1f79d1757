"""Which two filesets a job syncs, and how a run of it begins."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import structlog
from django.db import models

from argosy.core.entry import Entry
from argosy.core.errors import Invalid
from argosy.core.faults import FilesetRefused, NoFileset
from argosy.core.paths import display
from argosy.core.syncing import SCAN
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs import leads
from argosy.hub.jobs.blobs import Carried, pack_carried
from argosy.hub.jobs.ledger import OPEN_JOB, Ledger
from argosy.hub.jobs.models import Job, Queue, Submission, Task
from argosy.hub.sites.links import Linked, mapped
from argosy.hub.sites.models import Fileset, Site
from argosy.hub.sites.queries import site_named
from argosy.hub.sync.models import Pair, Run
from argosy.hub.workflows.fields import DESTINATION
from argosy.sync.planner.options import Policy
from argosy.sync.planner.trees import SIDES

ONE_WAY: Final = "site_sync"
WORKFLOWS: Final = (ONE_WAY, "bidirectional_sync")
_UNWELL: Final = {"unmarked", "missing", "unmounted", "copy", "other", "nested", "unfit", "unreadable"}

log = structlog.get_logger()


class Syncs:
    """Leads the jobs of the workflows that sync."""

    def check(self, wanted: leads.Wanted) -> None:
        """Return if two filesets can be synced, and are not being.

        Raises:
            NoFileset: a path is not the top of a registered one, here or there.
            FilesetRefused: what lies there is not known to be it.
            Invalid: there is not one path, or the sites do not share a datastore for it.
            Conflict: a sync of the two goes on.
        """
        filesets = _filesets(wanted)
        for fileset in filesets:
            _check_well(fileset)
        _check_idle(filesets)

    def begin(self, ledger: Ledger, submission: Submission, wanted: leads.Wanted) -> None:
        """Record the run, and have both sites scan.

        Raises:
            Conflict: another began meanwhile.
        """
        one, two = _filesets(wanted)
        _check_idle((one, two))
        pair, _ = Pair.objects.get_or_create(one=one.ident, two=two.ident)
        run = Run.objects.create(
            pair=pair,
            job=submission.job_id,
            site_one=one.site,
            site_two=two.site,
            path_one=bytes(one.path),
            path_two=bytes(two.path),
            one_way=wanted.workflow == ONE_WAY,
            policy=_policy(wanted.fields),
            hydrate=wanted.fields.get("hydrate"),
            state=Run.State.WAIT,
            created=ledger.now,
        )
        take_turn(ledger, run, submission)
        log.info("sync begun", run=run.pk, job=run.job, one=run.called(0), two=run.called(1))


def take_turn(ledger: Ledger, run: Run, like: Submission) -> None:
    """Begin, if no older run is at work in one of the two filesets: only one can hold it."""
    if not busy({run.pair.one, run.pair.two}, before=run.pk):
        run.state = Run.State.SCAN
        run.save(update_fields=["state"])
        have_scanned(ledger, run, like)


def have_scanned(ledger: Ledger, run: Run, like: Submission) -> None:
    """Have both sites of a round scan; what they held for the round before they let go of."""
    for side in SIDES:
        site, entry = run.site(side), Entry(path=run.top(side))
        earlier = Task.objects.filter(job=run.job, tasktype=SCAN, site=site).order_by("-pk").first()
        options = {"run": run.name, "fileset": run.ident(side), "earlier": str(earlier.taskid) if earlier else ""}
        submission = Submission.objects.create(
            job=like.job, site=site, rules=[], options=options, paths=pack_carried([])
        )
        task = Task(job=like.job, submission=submission, site=site, tasktype=SCAN, queue=Queue.DISCOVERY)
        ledger.spawn(task, [Carried(entry=entry)])


def _filesets(wanted: leads.Wanted) -> tuple[Fileset, Fileset]:
    if len(wanted.given) != 1:
        raise Invalid(f"workflow {wanted.workflow} takes one path, the top of a fileset: {len(wanted.given)} are given")
    there = site_named(wanted.fields[DESTINATION])
    path = wanted.given[0].path
    one = _at(wanted.site, path)
    return one, _at(there, mapped(path, Linked.of(wanted.site), Linked.of(there)))


def _at(site: Site, path: bytes) -> Fileset:
    fileset = Fileset.objects.select_related("site").filter(site=site, path=path).first()
    if fileset is None:
        raise NoFileset(
            f"{display(path)} is not the top of a registered fileset of site {site.name}, and only those are synced: "
            f"register it at [[sites.filesets]] of the site, or with `argosy fileset add`"
        )
    return fileset


def _check_well(fileset: Fileset) -> None:
    said = f"fileset {fileset.name} of site {fileset.site.name} ({display(bytes(fileset.path))})"
    if not fileset.ident:
        raise FilesetRefused(
            f"{said} was not marked by an agent yet: start the site's agent, and see `argosy fileset check`"
        )
    if fileset.state in _UNWELL:
        raise FilesetRefused(f"{said}: {fileset.reason or fileset.state}")


def _check_idle(filesets: Sequence[Fileset]) -> None:
    idents = {fileset.ident for fileset in filesets}
    for run in busy(idents):
        if {run.pair.one, run.pair.two} == idents:
            raise Conflict(
                f"{run.called(0)} and {run.called(1)} are being synced by job {run.job}: "
                "wait for it to end, or cancel it"
            )


def busy(idents: Collection[str], *, before: int | None = None) -> list[Run]:
    """Return the runs, older than that one, that are at work in one of the filesets, or hold its lock still."""
    said = models.Q(pair__one__in=idents) | models.Q(pair__two__in=idents)
    runs = Run.objects.filter(said).select_related("pair", "site_one", "site_two")
    at_work = Job.objects.filter(models.Q(state__in=OPEN_JOB) | models.Q(numopen__gt=0))
    runs = runs.filter(job__in=at_work.values("pk"))
    return list(runs if before is None else runs.filter(pk__lt=before))


def _policy(fields: Mapping[str, Any]) -> str:
    return str(fields.get("sync_preference") or Policy.NEWEST.value)
