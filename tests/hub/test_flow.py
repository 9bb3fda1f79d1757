import msgspec
import pytest

from argosy.core.config import LinkConfig
from argosy.core.entry import Entry, Facts, Kind
from argosy.core.errors import Corrupt
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs import offer
from argosy.hub.jobs.files import JobFiles, task_files
from argosy.hub.jobs.models import Job, Result, Task
from argosy.hub.jobs.services import cancel
from argosy.hub.sites.models import Site
from argosy.hub.sites.services import reconcile
from tests.hub.fake import config, directory, file, fresh, processed, report, send, start, told

pytestmark = pytest.mark.usefixtures("two_sites")


def counts(job: Job) -> dict[str, int]:
    job = fresh(job)
    names = ("files", "processedfiles", "skippedfiles", "failedfiles", "abortedfiles", "cancelledfiles")
    return {name: getattr(job, f"num{name}") for name in names if getattr(job, f"num{name}")}


def listed(job: Job, state: FileState | None = None) -> list[tuple[str, str]]:
    return sorted((note.outcome.entry.path.decode(), note.state) for note in JobFiles(job, state))


@pytest.mark.feature("HUB-JOB-023", "HUB-JOB-043", "HUB-WF-017")
def test_a_tree_is_sent_and_each_entry_counts_once_where_its_way_ended(agent):
    agent.tree = [
        directory("/srv/london/projects"),
        file("/srv/london/projects/a", 3),
        file("/srv/london/projects/b", 4),
    ]
    job = send()
    agent.run()
    assert fresh(job).state == "SUCCESS"
    assert counts(job) == {"files": 3, "processedfiles": 3}
    assert (fresh(job).numbytes, fresh(job).moved_data) == (7, 7)
    assert listed(job) == [
        ("/srv/dublin/work", "processed"),
        ("/srv/dublin/work/a", "processed"),
        ("/srv/dublin/work/b", "processed"),
    ]
    assert [(order.site, order.step.rpartition(".")[2]) for order in agent.orders] == [
        ("london", "recursive_action"),
        ("london", "remove_location_xattrs_for_moved"),
        ("london", "migrate"),
        ("dublin", "reverse_stub"),
    ]


def test_the_place_where_an_entry_was_found_is_kept_with_its_result_at_another_site(agent):
    agent.tree = [file("/srv/london/projects/a")]
    job = send()
    agent.run()
    assert [note.source for note in JobFiles(job, None)] == [b"/srv/london/projects/a"]


def test_facts_travel_with_the_entry_from_link_to_link(agent):
    def learn(order, entry):
        if order.step.endswith("migrate"):
            return Outcome.processed(entry.learned(links=7))
        return processed(order, entry)

    agent.tree, agent.act = [file("/srv/london/projects/a")], learn
    send()
    agent.run()
    assert agent.orders[-1].step.endswith("reverse_stub")
    assert agent.orders[-1].entries[0].facts == Facts(links=7)


def test_an_order_holds_links_stores_with_their_secrets_and_the_batch_sizes_of_its_site(agent):
    agent.tree = [file("/srv/london/projects/a")]
    send()
    agent.run()
    order = agent.orders[-1]
    assert [(link.site_path, link.datastore_path) for link in order.links] == [(b"/srv/dublin/work", b"projects/")]
    assert order.stores[0].settings["secretaccesskey"] == "s3cret"
    assert (order.batch_files, order.batch_bytes, order.lease) == (40, 1 << 30, 60.0)
    assert "s3cret" not in repr(order)


@pytest.mark.feature("HUB-JOB-031", "HUB-WF-020")
def test_skipped_entries_go_on_and_count_as_processed_where_any_link_processed_them(agent):
    def act(order, entry):
        done = {"migrate": b"a", "reverse_stub": b"b"}.get(order.step.rpartition(".")[2])
        return processed(order, entry) if entry.path[-1:] == done else Outcome.skipped(entry, "there already")

    agent.tree = [file(f"/srv/london/projects/{name}") for name in "abc"]
    agent.act = act
    job = send()
    agent.run()
    assert counts(job) == {"files": 3, "processedfiles": 2, "skippedfiles": 1}
    assert listed(job, FileState.SKIPPED) == [("/srv/dublin/work/c", "skipped")]
    assert agent.orders[-1].options["hydrate"] is True


