"""What a site reports is counted once for every entry that it was given, whatever the report says or leaves out."""

from collections import Counter

import pytest

from argosy.core.errors import Restoring
from argosy.core.faults import Occupied
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs import record
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job, Task
from tests.hub.fake import FakeAgent, file, fresh, processed, report, start

pytestmark = pytest.mark.usefixtures("two_sites")
P = "/srv/london/projects"
DOWN = {"error": "store_down", "reason": "the store does not answer", "retry": True}


def given(*names: str) -> Job:
    return start("premigrate", *(f"{P}/{name}" for name in names), discovery=None)


def looked_at(agent: FakeAgent, *names: str):
    """Return a job and the order of its migrate task."""
    job = given(*names)
    agent.do(agent.claim())
    return job, agent.claim()


def paths(job: Job, state: FileState | None = None) -> list[bytes]:
    return sorted(note.outcome.entry.path for note in JobFiles(job, state))


def counts(job: Job) -> tuple[int, int, int]:
    now = fresh(job)
    return now.numfiles, now.numprocessedfiles, now.numfailedfiles


def test_an_error_beside_an_outcome_for_every_entry_begins_the_next_link_once(agent):
    job = start("send", f"{P}/a", f"{P}/b", discovery=None, fields={"destinationsite": "dublin"})
    agent.do(agent.claim())
    order = agent.claim()
    agent.delivery.report(report(order, [processed(order, entry) for entry in order.entries], **DOWN))
    agent.run()
    steps = Counter(Task.objects.filter(job=job).values_list("tasktype", flat=True))
    assert set(steps.values()) == {1}
    assert (fresh(job).state, counts(job)) == ("SUCCESS", (2, 2, 0))


def test_an_error_beside_an_outcome_for_every_entry_ends_the_task_as_the_entries_ended(agent):
    job, order = looked_at(agent, "a")
    Task.objects.filter(taskid=order.task).update(failures=record.ATTEMPTS - 1)
    agent.delivery.report(report(order, [processed(order, order.entries[0])], **DOWN))
    task = Task.objects.get(taskid=order.task)
    assert (task.state, task.error, task.reason) == ("SUCCESS", "", "")
    assert (fresh(job).state, counts(job)) == ("SUCCESS", (1, 1, 0))


def test_a_task_whose_entries_failed_at_an_earlier_attempt_did_not_end_well(agent):
    job, order = looked_at(agent, "a", "b")
    lost = Outcome(entry=order.entries[0], state=FileState.FAILED, reason="it is damaged", error="corrupt")
    agent.delivery.report(report(order, [lost], **DOWN))
    agent.clock.forward(3)
    agent.delivery.sweep()
    agent.run()
    assert Task.objects.get(taskid=order.task).state == "ERROR"
    assert (fresh(job).state, counts(job)) == ("FAILURE", (2, 1, 1))


def test_a_given_path_that_a_look_leaves_out_fails_and_does_not_vanish(agent):
    job = given("a", "b", "c")
    order = agent.claim()
    agent.delivery.report(report(order, [Outcome.processed(order.entries[0])]))
    agent.run()
    assert (fresh(job).state, counts(job)) == ("FAILURE", (3, 1, 2))
    assert paths(job, FileState.FAILED) == [f"{P}/b".encode(), f"{P}/c".encode()]


def test_a_look_that_is_tried_again_goes_on_with_the_paths_that_were_not_told_of(agent):
    job = given("a", "b")
    order = agent.claim()
    agent.delivery.report(report(order, [Outcome.processed(order.entries[0])], **DOWN))
    agent.run()
    assert counts(job) == (1, 1, 0)
    agent.clock.forward(3)
    agent.delivery.sweep()
    again = agent.claim()
    assert [entry.path for entry in again.entries] == [f"{P}/b".encode()]
    agent.do(again)
    agent.run()
    assert (fresh(job).state, counts(job)) == ("SUCCESS", (2, 2, 0))


def test_a_look_that_fails_for_good_fails_each_path_once(agent):
    job = given("a", "b")
    order = agent.claim()
    agent.delivery.report(report(order, [Outcome.processed(order.entries[0])], error="refused", reason="no bucket"))
    agent.run()
    assert (fresh(job).state, counts(job)) == ("FAILURE", (2, 1, 1))


