"""Garbage collection as the hub decides it; what sites find is made up here."""

import contextlib
import datetime as dt
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import transaction

from argosy.core.config import Config, HubConfig
from argosy.core.entry import Entry, Stored
from argosy.core.order import Order
from argosy.core.outcome import Outcome
from argosy.core.report import Present
from argosy.core.states import FileState
from argosy.discoveries.objects import Objects
from argosy.hub.catalogue import services as catalogue
from argosy.hub.catalogue.models import Unneeded
from argosy.hub.common.errors import Conflict
from argosy.hub.gc import phases, services
from argosy.hub.gc.collector import Collector
from argosy.hub.gc.models import OPEN, Run
from argosy.hub.gc.notes import Notes
from argosy.hub.jobs import services as jobs
from argosy.hub.jobs.models import Job, Task
from argosy.hub.sites.models import ServedRoot, Site, SiteLink
from argosy.hub.sites.services import delete, save_site
from argosy.stores import keys
from tests.hub.fake import FakeAgent, fresh, processed, report, start

DAY = 86400.0
REFERENCES, OBJECTS = "references", "objects"


def stored(name: str, *, key: str = "", etag: str = "e", size: int = 10) -> Stored:
    return Stored(datastore="cloud", key=key or f"projects/{name}", uuid=name.encode().ljust(16), etag=etag, size=size)


def found(name: str) -> Entry:
    return Entry(path=f"/projects/{name}".encode()).learned(stored=stored(name))


@pytest.fixture(autouse=True)
def _settled(data_dir, two_sites):
    services.configure(Config(hub=HubConfig(garbage_days=0)))
    yield
    services.configure(Config())
    shutil.rmtree(data_dir / "gc", ignore_errors=True)


@pytest.fixture
def collector() -> Collector:
    return Collector()


def advanced(agent: FakeAgent, collector: Collector, run: Run) -> Run:
    """Take the run to its end."""
    for _ in range(20):
        agent.run()
        collector.look()
        run.refresh_from_db()
        if run.state not in OPEN:
            return run
    raise AssertionError(f"still {run.state}")


def collected(agent: FakeAgent, kind: Run.Kind = Run.Kind.RUN) -> Run:
    return advanced(agent, Collector(), services.begin(kind))


def named(agent: FakeAgent, step: str) -> list[str]:
    """Return the keys of the objects that sites were told to do this to."""
    orders = [order for order in agent.orders if order.step == f"dynamo.tasks.{step}"]
    return sorted(entry.facts.stored.key for order in orders for entry in order.entries)


def holding(agent: FakeAgent, *, objects: str, london: str = "", dublin: str = "") -> FakeAgent:
    """Have the sites find that these objects exist, and that they point to those."""
    agent.finds["london", OBJECTS] = [found(name) for name in objects]
    for site, names in (("london", london), ("dublin", dublin)):
        agent.finds[site, REFERENCES] = [found(name) for name in names]
    return agent


def test_what_no_site_points_to_is_marked_and_removed_and_nothing_else(agent):
    run = collected(holding(agent, objects="abc", london="a", dublin="b"))
    assert named(agent, "doom_objects") == ["projects/c"]
    assert named(agent, "delete_objects") == ["projects/c"]
    assert (run.state, run.reason) == ("DONE", "")
    assert run.counts["removed"] == {"objects": 1, "bytes": 10}
    assert run.counts["referred to"] == {"objects": 2, "bytes": 20}


def test_only_orders_of_the_hubs_own_jobs_are_sealed_as_such(agent):
    collected(holding(agent, objects="a"))
    removing = [order for order in agent.orders if order.step.endswith(("doom_objects", "delete_objects"))]
    assert [order.own for order in removing] == [True, True]
    job = start("stat")
    Task.objects.filter(job=job).update(tasktype="dynamo.tasks.delete_objects")
    order = agent.claim()
    assert (order.job, order.step, order.own) == (job.pk, "dynamo.tasks.delete_objects", False)


def test_a_plan_says_what_would_go_and_removes_nothing(agent):
    run = collected(holding(agent, objects="ab", london="a"), Run.Kind.PLAN)
    assert run.counts["due, deleted"] == {"objects": 1, "bytes": 10}
    assert named(agent, "doom_objects") == named(agent, "delete_objects") == []


