"""Which work may be added to which job, and what plans were made under."""

from collections.abc import Sequence

import msgspec
from blake3 import blake3

from argosy.core import wire
from argosy.core.errors import Invalid
from argosy.core.ready import ready
from argosy.discoveries.base import task_of
from argosy.hub.common.errors import Conflict
from argosy.hub.jobs import sinks
from argosy.hub.jobs.closing import SNAPSHOTTING
from argosy.hub.jobs.models import Job, Plan
from argosy.hub.sites.models import Datastore, Site, SiteLink
from argosy.hub.workflows.rules import Rule

_OF_A_SITE = ("name", "roots", "unguarded_stubs", "min_stub_size", "trash_days", "include", "exclude")
_OF_A_STORE = ("name", "type", "layout", "bucket", "container", "storageaccount", "endpoint", "path", "prefix")


def keep(job: Job, rules: Sequence[Rule], discovery: str | None) -> None:
    """Keep what a plan is made under, before it has any task of these rules; it may have others already.

    Raises:
        Invalid: its discovery does more than look.
        Conflict: what it was begun under is so no more.
    """
    if discovery is not None and sinks.of(task_of(discovery)) is not None:
        raise Invalid("dry_run: the discovery of this workflow does its work itself, and cannot be planned")
    if discovery is not None and task_of(discovery) in SNAPSHOTTING:
        raise Invalid(
            f"dry_run: a plan changes nothing, and {discovery} takes a snapshot: plan with no discovery and paths in "
            "the `state` that it would find them in (`--discovery none --state updated`), or, where no rule is for a "
            "state of its own, with `discovery` recursive"
        )
    plan, earlier = Plan.objects.select_for_update().filter(job=job).first(), rules_of(job)
    if plan is not None and settings_of(job, earlier) != plan.settings:
        raise Conflict(
            f"settings or sitelinks of the sites have changed since plan {job.pk} was begun: submit without `job`"
        )
    Plan.objects.update_or_create(job=job, defaults={"settings": settings_of(job, [*earlier, *rules])})


def rules_of(job: Job) -> list[Rule]:
    """Return the rules of all that was asked of the job."""
    asked = job.submissions.order_by("pk").values_list("rules", flat=True)
    return [rule for rules in asked for rule in msgspec.convert(rules, ready(list[Rule]))]


def settings_of(job: Job, rules: Sequence[Rule]) -> str:
    """Return a hash of what the sites of these rules have settled, of their sitelinks and of where those lead."""
    sites = {job.site_id, *(link.site for rule in rules for link in rule.chain)}
    links = SiteLink.objects.filter(site__in=sites).order_by("site", "site_path").select_related("datastore")
    settled = (
        list(Site.objects.filter(pk__in=sites).order_by("pk").values_list("pk", *_OF_A_SITE)),
        [(link.site_id, bytes(link.site_path), bytes(link.datastore_path), _where(link.datastore)) for link in links],
    )
    return blake3(wire.dump(settled)).hexdigest()


def _where(store: Datastore) -> list[str]:
    return [getattr(store, name) for name in _OF_A_STORE]


def expect_alike(job: Job, *, dry_run: bool) -> None:
    """Return where a submission is what the job it is added to is.

    Raises:
        Invalid: one is a plan, and the other is not; or the job applies one.
    """
    if job.applies is not None:
        raise Invalid(f"job {job.pk} applies plan {job.applies}, and does nothing else: submit without `job`")
    if job.dry_run is not dry_run:
        what = "is a plan: submit with dry_run" if job.dry_run else "is no plan: submit without dry_run"
        raise Invalid(f"job {job.pk} {what}, or without `job`")
