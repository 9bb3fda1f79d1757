"""What is decided when a workflow is submitted: each refusal says what is wrong and what to do."""

import msgspec
import pytest

from argosy.core.config import LinkConfig
from argosy.core.entry import Entry
from argosy.core.errors import Invalid, NotFound
from argosy.hub.jobs.models import Job, Submission, Task
from argosy.hub.jobs.services import Part, begin, cancel
from argosy.hub.sites.models import Site
from argosy.hub.sites.services import reconcile
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import config, directory, file, fresh, send, start
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")


def refused(match: str, act, *given, kind=Invalid, **more) -> None:
    with pytest.raises(kind, match=match):
        act(*given, **more)
    assert not Job.objects.exists()


def workflow(**values):
    definition = {"name": "mine", "label": "Mine", "fields": [], "filter_rules": [rule()], "discovery": "recursive"}
    return Workflow.objects.create(**definition | values)


def rule(*actions, state="all", kind="all", **more):
    return {"state": state, "type": kind, "action": actions or [{"name": "dynamo.tasks.stat_paths"}], **more}


@pytest.mark.parametrize("path", ["/srv/elsewhere/a", "/srv/londonderry", "/", "/etc/passwd"])
def test_a_path_outside_the_roots_is_refused_naming_path_and_roots(path):
    refused(f"path '{path}' is outside the roots of site london: /srv/london", start, "premigrate", path)


@pytest.mark.parametrize("path", ["/srv/london/../../etc", "/srv/london/./projects", "srv/london", ""])
def test_a_path_that_is_relative_or_has_dots_is_refused(path):
    refused("is not absolute|holds . or ..", start, "premigrate", path)


def test_a_job_without_paths_is_refused():
    from argosy.hub.jobs.services import Asked, submit

    with pytest.raises(Invalid, match="at least one path"):
        submit(Asked(site="london", workflow="premigrate", paths=[]), owner=None)


def test_nothing_is_added_to_a_job_of_the_hubs_own(api):
    site = Site.objects.get(name="london")
    job = begin([Part(site=site, step="dynamo.tasks.references", given=[Entry(path=b"/srv/london")])])
    for place, path in (("london", "/srv/london/projects/a"), ("dublin", "/srv/dublin/projects/a")):
        sent = {"workflow": "stat", "site": place, "paths": [path], "job": job.pk}
        document = check_problem(api.post("/api/file/workflow/", sent), 400)
        assert f"job {job.pk} is the hub's own" in document["detail"]
    assert job.tasks.count() == 1


@pytest.mark.parametrize("state", [[], {}, 0, False, 1, ["moved"]])
def test_a_state_that_is_no_text_is_refused(api, state):
    sent = {"workflow": "stat", "site": "london", "paths": [{"path": "/srv/london/projects/a", "state": state}]}
    assert "A state is a string" in check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    assert api.post("/api/file/workflow/", sent | {"paths": [sent["paths"][0] | {"state": None}]}).status_code == 201


@pytest.mark.parametrize("state", ["", "all", "default", "ALL", " Default\n"])
def test_a_state_that_nothing_is_found_with_is_refused(api, state):
    one = {"path": "/srv/london/projects/a", "state": state}
    sent = {"workflow": "stat", "site": "london", "paths": ["/srv/london/projects/b", one]}
    said = f"{state!r} is " + ("found by nothing: " if state else "not text: leave the state out")
    assert said in check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    registered = {"jobtype": "stat", "site": "london", "paths": [one]}
    assert said in check_problem(api.post("/api/jobs/", registered), 400)["detail"]
    assert not Job.objects.exists()
    for good in ("allowed", "defaults", "modified", " "):
        assert api.post("/api/file/workflow/", sent | {"paths": [one | {"state": good}]}).status_code == 201


