"""The states of jobs and tasks: what the hub does to them is what the tables say, all of it and nothing else."""

import random

import pytest

from argosy.core.outcome import Outcome
from argosy.core.states import JOB_ENDED, JOB_NEXT, TASK_ENDED, TASK_NEXT, FileState, before
from argosy.hub.common.models import Configuration
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.housekeeping import Housekeeping
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.services import cancel
from tests.hub.fake import FINDING, file, processed, report, send, start, told

pytestmark = pytest.mark.usefixtures("two_sites")

TREE = "/srv/london/projects"


def changes(following) -> set[tuple[str, str]]:
    return {(now.value, then.value) for now, after in following.items() for then in after}


class Watch:
    """Sees which state followed which; look after every single act."""

    def __init__(self) -> None:
        self.seen: dict[type, set[tuple[str, str]]] = {Job: set(), Task: set()}
        self.states: dict[tuple[type, int], str] = {}

    def look(self) -> None:
        for model, seen in self.seen.items():
            for pk, state in model.objects.values_list("pk", "state"):
                known = self.states.setdefault((model, pk), state)
                seen.update({(known, state)} if known != state else ())
                self.states[model, pk] = state


def failed(order, entry) -> Outcome:
    return Outcome(entry=entry, state=FileState.FAILED, reason="is broken", error="corrupt")


def housekeep(agent) -> None:
    Housekeeping(agent.delivery._recorder).run(agent.clock())


@pytest.mark.feature("HUB-JOB-022")
def test_the_hub_makes_every_change_of_the_tables_and_no_other(agent):
    watch = Watch()

    def step(act=processed, **more) -> None:
        watch.look()
        order = agent.claim()
        watch.look()
        agent.delivery.report(report(order, [] if more else [act(order, entry) for entry in order.entries], **more))
        watch.look()

    def given() -> Job:
        agent.rung.clear()
        return start("premigrate", f"{TREE}/a", discovery=None)

    given()
    step()
    step()  # the file is there
    given()
    step()
    step(failed)  # task ERROR, job FAILURE
    given()
    step(error="corrupt", reason="broke")  # task FAILURE
    start("premigrate")
    step(seconds=1.0)  # a discovery that finds nothing: job SKIPPED
    job = given()
    watch.look()
    cancel(job.pk)  # while it waits
    watch.look()
    job = given()
    watch.look()
    agent.claim()
    watch.look()
    cancel(job.pk)  # while it runs
    watch.look()
    given()
    watch.look()
    agent.claim()
    watch.look()
    agent.clock.forward(61)
    agent.delivery.sweep()  # its lease ran out
    watch.look()
    agent.clock.forward(60 * Configuration.current().task_invalidation_timeout)
    housekeep(agent)  # and nobody took it up again
    watch.look()
    for act in (processed, failed):
        given()
        step()
        order = agent.claim()
        agent.clock.forward(61)
        agent.delivery.sweep()
        watch.look()
        agent.delivery.report(report(order, [act(order, entry) for entry in order.entries]))  # it had been done
        watch.look()
    assert watch.seen == {Job: changes(JOB_NEXT), Task: changes(TASK_NEXT)}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_in_whatever_order_states_follow_the_tables_and_counts_agree(agent, seed):  # noqa: C901
    chance, watch = random.Random(seed), Watch()
    held: list = []

    def submit() -> None:
        agent.tree = [file(f"{TREE}/{chance.random()}") for _ in range(chance.randrange(5))]
        start("premigrate") if chance.random() < 0.5 else send(TREE)

    def claim() -> None:
        if (order := agent.claim()) is not None:
            held.append(order)

    def tell() -> None:
        if not held:
            return
        order = held.pop(chance.randrange(len(held)))
        if order.step.rpartition(".")[2] in FINDING and not order.sequence:
            agent.delivery.batch(told(order, 0, *agent.tree))
        error = chance.choice([{}, {}, {}, {"error": "broke", "reason": "x", "retry": chance.random() < 0.5}])
        act = chance.choice([processed, processed, failed])
        agent.delivery.report(report(order, [] if error else [act(order, entry) for entry in order.entries], **error))

    def stop() -> None:
        if pks := list(Job.objects.values_list("pk", flat=True)):
            cancel(chance.choice(pks))

    def wait() -> None:
        agent.clock.forward(chance.choice([1, 10, 61]))
        agent.delivery.sweep()

    for _ in range(120):
        chance.choice([submit, claim, claim, claim, tell, tell, stop, wait])()
        watch.look()
    for job in Job.objects.filter(state__in=["PENDING", "STARTED"]):
        cancel(job.pk)
    watch.look()
    assert watch.seen[Job] <= changes(JOB_NEXT)
    assert watch.seen[Task] <= changes(TASK_NEXT)
    assert not Job.objects.exclude(state__in=JOB_ENDED).exists()
    assert not Task.objects.exclude(state__in=TASK_ENDED).exists()
    for job in Job.objects.all():
        assert (job.numopen, len(JobFiles(job, None))) == (0, job.numfiles)
        for state in FileState:
            assert len(JobFiles(job, state)) == getattr(job, f"num{state.value}files")


def test_the_ledger_refuses_a_change_that_is_not_in_the_table(agent):
    start("premigrate", f"{TREE}/a", discovery=None)
    agent.run()
    task = Task.objects.first()
    with pytest.raises(AssertionError, match="SUCCESS to PENDING"):
        Ledger(agent.clock()).change(task, state="PENDING")


def test_what_has_ended_is_followed_by_nothing():
    assert not any(before(state, JOB_NEXT) & JOB_ENDED for state in JOB_NEXT)
    assert not any(before(state, TASK_NEXT) & TASK_ENDED for state in TASK_NEXT)
