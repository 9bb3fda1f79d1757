import os
import threading
import time
from concurrent.futures import Future
from functools import partial

import pytest

from argosy.agent.link import LARGEST
from argosy.agent.runner import GROWTH
from argosy.core import wire
from argosy.core.errors import Invalid, NotFound, Unavailable
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Report
from argosy.core.states import FileState
from argosy.hub.common import disk
from argosy.hub.common.crypto import seal
from argosy.hub.jobs import claiming, ledger, record
from argosy.hub.jobs.blobs import Carried
from argosy.hub.jobs.delivery import Delivery
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Job, Result, Task
from argosy.hub.sites.models import Datastore, Site, SiteLink
from tests.hub.busy import another_writes, impatient
from tests.hub.fake import Clock, FakeAgent, file, fresh, processed, report, start, told
from tests.hub.home import on_sqlite

pytestmark = pytest.mark.usefixtures("two_sites")


def given(*names: str) -> Job:
    return start("premigrate", *(f"/srv/london/projects/{name}" for name in names or "a"), discovery=None)


def looked_at(agent: FakeAgent, *names: str):
    """Return a job and the order of its migrate task."""
    job = given(*names)
    agent.do(agent.claim())
    order = agent.claim()
    assert order.step == "dynamo.tasks.migrate"
    return job, order


def all_processed(order) -> Report:
    return report(order, [processed(order, entry) for entry in order.entries])


def test_a_task_is_claimed_once(agent):
    given()
    _, task, attempt, queue = agent.rung[0]
    assert queue == "transfer"
    assert agent.delivery.claim(task, attempt, "node1") is not None
    assert agent.delivery.claim(task, attempt, "node2") is None


def test_of_many_that_claim_at_once_one_gets_the_task(agent):
    given()
    _, task, attempt, _ = agent.rung[0]
    won = []
    claimers = [
        threading.Thread(target=lambda: won.append(agent.delivery.claim(task, attempt, "node"))) for _ in range(8)
    ]
    for claimer in claimers:
        claimer.start()
    for claimer in claimers:
        claimer.join()
    assert sum(order is not None for order in won) == 1


@pytest.mark.parametrize("task", ["no-uuid", "", "00000000-0000-0000-0000-000000000000"])
def test_a_task_that_does_not_exist_is_gone_and_its_reports_are_swallowed(agent, task):
    assert agent.delivery.claim(task, 1, "node1") is None
    assert agent.delivery.renew(task, 1) is None
    agent.delivery.report(Report(task=task, attempt=1))


def test_an_order_holds_the_sites_links_and_secrets_as_they_are_when_it_is_claimed(agent):
    _, before = looked_at(agent)
    SiteLink.objects.filter(site__name="london").update(datastore_path=b"elsewhere/")
    Datastore.objects.update(sealed=seal({"secretaccesskey": "changed"}))
    Site.objects.update(file_batch_size=7)
    agent.clock.forward(61)
    agent.delivery.sweep()
    after = agent.claim()
    assert [order.links[0].datastore_path for order in (before, after)] == [b"projects/", b"elsewhere/"]
    assert [order.stores[0].settings["secretaccesskey"] for order in (before, after)] == ["s3cret", "changed"]
    assert [order.batch_files for order in (before, after)] == [40, 7]


def test_a_job_starts_when_its_first_task_is_claimed(agent):
    job = given()
    assert fresh(job).state == "PENDING"
    agent.claim()
    assert fresh(job).state == "STARTED"


def test_a_report_that_comes_twice_counts_once(agent):
    job, order = looked_at(agent)
    for _ in range(3):
        agent.delivery.report(all_processed(order))
    assert (fresh(job).state, fresh(job).numprocessedfiles, fresh(job).numopen) == ("SUCCESS", 1, 0)


def test_a_batch_that_comes_twice_is_recorded_once(agent):
    job = start("premigrate")
    order = agent.claim()
    for _ in range(3):
        assert agent.delivery.batch(told(order, 0, file("/srv/london/projects/a")))
    assert fresh(job).numfiles == 1
    assert Task.objects.filter(tasktype="dynamo.tasks.migrate").count() == 1


