"""Syncs as the hub leads them; what the sites do of it is made up here, or not done at all."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from argosy.core.entry import Entry
from argosy.core.errors import Changed, Invalid
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.states import FileState, TaskState
from argosy.core.syncing import APPLY, HASH, INDEX, SCAN, SIDE, Circumstances, Piece, Wanted
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.services import Asked, Scheduled, cancel
from argosy.hub.jobs.services import run as run_scheduled
from argosy.hub.sites.models import Fileset, Site, SiteLink
from argosy.hub.sync import services
from argosy.hub.sync.conductor import LINGERING, Conductor, _Waited
from argosy.hub.sync.delivery import Delivery
from argosy.hub.sync.models import Pair, Run
from argosy.hub.sync.process import TRIES, Process
from argosy.sync.planner.options import Alarm, Asks, Guard
from argosy.sync.planner.trees import Side
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.circumstances import told_of
from argosy.sync.rounds.work import Cut
from tests.argosy_up import until
from tests.hub.fake import Clock, FakeAgent, fresh, report
from tests.hub.schedules import filesets
from tests.hub.test_api import check_problem

LONDON, DUBLIN = "/srv/london/projects/fileset", "/srv/dublin/work/fileset"
pytestmark = pytest.mark.usefixtures("two_sites")


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    one = FakeAgent()
    one.delivery = Delivery(one, clock=one.clock.hub())
    with one:
        yield one


@pytest.fixture
def conductor() -> Iterator[Conductor]:
    one = Conductor()
    yield one
    one.stop()


@pytest.fixture(autouse=True)
def _filesets(two_sites) -> None:
    filesets(LONDON, DUBLIN)


def begun(api, *, status: int = 201, workflow: str = "site_sync", path: str = LONDON, **more: Any) -> Any:
    sent = {"site": "london", "workflow": workflow, "paths": [path], "fields": {"destinationsite": "dublin"}} | more
    answer = api.post("/api/file/workflow/", sent)
    if status == 201:
        assert answer.status_code == status, answer.json()
        return Job.objects.get(pk=answer.json()["job"])
    return check_problem(answer, status)["detail"]


def run_of(job: Job) -> Run:
    return Run.objects.select_related("pair", "site_one", "site_two").get(job=job.pk)


def claimed(agent: FakeAgent) -> list[Order]:
    orders = []
    while agent.rung:
        if (order := agent.claim()) is not None:
            orders.append(order)
    return sorted(orders, key=lambda order: order.site, reverse=True)


def failed(order: Order, why: str, state: FileState = FileState.FAILED) -> Any:
    return report(order, [Outcome(entry=entry, state=state, reason=why, error="x") for entry in order.entries])


def test_both_sites_are_told_to_scan_and_nothing_counts_as_a_file(api, agent: FakeAgent) -> None:
    job = begun(api)
    one, two = claimed(agent)
    assert [order.step for order in (one, two)] == [SCAN, SCAN]
    assert [order.entries for order in (one, two)] == [(Entry(path=LONDON.encode()),), (Entry(path=DUBLIN.encode()),)]
    assert one.own
    assert one.options == {"run": run_of(job).name, "fileset": "0" * 32, "earlier": ""}
    assert fresh(job).state == "STARTED"
    assert fresh(job).numfiles == 0


def test_nothing_is_added_to_a_sync(api, agent: FakeAgent) -> None:
    job = begun(api)
    sent = {"site": "london", "workflow": "premigrate", "paths": [f"{LONDON}/a"], "job": job.pk}
    refused = check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    assert f"job {job.pk} is a sync, and does nothing else" in refused
    assert fresh(job).numopen == 3


@pytest.mark.parametrize("state", [FileState.FAILED, FileState.ABORTED])
def test_a_side_that_cannot_be_scanned_ends_the_job_with_the_reason_and_rotates_nothing_forward(
    api, agent: FakeAgent, conductor: Conductor, state: FileState
) -> None:
    job = begun(api)
    one, two = claimed(agent)
    send(agent, one)
    agent.delivery.report(report(one, [Outcome.processed(one.entries[0])]))
    agent.delivery.report(failed(two, "there is no marker", state))
    conductor.look()
    rotations = claimed(agent)
    assert [order.options["forward"] for order in rotations] == [True, False]
    assert [order.options["discovery"] for order in rotations] == [one.task, two.task]
    for order in rotations:
        agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))
    assert fresh(job).state == "FAILURE"
    said = api.get(f"/api/syncs/{job.pk}/").json()
    assert said["state"] == "FAILED"
    assert (
        "dublin:/srv/dublin/work/fileset could not be scanned, so nothing was changed: there is no marker"
        in (said["reason"])
    )
    assert fresh(job).numfiles == 0


def send(agent: FakeAgent, order: Order, data: bytes = b"index", **more: Any) -> bool:
    piece = {"task": order.task, "attempt": order.attempt, "name": INDEX, "offset": 0, "last": True} | more
    return agent.delivery.piece(Piece(data=data, **piece))


def test_an_index_comes_in_pieces_which_may_come_again_and_only_from_whom_it_was_asked(api, agent: FakeAgent) -> None:
    job = begun(api)
    one, _ = claimed(agent)
    assert send(agent, one, b"abc", last=False)
    assert send(agent, one, b"abc", last=False)
    assert send(agent, one, b"def", offset=3, last=True)
    assert send(agent, one, b"def", offset=3, last=True)
    assert (run_of(job).folder / "0.1.received").read_bytes() == b"abcdef"
    assert not send(agent, one, attempt=one.attempt + 1)
    assert agent.delivery.operations(Wanted(task=one.task, attempt=one.attempt)) is None


@pytest.mark.feature("HUB-SYNC-034")
def test_a_path_that_is_no_fileset_is_refused_with_the_remedy(api) -> None:
    said = begun(api, status=400, path="/srv/london/projects/other")
    assert "is not the top of a registered fileset of site london" in said
    assert "argosy fileset add" in said
    Fileset.objects.filter(site__name="dublin").delete()
    assert f"{DUBLIN} is not the top of a registered fileset of site dublin" in begun(api, status=400)


def test_a_fileset_that_is_not_known_to_be_there_is_refused(api) -> None:
    Fileset.objects.filter(site__name="dublin").update(state="unmounted", reason="its disk is not mounted")
    answer = api.post(
        "/api/file/workflow/",
        {"site": "london", "workflow": "site_sync", "paths": [LONDON], "fields": {"destinationsite": "dublin"}},
    )
    assert answer.status_code == 503
    assert "its disk is not mounted" in answer.json()["detail"]
    assert not Job.objects.exists()


def test_two_filesets_are_synced_by_one_job_at_a_time(api, agent: FakeAgent) -> None:
    job = begun(api)
    assert f"are being synced by job {job.pk}" in begun(api, status=409)
    cancel(job.pk)
    Conductor().look()
    assert run_of(job).state == "CANCELLED"
    begun(api)


def test_a_sync_to_another_site_waits_until_the_fileset_is_free(api, agent: FakeAgent, conductor: Conductor) -> None:
    paris = Site.objects.create(name="paris", roots=["/srv/paris"])
    link = SiteLink.objects.get(site__name="dublin")
    SiteLink.objects.create(site=paris, datastore=link.datastore, site_path=b"/srv/paris", datastore_path=b"projects/")
    Fileset.objects.create(site=paris, name="fileset", path=b"/srv/paris/fileset", ident="f" * 32, number=9, state="ok")
    first, second = begun(api), begun(api, fields={"destinationsite": "paris"})
    assert {order.job for order in claimed(agent)} == {first.pk}
    conductor.look()
    assert run_of(second).state == "WAIT"
    cancel(first.pk)
    conductor.look()
    rotations = claimed(agent)
    assert {order.job for order in rotations} == {first.pk}
    conductor.look()
    assert run_of(second).state == "WAIT"
    for order in rotations:
        agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))
    conductor.look()
    assert run_of(second).state == "SCAN"
    assert {order.site for order in claimed(agent)} == {"london", "paris"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"paths": [LONDON, "/srv/london/projects/b"]}, "takes one path"),
        ({"dry_run": True}, "argosy sync plan"),
        ({"discovery": "recursive"}, "leave out `discovery`"),
        ({"exclude": ["*.tmp"]}, "syncs all of a fileset"),
        ({"fields": {"destinationsite": "london"}}, "name another"),
    ],
)
def test_what_a_sync_cannot_heed_is_refused(api, more: dict[str, Any], said: str) -> None:
    assert said in begun(api, status=400, **more)


def test_a_bidirectional_sync_is_for_schedules(api) -> None:
    assert "run by schedules only" in begun(api, status=400, workflow="bidirectional_sync")


def test_the_rules_of_a_sync_are_shown_and_cannot_be_changed(api) -> None:
    found = {each["name"]: each for each in api.get("/api/workflows/").json()["results"]}
    one = found["site_sync"]
    assert [rule["state"] for rule in one["filter_rules"]] == ["created", "updated", "moved", "deleted"]
    said = check_problem(api.patch(f"/api/workflows/{one['id']}/", {"filter_rules": one["filter_rules"][:1]}), 409)
    assert "copy it under another name" in said["detail"]
    assert api.patch(f"/api/workflows/{one['id']}/", {"label": "Follow"}).status_code == 200
    api.post(f"/api/workflows/{one['id']}/reset/")


def test_the_leading_of_a_job_is_no_task_that_an_agent_lost(api, agent: FakeAgent) -> None:
    job = begun(api)
    claimed(agent)
    agent.delivery.adopt_orphans(died=True)
    states = dict(Task.objects.filter(job=job).values_list("tasktype", "state"))
    assert states == {"dynamo.tasks.lead": "STARTED", SCAN: "PENDING"}


def test_an_apply_that_was_broken_off_begins_another_round(api, agent: FakeAgent, conductor: Conductor) -> None:
    job = begun(api)
    one, two = claimed(agent)
    for order in (one, two):
        agent.delivery.report(report(order, [Outcome.processed(order.entries[0])]))
    run = run_of(job)
    run.state = Run.State.APPLY
    run.save()
    scan = Task.objects.filter(job=job, tasktype=SCAN).order_by("pk")[0]
    task = Task.objects.create(
        job=job,
        submission=scan.submission,
        site=scan.site,
        tasktype=APPLY,
        queue="discovery",
        state="SUCCESS",
        attempt=2,
        created=timezone.now(),
        completed=timezone.now(),
    )
    conductor.look()
    again = run_of(job)
    assert (again.state, again.round) == ("SCAN", 2)
    first, second = claimed(agent)
    assert [order.options["earlier"] for order in (first, second)] == [one.task, two.task]
    assert first.options["run"] == again.name != run.name
    assert task.pk


def test_an_apply_that_says_it_was_broken_off_is_no_failure_of_the_job(api, agent: FakeAgent) -> None:
    job = begun(api)
    claimed(agent)
    Task.objects.filter(job=job, tasktype=SCAN).update(tasktype=APPLY, attempt=2)
    task = Task.objects.filter(job=job, tasktype=APPLY).order_by("pk")[0]
    order = Order(task=str(task.taskid), attempt=2, job=job.pk, site="london", step=APPLY, lease=1.0)
    agent.delivery.report(report(order, error=Changed.code, reason="was broken off"))
    assert Task.objects.get(pk=task.pk).state == "SUCCESS"
    assert fresh(job).numbroken == 0


def test_what_was_not_refused_cannot_be_confirmed(api) -> None:
    job = begun(api)
    said = check_problem(api.post(f"/api/jobs/{job.pk}/confirm/"), 409)
    assert "refused by no guard" in said["detail"]
    check_problem(api.post("/api/jobs/99999/confirm/"), 404)


def test_a_refused_sync_is_confirmed_once_as_a_new_job(api, agent: FakeAgent, conductor: Conductor) -> None:
    job = begun(api, fields={"destinationsite": "dublin", "sync_preference": "local"})
    Run.objects.filter(job=job.pk).update(state=Run.State.REFUSED, refusals=["all is gone"], alarms=[["gone", 0, 9]])
    Job.objects.filter(pk=job.pk).update(state="FAILURE", numopen=0)
    made = api.post(f"/api/jobs/{job.pk}/confirm/")
    assert made.status_code == 201, made.json()
    run = Run.objects.get(job=made.json()["id"])
    assert (run.confirmed, run.policy, run.one_way) == (True, "local", True)
    assert run.pair == run_of(job).pair
    assert "confirmed already" in check_problem(api.post(f"/api/jobs/{job.pk}/confirm/"), 409)["detail"]


def test_what_was_refused_before_the_hub_kept_how_much_was_gone_is_asked_anew(api) -> None:
    job = begun(api)
    Run.objects.filter(job=job.pk).update(state=Run.State.REFUSED, refusals=["all is gone"])
    Job.objects.filter(pk=job.pk).update(state="FAILURE", numopen=0)
    said = check_problem(api.post(f"/api/jobs/{job.pk}/confirm/"), 409)
    assert "sync again to be asked again" in said["detail"]


def test_a_run_that_somebody_confirmed_is_planned_with_what_guards_had_said_and_no_other_is(api, agent) -> None:
    job = begun(api)
    let_go(agent)
    services.refuse(run_of(job), ("london: 12 of 12 are gone",), (Alarm(Asks.GONE, 0, 12),))
    let_go(agent)
    made = Job.objects.get(pk=api.post(f"/api/jobs/{job.pk}/confirm/").json()["id"])
    let_go(agent)
    Run.objects.filter(job=made.pk).update(state=Run.State.PLAN)
    asked = services.advance(run_of(made))
    assert isinstance(asked, work.Plan)
    assert asked.confirmed == (Alarm(Asks.GONE, 0, 12),)
    services.refuse(run_of(made), ("london: 13 of 13 are gone",), (Alarm(Asks.GONE, 0, 13),))
    let_go(agent)
    again = Job.objects.get(pk=api.post(f"/api/jobs/{made.pk}/resubmit/").json()["id"])
    Run.objects.filter(job=again.pk).update(state=Run.State.PLAN)
    asked = services.advance(run_of(again))
    assert isinstance(asked, work.Plan)
    assert asked.confirmed == ()


def test_files_of_runs_that_are_over_and_of_older_bases_are_swept(api, agent: FakeAgent) -> None:
    job = begun(api)
    pair = Pair.objects.get()
    for folder in ("rounds/of-nobody", f"rounds/{run_of(job).name}"):
        (pair.folder / folder).mkdir(parents=True)
    pair.base.mkdir()
    for name in ("old", "new"):
        (pair.base / name).touch()
    Pair.objects.update(chunks=["new"])
    one = Conductor()
    one.start()
    one.stop()
    assert [each.name for each in (pair.folder / "rounds").iterdir()] == [run_of(job).name]
    assert {each.name for each in pair.base.iterdir()} == {"old", "new"}
    cancel(job.pk)
    Conductor().look()
    one = Conductor()
    one.start()
    one.stop()
    assert {each.name for each in pair.base.iterdir()} == {"new"}


def test_a_process_that_is_killed_or_takes_too_long_is_told_of(tmp_path) -> None:
    folder = tmp_path / "round"
    folder.mkdir()
    slow = Process(deadline=0.0)
    assert "took longer than 0 s" in slow.begin(Cut(folder=str(folder))).result().message
    slow.stop()
    process = Process()
    answer = process.begin(Cut(folder=str(folder)))
    _kill_one(process)
    assert "was killed" not in answer.result().message, "once is no matter: it is begun again"
    answer = process.begin(Cut(folder=str(folder)))
    killed = None
    for _ in range(TRIES):
        killed = _kill_one(process, but=killed)
    assert "was killed by signal 9" in answer.result().message
    process.stop()


def test_a_process_that_waits_for_work_does_the_next_piece_and_ends_with_the_hub(tmp_path) -> None:
    folder = tmp_path / "round"
    folder.mkdir()
    process = Process()
    spare = _spare_of(process)
    process.ready()
    answer = process.begin(Cut(folder=str(folder))).result()
    assert (answer, spare.returncode) == (Process().begin(Cut(folder=str(folder))).result(), 0)
    killed = _spare_of(process, but=spare)
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    process.ready()
    assert process.begin(Cut(folder=str(folder))).result() == answer, "one that died while it waited costs nothing"
    assert killed.returncode == -signal.SIGKILL
    resting = _spare_of(process)
    process.rest()
    assert resting.returncode == -signal.SIGKILL
    left = _spare_of(process)
    process.stop()
    assert left.returncode == -signal.SIGKILL
    process.ready()
    assert process._spare is None


def _spare_of(process: Process, *, but: object = None) -> "subprocess.Popen[bytes]":
    def waiting() -> "subprocess.Popen[bytes] | None":
        process.ready()
        return process._spare if process._spare is not but else None

    return until(waiting, what="a process waits for work")


def test_a_process_waits_for_work_while_a_sync_goes_on_and_a_while_longer(api, agent: FakeAgent) -> None:
    clock = Clock()
    conductor = Conductor(steady=lambda: clock.passed)
    conductor.look()
    assert conductor._process._readying is None
    job = begun(api)
    conductor.look()
    until(lambda: conductor._process._spare is not None, what="a process waits for work")
    cancel(job.pk)
    conductor.look()
    clock.forward(LINGERING)
    conductor.look()
    assert conductor._process._spare is not None
    clock.forward(1)
    conductor.look()
    assert conductor._process._spare is None
    conductor.stop()


def _kill_one(process: Process, *, but: object = None) -> object:
    """Kill the next process that plans."""
    running = until(lambda: process._running if process._running is not but else None, what="the process runs")
    running.send_signal(signal.SIGKILL)
    return running


def test_a_process_ends_when_whoever_asked_is_another_by_now() -> None:
    command = [sys.executable, "-m", "argosy.sync.rounds", "1"]
    found = subprocess.run(command, input=b"", capture_output=True, check=False, timeout=60)
    assert found.returncode == 1


def test_it_is_said_that_the_hub_is_at_work_and_the_node_that_scans(api, agent: FakeAgent) -> None:
    job = begun(api)
    orders = claimed(agent)
    said = api.get(f"/api/jobs/{job.pk}/explain/").json()
    assert [(each["cause"], each["reason"]) for each in said["causes"]] == [("running", "node1 runs it")] * 2
    for order in orders:
        send(agent, order)
        agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))
    said = api.get(f"/api/jobs/{job.pk}/explain/").json()
    assert [each["step"] for each in said["causes"]] == ["dynamo.tasks.check_sync_state"]
    assert "the hub plans" in said["causes"][0]["reason"]


def test_what_is_reckoned_for_a_cancelled_sync_is_broken_off(api, agent: FakeAgent, conductor: Conductor) -> None:
    job = begun(api)
    cancel(job.pk)
    folder = str(run_of(job).folder)
    conductor._waiting[(run_of(job).pk, "PLAN", 1)] = _Waited(folder, conductor._process.begin(Cut(folder=folder)))
    until(lambda: conductor._process._running is not None, what="the process runs")
    running = conductor._process._running
    assert running is not None
    conductor.look()
    until(lambda: running.returncode is not None, what="it was ended")
    assert running.returncode == -signal.SIGKILL
    assert conductor._waiting == {}


def test_a_run_that_breaks_each_time_is_tried_less_and_less_often_and_fails_in_the_end(api, agent: FakeAgent) -> None:
    clock = Clock()
    conductor = Conductor(steady=lambda: clock.passed)
    job = begun(api)
    for order in claimed(agent):
        send(agent, order)
        agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))
    folder = run_of(job).folder
    (folder / "two.index").mkdir()
    (folder / "two.index" / "in the way").touch()
    assert not conductor.look()
    begin = clock.passed
    while run_of(job).state == Run.State.SCAN and clock.passed < 3600:
        clock.forward(1)
        conductor.look()
    assert 300 < clock.passed - begin < 900
    said = run_of(job)
    assert said.state == "FAILED"
    assert "SCAN broke 16 times, at last with: IsADirectoryError" in said.reason
    for order in claimed(agent):
        agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))
    assert fresh(job).state == "FAILURE"
    conductor.stop()


def test_a_run_that_broke_goes_on_when_that_is_mended(api, agent: FakeAgent) -> None:
    clock = Clock()
    conductor = Conductor(steady=lambda: clock.passed)
    job = begun(api)
    for order in claimed(agent):
        send(agent, order)
        agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))
    hindrance = run_of(job).folder / "two.index"
    hindrance.mkdir()
    (hindrance / "in the way").touch()
    conductor.look()
    (hindrance / "in the way").unlink()
    hindrance.rmdir()
    conductor.look()
    assert run_of(job).state == "SCAN", "not before its time"
    clock.forward(1)
    conductor.look()
    assert run_of(job).state == "PLAN"
    conductor.stop()


def in_phase(agent: FakeAgent, job: Job, state: Run.State, tasktype: str, ended: TaskState) -> Run:
    """Have a run be where its sites were at work, of which one task has ended so."""
    for order in claimed(agent):
        send(agent, order)
        agent.delivery.report(report(order, [Outcome.processed(order.entries[0])]))
    run = run_of(job)
    scan = Task.objects.filter(job=job, tasktype=SCAN).order_by("pk")[0]
    Task.objects.create(
        job=job,
        submission=scan.submission,
        site=scan.site,
        tasktype=tasktype,
        queue="discovery",
        state=ended.value,
        reason="the disk broke" if ended is TaskState.FAILURE else "",
        attempt=1,
        created=timezone.now(),
        completed=timezone.now(),
    )
    pages.write(work.needs(run.folder), ())
    Run.objects.filter(pk=run.pk).update(state=state)
    return run_of(job)


@pytest.mark.parametrize(
    ("state", "tasktype", "following"),
    [(Run.State.HASH, HASH, Run.State.PLAN), (Run.State.APPLY, APPLY, Run.State.COMMIT)],
)
@pytest.mark.parametrize("ended", [TaskState.SUCCESS, TaskState.ERROR])
def test_a_task_of_which_some_entries_failed_has_told_of_all_and_the_sync_goes_on(
    api, agent: FakeAgent, state: Run.State, tasktype: str, following: Run.State, ended: TaskState
) -> None:
    run = in_phase(agent, begun(api), state, tasktype, ended)
    assert services.advance(run) is None
    run.refresh_from_db()
    assert run.state == following


@pytest.mark.parametrize(
    ("state", "tasktype", "said"),
    [(Run.State.HASH, HASH, "files could not be compared"), (Run.State.APPLY, APPLY, "not all was done")],
)
@pytest.mark.parametrize("ended", [TaskState.FAILURE, TaskState.CANCELLED])
def test_a_task_that_broke_has_not_told_and_the_sync_ends_with_the_reason(
    api, agent: FakeAgent, state: Run.State, tasktype: str, said: str, ended: TaskState
) -> None:
    run = in_phase(agent, begun(api), state, tasktype, ended)
    assert services.advance(run) is None
    run.refresh_from_db()
    assert run.state == "FAILED"
    assert said in run.reason
    assert ("the disk broke" in run.reason) is (ended is TaskState.FAILURE)


def test_a_plan_is_told_how_much_may_be_gone_in_either_fileset(api, agent: FakeAgent) -> None:
    Fileset.objects.filter(site__name="dublin").update(mass_change_percent=80, mass_change_count=3, mass_change_top=5)
    run = in_phase(agent, begun(api), Run.State.PLAN, HASH, TaskState.SUCCESS)
    asked = services.advance(run)
    assert isinstance(asked, work.Plan)
    assert asked.guards == (Guard(share=50, objects=10, roots=2), Guard(share=80, objects=3, roots=5))


def test_what_a_side_says_of_itself_is_where_the_plan_looks_for_it(api, agent: FakeAgent, conductor: Conductor) -> None:
    job = begun(api)
    one, two = claimed(agent)
    said = msgspec.json.encode(Circumstances(clock_off_ns=7, case_insensitive=True))
    assert send(agent, two, said, name=SIDE)
    for order in (one, two):
        send(agent, order)
        agent.delivery.report(report(order, [Outcome.processed(order.entries[0])]))
    run = run_of(job)
    services.advance(run)
    assert run_of(job).state == "PLAN"
    assert told_of(run.folder, Side.ONE) == Circumstances()
    assert told_of(run.folder, Side.TWO) == Circumstances(clock_off_ns=7, case_insensitive=True)
    with pytest.raises(Invalid, match="nobody asked for a file 'other'"):
        send(agent, one, name="other")


@pytest.mark.parametrize("how", ["confirm", "resubmit"])
def test_a_refused_sync_of_a_schedule_is_confirmed_and_done_again_as_one_of_that_schedule(
    api, agent: FakeAgent, how: str
) -> None:
    asked = Asked(
        site="london",
        workflow="bidirectional_sync",
        paths=[Entry(path=LONDON.encode())],
        fields={"destinationsite": "dublin"},
    )
    job = run_scheduled(asked, Scheduled(schedule=7, name="nightly"), owner=None)
    Run.objects.filter(job=job.pk).update(state=Run.State.REFUSED, refusals=["all is gone"], alarms=[["gone", 0, 9]])
    Job.objects.filter(pk=job.pk).update(state="FAILURE", numopen=0)
    made = api.post(f"/api/jobs/{job.pk}/{how}/")
    assert made.status_code == 201, made.json()
    again = Job.objects.get(pk=made.json()["id"])
    assert (again.jobtype, again.schedule, again.schedule_name) == ("bidirectional_sync", 7, "nightly")
    assert run_of(again).confirmed == (how == "confirm"), "a guard is asked anew, but for what somebody confirmed"
    assert not run_of(again).one_way


def test_what_was_planned_of_a_cancelled_sync_and_not_begun_is_no_file_of_its_job(
    api, agent: FakeAgent, conductor: Conductor
) -> None:
    job = begun(api)
    claimed(agent)
    Job.objects.filter(pk=job.pk).update(numfiles=2000, numcancelledfiles=920)
    cancel(job.pk)
    conductor.look()
    assert run_of(job).state == "CANCELLED"
    assert fresh(job).numfiles == fresh(job).numcancelledfiles == 920


def test_a_directory_that_lost_its_marker_is_told_from_one_that_was_never_marked(api) -> None:
    gone = "has lost its marker, or is another directory"
    Fileset.objects.filter(site__name="dublin").update(state="unmarked", reason=gone)
    assert gone in begun(api, status=503)
    Fileset.objects.filter(site__name="dublin").update(state="unknown", reason="", ident="")
    assert "was not marked by an agent yet" in begun(api, status=503)


def explained(api, job: Job) -> dict[str, Any]:
    answer = api.get(f"/api/jobs/{job.pk}/explain/")
    assert answer.status_code == 200
    return dict(answer.json())


def let_go(agent: FakeAgent) -> None:
    """Have sites do what is left to do at the end of a job."""
    for order in claimed(agent):
        agent.delivery.report(report(order, [Outcome.processed(entry) for entry in order.entries]))


def test_why_a_sync_was_refused_or_broke_is_the_first_that_is_told_of_its_job(api, agent: FakeAgent) -> None:
    for act, cause, said in (
        (
            lambda run: services.refuse(run, ("london: 12 of 12 are gone",), (Alarm(Asks.GONE, 0, 12),)),
            "sync_refused",
            "argosy sync confirm",
        ),
        (lambda run: services.fail(run, "the disk of the hub is full"), "sync_broken", "disk of the hub"),
    ):
        job = begun(api)
        let_go(agent)
        act(run_of(job))
        let_go(agent)
        assert fresh(job).state == "FAILURE"
        told = explained(api, job)
        (first,) = told["causes"]
        assert (first["cause"], said in first["reason"]) == (cause, True), first
        assert f"failed: {first['title'][:1].lower()}{first['title'][1:]}" in told["summary"]


@pytest.mark.parametrize(("workflow", "cause"), [("site_sync", "follows"), ("bidirectional_sync", "alike")])
def test_a_sync_that_had_nothing_to_do_sends_nobody_to_look_for_mistakes(api, workflow: str, cause: str) -> None:
    job = begun(api)
    Job.objects.filter(pk=job.pk).update(state="SKIPPED", numopen=0, jobtype=workflow)
    told = explained(api, job)
    assert [each["cause"] for each in told["causes"]] == [cause]
    assert "had nothing to do" in told["summary"]
