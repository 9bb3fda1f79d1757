"""Steps and discoveries of other distributions: one file with the contract, and an entry point, is all they need."""

import zlib

import pytest

from argosy.core.errors import Denied, Invalid
from argosy.core.outcome import Outcome
from argosy.discoveries.base import DISCOVERIES, discovery_of, task_of
from argosy.hub.jobs.resubmission import resubmit
from argosy.hub.jobs.services import cancel
from argosy.hub.workflows.models import Workflow
from argosy.steps.base import STEPS
from tests.hub.fake import file, report, start, told
from tests.hub.test_api import check_problem
from tests.installed import harbour, install

pytestmark = pytest.mark.usefixtures("two_sites")

STAMP = "dynamo.custom.stamp"


@pytest.fixture
def rooms(monkeypatch):
    """Have the rooms forget afterwards what they come to know."""
    for room in (STEPS, DISCOVERIES):
        room.names()  # so that nothing of ours is forgotten: what is imported is not imported again
        monkeypatch.setattr(room, "_known", dict(room._known))
        monkeypatch.setattr(room._others, "_loads", {})


@pytest.fixture
def installed(tmp_path, monkeypatch, rooms):
    monkeypatch.syspath_prepend(harbour(tmp_path))
    yield
    Workflow.objects.filter(installed__isnull=True).delete()


def definition(action, **more):
    rules = [{"state": "all", "type": "all", "action": [action]}]
    return {"name": "stamped", "label": "Stamped", "filter_rules": rules, "fields": [], **more}


def test_its_options_are_checked_when_a_workflow_is_made(api, installed):
    wrong = {"name": STAMP, "times": 0, "ink": "red", "speed": 1}
    document = check_problem(api.post("/api/workflows/", definition(wrong)), 400)
    place = "filter_rules[0].action[0]"
    assert document["errors"] == {
        f"{place}.speed": ["step dynamo.custom.stamp has no option 'speed': it knows ink, times, words"],
        f"{place}.words": ["step dynamo.custom.stamp needs it: it has no default"],
        f"{place}.times": ["Expected `int` >= 1"],
        f"{place}.ink": ["Invalid enum value 'red': one of black, blue"],
    }
    assert api.post("/api/workflows/", definition({"name": STAMP, "words": ["a"]})).status_code == 201


def test_its_options_are_in_the_schema_and_in_the_list_of_steps(api, installed):
    known = api.get("/api/schema/?format=json").json()["components"]["schemas"]
    assert {"$ref": f"#/components/schemas/{STAMP}"} in known["WorkflowAction"]["oneOf"]
    assert known[STAMP]["required"] == ["name", "words"]
    times = known[STAMP]["properties"]["times"]["anyOf"][0]
    assert times == {"type": "integer", "minimum": 1, "default": 1, "description": "How often"}
    steps = {one["name"]: one for one in api.get("/api/steps/?page_size=0").json()["results"]}
    assert steps[STAMP]["description"] == "Leave a mark beside every file."
    assert steps[STAMP]["options"]["properties"]["words"]["description"] == "What to write"
    assert "manifest" in {one["name"] for one in api.get("/api/discoveries/").json()["results"]}


def test_an_order_names_it_and_a_discovery_of_theirs_begins_a_job(api, installed, agent):
    sent = definition(
        {"name": STAMP, "words": "*words"},
        fields=[{"name": "words", "label": "Words", "type": "list"}],
        discovery="manifest",
        discovery_options={"name": "list.txt"},
    )
    assert api.post("/api/workflows/", sent).status_code == 201
    start("stamped", fields={"words": ["a", "b"]})
    order = agent.claim()
    assert (order.step, order.options) == (task_of("manifest"), {"name": "list.txt"})
    assert discovery_of(order.step) == "manifest"
    agent.tree = [file("/srv/london/projects/a")]
    start("stamped", fields={"words": ["a", "b"]}, discovery="recursive")
    agent.run()
    assert (agent.orders[-1].step, agent.orders[-1].options) == (STAMP, {"words": ["a", "b"]})


def test_what_others_brought_waits_for_slots_of_its_own(api, installed, agent):
    sent = definition({"name": STAMP, "words": []}, discovery="manifest")
    assert api.post("/api/workflows/", sent).status_code == 201
    start("stamped")
    assert agent.rung.popleft()[3] == "custom"
    start("stamped", discovery="recursive")
    assert agent.rung[0][3] == "discovery"
    agent.tree = [file("/srv/london/projects/a")]
    agent.do(agent.claim())
    assert agent.rung.popleft()[3] == "custom"


def test_what_a_discovery_of_theirs_was_given_is_no_file_of_a_job_that_is_cancelled(api, installed, agent):
    sent = definition({"name": STAMP, "words": []}, discovery="manifest")
    assert api.post("/api/workflows/", sent).status_code == 201
    job = cancel(start("stamped").pk)
    assert (job.numfiles, job.numcancelledfiles) == (0, 0)