def test_a_batch_that_leaves_one_out_is_refused_and_harms_no_other(agent):
    job = start("premigrate")
    order = agent.claim()
    with pytest.raises(Invalid, match=r"batch 1 .* came before batch 0"):
        agent.delivery.batch(told(order, 1, file("/srv/london/projects/b")))
    assert agent.delivery.batch(told(order, 0, file("/srv/london/projects/a")))
    assert fresh(job).numfiles == 1


def test_a_discovery_whose_lease_ran_out_goes_on_behind_what_is_recorded(agent):
    start("premigrate")
    first = agent.claim()
    agent.delivery.batch(told(first, 0, file("/srv/london/projects/a"), file("/srv/london/projects/b")))
    agent.clock.forward(61)
    agent.delivery.sweep()
    assert not agent.delivery.batch(told(first, 1, file("/srv/london/projects/c")))
    discovery = next(bell for bell in agent.rung if bell[3] == "discovery")
    second = agent.delivery.claim(discovery[1], discovery[2], "node1")
    assert (second.attempt, second.sequence, second.after) == (2, 1, b"/srv/london/projects/b")
    assert first.age == 0
    assert 61 <= second.age < 120


def test_a_renewed_lease_does_not_run_out(agent):
    _, order = looked_at(agent)
    agent.clock.forward(50)
    assert agent.delivery.renew(order.task, order.attempt) == 60.0
    agent.clock.forward(50)
    agent.delivery.sweep()
    assert Task.objects.get(taskid=order.task).state == "STARTED"


def test_the_report_of_an_old_attempt_adds_facts_and_never_state(agent):
    job, old = looked_at(agent)
    agent.clock.forward(61)
    agent.delivery.sweep()
    order = agent.claim()
    for _ in range(2):
        agent.delivery.report(all_processed(old))
    task = Task.objects.get(taskid=old.task)
    assert (task.state, task.attempt, fresh(job).numprocessedfiles) == ("STARTED", 2, 0)
    assert Result.objects.filter(task=task, late=True, attempt=1, count=1).count() == 1
    agent.delivery.report(all_processed(order))
    assert (fresh(job).state, fresh(job).numprocessedfiles) == ("SUCCESS", 1)


def taken_away(agent: FakeAgent, how: str) -> None:
    """Take what runs from its agent, which has not reported."""
    if how == "the lease ran out":
        agent.clock.forward(61)
        agent.delivery.sweep()
    else:
        agent.delivery.adopt_orphans(died=how == "the agents died")


TAKEN_AWAY = ["the lease ran out", "all was started anew", "the agents died"]


@pytest.mark.parametrize("how", TAKEN_AWAY)
def test_the_report_of_an_attempt_counts_as_long_as_nobody_claimed_the_next(agent, how):
    job, order = looked_at(agent)
    taken_away(agent, how)
    for _ in range(2):
        agent.delivery.report(all_processed(order))
    task = Task.objects.get(taskid=order.task)
    assert (task.state, task.attempt, task.failures) == ("SUCCESS", 1, 0)
    assert (fresh(job).state, fresh(job).numfiles, fresh(job).numprocessedfiles) == ("SUCCESS", 1, 1)
    assert not Result.objects.filter(late=True).exists()
    agent.run()
    assert len(agent.orders) == 1, "it was begun again"


@pytest.mark.parametrize("how", TAKEN_AWAY)
def test_such_a_report_may_ask_for_another_attempt_and_counts_once(agent, how):
    job, order = looked_at(agent, "a", "b")
    taken_away(agent, how)
    for _ in range(3):
        done = processed(order, order.entries[0])
        agent.delivery.report(report(order, [done], error="unavailable", reason="gone", retry=True))
    task = Task.objects.get(taskid=order.task)
    assert (task.state, task.attempt, task.failures, task.numprocessedfiles) == ("PENDING", 2, 1, 1)
    agent.clock.forward(3)
    agent.delivery.sweep()
    agent.run()
    assert (fresh(job).state, fresh(job).numprocessedfiles, fresh(job).numfiles) == ("SUCCESS", 2, 2)


