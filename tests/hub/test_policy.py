"""What sites have settled for their files, and what the shipped workflows do with it."""

from pathlib import Path

import msgspec
import pytest

from argosy.core.config import Config, load
from argosy.core.entry import Entry
from argosy.core.errors import Invalid, Restoring
from argosy.core.order import Policy
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs.files import JobFiles
from argosy.hub.jobs.models import Task
from argosy.hub.jobs.services import Asked, submit
from argosy.hub.sites import export
from argosy.hub.sites.models import Datastore, Site
from argosy.hub.sites.services import access, reconcile
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import FakeAgent, config, file, fresh, processed, report, start

pytestmark = pytest.mark.usefixtures("two_sites")

HOUR = 3600.0


def restoring(entry: Entry) -> Outcome:
    return Outcome.of_error(entry, Restoring("object a is in the archive: its restore was requested"))


def recalled(agent: FakeAgent, *names: str):
    """Return a job and the order of its recall task."""
    job = start("recall", *(f"/srv/london/projects/{name}" for name in names), discovery=None)
    agent.do(agent.claim())
    order = agent.claim()
    assert order.step == "dynamo.tasks.recall"
    return job, order


def offered(agent: FakeAgent):
    """Return the order that is to be had now, if there is one."""
    agent.delivery.sweep()
    while agent.rung:
        if (order := agent.claim()) is not None:
            return order
    return None


def test_an_order_says_what_its_site_has_settled(agent):
    Site.objects.filter(name="london").update(unguarded_stubs=True, min_stub_size=0, trash_days=0.5)
    agent.tree = [file("/srv/london/projects/a")]
    start("premigrate")
    agent.run()
    assert agent.orders[-1].policy == Policy(unguarded_stubs=True, min_stub_size=0, trash_days=0.5)


def test_a_site_that_settled_nothing_makes_no_unguarded_stubs_and_keeps_its_trash(agent):
    start("premigrate")
    assert agent.claim().policy == Policy(unguarded_stubs=False, min_stub_size=65536, trash_days=30.0)


def test_what_a_site_settles_is_set_by_the_api_and_exported(api):
    reconcile(Config())
    site = Site.objects.get(name="london")
    sent = {"min_stub_size": 4096, "trash_days": 7.5, "unguarded_stubs": True}
    answer = api.patch(f"/api/sites/{site.pk}/", sent)
    assert {key: answer.json()[key] for key in sent} == sent
    told = export.toml("london")
    assert "min_stub_size = 4096\ntrash_days = 7.5\n" in told
    assert "unguarded_stubs = true\n" in told


@pytest.mark.parametrize("sent", [{"min_stub_size": -1}, {"trash_days": -0.1}, {"trash_days": "long"}])
def test_what_a_site_cannot_settle_is_refused(api, sent):
    site = Site.objects.get(name="london")
    assert api.patch(f"/api/sites/{site.pk}/", sent).status_code == 400


def test_a_site_of_the_file_has_what_the_file_says():
    declared = config()
    london = msgspec.structs.replace(declared.sites[0], min_stub_size=1, trash_days=0.0)
    reconcile(msgspec.structs.replace(declared, sites=(london,)))
    site = Site.objects.get(name="london")
    assert (site.min_stub_size, site.trash_days) == (1, 0.0)


HIDDEN = {
    "transparent_recall": (None, False, ["recall"]),
    "reverse_stub": (None, True, ["reverse_stub"]),
    "delete_file": (None, True, ["delete_paths_from_gpfs"]),
}


def shape(name: str) -> tuple[str | None, bool, list[str]]:
    workflow = Workflow.objects.get(name=name)
    steps = [action["name"].rpartition(".")[2] for rule in workflow.filter_rules for action in rule["action"]]
    return workflow.discovery, workflow.allow_missing_paths, steps


@pytest.mark.feature("HUB-WF-044")
def test_hidden_workflows_are_there_and_not_offered():
    for name, expected in HIDDEN.items():
        assert not Workflow.objects.get(name=name).visible
        assert shape(name) == expected


def test_the_workflows_for_people_are_offered():
    for name in ("migrate", "premigrate", "recall", "send"):
        assert Workflow.objects.get(name=name).visible
        assert Workflow.objects.get(name=name).discovery == "recursive"


@pytest.mark.parametrize(
    ("name", "level"), [("migrate", "partial"), ("premigrate", "implicit"), ("recall", "implicit")]
)
def test_the_lock_level_has_its_documented_default_and_reaches_the_step(agent, name, level):
    agent.tree = [file("/srv/london/projects/a")]
    start(name)
    agent.run()
    assert agent.orders[-1].options["lock_level"] == level