def test_what_a_discovery_of_theirs_could_not_look_at_is_looked_for_again(api, installed, agent):
    sent = definition({"name": STAMP, "words": []}, discovery="manifest")
    assert api.post("/api/workflows/", sent).status_code == 201
    job = start("stamped")
    order = agent.claim()
    bad = Outcome.of_error(file("/srv/london/projects/bad"), Denied("no"))
    assert agent.delivery.batch(told(order, 0, failed=[bad]))
    agent.delivery.report(report(order))
    again = resubmit(job.pk, owner=None, only_failed=True)
    assert (again.discovery, agent.rung[-1][3]) == ("manifest", "custom")


WHO = {"name": "who", "label": "Who", "type": "string"}


def test_an_option_names_fields_within_a_list_and_patterns_there_stay_as_they_are(api, installed, agent):
    words = ["*who", "b", "*.tmp", "**"]
    assert api.post("/api/workflows/", definition({"name": STAMP, "words": words}, fields=[WHO])).status_code == 201
    agent.tree = [file("/srv/london/projects/a")]
    start("stamped", fields={"who": "*who"}, discovery="recursive")
    agent.run()
    assert agent.orders[-1].options == {"words": ["*who", "b", "*.tmp", "**"]}
    start("stamped", fields={"who": "ann"}, discovery="recursive")
    agent.run()
    assert agent.orders[-1].options == {"words": ["ann", "b", "*.tmp", "**"]}


@pytest.mark.parametrize(
    ("fields", "place", "said"),
    [
        ([], ".words[1]", "declares no field 'who'"),
        ([WHO | {"type": "bool"}], ".words", "with field 'who' as True: Expected `str`"),
        ([WHO | {"type": "int", "default": 7}], ".words", "with field 'who' as 7: Expected `str`"),
    ],
)
def test_a_field_within_a_list_is_checked_when_the_workflow_is_made(api, installed, fields, place, said):
    wrong = definition({"name": STAMP, "words": ["a", "*who"]}, fields=fields)
    ((at, (why, *_)),) = check_problem(api.post("/api/workflows/", wrong), 400)["errors"].items()
    assert at == f"filter_rules[0].action[0]{place}"
    assert said in why


def test_a_field_within_a_list_is_checked_when_the_workflow_is_run(api, installed):
    sent = definition({"name": STAMP, "words": ["*who"]}, fields=[WHO | {"type": "int"}])
    assert api.post("/api/workflows/", sent).status_code == 201
    with pytest.raises(Invalid, match="stamp: words, from field 'who': Expected `str`, got `int`"):
        start("stamped", fields={"who": 7})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "cannot be used: RuntimeError: no harbour here"),
        ("plain", "is not a dataclass"),
        ("idle", r"has none of the methods of argosy\.steps\.base\.Step or argosy\.steps\.base\.Batched"),
        ("strange", "cannot be used: TypeError"),
        ("absent", "cannot be used: ModuleNotFoundError"),
    ],
)
def test_one_that_keeps_no_contract_is_refused_with_the_reason_and_harms_no_other(api, installed, name, why):
    with pytest.raises(Invalid, match=rf"step dynamo\.custom\.{name} of harbour-steps .*{why}"):
        STEPS.get(f"dynamo.custom.{name}")
    assert f"dynamo.custom.{name}" not in STEPS.names()
    document = check_problem(api.post("/api/workflows/", definition({"name": f"dynamo.custom.{name}"})), 400)
    assert list(document["errors"]) == ["filter_rules[0].action[0].name"]


@pytest.mark.parametrize("breaks", ["KeyError('post')", "SystemExit(9)", "Unavailable('not now')"])
def test_one_that_breaks_on_its_options_is_refused_at_its_place(api, tmp_path, monkeypatch, rooms, breaks):
    name = f"post_{breaks.partition('(')[0].lower()}"
    source = f"""
        from dataclasses import dataclass
        from argosy.core.errors import Unavailable

        @dataclass
        class S:
            n: int = 1

            def __post_init__(self):
                if self.n:
                    raise {breaks}

            def apply(self, entry, site): ...
    """
    points = {"argosy.steps": {name: f"{name}:S"}}
    monkeypatch.syspath_prepend(install(tmp_path, name.replace("_", "-"), {name: source}, points))
    wrong = definition({"name": f"dynamo.custom.{name}"})
    document = check_problem(api.post("/api/workflows/", wrong), 400)
    assert list(document["errors"]) == ["filter_rules[0].action[0]"]
    field = {"name": "n", "label": "N", "type": "int"}
    late = definition({"name": f"dynamo.custom.{name}", "n": "*n"}, fields=[field])
    assert api.post("/api/workflows/", late).status_code == 201
    with pytest.raises(Invalid, match=f"step dynamo.custom.{name}: "):
        start("stamped", fields={"n": 7})
    Workflow.objects.filter(installed__isnull=True).delete()