def test_datastores_are_listed_once_below_the_paths_that_sites_are_linked_to(agent):
    collected(holding(agent, objects=""), Run.Kind.PLAN)
    (order,) = [order for order in agent.orders if order.step.endswith(OBJECTS)]
    assert [entry.path for entry in order.entries] == [b"/projects/"]
    assert order.options == {"datastore": "cloud"}
    assert sorted(order.site for order in agent.orders if order.step.endswith(REFERENCES)) == ["dublin", "london"]


def test_what_a_site_comes_to_point_to_while_the_run_goes_on_is_spared(agent):
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    Collector().look()
    holding(agent, objects="ab", dublin="b")
    run = advanced(agent, Collector(), run)
    states = {
        entry.facts.stored.key: entry.state
        for order in agent.orders
        if order.step.endswith("delete_objects")
        for entry in order.entries
    }
    assert states == {"projects/a": "deleted", "projects/b": "spared"}
    assert run.counts["spared"] == {"objects": 1}


def test_what_work_under_way_carries_is_not_removed(agent):
    carrying = start("send", "/srv/london/projects/a", fields={"destinationsite": "dublin"}, discovery=None)
    agent.act = lambda order, entry: Outcome.processed(entry.learned(stored=stored("a")))
    for _ in range(3):
        agent.do(agent.claim())
    agent.rung.clear()  # the last task waits for its agent
    agent.act = processed
    run = services.begin(Run.Kind.RUN)
    advanced(holding(agent, objects="ab"), Collector(), run)
    assert named(agent, "delete_objects") == ["projects/b"]
    assert (fresh(carrying).state, fresh(carrying).numprocessedfiles) == ("STARTED", 0)


@pytest.mark.parametrize("lost", [REFERENCES, OBJECTS])
def test_a_site_that_cannot_tell_stops_the_run_before_anything_is_removed(agent, lost):
    holding(agent, objects="ab")
    run = services.begin(Run.Kind.RUN)
    while (order := agent.claim()) is not None:
        if order.site == "london" and order.step.endswith(lost):
            agent.delivery.report(report(order, error="corrupt", reason="the attribute of /srv/london/x is broken"))
        else:
            agent.do(order)
    run = advanced(agent, Collector(), run)
    assert (run.state, named(agent, "delete_objects")) == ("FAILED", [])
    assert "site london could not do its part" in run.reason
    assert "the attribute of /srv/london/x is broken" in run.reason


def test_a_site_that_fails_at_the_second_look_stops_it_too(agent):
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    Collector().look()
    agent.run()
    Collector().look()
    run.refresh_from_db()
    assert run.state == "MARK"
    order = agent.claim()
    agent.delivery.report(report(order, error="denied", reason="no"))
    run = advanced(agent, Collector(), run)
    assert (run.state, named(agent, "delete_objects")) == ("FAILED", [])


def test_a_site_that_does_not_answer_stops_the_run_and_is_named(agent, collector):
    run = services.begin(Run.Kind.RUN)
    while (order := agent.claim()) is not None:
        if order.site == "london":
            agent.do(order)
        else:
            Task.objects.filter(taskid=order.task).update(state="PENDING", started=None)
    collector.look()
    run.refresh_from_db()
    assert run.state == "SURVEY"
    Task.objects.update(created=dt.datetime.now(dt.UTC) - services.PATIENCE * 2)
    collector.look()
    run.refresh_from_db()
    assert run.state == "FAILED"
    assert "site dublin does not answer" in run.reason
    assert Job.objects.get(pk=run.job).state == "CANCELLED"


def test_a_site_none_of_whose_roots_is_served_stops_the_run_with_the_reason(agent, collector):
    """Its agent takes no task: the run would wait for it in vain."""
    run = services.begin(Run.Kind.RUN)
    agent.delivery.present(
        Present(site="dublin", node="node1", unserved={"/srv/dublin": "it is empty: mount its disk"})
    )
    collector.look()
    run.refresh_from_db()
    assert run.state == "FAILED"
    assert "site dublin cannot be asked" in run.reason
    assert "node1 does not serve root /srv/dublin: it is empty: mount it" in run.reason
    assert Job.objects.get(pk=run.job).state == "CANCELLED"