@pytest.mark.feature("HUB-JOB-025", "HUB-JOB-028", "HUB-JOB-032")
def test_a_failed_entry_stops_there_and_the_good_ones_go_on(agent):
    def act(order, entry):
        if entry.path.endswith(b"bad") and order.step.endswith("migrate"):
            return Outcome(entry=entry, state=FileState.FAILED, reason="is broken", error="corrupt")
        return processed(order, entry)

    agent.tree, agent.act = [file("/srv/london/projects/bad"), file("/srv/london/projects/good")], act
    job = send()
    agent.run()
    assert fresh(job).state == "FAILURE"
    assert counts(job) == {"files": 2, "processedfiles": 1, "failedfiles": 1}
    assert listed(job) == [("/srv/dublin/work/good", "processed"), ("/srv/london/projects/bad", "failed")]
    assert Task.objects.get(tasktype="dynamo.tasks.migrate").state == "ERROR"
    assert [entry.path for entry in agent.orders[-1].entries] == [b"/srv/dublin/work/good"]


@pytest.mark.feature("HUB-JOB-026", "HUB-JOB-030")
def test_aborted_entries_do_not_make_a_job_fail(agent):
    agent.tree = [file("/srv/london/projects/a")]
    agent.act = lambda _, entry: Outcome(entry=entry, state=FileState.ABORTED, reason="changed", error="changed")
    job = send()
    agent.run()
    assert fresh(job).state == "SUCCESS"
    assert counts(job) == {"files": 1, "abortedfiles": 1}


@pytest.mark.feature("HUB-JOB-024")
def test_a_job_that_finds_nothing_is_skipped(agent):
    job = start("premigrate")
    agent.run()
    assert fresh(job).state == "SKIPPED"
    assert fresh(job).dir_walk_complete


def test_what_is_no_file_directory_or_symlink_is_skipped_and_said_so(agent):
    agent.tree = [Entry(path=b"/srv/london/projects/fifo", kind=Kind.OTHER), file("/srv/london/projects/a")]
    job = start("premigrate")
    agent.run()
    assert counts(job) == {"files": 2, "processedfiles": 1, "skippedfiles": 1}
    assert [note.outcome.reason for note in JobFiles(job, FileState.SKIPPED)] == ["not a file, directory or symlink"]


def test_paths_that_a_walk_could_not_look_at_are_failed_files(agent):
    def missing(path):
        return Outcome(entry=Entry(path=path), state=FileState.FAILED, reason="does not exist", error="not_found")

    job = start("premigrate")
    order = agent.claim()
    agent.delivery.batch(told(order, 0, file("/srv/london/projects/a"), failed=[missing(b"/srv/london/projects/x")]))
    agent.delivery.report(report(order, [missing(b"/srv/london/projects/y")]))
    agent.run()
    assert Task.objects.get(chain=None).state == "ERROR"
    assert fresh(job).state == "FAILURE"
    assert counts(job) == {"files": 3, "processedfiles": 1, "failedfiles": 2}
    assert [name for name, _ in listed(job, FileState.FAILED)] == ["/srv/london/projects/x", "/srv/london/projects/y"]


def test_an_entry_that_has_no_place_at_the_other_site_fails_and_names_the_missing_link(agent):
    declared = config()
    inner = LinkConfig(site_path="/srv/london/projects/inner", datastore="cloud", datastore_path="elsewhere/")
    london = msgspec.structs.replace(declared.sites[0], links=(*declared.sites[0].links, inner))
    reconcile(msgspec.structs.replace(declared, sites=(london, declared.sites[1])))
    agent.tree = [file("/srv/london/projects/a"), file("/srv/london/projects/inner/b")]
    job = send()
    agent.run()
    assert counts(job) == {"files": 2, "processedfiles": 1, "failedfiles": 1}
    (note,) = JobFiles(job, FileState.FAILED)
    assert note.outcome.entry.path == b"/srv/london/projects/inner/b"
    assert "dublin has no sitelink to datastore cloud" in note.outcome.reason


@pytest.mark.feature("HUB-WF-032", "HUB-WF-034")
def test_without_discovery_the_given_paths_are_looked_at_and_processed_as_they_are(agent):
    job = start("premigrate", "/srv/london/projects/a", "/srv/london/projects/b", discovery=None)
    agent.run()
    assert [order.step.rpartition(".")[2] for order in agent.orders] == ["stat_paths", "migrate"]
    assert counts(job) == {"files": 2, "processedfiles": 2}
    assert fresh(job).state == "SUCCESS"


def test_a_given_path_that_is_missing_fails_and_the_others_go_on(agent):
    def act(order, entry):
        if entry.path.endswith(b"gone"):
            return Outcome(entry=entry, state=FileState.FAILED, reason="does not exist", error="not_found")
        return processed(order, entry)

    agent.act = act
    job = start("premigrate", "/srv/london/projects/a", "/srv/london/projects/gone", discovery=None)
    agent.run()
    assert counts(job) == {"files": 2, "processedfiles": 1, "failedfiles": 1}
    assert listed(job, FileState.FAILED) == [("/srv/london/projects/gone", "failed")]