def test_an_unknown_site_is_refused_and_the_known_ones_named():
    from argosy.hub.jobs.services import Asked, submit

    with pytest.raises(Invalid, match="unknown site 'paris': known are dublin, london"):
        submit(Asked(site="paris", workflow="premigrate", paths=[Entry(path=b"/srv/london/projects")]), owner=None)


def test_an_unknown_workflow_is_refused_and_the_known_ones_named():
    known = "bidirectional_sync, migrate, premigrate, recall, send, site_sync"
    refused(f"unknown workflow 'migrat': known are {known}", start, "migrat")


@pytest.mark.feature("HUB-WF-007")
def test_a_disabled_workflow_is_refused():
    workflow(enabled=False)
    refused("mine is disabled", start, "mine")


@pytest.mark.feature("HUB-WF-009")
def test_a_workflow_for_schedules_is_refused():
    workflow(schedule_only=True)
    refused("run by schedules only", start, "mine")


def test_sending_to_the_site_itself_is_refused():
    refused("field 'destinationsite': 'london' is the site itself", send, destinationsite="london")
    workflow(fields=[{"name": "destinationsite", "label": "To", "type": "enum[site]", "default": "london"}])
    refused("'london' is the site itself", start, "mine")


@pytest.mark.parametrize("step", ["delete_objects", "doom_objects"])
def test_no_workflow_removes_objects_without_proof_that_nothing_refers_to_them(step):
    workflow(filter_rules=[rule({"name": f"dynamo.tasks.{step}"})])
    refused("not for workflows", start, "mine")


def test_sending_makes_stubs_unless_the_bytes_are_asked_for():
    assert fresh(start("send", fields={"destinationsite": "dublin"})).fields["hydrate"] is False


@pytest.mark.parametrize("spelling", ["destinationsite", "destination", "destination site"])
def test_the_destination_is_understood_in_each_documented_spelling(spelling):
    job = start("send", fields={spelling: "dublin", "hydrate": True})
    assert fresh(job).fields == {"destinationsite": "dublin", "hydrate": True, "overwrite": False}


def test_two_spellings_that_disagree_are_refused():
    refused("given twice", send, destination="london")


@pytest.mark.feature("HUB-WF-023")
def test_a_destination_that_is_no_site_is_refused():
    refused("destinationsite.*unknown site 'paris'", send, destinationsite="paris")


@pytest.mark.feature("HUB-WF-026")
def test_a_field_without_a_value_or_a_default_is_refused():
    refused("field 'destinationsite' is missing", start, "send", fields={"hydrate": True})


def test_an_unknown_field_is_refused():
    refused("unknown field 'hydrat'", send, hydrat=True)


@pytest.mark.feature("HUB-WF-021", "HUB-WF-022", "HUB-WF-024")
@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["a", ""], [1, None, True, ["a"]]),
        ("int", [1, -1, "12"], ["x", 1.5, True, None, "1.5"]),
        ("bool", [True, False], ["true", 1, None]),
        ("choices", ["a", 1], ["b", "1", True, None]),
        ("enum[site]", ["london"], ["paris", 1, None]),
        ("list", [[], ["a", 1]], ["a", {"a": 1}, [["a"]], None]),
    ],
)
def test_a_field_takes_values_of_its_type_and_no_others(kind, good, bad):
    choices = [{"label": "A", "value": "a"}, {"label": "One", "value": 1}]
    workflow(fields=[{"name": "f", "label": "F", "type": kind, "choices": choices}])
    for value in good:
        start("mine", fields={"f": value})
    Job.objects.all().delete()
    for value in bad:
        refused("field 'f'", start, "mine", fields={"f": value})


@pytest.mark.feature("HUB-WF-025")
def test_a_default_is_used_only_where_no_value_is_given():
    assert start("premigrate").fields["lock_level"] == "implicit"
    assert start("premigrate", fields={"lock_level": "partial"}).fields["lock_level"] == "partial"


def test_a_path_without_a_sitelink_is_refused_naming_the_site():
    refused("site london has no sitelink for /srv/london/home", start, "premigrate", "/srv/london/home")