@pytest.mark.parametrize("names", [["/etc/shadow"], ["/etc/shadow", f"{P}/a"]])
def test_an_outcome_of_a_path_that_was_not_given_is_no_files(agent, names):
    job, order = looked_at(agent, "a")
    agent.delivery.report(report(order, [Outcome.processed(file(name)) for name in names]))
    assert paths(job) == [f"{P}/a".encode()]
    assert counts(job) == (1, len(names) - 1, 2 - len(names))


def test_a_look_cannot_add_paths_that_nobody_gave(agent):
    job = given("a")
    order = agent.claim()
    agent.delivery.report(report(order, [Outcome.processed(order.entries[0]), Outcome.processed(file("/etc/shadow"))]))
    agent.run()
    assert paths(job) == [f"{P}/a".encode()]
    assert (fresh(job).state, counts(job)) == ("SUCCESS", (1, 1, 0))


def test_an_outcome_that_is_told_twice_counts_once(agent):
    job, order = looked_at(agent, "a", "b")
    agent.delivery.report(report(order, [processed(order, order.entries[0])] * 2))
    assert (paths(job), counts(job)) == ([f"{P}/a".encode(), f"{P}/b".encode()], (2, 1, 1))


def restoring(entry) -> Outcome:
    return Outcome.of_error(entry, Restoring("its restore was requested"))


def test_what_comes_back_from_an_archive_tier_is_not_lost_where_the_store_went_down(agent):
    job, order = looked_at(agent, "a", "b")
    agent.delivery.report(report(order, [restoring(order.entries[0])], **DOWN))
    agent.clock.forward(3)
    agent.delivery.sweep()
    again = agent.claim()
    assert [entry.path for entry in again.entries] == [f"{P}/a".encode(), f"{P}/b".encode()]
    agent.do(again)
    assert (fresh(job).state, counts(job)) == ("SUCCESS", (2, 2, 0))


def test_what_a_dead_store_takes_with_it_does_not_wait_for_what_comes_back_from_an_archive_tier(agent):
    job, order = looked_at(agent, "a", "b")
    agent.delivery.report(report(order, [restoring(order.entries[0])], error="refused", reason="no such bucket"))
    assert (fresh(job).state, paths(job)) == ("STARTED", [f"{P}/b".encode()])
    assert Task.objects.get(taskid=order.task).reason.startswith("restore requested for 1 files")
    agent.clock.forward(3600)
    agent.delivery.sweep()
    agent.run()
    assert (fresh(job).state, counts(job)) == ("FAILURE", (2, 1, 1))


def test_a_file_that_another_task_works_on_to_the_last_attempt_is_aborted_and_fails_no_job(agent):
    job, order = looked_at(agent, "a", "b")
    met = (Outcome.of_error(order.entries[0], Occupied("another task works on it")),)
    done = [processed(order, order.entries[1])]
    while fresh(job).state == "STARTED":
        agent.delivery.report(report(order, done, error="occupied", reason="it is worked on", retry=True, met=met))
        agent.clock.forward(60)
        agent.delivery.sweep()
        done = []
        order = agent.claim() or order
    assert order.attempt == record.ATTEMPTS
    assert (fresh(job).state, fresh(job).numprocessedfiles, fresh(job).numabortedfiles) == ("SUCCESS", 1, 1)
    assert Task.objects.get(taskid=order.task).state == "SUCCESS"


def test_the_next_attempt_begins_with_entries_for_which_no_store_was_asked_in_vain(agent):
    _, order = looked_at(agent, "a", "b", "c", "d")
    first, second, *others = [entry.path for entry in order.entries]
    for asked, left in (
        ((first, second), [*others, first, second]),
        ((others[0],), [others[1], first, second, others[0]]),
    ):
        agent.delivery.report(report(order, error="store_down", reason="no answer", retry=True, asked=asked))
        agent.clock.forward(60)
        agent.delivery.sweep()
        order = agent.claim()
        assert [entry.path for entry in order.entries] == left