def test_only_one_run_goes_on(agent, api):
    services.begin(Run.Kind.PLAN)
    with pytest.raises(Conflict, match="wait for it to end"):
        services.begin(Run.Kind.RUN)
    assert api.post("/api/gc/", {"kind": "plan"}).status_code == 409


def test_a_run_is_begun_and_looked_at_by_the_api(agent, api):
    sent = api.post("/api/gc/", {"kind": "plan"})
    assert (sent.status_code, sent.json()["state"]) == (201, "SURVEY")
    advanced(holding(agent, objects="ab", london="a"), Collector(), Run.objects.get())
    told = api.get(f"/api/gc/{sent.json()['id']}/").json()
    assert (told["kind"], told["state"], told["reason"]) == ("plan", "DONE", "")
    assert told["counts"]["due, deleted"]["objects"] == 1
    assert api.get("/api/gc/").json()["count"] == 1
    assert api.post("/api/gc/", {"kind": "asked"}).status_code == 400


def test_removal_waits_for_work_that_began_before_objects_were_marked(agent, collector):
    start("premigrate", "/srv/london/projects/new", discovery=None)
    agent.do(agent.claim())
    upload = agent.claim()
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    for _ in range(5):
        collector.look()
        agent.run()
    run.refresh_from_db()
    assert run.state == "DOOM"
    agent.do(upload)
    assert advanced(agent, collector, run).state == "DONE"
    assert named(agent, "delete_objects") == ["projects/a", "projects/b"]


def begun_work(agent: FakeAgent) -> tuple[Job, Order]:
    """Have an agent begin to write a file's object."""
    job = start("premigrate", "/srv/london/projects/new", discovery=None)
    agent.do(agent.claim())
    return job, agent.claim()


def taken_as_far_as_it_goes(agent: FakeAgent, collector: Collector, run: Run) -> Run:
    for _ in range(6):
        collector.look()
        agent.run()
    run.refresh_from_db()
    return run


def test_work_that_was_cancelled_is_waited_for_while_its_agent_may_not_know(agent, collector):
    job, order = begun_work(agent)
    jobs.cancel(job.pk)
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    assert taken_as_far_as_it_goes(agent, collector, run).state == "DOOM"
    Task.objects.filter(taskid=order.task).update(lease_until=dt.datetime.now(dt.UTC))
    assert advanced(agent, collector, run).state == "DONE"


def test_work_that_is_cancelled_while_it_is_waited_for_is_waited_for_on(agent, collector):
    job, order = begun_work(agent)
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    taken_as_far_as_it_goes(agent, collector, run)
    jobs.cancel(job.pk)
    assert taken_as_far_as_it_goes(agent, collector, run).state == "DOOM"
    agent.delivery.report(report(order, error="lease_lost"))
    assert advanced(agent, collector, run).state == "DONE"


def test_what_cancelled_work_carries_is_not_removed(agent):
    job = start("send", "/srv/london/projects/a", fields={"destinationsite": "dublin"}, discovery=None)
    agent.act = lambda order, entry: Outcome.processed(entry.learned(stored=stored("a")))
    for _ in range(3):
        agent.do(agent.claim())
    arriving = agent.claim()
    agent.act = processed
    jobs.cancel(job.pk)
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    Collector().look()
    agent.delivery.report(report(arriving, error="lease_lost"))
    advanced(agent, Collector(), run)
    assert named(agent, "delete_objects") == ["projects/b"]


def test_what_work_carried_that_ended_before_the_run_is_garbage(agent):
    agent.act = lambda order, entry: Outcome.processed(entry.learned(stored=stored("a")))
    start("premigrate", "/srv/london/projects/a", discovery=None)
    agent.run()
    agent.act = processed
    collected(holding(agent, objects="ab"))
    assert named(agent, "delete_objects") == ["projects/a", "projects/b"]


def test_a_clock_that_was_set_back_does_not_hide_work_that_began_before(agent, collector):
    agent.clock.forward(3600)
    _, order = begun_work(agent)
    agent.clock.forward(-3600)
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    assert taken_as_far_as_it_goes(agent, collector, run).state == "DOOM"
    agent.do(order)
    assert advanced(agent, collector, run).state == "DONE"