@pytest.mark.feature("HUB-SITE-006", "HUB-SITE-008")
def test_given_paths_are_cut_into_batches_of_the_sites_size(agent):
    paths = [f"/srv/london/projects/{number}" for number in range(100)]
    start("premigrate", *paths, discovery=None)
    agent.run()
    looked = [len(order.entries) for order in agent.orders if order.step.endswith("stat_paths")]
    assert looked == [40, 40, 20]


@pytest.mark.feature("HUB-JOB-037")
def test_the_file_list_of_a_job_agrees_with_its_counts_page_by_page(agent):
    agent.tree, agent.batch_size = [file(f"/srv/london/projects/{number:03}") for number in range(95)], 7
    job = start("premigrate")
    agent.run()
    files = JobFiles(job, FileState.PROCESSED)
    assert len(files) == fresh(job).numprocessedfiles == 95
    pages = [note.outcome.entry.path for start_ in range(0, 95, 20) for note in files[start_ : start_ + 20]]
    assert len(set(pages)) == 95


@pytest.mark.feature("HUB-JOB-044")
def test_work_can_be_added_to_a_job_that_has_not_ended(agent):
    agent.tree = [file("/srv/london/projects/a")]
    job = start("premigrate")
    assert start("premigrate", "/srv/london/projects/b", discovery=None, job=job.pk).pk == job.pk
    agent.run()
    assert counts(job) == {"files": 2, "processedfiles": 2}
    assert fresh(job).state == "SUCCESS"


@pytest.mark.feature("HUB-JOB-011", "HUB-JOB-012", "HUB-JOB-036")
def test_a_cancelled_job_ends_at_once_with_nothing_pending_and_its_files_counted(agent):
    agent.tree, agent.batch_size = [file(f"/srv/london/projects/{number}") for number in range(4)], 2
    job = start("premigrate")
    agent.do(agent.claim())
    running = agent.claim()
    cancel(job.pk)
    assert fresh(job).state == "CANCELLED"
    assert counts(job) == {"files": 4, "cancelledfiles": 4}
    assert len(listed(job, FileState.CANCELLED)) == 4
    assert not Task.objects.filter(state__in=["PENDING", "STARTED"]).exists()
    assert agent.delivery.renew(running.task, running.attempt) is None
    agent.run()
    assert fresh(job).numopen == 0


@pytest.mark.feature("HUB-JOB-013", "HUB-JOB-033")
def test_to_cancel_twice_changes_nothing(agent):
    job = start("premigrate")
    cancel(job.pk)
    first = fresh(job)
    cancel(job.pk)
    assert fresh(job).completed == first.completed
    assert set(Task.objects.values_list("state", flat=True)) == {"CANCELLED"}


def test_what_a_cancelled_task_reports_is_kept_and_not_counted(agent):
    job = start("premigrate", "/srv/london/projects/a", discovery=None)
    running = agent.claim()
    cancel(job.pk)
    for _ in range(2):
        agent.delivery.report(report(running, [processed(running, entry) for entry in running.entries]))
    assert counts(job) == {"files": 1, "cancelledfiles": 1}
    assert Result.objects.filter(late=True, state="processed", count=1).count() == 1


def test_each_file_of_a_task_that_was_cancelled_while_it_ran_is_listed_once_and_says_what_was_done(agent):
    job = start("premigrate", *(f"/srv/london/projects/{name}" for name in "abc"), discovery=None)
    agent.do(agent.claim())
    running = agent.claim()
    cancel(job.pk)
    lost = Outcome.of_error(running.entries[1], Corrupt("it is damaged"))
    for _ in range(2):
        agent.delivery.report(report(running, [processed(running, running.entries[0]), lost]))
    task = Task.objects.get(taskid=running.task)
    while_it_ran = "the job was cancelled while this ran"
    for notes in (task_files(task, state=None, kind=None, site=None), list(JobFiles(job, None))):
        assert [(note.state, note.outcome.reason) for note in notes] == [
            ("cancelled", f"{while_it_ran}: it was done"),
            ("cancelled", f"{while_it_ran}: it failed: it is damaged"),
            ("cancelled", f"{while_it_ran}: it may have been done"),
        ]


def test_later_links_are_offered_first_so_that_files_arrive_while_the_walk_goes_on(agent, monkeypatch):
    monkeypatch.setattr(offer, "WINDOW", 20)
    Site.objects.update(file_batch_size=1)
    agent.tree, agent.batch_size = [file(f"/srv/london/projects/{number:04}") for number in range(60)], 60
    send()
    agent.do(agent.claim())
    assert len(agent.rung) == 20
    while not any(order.step.endswith("reverse_stub") for order in agent.orders):
        agent.do(agent.claim())
    assert Task.objects.filter(tasktype__endswith="moved", state="PENDING").exists()
