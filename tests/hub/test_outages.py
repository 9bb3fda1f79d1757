"""A place that is dead holds back and fails only work that needs it, and nothing that was never tried for nothing."""

from collections import Counter

import pytest

from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.ledger import OPEN_JOB
from argosy.hub.jobs.models import Job, Task
from argosy.hub.sites.models import Datastore, Site, SiteLink
from tests.hub.fake import FakeAgent, file, fresh, processed, report, start, told

pytestmark = pytest.mark.usefixtures("two_sites")
P = "/srv/london/projects"
SLOTS = 4
REASON = "the store far does not answer"


class Slots:
    """Four slots of a site, each of which takes what it hears of first; what is below `bad` cannot be done."""

    def __init__(self, agent: FakeAgent, bad: bytes = b"/bad/", slots: int = SLOTS) -> None:
        self._agent, self._bad, self._slots = agent, bad, slots
        self.tried: Counter[str] = Counter()
        """How often each task was begun."""
        self.seconds = 0

    def run(self, job: Job, *, most: int = 400) -> None:
        while fresh(job).state in OPEN_JOB:
            while held := self._claimed():
                for order in held:
                    self._do(order)
            assert self.seconds < most, "the job does not end"
            self._agent.clock.forward(1)
            self._agent.delivery.sweep()
            self.seconds += 1

    def _claimed(self):
        held = []
        while len(held) < self._slots and self._agent.rung:
            if (order := self._agent.claim()) is not None:
                held.append(order)
        return held

    def _do(self, order) -> None:
        self.tried[order.task] += 1
        good = [processed(order, entry) for entry in order.entries if self._bad not in entry.path]
        if len(good) == len(order.entries):
            self._agent.delivery.report(report(order, good))
        else:
            self._agent.delivery.report(report(order, good, error="store_down", reason=REASON, retry=True, seconds=0.1))


@pytest.fixture
def far() -> None:
    """A second datastore: `bad/` is linked to it."""
    store = Datastore.objects.create(name="far", type="S3", bucket="far")
    SiteLink.objects.create(site=Site.objects.get(name="london"), datastore=store, site_path=f"{P}/bad".encode())
    Site.objects.update(file_batch_size=2)


def found(agent: FakeAgent, bad: int, good: int, **more: int) -> Job:
    """Return a job of so many tasks, bad ones first."""
    job = start("premigrate", **more)
    walk = agent.claim()
    files = [file(f"{P}/bad/{number:03}") for number in range(2 * bad)]
    files += [file(f"{P}/good/{number:03}") for number in range(2 * good)]
    agent.delivery.batch(told(walk, 0, *files))
    agent.delivery.report(report(walk))
    return job


def by_directory(job: Job, state: FileState) -> dict[str, int]:
    return Counter(note.outcome.entry.path.split(b"/")[-2].decode() for note in JobFiles(job, state))


@pytest.mark.parametrize(("bad", "good"), [(1, 20), (4, 20), (6, 6), (20, 4)])
def test_a_dead_store_fails_no_file_of_a_good_one(agent, far, bad, good):
    job, slots = found(agent, bad, good), Slots(agent)
    slots.run(job)
    assert by_directory(job, FileState.PROCESSED) == {"good": 2 * good}
    assert by_directory(job, FileState.FAILED) == {"bad": 2 * bad}
    assert slots.seconds < 100, "it waits longer than one task would"


def test_files_of_a_good_store_do_not_wait_for_a_dead_one(agent, far):
    job, slots = found(agent, 20, 20), Slots(agent)
    with pytest.raises(AssertionError, match="does not end"):
        slots.run(job, most=1)
    assert fresh(job).numprocessedfiles == 40


def test_a_dead_store_is_tried_by_few_tasks(agent, far):
    job, slots = found(agent, 200, 0), Slots(agent)
    slots.run(job)
    assert len(slots.tried) <= 30
    assert fresh(job).numfailedfiles == 400