def test_a_run_whose_notes_were_lost_stops(agent, collector, data_dir):
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    collector.look()
    shutil.rmtree(data_dir / "gc")
    run = advanced(agent, collector, run)
    assert (run.state, named(agent, "delete_objects")) == ("FAILED", [])
    assert "its notes are gone" in run.reason


def test_a_mark_that_a_failed_run_left_is_taken_away_once_the_object_is_wanted(agent, collector):
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="a").run()
    for _ in range(3):
        collector.look()
        agent.rung.clear() if Run.objects.get().state == "MARK" else agent.run()
    run.refresh_from_db()
    jobs.cancel(run.job)
    assert (run.state, named(agent, "doom_objects")) == ("MARK", ["projects/a"])
    assert advanced(agent, collector, run).state == "FAILED"
    for _ in range(2):
        collected(holding(agent, objects="a", london="a"))
    (order,) = [order for order in agent.orders if order.step.endswith("delete_objects")]
    assert [(entry.facts.stored.key, entry.state) for entry in order.entries] == [("projects/a", "spared")]


def marked(name: str) -> Entry:
    one = stored(name)
    return Entry(path=b"/" + keys.doomed(one.key, one.uuid).encode())


def swept(agent: FakeAgent) -> list[tuple[str, str]]:
    """Return the keys of the objects whose marks sites were told to see to, and what was said of each."""
    orders = [order for order in agent.orders if order.step.endswith("delete_objects")]
    return [(entry.facts.stored.key, entry.state) for order in orders for entry in order.entries]


def test_marks_that_a_lost_hub_left_are_taken_away_from_what_does_not_go(agent):
    services.configure(Config())
    holding(agent, objects="abc", london="a")
    agent.finds["london", OBJECTS] += [marked("a"), marked("b"), marked("z")]
    assert collected(agent).state == "DONE"
    assert named(agent, "doom_objects") == []
    assert swept(agent) == [("projects/a", "spared"), ("projects/b", "spared")]


def test_a_mark_that_a_lost_hub_left_saves_nothing_that_is_due(agent):
    holding(agent, objects="ab", london="a")
    agent.finds["london", OBJECTS] += [marked("b")]
    collected(agent)
    assert named(agent, "doom_objects") == ["projects/b"]
    assert swept(agent) == [("projects/b", "deleted")]


def anothers(*names: str) -> list[Entry]:
    return [msgspec.structs.replace(found(name), state=Objects.ANOTHERS) for name in names]


def test_what_another_hub_keeps_is_told_and_no_garbage(agent):
    holding(agent, objects="", london="b")
    agent.finds["london", OBJECTS] = [*anothers("a", "b"), marked("a"), marked("b")]
    run = collected(agent)
    assert run.counts["of another hub"] == {"objects": 2, "bytes": 20}
    assert named(agent, "doom_objects") == []
    assert swept(agent) == [("projects/b", "spared")]  # a file here needs it; the mark of the other is the other's


def test_a_run_takes_over_what_others_sealed_where_it_is_told_to(agent, api):
    assert api.post("/api/gc/", {"kind": "run", "take_over": True}).status_code == 201
    assert advanced(holding(agent, objects="a"), Collector(), Run.objects.get()).state == "DONE"
    told = {order.step.rpartition(".")[2] for order in agent.orders if order.options.get("take_over")}
    assert told == {OBJECTS, "delete_objects"}


def test_a_run_goes_on_part_by_part_whatever_cannot_be_removed(agent, monkeypatch):
    monkeypatch.setattr(phases, "MOST", 2)
    agent.act = lambda order, entry: (
        Outcome(entry=entry, state=FileState.FAILED, reason="held", error="denied")
        if order.step.endswith("delete_objects") and entry.path in {b"/projects/a", b"/projects/b"}
        else processed(order, entry)
    )
    run = collected(holding(agent, objects="abcde"))
    keys = [f"projects/{name}" for name in "abcde"]
    assert named(agent, "doom_objects") == named(agent, "delete_objects") == keys
    steps = [order.step.rpartition(".")[2] for order in agent.orders]
    assert (steps.count("doom_objects"), steps.count("delete_objects"), steps.count(REFERENCES)) == (3, 3, 4)
    assert (run.state, run.counts["removed"]) == ("DONE", {"objects": 3, "bytes": 30})
    assert run.reason.startswith("2 objects could not be removed")