def test_a_workflow_that_allows_missing_paths_has_them_looked_at_with_patience(agent):
    start("delete_file", "/srv/london/projects/a")
    order = agent.claim()
    assert (order.step, order.options) == ("dynamo.tasks.stat_paths", {"skip_missing": True})


def test_where_an_entry_was_before_is_submitted_and_follows_it_to_the_other_site(agent, api):
    moves = [
        {"name": "dynamo.tasks.migrate", "premigrate": True},
        {"name": "dynamo.tasks.reverse_stub", "site": "dublin"},
    ]
    rules = [{"state": "all", "type": "all", "action": moves}]
    Workflow.objects.create(name="mine", label="Mine", filter_rules=rules)
    given = {"path": "/srv/london/projects/new", "state": "moved", "source": "/srv/london/projects//old"}
    answer = api.post("/api/file/workflow/", {"site": "london", "workflow": "mine", "paths": [given]})
    Workflow.objects.filter(name="mine").delete()
    assert answer.status_code == 201, answer.json()
    agent.run()
    seen = [(order.site, order.entries[0].path, order.entries[0].source) for order in agent.orders]
    assert seen == [
        ("london", b"/srv/london/projects/new", b"/srv/london/projects/old"),
        ("london", b"/srv/london/projects/new", b"/srv/london/projects/old"),
        ("dublin", b"/srv/dublin/work/new", b"/srv/dublin/work/old"),
    ]


def test_where_an_entry_was_may_be_said_in_base64(agent, api):
    given = {"path": "/srv/london/projects/new", "source_b64": "L3Nydi9sb25kb24vcHJvamVjdHMv/w=="}
    body = {"site": "london", "workflow": "premigrate", "paths": [given], "discovery": None}
    assert api.post("/api/file/workflow/", body).status_code == 201
    assert agent.claim().entries[0].source == b"/srv/london/projects/\xff"


def test_nobody_is_moved_from_outside_the_roots(api):
    given = {"path": "/srv/london/projects/new", "source": "/etc/shadow"}
    answer = api.post("/api/file/workflow/", {"site": "london", "workflow": "premigrate", "paths": [given]})
    assert answer.status_code == 400
    assert "outside the roots" in answer.json()["detail"]


def test_a_file_whose_object_is_in_an_archive_waits_and_the_others_end(agent):
    job, order = recalled(agent, "a", "b")
    a, b = order.entries
    agent.delivery.report(report(order, [restoring(a), processed(order, b)]))
    task = Task.objects.get(tasktype="dynamo.tasks.recall")
    assert (fresh(job).state, fresh(job).numprocessedfiles, fresh(job).numfailedfiles) == ("STARTED", 1, 0)
    assert (task.state, task.failures) == ("PENDING", 0)
    assert task.reason == "restore requested for 1 files: object a is in the archive: its restore was requested"
    agent.clock.forward(299)
    assert offered(agent) is None
    agent.clock.forward(2)
    again = offered(agent)
    assert [entry.path for entry in again.entries] == [a.path]
    agent.delivery.report(report(again, [processed(again, a)]))
    assert (fresh(job).state, fresh(job).numprocessedfiles) == ("SUCCESS", 2)


def test_a_restore_is_asked_for_again_for_three_days_at_least_and_ever_more_seldom_and_then_fails(agent):
    job, order = recalled(agent, "a")
    waits: list[float] = []
    began = agent.clock.now
    while fresh(job).state == "STARTED":
        agent.delivery.report(report(order, [restoring(entry) for entry in order.entries]))
        if fresh(job).state == "STARTED":
            waits.append((Task.objects.get(pk=Task.objects.latest("id").pk).due - agent.clock.now).total_seconds())
            agent.clock.forward(waits[-1])
            order = offered(agent)
    assert waits[0] == 300
    assert waits == sorted(waits)
    assert max(waits) == HOUR
    assert (agent.clock.now - began).total_seconds() > 72 * HOUR
    (note,) = JobFiles(job, FileState.FAILED)
    assert note.outcome.error == "restoring"
    assert fresh(job).state == "FAILURE"


def test_cancelling_ends_what_waits_for_a_restore(agent):
    from argosy.hub.jobs.services import cancel

    job, order = recalled(agent, "a", "b")
    agent.delivery.report(report(order, [restoring(order.entries[0]), processed(order, order.entries[1])]))
    cancel(job.pk)
    agent.clock.forward(HOUR)
    assert offered(agent) is None
    assert (fresh(job).numcancelledfiles, fresh(job).numprocessedfiles) == (1, 1)