@pytest.mark.parametrize("how", TAKEN_AWAY)
def test_a_walk_that_told_all_before_it_was_taken_away_has_ended(agent, how):
    job = start("premigrate")
    order = agent.claim()
    agent.delivery.batch(told(order, 0, file("/srv/london/projects/a"), failed=missing("x")))
    taken_away(agent, how)
    agent.delivery.report(report(order, missing("y")))
    agent.run()
    assert (fresh(job).numfiles, fresh(job).numprocessedfiles, fresh(job).numfailedfiles) == (3, 1, 2)
    assert Task.objects.get(taskid=order.task).attempt == 1


def test_a_report_that_comes_after_the_lease_but_before_anybody_else_took_the_task_counts(agent):
    job, order = looked_at(agent)
    agent.clock.forward(61)
    agent.delivery.report(all_processed(order))
    assert fresh(job).state == "SUCCESS"


def test_a_task_that_its_nodes_never_finish_fails_in_the_end_and_says_why(agent):
    job, order = looked_at(agent)
    for _ in range(record.ATTEMPTS):
        agent.clock.forward(61)
        agent.delivery.sweep()
        if agent.rung:
            agent.claim()
    task = Task.objects.get(taskid=order.task)
    assert task.state == "FAILURE"
    assert "node1 stopped answering" in task.reason
    assert (fresh(job).state, fresh(job).numfailedfiles) == ("FAILURE", 1)
    assert [note.outcome.reason for note in JobFiles(job, FileState.FAILED)] == [task.reason]


def test_a_task_that_may_be_retried_is_offered_again_later_and_longer_each_time(agent):
    job, order = looked_at(agent)
    waits = []
    while fresh(job).state == "STARTED":
        agent.delivery.report(report(order, error="unavailable", reason="the store does not answer", retry=True))
        agent.delivery.sweep()
        waited = 0
        while fresh(job).state == "STARTED" and not agent.rung:
            agent.clock.forward(1)
            waited += 1
            agent.delivery.sweep()
        if agent.rung:
            waits.append(waited)
            order = agent.claim()
    assert waits == [2, 6, 18, 54]
    task = Task.objects.get(taskid=order.task)
    assert (task.state, task.error, task.reason) == ("FAILURE", "unavailable", "the store does not answer")
    assert [note.outcome.reason for note in JobFiles(job, FileState.FAILED)] == ["the store does not answer"]


@pytest.mark.feature("HUB-JOB-029")
def test_an_error_that_no_retry_helps_ends_the_task_in_failure_at_once(agent):
    job, order = looked_at(agent, "a", "b")
    agent.delivery.report(report(order, error="invalid", reason="the option cannot be"))
    assert Task.objects.get(taskid=order.task).state == "FAILURE"
    assert (fresh(job).state, fresh(job).numfailedfiles) == ("FAILURE", 2)


def test_a_retry_goes_on_with_the_entries_that_have_no_outcome_yet(agent):
    job, order = looked_at(agent, "a", "b", "c")
    done = processed(order, order.entries[0])
    agent.delivery.report(report(order, [done], error="unavailable", reason="gone", retry=True))
    agent.clock.forward(3)
    agent.delivery.sweep()
    again = agent.claim()
    assert [entry.path for entry in again.entries] == [b"/srv/london/projects/b", b"/srv/london/projects/c"]
    agent.delivery.report(all_processed(again))
    assert (fresh(job).state, fresh(job).numprocessedfiles) == ("SUCCESS", 3)


def test_an_entry_the_report_says_nothing_of_is_failed_not_lost(agent):
    job, order = looked_at(agent, "a", "b")
    agent.delivery.report(report(order, [processed(order, order.entries[1])]))
    assert (fresh(job).numprocessedfiles, fresh(job).numfailedfiles) == (1, 1)
    (note,) = JobFiles(job, FileState.FAILED)
    assert note.outcome.entry.path == b"/srv/london/projects/a"


def test_orphans_are_offered_again_at_once_however_often_the_hub_was_killed(agent):
    job, order = looked_at(agent)
    for attempt in range(2, 12):
        agent.rung.clear()
        agent.delivery.adopt_orphans()
        (bell,) = agent.rung
        assert bell[1:3] == (order.task, attempt)
        order = agent.claim()
    agent.delivery.report(all_processed(order))
    assert fresh(job).state == "SUCCESS"