def test_marks_say_which_run_made_them(agent):
    runs = [collected(holding(agent, objects="a")) for _ in range(2)]
    told = [order.options["mark"] for order in agent.orders if order.step.endswith(("doom_objects", "delete_objects"))]
    assert told == [runs[0].nonce] * 2 + [runs[1].nonce] * 2
    assert runs[0].nonce != runs[1].nonce


# Roots that are served no longer


def retire(**more: Any) -> None:
    """Have dublin serve another root than it did."""
    site = Site.objects.get(name="dublin")
    SiteLink.objects.filter(site=site).update(site_path=b"/srv/other/work")
    Site.objects.filter(pk=site.pk).update(file_keys=[])
    site.refresh_from_db()
    save_site(site, {"roots": ["/srv/other"]} | more)


def test_a_root_that_is_served_no_longer_stops_the_run_until_it_is_forgotten(agent, api):
    retire()
    run = collected(holding(agent, objects="a"))
    assert (run.state, named(agent, "doom_objects")) == ("FAILED", [])
    assert "root /srv/dublin of site dublin is no longer served" in run.reason
    assert "argosy site forget-root dublin /srv/dublin" in run.reason
    (root,) = api.get("/api/retiredroots/").json()["results"]
    assert (root["site"], root["path"]) == ("dublin", "/srv/dublin")
    assert api.delete(f"/api/retiredroots/{root['id']}/").status_code == 204
    assert collected(agent).state == "DONE"
    assert named(agent, "delete_objects") == ["projects/a"]


def test_a_root_is_forgotten_by_the_agents_that_served_it_as_well(agent, api):
    told = Present(site="dublin", node="node1", retired=("/srv/dublin", "/srv/older"))
    retire()
    assert agent.delivery.present(told) == ()
    for root in api.get("/api/retiredroots/").json()["results"]:  # one of them the agent alone remembered
        assert api.delete(f"/api/retiredroots/{root['id']}/").status_code == 204
    assert set(agent.delivery.present(told)) == {"/srv/dublin", "/srv/older"}
    assert collected(holding(agent, objects="a")).state == "DONE"
    site = Site.objects.get(name="dublin")
    save_site(site, {"roots": ["/srv/dublin", "/srv/other"]})
    assert agent.delivery.present(told) == ("/srv/older",)
    assert agent.delivery.present(msgspec.structs.replace(told, site="unknown")) == ()


def test_a_root_that_is_served_again_is_asked_as_before(agent):
    retire()
    site = Site.objects.get(name="dublin")
    SiteLink.objects.filter(site=site).update(site_path=b"/srv/dublin/work")
    save_site(site, {"roots": ["/srv/dublin", "/srv/other"]})
    assert collected(holding(agent, objects="a", dublin="a")).state == "DONE"


def test_roots_of_a_site_that_was_deleted_or_renamed_are_not_forgotten(agent, api):
    retire(name="cork")
    (root,) = api.get("/api/retiredroots/").json()["results"]
    assert (root["site"], root["path"]) == ("cork", "/srv/dublin")
    SiteLink.objects.filter(site__name="cork").delete()
    delete(Site.objects.get(name="cork"))
    assert [root["path"] for root in api.get("/api/retiredroots/").json()["results"]] == ["/srv/dublin", "/srv/other"]
    assert collected(agent).state == "FAILED"


def test_a_site_that_takes_the_name_of_another_does_not_answer_for_its_roots(agent):
    """The disks of the former dublin may come back."""
    site = Site.objects.get(name="dublin")
    Site.objects.update(file_keys=[])
    SiteLink.objects.filter(site=site).delete()
    delete(Site.objects.get(name="dublin"))
    paris = save_site(Site(), {"name": "paris", "roots": ["/srv/paris"]})
    save_site(paris, {"name": "dublin"})
    run = collected(holding(agent, objects="a"))
    assert (run.state, named(agent, "doom_objects")) == ("FAILED", [])
    assert "root /srv/dublin of site dublin is no longer served" in run.reason