def test_what_waits_for_a_dead_store_fails_only_when_another_of_its_kind_was_tried_since(agent, far):
    job, slots = found(agent, 20, 0), Slots(agent)
    slots.run(job)
    tasks = Task.objects.filter(job=job, chain__isnull=False)
    begun = min(tasks.exclude(started=None).values_list("started", flat=True))
    assert tasks.filter(started=None).exists()
    assert any((started - begun).total_seconds() > 10 for started in tasks.values_list("started", flat=True) if started)


@pytest.mark.parametrize("slots", [1, SLOTS])
def test_tasks_of_which_some_entries_get_on_are_all_tried(agent, slots):
    Site.objects.update(file_batch_size=2)
    job = start("premigrate")
    walk = agent.claim()
    names = [f"{P}/{kind}/{number:03}" for number in range(40) for kind in ("bad", "good")]
    agent.delivery.batch(told(walk, 0, *map(file, names)))
    agent.delivery.report(report(walk))
    site = Slots(agent, slots=slots)
    site.run(job, most=2000)
    assert by_directory(job, FileState.PROCESSED) == {"good": 40}
    assert by_directory(job, FileState.FAILED) == {"bad": 40}


def test_one_dead_root_of_two_fails_no_file_of_the_other(agent):
    london, cloud = Site.objects.get(name="london"), Datastore.objects.get(name="cloud")
    Site.objects.filter(pk=london.pk).update(roots=["/srv/bad", "/srv/good"], file_batch_size=2)
    SiteLink.objects.filter(site=london).delete()
    for root in ("bad", "good"):
        path = f"/srv/{root}".encode()
        SiteLink.objects.create(site=london, datastore=cloud, site_path=path, datastore_path=path[5:] + b"/")
    given = [f"/srv/{root}/{number:03}" for root in ("bad", "good") for number in range(24)]
    job = start("premigrate", *given, discovery=None)
    Slots(agent).run(job)
    assert by_directory(job, FileState.FAILED) == {"bad": 24}
    assert by_directory(job, FileState.PROCESSED) == {"good": 24}


def test_what_is_done_with_other_options_is_not_held_back(agent, far):
    job = start("migrate", f"{P}/bad/x", discovery=None)
    agent.do(agent.claim())
    agent.rung.clear()
    found(agent, 8, 0, job=job.pk)
    for order in [agent.claim() for _ in range(4)]:
        agent.delivery.report(report(order, error="store_down", reason=REASON, retry=True))
    waiting = Task.objects.filter(job=job, tasktype="dynamo.tasks.migrate", failures=0)
    assert len(set(waiting.exclude(error="").values_list("submission", flat=True))) == 1
    assert len(set(waiting.filter(error="").values_list("submission", flat=True))) == 1


@pytest.mark.parametrize(("bad", "good"), [(8, 40), (24, 24)])
def test_good_tasks_of_a_place_of_which_a_part_is_dead_are_all_tried(agent, bad, good):
    Site.objects.update(file_batch_size=2)
    job, slots = found(agent, bad, good), Slots(agent)
    slots.run(job)
    assert by_directory(job, FileState.PROCESSED) == {"good": 2 * good}
    assert by_directory(job, FileState.FAILED) == {"bad": 2 * bad}


def test_entries_that_a_dead_place_kept_fail_with_what_they_met_themselves(agent):
    job = start("premigrate", f"{P}/a", f"{P}/b", discovery=None)
    agent.do(agent.claim())
    order = agent.claim()
    near = Outcome(entry=order.entries[1], state=FileState.FAILED, reason="near is gone", error="bucket_gone")
    agent.delivery.report(report(order, error="refused", reason=REASON, met=(near,)))
    reasons = {note.outcome.entry.path[-1:]: note.outcome.reason for note in JobFiles(job, FileState.FAILED)}
    assert reasons == {b"a": REASON, b"b": "near is gone"}