def test_a_bell_that_nobody_answered_rings_again(agent):
    given()
    agent.rung.clear()
    agent.clock.forward(20)
    agent.delivery.sweep()
    assert not agent.rung
    agent.clock.forward(20)
    agent.delivery.sweep()
    assert len(agent.rung) == 1


def test_a_task_recorded_while_no_bell_hung_is_found_by_the_sweep(agent):
    given()
    agent.rung.clear()
    Task.objects.update(rung_at=None)
    agent.delivery.sweep()
    assert len(agent.rung) == 1


def test_the_bell_rings_only_after_the_commit(agent):
    from django.db import transaction

    with transaction.atomic():
        given()
        assert not agent.rung
        transaction.set_rollback(True)
    assert not agent.rung
    assert not Job.objects.exists()


@pytest.mark.parametrize("moved", [-1, -(2**63) - 1])
def test_a_report_that_can_never_be_recorded_is_refused_for_good(agent, moved):
    job, order = looked_at(agent)
    entry = order.entries[0]
    with pytest.raises(Invalid, match="cannot record this"):
        agent.delivery.report(report(order, [Outcome.processed(entry, moved=-1)]))
    agent.delivery.report(report(order, error="error", reason="the hub refused it"))
    assert (fresh(job).state, fresh(job).numfailedfiles) == ("FAILURE", 1)


