"""What is told of jobs that run, or are about to: what holds them now, and nothing that is not so."""

import pytest

from argosy.core.report import Probed, fingerprint
from argosy.hub.jobs.explain import job as jobs
from argosy.hub.jobs.models import Job
from tests.hub.real import NODE
from tests.hub.test_explain import World, claimed, moved_on, world

__all__ = ["world"]


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("store_stranger",) * 2,
        ("store_not_tls",) * 2,
        ("store_name_unknown",) * 2,
        ("refused", "wrong_key"),
        ("", "store_down"),
    ],
)
def test_what_runs_waits_for_a_store_for_the_cause_that_its_probe_met(world: World, code: str, cause: str) -> None:
    agent = world.begin()
    (store,) = agent.delivery.unprobed("london")
    job = agent.start("premigrate", world.path, discovery=None)
    moved_on(world)
    key = fingerprint(store)
    agent.delivery.probed(Probed(datastore="cloud", fingerprint=key, trouble="as its node says", code=code))
    (told,) = world.told(job).causes
    assert (told.cause.name, told.reason) == (cause, "datastore cloud: as its node says")


@pytest.mark.parametrize(("dry_run", "stands"), [(False, "waits"), (True, "waits to be made")])
def test_what_nothing_is_ahead_of_is_about_to_begin_and_then_goes_on(world: World, dry_run: bool, stands: str) -> None:
    agent = world.begin()
    job = agent.start("stat", world.path, dry_run=dry_run)
    told = world.told(job)
    assert [(one.cause.name, one.state) for one in told.causes] == [("starting", "waiting")]
    assert told.summary.endswith(f") {stands}: it is about to begin")
    assert "running" not in told.causes[0].cause.remedy
    before = Job.objects.get(pk=job.pk)
    claimed(world)
    assert before.state == "PENDING"
    for read in (before, Job.objects.get(pk=job.pk)):  # before it began, and after
        told = jobs.explain(read, agent.clock())
        assert [(one.cause.name, one.reason) for one in told.causes] == [("running", f"{NODE} runs it")]
        assert told.summary.endswith(f") {'is being made' if dry_run else 'goes on'}: it runs")