def test_what_was_forgotten_of_a_name_is_not_of_the_site_that_takes_it(agent):
    ServedRoot.objects.create(site="dublin", path="/srv/disk")
    ServedRoot.objects.create(site="cork", path="/srv/disk", forgotten=True)
    Site.objects.update(file_keys=[])
    save_site(Site.objects.get(name="dublin"), {"name": "cork"})
    assert "root /srv/disk of site cork is no longer served" in collected(agent).reason


def test_a_site_that_is_called_as_before_serves_the_same_roots(agent):
    Site.objects.update(file_keys=[])
    for name in ("cork", "dublin"):
        save_site(Site.objects.get(roots=["/srv/dublin"]), {"name": name})
    assert collected(agent).state == "DONE"
    assert ServedRoot.objects.filter(site="dublin").count() == 1


def test_a_root_that_is_served_is_not_forgotten(agent, api):
    assert api.get("/api/retiredroots/").json()["count"] == 0
    assert api.delete(f"/api/retiredroots/{ServedRoot.objects.first().pk}/").status_code == 404


def test_a_root_that_goes_while_a_run_goes_on_stops_it(agent, collector):
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="a").run()
    retire()
    run = advanced(agent, collector, run)
    assert (run.state, named(agent, "delete_objects")) == ("FAILED", [])


def test_work_that_begins_afterwards_is_not_waited_for(agent, collector):
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    collector.look()
    agent.run()
    collector.look()
    agent.clock.forward(3600)
    start("premigrate", "/srv/london/projects/new", discovery=None)
    agent.do(agent.claim()) if agent.rung[0][3] == "transfer" else None
    for _ in range(8):
        agent.run()
        collector.look()
    run.refresh_from_db()
    assert run.state == "DONE"


# What steps say is not needed


def unneeding(agent: FakeAgent, workflow: str, *names: str) -> tuple[Job, list[object]]:
    """Run a job whose step says that it needs these objects no more; return it and its last reports."""
    told: list[object] = []
    agent.act = lambda order, entry: (
        msgspec.structs.replace(processed(order, entry), unneeded=(stored(entry.path.decode()[-1]),))
        if not order.step.endswith("stat_paths")
        else processed(order, entry)
    )
    job = start(workflow, *(f"/srv/london/projects/{name}" for name in names), discovery=None)
    agent.run()
    agent.act = processed
    return job, told


def test_what_a_step_needs_no_more_is_recorded_once_with_its_report(agent):
    job = start("recall", "/srv/london/projects/a", discovery=None)
    agent.do(agent.claim())
    order = agent.claim()
    outcome = Outcome(entry=order.entries[0], state=FileState.PROCESSED, unneeded=(stored("a"),))
    for _ in range(3):
        agent.delivery.report(report(order, [outcome]))
    (row,) = Unneeded.objects.all()
    assert (row.datastore, row.key, bytes(row.uuid), row.job) == ("cloud", "projects/a", stored("a").uuid, job.pk)
    assert (row.why, row.asked) == ("dynamo.tasks.recall", True)


def order_of(step: str, job: int) -> Unneeded:
    return catalogue.unneeded(stored("a"), step=f"dynamo.tasks.{step}", job=job, now=dt.datetime.now(dt.UTC))


def test_an_order_to_remove_counts_whatever_was_named_before_or_is_later():
    for job, step in enumerate(["move_in_cloud", "remove_from_cloud", "move_in_cloud"]):
        catalogue.record([order_of(step, job)])
    (row,) = Unneeded.objects.all()
    assert (row.asked, row.why, row.job) == (True, "dynamo.tasks.remove_from_cloud", 1)
    assert row.due <= dt.datetime.now(dt.UTC)