def test_one_report_that_cannot_be_recorded_does_not_harm_those_beside_it(agent):
    orders = []
    jobs = [given(name) for name in "abcdef"]
    while agent.rung:
        orders.append(agent.claim())
    raised = []

    def deliver(order, broken):
        try:
            if broken:
                agent.delivery._recorder.record(lambda _: 1 // 0)
            else:
                agent.delivery.report(all_processed(order))
        except ZeroDivisionError as error:
            raised.append(error)

    together(agent, [lambda o=order, b=number % 2: deliver(o, b) for number, order in enumerate(orders)])
    assert len(raised) == 3
    assert sum(fresh(job).numfiles for job in jobs) == 3


def together(agent: FakeAgent, acts) -> None:
    """Hand all acts to the recorder while it is held, so that they share a transaction."""
    held, entered = threading.Event(), threading.Event()

    def hold(_):
        entered.set()
        held.wait()

    threads = [threading.Thread(target=agent.delivery._recorder.record, args=(hold,))]
    threads[0].start()
    entered.wait()
    threads += [threading.Thread(target=act) for act in acts]
    for thread in threads[1:]:
        thread.start()
    while agent.delivery._recorder._queue.qsize() < len(acts):
        time.sleep(0.001)
    held.set()
    for thread in threads:
        thread.join()


def test_what_waits_is_recorded_in_one_transaction(agent):
    seen = set()
    together(agent, [lambda: agent.delivery._recorder.record(lambda ledger: seen.add(id(ledger))) for _ in range(10)])
    assert len(seen) == 1


def test_a_recorder_that_stops_records_what_it_has_and_refuses_the_rest():
    with FakeAgent() as agent:
        job, order = looked_at(agent)
        agent.delivery.report(all_processed(order))
    assert fresh(job).state == "SUCCESS"
    with pytest.raises(Unavailable):
        agent.delivery.renew(order.task, 1)


def test_the_sweep_runs_by_itself_and_ends_with_the_delivery():
    agent = FakeAgent()
    clock, rung = Clock(), threading.Event()
    agent.ring = lambda *_: rung.set()
    delivery = Delivery(agent, clock=clock.hub())
    given()
    rung.clear()
    Task.objects.update(rung_at=None)
    delivery.start()
    assert rung.wait(10)
    delivery.stop()
    assert not delivery._sweeper.is_alive()


def test_a_database_that_somebody_else_keeps_busy_costs_a_retry_and_nothing_more(agent):
    job, order = looked_at(agent)
    agent.delivery._recorder.record(lambda _: impatient())
    with another_writes(), pytest.raises(Unavailable, match="lock"):
        agent.delivery.report(all_processed(order))
    agent.delivery.report(all_processed(order))
    assert fresh(job).state == "SUCCESS"


@on_sqlite  # a server works in processes of its own
def test_to_record_a_small_task_costs_little_enough_for_five_hundred_a_second(agent):
    """Measured in CPU, which other work on the machine does not use up: a second of it is to last for 500 tasks."""
    agent.tree, agent.batch_size = [file(f"/srv/london/projects/{n:04}") for n in range(400)], 1
    job = start("premigrate")
    agent.do(agent.claim())
    began = time.process_time()
    threads = [threading.Thread(target=agent.run) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    agent.run()
    assert fresh(job).numprocessedfiles == 400
    assert (time.process_time() - began) / 400 <= 1 / 500


def missing(*names: str) -> list[Outcome]:
    return [Outcome.of_error(file(f"/srv/london/projects/{name}"), NotFound(f"{name} is not there")) for name in names]


def taken_up(agent: FakeAgent) -> Order:
    """Let the lease of the discovery run out, and return the order of its next attempt."""
    agent.clock.forward(61)
    agent.delivery.sweep()
    bell = [bell for bell in agent.rung if bell[3] == "discovery"][-1]
    return agent.delivery.claim(bell[1], bell[2], "node1")


@pytest.mark.parametrize("killed_after", ["nothing", "a batch", "a batch without entries"])
def test_a_path_that_every_attempt_misses_counts_once(agent, killed_after):
    job = start("premigrate")
    order = agent.claim()
    if killed_after != "nothing":
        entries = [file("/srv/london/projects/a")] if killed_after == "a batch" else []
        agent.delivery.batch(told(order, 0, *entries, failed=missing("x", "y")))
    second = taken_up(agent)
    agent.delivery.batch(told(second, second.sequence, file("/srv/london/projects/b"), failed=missing("x", "y")))
    third = taken_up(agent)
    agent.delivery.report(report(third, missing("x", "y", "z")))
    task = Task.objects.get(taskid=order.task)
    assert (task.state, task.numfailedfiles, fresh(job).numfailedfiles) == ("ERROR", 3, 3)
    failed = [note.outcome.entry.path for note in JobFiles(job, FileState.FAILED)]
    assert sorted(failed) == [b"/srv/london/projects/" + name for name in (b"x", b"y", b"z")]
    assert fresh(job).numfiles == (5 if killed_after == "a batch" else 4)


@on_sqlite
def test_a_full_disk_costs_a_retry_and_one_line_of_the_log(agent, data_dir, monkeypatch):
    from django.db import connection
    from structlog.testing import capture_logs

    monkeypatch.setattr(disk, "_seldom", disk.Seldom())
    job, order = looked_at(agent)

    def fill(_) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count = 1")  # as many as there are
        cursor.execute("CREATE TABLE full AS SELECT randomblob(100000000)")

    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(Unavailable, match=rf"disk of the data directory {data_dir} is full.*free space"):
                agent.delivery._recorder.record(fill)
    assert [line["event"] for line in logs] == ["disk full"]
    assert "exc_info" not in logs[0]
    agent.delivery.report(all_processed(order))
    assert fresh(job).state == "SUCCESS"


def many(agent: FakeAgent, count: int) -> Job:
    """Return a job of `count` migrate tasks, all of them waiting."""
    agent.tree = [file(f"/srv/london/projects/{number}") for number in range(count * 40)]
    job = start("premigrate", "/srv/london/projects")
    agent.do(agent.claim())
    return job


def test_a_store_that_does_not_answer_is_asked_by_few_tasks_and_ends_them_together(agent):
    job = many(agent, 6)
    asked, began = 0, agent.clock()
    while fresh(job).state == "STARTED" or not asked:
        order = agent.claim()
        if order is None:
            agent.clock.forward(1)
            agent.delivery.sweep()
            assert (agent.clock() - began).total_seconds() < 100, "the job waits longer than one task would"
        else:
            asked += 1
            agent.delivery.report(report(order, error="unavailable", reason="no answer", retry=True))
    assert (fresh(job).state, fresh(job).numfailedfiles) == ("FAILURE", 240)
    assert {task.state for task in Task.objects.filter(job=job, chain__isnull=False)} == {"FAILURE"}
    assert asked <= 3 * 5


def test_one_entry_that_breaks_its_store_does_not_take_the_others_with_it(agent):
    job = many(agent, 3)
    poisoned = agent.claim()
    for _ in range(2):
        agent.do(agent.claim())
    while fresh(job).state == "STARTED":
        agent.delivery.report(report(poisoned, error="unavailable", reason="no answer", retry=True))
        while fresh(job).state == "STARTED" and (poisoned := agent.claim()) is None:
            agent.clock.forward(1)
            agent.delivery.sweep()
    assert (fresh(job).numfailedfiles, fresh(job).numprocessedfiles) == (40, 80)


def unavailable(order, attempt: int = 1) -> Report:
    return Report(task=order.task, attempt=attempt, error="unavailable", reason="no answer to part 7", retry=True)


def fail(agent: FakeAgent, order: Order, *others: Order) -> None:
    """Have the task fail for the last time, while the others go on."""
    for attempt in range(1, record.ATTEMPTS + 1):
        agent.delivery.report(unavailable(order, attempt))
        for _ in range(2 * 3 ** (attempt - 1) // 10 + 1 if attempt < record.ATTEMPTS else 0):
            agent.clock.forward(10)
            for other in others:
                assert agent.delivery.renew(other.task, other.attempt)
        agent.delivery.claim(order.task, attempt + 1, "node1")


def test_what_waits_is_not_ended_for_one_task_while_others_like_it_are_at_work(agent):
    job = many(agent, 20)
    bad, *good = (agent.claim() for _ in range(4))
    fail(agent, bad, *good)
    assert (fresh(job).numfailedfiles, Task.objects.filter(job=job, state="PENDING").count()) == (40, 16)


def test_what_waits_is_not_ended_for_one_task_before_another_was_tried(agent):
    job = many(agent, 6)
    fail(agent, agent.claim())
    assert fresh(job).numfailedfiles == 40
    agent.clock.forward(60)
    agent.delivery.sweep()
    agent.run()
    assert (fresh(job).numfailedfiles, fresh(job).numprocessedfiles) == (40, 200)


def test_a_fault_of_ours_holds_nothing_back(agent):
    job = many(agent, 3)
    for _ in range(2):
        agent.delivery.report(
            report(agent.claim(), error="error", reason="internal error: ZeroDivisionError", retry=True)
        )
    assert Task.objects.filter(job=job, state="PENDING", failures=0, due=None).count() == 1


def test_a_task_that_cannot_be_recorded_does_not_keep_others_from_being_swept(agent):
    poisoned, order = looked_at(agent)
    Task.objects.filter(taskid=order.task).update(failures=record.ATTEMPTS - 1)
    Job.objects.filter(pk=poisoned.pk).update(numopen=0)  # which has no task to end
    _, other = looked_at(agent, "b")
    agent.clock.forward(61)
    agent.rung.clear()
    agent.delivery.sweep()
    assert Task.objects.get(taskid=order.task).state == "STARTED"
    assert [bell[1:3] for bell in agent.rung] == [(other.task, 2)]


def test_acts_that_find_the_database_locked_wait_for_it_once(agent):
    from structlog.testing import capture_logs

    renew = partial(claiming.renew, taskid=looked_at(agent)[1].task, attempt=1, lease=60.0)
    tickets = [(renew, "", Future()) for _ in range(8)]
    impatient()
    with another_writes(), capture_logs() as logs:
        agent.delivery._recorder._together(tickets)
    assert [line["event"] for line in logs] == ["not recorded"]
    assert all(isinstance(answer.exception(), Unavailable) for _, _, answer in tickets)
    assert agent.delivery._recorder.record(renew)


@pytest.mark.parametrize("seconds", [3600, -3600, 40 * 86_400])
def test_a_clock_that_is_set_takes_no_task_and_holds_none_back(agent, seconds):
    _, order = looked_at(agent)
    for _ in range(6):
        agent.clock.set(seconds)
        agent.delivery.sweep()
    assert agent.delivery.renew(order.task, 1)
    task = Task.objects.get(taskid=order.task)
    assert (task.state, task.failures, (task.lease_until - agent.clock()).total_seconds()) == ("STARTED", 0, 60)
    agent.clock.set(seconds)
    agent.clock.forward(61)
    agent.delivery.sweep()
    again = agent.claim()
    assert again.attempt == 2
    agent.delivery.report(unavailable(again, 2))
    agent.clock.set(seconds)
    agent.clock.forward(7)
    agent.delivery.sweep()
    assert agent.claim().attempt == 3


def test_a_bell_that_nobody_answered_rings_again_although_the_clock_was_set_back(agent):
    given()
    agent.rung.clear()
    agent.clock.set(-3600)
    agent.clock.forward(31)
    agent.delivery.sweep()
    assert len(agent.rung) == 1


def test_a_clock_that_was_set_is_followed_by_the_first_act_that_is_recorded(agent):
    _, order = looked_at(agent)
    agent.clock.set(3600)
    with pytest.raises(ZeroDivisionError):
        agent.delivery._recorder.record(lambda _: 1 // 0)
    assert agent.delivery.renew(order.task, 1)
    agent.delivery.sweep()
    assert Task.objects.get(taskid=order.task).failures == 0


def test_a_hub_that_starts_gives_every_attempt_a_whole_lease(agent):
    _, order = looked_at(agent)
    other = looked_at(agent, "b")[1]
    agent.delivery.report(unavailable(other))
    before = Task.objects.get(taskid=other.task).due
    agent.clock.set(-86_400)  # while the hub was off
    hub = Delivery(agent, clock=agent.clock.hub())
    hub.start()
    hub.stop()
    task = Task.objects.get(taskid=order.task)
    assert (task.state, task.attempt, (task.lease_until - agent.clock()).total_seconds()) == ("STARTED", 1, 60)
    assert Task.objects.get(taskid=other.task).due < before


def test_a_task_holds_no_more_entries_than_can_be_told_of_in_one_message(monkeypatch):
    monkeypatch.setattr(ledger, "LONGEST", 100_000)
    site = Site(file_batch_size=1_000_000, file_batch_gb=1000)
    carried = [Carried(entry=file(f"/srv/london/projects/{n:0200}")) for n in range(1500)]
    batches = list(ledger.chunks(carried, site))
    assert [item for batch in batches for item in batch] == carried
    assert all(sum(len(wire.dump(item.entry)) for item in batch) <= 100_000 for batch in batches)
    assert len(batches) < 10


def test_a_batch_of_a_discovery_fits_into_one_message(agent):
    Site.objects.update(file_batch_size=1_000_000)
    start("premigrate")
    entry = file(b"\xff" * os.pathconf("/", "PC_PATH_MAX"), size=1 << 60)
    assert agent.claim().batch_files * GROWTH * len(wire.dump(entry)) < LARGEST


LARGE = 2**62
"""Bytes that a sparse file may say it has."""


@pytest.mark.parametrize("discovery", [None, "recursive"])
def test_files_that_are_larger_together_than_a_database_can_count_are_dealt_with(agent, discovery):
    names = [f"/srv/london/projects/{n}" for n in range(5)]
    agent.tree = [file(name, LARGE) for name in names]
    agent.act = lambda order, entry: Outcome.processed(file(entry.path, LARGE), moved=LARGE)
    paths = names if discovery is None else ["/srv/london/projects"]
    job = start("premigrate", *paths, discovery=discovery)
    agent.run()
    found = fresh(job)
    assert (found.state, found.numfiles, found.numprocessedfiles) == ("SUCCESS", 5, 5)
    assert found.numbytes == found.moved_data == 2**63 - 1


def test_sizes_that_fit_are_added_up_exactly_over_many_transactions(agent):
    agent.batch_size, agent.tree = 1, [file(f"/srv/london/projects/{n}", LARGE - 1) for n in range(2)]
    job = start("premigrate")
    agent.run()
    assert fresh(job).numbytes == 2 * LARGE - 2