def test_a_store_that_is_away_does_not_end_files_that_wait_for_a_restore(agent):
    Site.objects.update(file_batch_size=1)
    job = start("recall", "/srv/london/projects/a", "/srv/london/projects/b", discovery=None)
    while (order := agent.claim()).step != "dynamo.tasks.recall":
        agent.do(order)
    agent.delivery.report(report(order, [restoring(order.entries[0])]))
    for _ in range(5):
        agent.clock.forward(200)
        order = offered(agent)
        while order.entries[0].path.endswith(b"a"):
            agent.delivery.report(report(order, [restoring(order.entries[0])]))
            order = offered(agent)
        agent.delivery.report(report(order, error="unavailable", reason="the store does not answer", retry=True))
    assert (fresh(job).state, fresh(job).numfailedfiles) == ("STARTED", 1)


def test_a_source_that_has_no_place_at_the_other_site_is_refused_at_once():
    given = [Entry(path=b"/srv/london/projects/new", source=b"/srv/london/elsewhere")]
    fields = {"destinationsite": "dublin"}
    with pytest.raises(Exception, match="no sitelink"):
        submit(Asked(site="london", workflow="send", paths=given, fields=fields, discovery=None), owner=None)


def read(tmp_path: Path, *, hub: str = "", site: str = "") -> Config:
    (tmp_path / "argosy.toml").write_text(
        f'[hub]\n{hub}\n[[sites]]\nname = "london"\nroots = ["/srv/london"]\n{site}\n'
    )
    return load(tmp_path / "argosy.toml")


def test_the_file_says_what_a_site_has_settled_and_how_long_garbage_is_kept(tmp_path):
    found = read(tmp_path, hub="garbage_days = 14", site="min_stub_size = 0\ntrash_days = 0.5")
    assert found.hub.garbage_days == 14
    assert (found.sites[0].min_stub_size, found.sites[0].trash_days) == (0, 0.5)
    plain = read(tmp_path)
    assert (plain.hub.garbage_days, plain.sites[0].min_stub_size, plain.sites[0].trash_days) == (90, 65536, 30)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"site": "trash_days = -1"}, "sites.london.trash_days: must be at least 0"),
        ({"site": 'trash_days = "long"'}, "sites.london.trash_days: must be a number"),
        ({"site": "min_stub_size = 0.5"}, "sites.london.min_stub_size: must be a whole number"),
        ({"hub": "garbage_days = -0.5"}, "hub.garbage_days: must be at least 0"),
    ],
)
def test_what_the_file_cannot_say_is_refused_by_name(tmp_path, said, message):
    with pytest.raises(Invalid, match=message):
        read(tmp_path, **said)


def applied(tmp_path: Path, text: str) -> None:
    """Start with a configuration file that says so."""
    file = tmp_path / "argosy.toml"
    file.write_text(text)
    reconcile(load(file))


def test_a_key_that_the_file_names_no_more_has_its_default_again(tmp_path, api):
    (tmp_path / "tree").mkdir()
    site = f'[[sites]]\nname = "rome"\nroots = ["{tmp_path}/tree"]\n'
    store = '[[datastores]]\nname = "cold"\ntype = "S3"\nbucket = "bucket"\n'
    secret = 'accesskeyid = "a"\nsecretaccesskey = "b"\n'
    applied(tmp_path, site + "unguarded_stubs = true\ntrash_days = 0\n" + store + 'prefix = "p"\n' + secret)
    rome, cold = Site.objects.get(name="rome"), Datastore.objects.get(name="cold")
    assert (rome.unguarded_stubs, rome.trash_days, cold.prefix) == (True, 0.0, "p")
    assert access(cold).settings["secretaccesskey"] == "b"
    applied(tmp_path, site + store)
    rome, cold = Site.objects.get(name="rome"), Datastore.objects.get(name="cold")
    assert (rome.unguarded_stubs, rome.trash_days, cold.prefix) == (False, 30.0, "")
    assert "secretaccesskey" not in access(cold).settings


def test_a_key_that_the_file_never_named_stays_what_the_api_made_it(tmp_path, api):
    (tmp_path / "tree").mkdir()
    site = f'[[sites]]\nname = "rome"\nroots = ["{tmp_path}/tree"]\n'
    applied(tmp_path, site)
    rome = Site.objects.get(name="rome")
    assert api.patch(f"/api/sites/{rome.pk}/", {"trash_days": 7.0}).status_code == 200
    applied(tmp_path, site)
    assert Site.objects.get(name="rome").trash_days == 7.0


def test_what_file_and_api_say_together_must_be_a_datastore(tmp_path, api):
    store = '[[datastores]]\nname = "cold"\ntype = "S3"\nbucket = "bucket"\n'
    applied(tmp_path, store + 'encryption = "aws:kms"\n')
    cold = Datastore.objects.get(name="cold")
    assert api.patch(f"/api/datastores/{cold.pk}/", {"kms_key_id": "k"}).status_code == 200
    with pytest.raises(Invalid, match="kms_key_id"):
        applied(tmp_path, store)