def test_a_destination_without_a_sitelink_is_refused_naming_site_and_datastore():
    told = config()
    lonely = type(told.sites[1])(name="dublin", roots=("/srv/dublin",))
    reconcile(type(told)(datastores=told.datastores, sites=(told.sites[0], lonely)))
    refused("site dublin has no sitelink to datastore cloud for /srv/london/projects of london", send)


def test_a_destination_linked_elsewhere_in_the_datastore_is_refused():
    told = config()
    link = LinkConfig(site_path="/srv/dublin/work", datastore="cloud", datastore_path="projects/alpha/")
    narrow = type(told.sites[1])(name="dublin", roots=("/srv/dublin",), links=(link,))
    reconcile(type(told)(datastores=told.datastores, sites=(told.sites[0], narrow)))
    refused("dublin has no sitelink", send, "/srv/london/projects/beta")
    assert send("/srv/london/projects/alpha/x").pk


def test_an_unknown_step_is_refused():
    workflow(filter_rules=[rule({"name": "dynamo.tasks.fly"})])
    refused("unknown step 'dynamo.tasks.fly'", start, "mine")


def test_an_option_that_a_step_does_not_have_is_refused():
    workflow(filter_rules=[rule({"name": "dynamo.tasks.stat_paths", "speed": 9})])
    refused("dynamo.tasks.stat_paths has no option 'speed'", start, "mine")


@pytest.mark.parametrize("discovery", ["bidirectional_snapdiff", "", "Recursive"])
def test_a_discovery_that_is_not_there_is_refused(discovery):
    refused("unknown discovery", start, "premigrate", discovery=discovery)


@pytest.mark.feature("HUB-WF-031", "HUB-WF-033")
def test_discovery_is_the_workflows_unless_another_or_none_is_asked_for():
    workflow(discovery=None)
    assert start("premigrate").discovery == "recursive"
    assert start("premigrate", discovery=None).discovery is None
    assert start("mine").discovery is None
    assert start("mine", discovery="recursive").discovery == "recursive"


@pytest.mark.feature("HUB-WF-006")
def test_options_of_a_discovery_go_with_the_workflows_own_only():
    workflow(discovery=None, discovery_options={"skip_missing": True})
    start("mine", discovery="recursive")
    assert Submission.objects.get().options == {}
    workflow_ = Workflow.objects.get(name="mine")
    workflow_.discovery = "recursive"
    workflow_.save()
    start("mine")
    assert Submission.objects.last().options == {"skip_missing": True}


def test_a_job_that_does_not_exist_cannot_be_added_to():
    refused("there is no job 4711", start, "premigrate", job=4711, kind=NotFound)


def test_a_job_that_has_ended_cannot_be_added_to():
    job = start("premigrate")
    cancel(job.pk)
    with pytest.raises(Invalid, match="has ended"):
        start("premigrate", job=job.pk)
    assert Task.objects.count() == 1


@pytest.mark.parametrize("said", [{"state": "moved"}, {"source": b"/srv/london/projects/b"}])
def test_what_is_said_of_a_path_is_refused_where_a_discovery_would_not_heed_it(said):
    from argosy.hub.jobs.services import Asked, submit

    workflow(filter_rules=[rule(state="moved"), rule(state="new")])
    asked = Asked(site="london", workflow="mine", paths=[Entry(path=b"/srv/london/projects/a", **said)])
    refused("counts where paths are taken as they are, and discovery recursive finds others", submit, asked, owner=None)
    assert submit(msgspec.structs.replace(asked, discovery=None), owner=None).discovery is None


def test_a_path_given_twice_with_different_states_is_refused():
    from argosy.hub.jobs.services import Asked, submit

    given = [Entry(path=b"/srv/london/projects/a", state=state) for state in ("new", "moved")]
    refused("is given twice", submit, Asked(site="london", workflow="stat", paths=given), owner=None)