def test_an_order_to_remove_is_tried_at_once_though_an_earlier_one_was_put_off():
    catalogue.record([order_of("remove_from_cloud", 1)])
    Unneeded.objects.update(due=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    catalogue.record([order_of("remove_from_cloud", 2)])
    assert Unneeded.objects.get().due <= dt.datetime.now(dt.UTC)


def test_an_order_to_remove_that_comes_while_a_run_spares_the_object_is_the_next_ones(agent, collector):
    unneeding(agent, "recall", "a")
    holding(agent, objects="a", london="a")
    collector.look()
    catalogue.record([order_of("remove_from_cloud", 7)])
    advanced(agent, collector, Run.objects.get())
    assert swept(agent) == [("projects/a", "spared")]
    assert Unneeded.objects.get().job == 7


def test_what_an_attempt_says_that_lost_its_task_is_recorded_as_well(agent):
    start("recall", "/srv/london/projects/a", discovery=None)
    agent.do(agent.claim())
    order = agent.claim()
    agent.clock.forward(61)
    agent.delivery.sweep()
    outcome = Outcome(entry=order.entries[0], state=FileState.PROCESSED, unneeded=(stored("a"),))
    agent.delivery.report(report(order, [outcome]))
    assert Unneeded.objects.count() == 1


def test_what_somebody_asked_to_have_removed_goes_by_itself_once_nothing_points_to_it(agent, collector):
    unneeding(agent, "recall", "a", "b")
    holding(agent, objects="abz", dublin="b")
    collector.look()
    run = advanced(agent, collector, Run.objects.get())
    assert (run.kind, run.state) == ("asked", "DONE")
    assert named(agent, "objects") == []
    assert run.counts["removed"]["objects"] == 1
    assert not Unneeded.objects.exists()
    deleted = {
        e.facts.stored.key: e.state for o in agent.orders if o.step.endswith("delete_objects") for e in o.entries
    }
    assert deleted == {"projects/a": "asked", "projects/b": "spared"}


def test_it_waits_until_the_job_has_ended(agent, collector):
    job = start("recall", "/srv/london/projects/a", "/srv/london/projects/b", discovery=None)
    agent.do(agent.claim())
    order = agent.claim()
    done = Outcome(entry=order.entries[0], state=FileState.PROCESSED, unneeded=(stored("a"),))
    agent.delivery.report(report(order, [done], error="unavailable", reason="away", retry=True))
    collector.look()
    assert (fresh(job).state, Run.objects.count(), Unneeded.objects.count()) == ("STARTED", 0, 1)


def test_an_object_that_cannot_be_removed_fails_no_job_and_is_tried_again_later(agent, collector):
    job, _ = unneeding(agent, "recall", "a")
    agent.act = lambda order, entry: (
        Outcome(entry=entry, state=FileState.FAILED, reason="the store forbids it", error="denied")
        if order.step.endswith("delete_objects")
        else processed(order, entry)
    )
    collector.look()
    run = advanced(agent, collector, Run.objects.get())
    assert fresh(job).state == "SUCCESS"
    assert "1 objects could not be removed" in run.reason
    (row,) = Unneeded.objects.all()
    assert row.due > dt.datetime.now(dt.UTC) + dt.timedelta(minutes=4)
    collector.look()
    assert Run.objects.count() == 1


def test_what_nobody_asked_to_have_removed_waits_as_long_as_what_was_deleted(agent, collector):
    services.configure(Config())
    unneeding(agent, "premigrate", "a")
    holding(agent, objects="a")
    collector.look()
    assert not Run.objects.exists()
    assert collected(agent).counts["waiting, unneeded"]["objects"] == 1
    services.configure(Config(hub=HubConfig(garbage_days=0)))
    collected(agent)
    assert named(agent, "delete_objects") == ["projects/a"]


def test_to_carry_a_rename_on_to_the_store_is_no_order_to_delete(agent):
    """A backup of the stub, made before, points to the object under its former key."""
    row = catalogue.unneeded(stored("a"), step="dynamo.tasks.move_in_cloud", job=1, now=dt.datetime.now(dt.UTC))
    assert not row.asked


def test_runs_that_begin_by_themselves_leave_each_other_time(agent, collector):
    unneeding(agent, "recall", "a")
    collector.look()
    advanced(agent, collector, Run.objects.get())
    unneeding(agent, "recall", "b")
    collector.look()
    assert Run.objects.count() == 1
    Run.objects.update(completed=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1), created=Run.objects.get().created)
    Run.objects.update(created=Run.objects.get().completed)
    collector.look()
    assert Run.objects.count() == 2