def test_one_that_is_gone_is_named_when_its_workflow_is_run(api, installed, tmp_path):
    assert api.post("/api/workflows/", definition({"name": STAMP, "words": []})).status_code == 201
    del STEPS._known[STAMP]
    (tmp_path / "harbour_steps-1.0.dist-info" / "entry_points.txt").write_text("")
    with pytest.raises(Invalid, match=r"workflow stamped: filter_rules\[0\].action\[0\].name: unknown step '" + STAMP):
        start("stamped")


def test_none_of_them_takes_the_place_of_one_that_comes_with_argosy(api, tmp_path, monkeypatch, rooms):
    source = """
        from dataclasses import dataclass
        from argosy.steps.base import STEPS

        @STEPS.register
        @dataclass
        class Mine:
            def apply(self, entry, site): ...
    """
    points = {"argosy.steps": {"migrate": "migrate:Mine"}, "argosy.discoveries": {"recursive": "migrate:Mine"}}
    monkeypatch.syspath_prepend(install(tmp_path, "sly-steps", {"migrate": source}, points))
    assert STEPS.get("dynamo.custom.migrate").__name__ == "Mine"
    assert STEPS.get("dynamo.tasks.migrate").__name__ == "Migrate"
    assert DISCOVERIES.get("recursive").__name__ == "Recursive"
    said = (
        "discovery recursive of sly-steps cannot be used: one of that name comes with Argosy, so give its entry point"
    )
    assert DISCOVERIES.broken()["recursive"].startswith(said)
    assert "dynamo.custom.migrate" not in STEPS.broken()
    listed = [one for one in api.get("/api/discoveries/?page_size=0").json()["results"] if one["name"] == "recursive"]
    assert [one["trouble"].startswith(said) for one in listed] == [False, True]


@pytest.mark.parametrize(
    ("method", "why"),
    [
        ("find(self, given, site)", r"find\(given, site, \*, on_error, after\): got an unexpected keyword argument"),
        ("find(self, given, site, *, on_error)", "unexpected keyword argument 'after'"),
        ("find(self, given, *, on_error, after)", "too many positional arguments"),
        ("find(self, given, site, more, *, on_error, after)", "missing a required argument: 'more'"),
        ("phases(self, given, site, *, on_error, after)", "unexpected keyword argument 'phase'"),
        ("find(self, some, where, /, on_error, after=None)", ""),
        ("find(self, given, site, **more)", ""),
        ("find(*given, **more)", ""),
    ],
)
def test_a_discovery_that_cannot_be_called_is_refused_when_it_is_named(api, tmp_path, monkeypatch, rooms, method, why):
    name = f"finding_{zlib.crc32(method.encode())}"
    source = f"""
        from dataclasses import dataclass

        @dataclass
        class Finds:
            def find(self, given, site, *, on_error, after): ...

            def {method}: ...
    """
    points = {"argosy.discoveries": {"finds": "finds:Finds"}}
    monkeypatch.syspath_prepend(install(tmp_path, name, {"finds": source}, points))
    sent = definition({"name": "dynamo.tasks.stat_paths"}, discovery="finds")
    if not why:
        assert api.post("/api/workflows/", sent).status_code == 201
        Workflow.objects.filter(name="stamped").delete()
        return
    with pytest.raises(Invalid, match=f"discovery finds of {name} cannot be used: TypeError: .*{why}"):
        DISCOVERIES.get("finds")
    document = check_problem(api.post("/api/workflows/", sent), 400)
    assert list(document["errors"]) == ["discovery"]


def test_a_step_that_cannot_be_called_is_refused_and_what_wraps_a_method_is_what_counts(tmp_path, monkeypatch, rooms):
    source = """
        from dataclasses import dataclass
        from functools import wraps

        def wrapped(method):
            @wraps(method)
            def around(self, entry, site):
                return method(self, entry, site, 7)
            return around

        @dataclass
        class Needy:
            def apply(self, entry, site, luck): ...

        @dataclass
        class Lucky:
            @wrapped
            def apply(self, entry, site, luck): ...

        @dataclass
        class Without:
            @staticmethod
            def apply(entry, site): ...
    """
    points = {"argosy.steps": {name.lower(): f"luck:{name}" for name in ("Needy", "Lucky", "Without")}}
    monkeypatch.syspath_prepend(install(tmp_path, "luck-steps", {"luck": source}, points))
    with pytest.raises(Invalid, match=r"apply\(entry, site\): missing a required argument: 'luck'"):
        STEPS.get("dynamo.custom.needy")
    assert STEPS.get("dynamo.custom.lucky").__name__ == "Lucky"
    assert STEPS.get("dynamo.custom.without").__name__ == "Without"