def test_a_path_given_twice_is_worked_on_once():
    start("premigrate", "/srv/london/projects/a", "/srv/london/projects//a/", discovery=None)
    assert Task.objects.get().numfiles == 1


@pytest.mark.feature("HUB-WF-011", "HUB-WF-012", "HUB-WF-013")
def test_rules_choose_by_type_and_every_rule_that_matches_has_its_chain(agent):
    stat, clear = {"name": "dynamo.tasks.stat_paths"}, {"name": "dynamo.tasks.remove_location_xattrs_for_moved"}
    workflow(filter_rules=[rule(stat), rule(clear, kind="file")])
    agent.tree = [directory("/srv/london/projects"), file("/srv/london/projects/a")]
    job = start("mine")
    agent.run()
    worked = {order.step.rpartition(".")[2]: len(order.entries) for order in agent.orders[1:]}
    assert worked == {"stat_paths": 2, "remove_location_xattrs_for_moved": 1}
    assert fresh(job).numfiles == 3


@pytest.mark.feature("HUB-WF-014", "HUB-WF-034")
def test_a_default_rule_takes_what_no_other_rule_matched(agent):
    stat, clear = {"name": "dynamo.tasks.stat_paths"}, {"name": "dynamo.tasks.remove_location_xattrs_for_moved"}
    workflow(filter_rules=[rule(clear, state="moved"), rule(stat, state="default", kind="default")], discovery=None)
    from argosy.hub.jobs.services import Asked, submit

    given = [Entry(path=b"/srv/london/projects/a", state="moved"), Entry(path=b"/srv/london/projects/b")]
    submit(Asked(site="london", workflow="mine", paths=given), owner=None)
    agent.run()
    looked_at = [("stat_paths", b"a"), ("stat_paths", b"b")]  # in turn: what moved comes first
    assert [(order.step.rpartition(".")[2], order.entries[0].path[-1:]) for order in agent.orders] == [
        looked_at[0],
        ("remove_location_xattrs_for_moved", b"a"),
        looked_at[1],
        ("stat_paths", b"b"),
    ]


@pytest.mark.feature("HUB-WF-015")
def test_default_rules_cannot_be_mixed_with_rules_for_all():
    workflow(filter_rules=[rule(), rule(state="default", kind="default")])
    refused("cannot be mixed", start, "mine")


@pytest.mark.feature("HUB-WF-037", "HUB-WF-038", "HUB-WF-039")
def test_globs_of_rule_and_site_choose_whole_paths(agent):
    from argosy.hub.sites.models import Site

    Site.objects.filter(name="london").update(exclude=["*/tmp/*"])
    workflow(filter_rules=[rule(include=["*.jpg"], exclude=["*/b.jpg"])])
    names = ["a.jpg", "b.jpg", "c.png", "tmp/d.jpg", "e.jpg.part"]
    agent.tree = [file(f"/srv/london/projects/{name}") for name in names]
    job = start("mine")
    agent.run()
    assert [entry.path for entry in agent.orders[-1].entries] == [b"/srv/london/projects/a.jpg"]
    assert fresh(job).numfiles == 1


@pytest.mark.feature("HUB-WF-040", "HUB-WF-041")
def test_globs_of_a_submission_replace_those_of_rules_and_can_leave_the_sites_out(agent):
    from argosy.hub.sites.models import Site

    Site.objects.filter(name="london").update(exclude=["*/tmp/*"])
    workflow(filter_rules=[rule(include=["*.jpg"])])
    agent.tree = [file(f"/srv/london/projects/{name}") for name in ("a.jpg", "tmp/b.png", "c.png")]
    start("mine", include=("*.png",))
    start("mine", include=("*.png",), ignore_site_excludes=True)
    agent.run()
    worked = [
        [entry.path[-5:] for entry in order.entries] for order in agent.orders if order.step.endswith("stat_paths")
    ]
    assert sorted(worked) == [[b"b.png", b"c.png"], [b"c.png"]]