def test_each_phase_may_be_taken_up_again_where_it_was(agent):
    """A hub that is killed before it commits makes the same decision once more, whatever the notes say already."""
    holding(agent, objects="abc", london="a")
    run = services.begin(Run.Kind.RUN)
    for _ in range(10):
        agent.run()
        run.refresh_from_db()
        if run.state in OPEN:
            with contextlib.suppress(KeyboardInterrupt), transaction.atomic():
                services.advance(run)
                raise KeyboardInterrupt
            services.advance(Run.objects.get(pk=run.pk))
    run.refresh_from_db()
    assert (run.state, run.counts["removed"]["objects"]) == ("DONE", 2)


# What outlives runs


@pytest.fixture
def notes(tmp_path: Path):
    """Return what makes the notes of a run."""
    return lambda number: Notes(tmp_path, number)


WAITS = {"deleted": 90 * DAY, "orphan": DAY, "unneeded": DAY}


def due(notes: Notes, now: float, *objects: Stored, unwanted: Sequence[Stored] = ()) -> list[str]:
    with notes:
        notes.find(objects)
        notes.settle(now, WAITS, unwanted)
        return sorted(one.stored.key for one in notes.due(100))


def test_what_was_deleted_is_kept_for_ninety_days_after_it_was_first_missed(notes):
    a = stored("a")
    assert due(notes(1), 1000, a) == []
    assert due(notes(2), 1000 + 89 * DAY, a) == []
    assert due(notes(3), 1000 + 90 * DAY, a) == ["projects/a"]


def test_a_reference_that_came_back_begins_the_wait_anew(notes):
    a = stored("a")
    due(notes(1), 0, a)
    second = notes(2)
    second.refer([a.uuid])
    assert due(second, 60 * DAY, a) == []
    assert due(notes(3), 91 * DAY, a) == []
    assert due(notes(4), 182 * DAY, a) == ["projects/a"]


def test_another_object_under_the_same_key_begins_the_wait_anew(notes):
    due(notes(1), 0, stored("a"))
    other = msgspec.structs.replace(stored("b"), key="projects/a")
    assert due(notes(2), 91 * DAY, other) == []
    assert due(notes(3), 92 * DAY, msgspec.structs.replace(other, etag="f")) == []


def test_what_a_site_began_and_never_pointed_to_waits_a_day(notes):
    a, b = stored("a"), stored("b")
    due(notes(1), 0, a, b)
    second = notes(2)
    second.never_pointed([a.uuid])
    assert due(second, DAY, a, b) == ["projects/a"]


def test_what_a_step_needs_no_more_waits_from_the_first_run_that_notices(notes):
    a = stored("a")
    due(notes(1), 0, a)
    assert due(notes(2), 1000, a, unwanted=[a]) == []
    assert due(notes(3), 999 + DAY, a, unwanted=[a]) == []
    assert due(notes(4), 1000 + DAY, a, unwanted=[a]) == ["projects/a"]


def test_what_was_never_pointed_to_and_is_needed_no_more_waits_once(notes):
    a = stored("a")
    for number, (now, gone) in enumerate([(0, []), (DAY / 2, []), (DAY, ["projects/a"])]):
        one = notes(number)
        one.never_pointed([a.uuid])
        assert due(one, now, a, unwanted=[a]) == gone


def test_what_is_not_there_is_never_due(notes):
    due(notes(1), 0, stored("a"))
    assert due(notes(2), 91 * DAY, unwanted=[stored("a")]) == []


def test_a_job_that_is_gone_is_not_taken_for_one_that_went_well(agent, collector):
    run = services.begin(Run.Kind.RUN)
    holding(agent, objects="ab").run()
    Job.objects.all().delete()
    run = advanced(agent, collector, run)
    assert (run.state, named(agent, "delete_objects")) == ("FAILED", [])


def test_an_object_that_a_file_pointed_to_waits_like_others_though_its_site_lost_its_note_of_that(agent):
    services.configure(Config(hub=HubConfig(garbage_days=90)))
    begun = [Entry(path=b"").learned(stored=stored(name)) for name in "ab"]
    holding(agent, objects="ab")
    agent.finds["london", REFERENCES] = [*begun, found("a")]
    collected(agent)
    agent.finds["london", REFERENCES] = begun
    for _ in range(2):
        counts = collected(agent).counts
        assert counts["waiting, orphan"]["objects"] == counts["waiting, deleted"]["objects"] == 1
