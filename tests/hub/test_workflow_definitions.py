"""Definitions through the API: made, changed, removed; what cannot run is refused, naming its place in the JSON."""

import re

import pytest

from argosy.hub.jobs.models import Submission
from argosy.hub.workflows.models import Workflow
from tests.hub.fake import file, fresh, start
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")

STAT = {"name": "dynamo.tasks.stat_paths"}


@pytest.fixture(autouse=True)
def _own_ones_go():
    yield
    Workflow.objects.filter(installed__isnull=True).delete()


def rule(*actions, state="all", kind="all", **more):
    return {"state": state, "type": kind, "action": list(actions or [STAT]), **more}


def field(kind="string", name="f", **more):
    return {"name": name, "label": "F", "type": kind, **more}


def definition(*rules, **more):
    return {"name": "mine", "label": "Mine", "filter_rules": list(rules or [rule()]), "fields": [], **more}


def wrong(api, sent) -> dict:
    """Return what is wrong with a definition, by its place."""
    document = check_problem(api.post("/api/workflows/", sent), 400)
    assert not Workflow.objects.filter(name="mine").exists()
    for place, said in document["errors"].items():
        assert f"{place}: {said[0]}".removesuffix(".") in document["detail"]
    return {place: " ".join(said) for place, said in document["errors"].items()}


@pytest.mark.feature("HUB-WF-001", "HUB-WF-005")
def test_a_workflow_is_made_listed_read_changed_and_deleted(api):
    sent = definition(discovery="recursive", discovery_options={"skip_missing": True}, icon_classes=["fa fa-cloud"])
    made = api.post("/api/workflows/", sent)
    assert made.status_code == 201
    number = made.json()["id"]
    whole = sent | {
        "id": number, "enabled": True, "visible": True, "schedule_only": False, "allow_missing_paths": False,
        "shipped": False, "changed": [],
    }  # fmt: skip
    assert made.json() == whole
    assert api.get(f"/api/workflows/{number}/").json() == whole
    assert whole in api.get("/api/workflows/?page_size=0").json()["results"]
    changed = api.patch(f"/api/workflows/{number}/", {"discovery_options": {}, "enabled": False})
    assert (changed.status_code, changed.json()) == (200, whole | {"discovery_options": {}, "enabled": False})
    assert api.get(f"/api/workflows/{number}/").json() == changed.json()
    assert api.delete(f"/api/workflows/{number}/").status_code == 204
    check_problem(api.get(f"/api/workflows/{number}/"), 404)


def test_a_put_sets_what_it_leaves_out_to_its_default(api):
    number = api.post("/api/workflows/", definition(enabled=False, discovery="recursive")).json()["id"]
    check_problem(api.put(f"/api/workflows/{number}/", {"label": "Other"}), 400)
    put = api.put(f"/api/workflows/{number}/", definition(label="Other")).json()
    assert (put["label"], put["enabled"], put["discovery"]) == ("Other", True, None)


def test_what_was_shown_can_be_sent_back(api):
    number = api.post("/api/workflows/", definition(discovery="recursive")).json()["id"]
    shown = api.get(f"/api/workflows/{number}/").json()
    assert api.patch(f"/api/workflows/{number}/", shown).json() == shown
    api.delete(f"/api/workflows/{number}/")
    assert api.post("/api/workflows/", shown).json() == shown | {"id": number + 1}


@pytest.mark.parametrize("key", ["name", "label", "filter_rules", "fields"])
def test_what_a_definition_needs_is_asked_for(api, key):
    sent = definition()
    del sent[key]
    assert wrong(api, sent) == {key: "This field is required."}


@pytest.mark.feature("HUB-WF-003")
def test_a_name_is_one_word_and_nobody_elses(api):
    for name in ("two words", "tab\there", "line\nend", "\x07", ""):
        answer = check_problem(api.post("/api/workflows/", definition(name=name, label="x") | {"name": name}), 400)
        assert list(answer["errors"]) == ["name"]
    assert api.post("/api/workflows/", definition()).status_code == 201
    again = check_problem(api.post("/api/workflows/", definition()), 400)
    assert "name: There is such a workflow already" in again["detail"]


@pytest.mark.parametrize("name", ["18", "-x", "a/b", "nightly.yaml", "nightly.yml", "a.json"])
def test_no_workflow_has_a_name_that_commands_take_for_something_else(api, name):
    assert "id, an option or a file" in wrong(api, definition(name=name))["name"]
    number = api.post("/api/workflows/", definition()).json()["id"]
    check_problem(api.patch(f"/api/workflows/{number}/", {"name": name}), 400)
    Workflow.objects.filter(pk=number).update(name=name)  # as it was allowed once
    assert api.patch(f"/api/workflows/{number}/", {"name": name, "label": "y"}).status_code == 200


def test_no_workflow_has_the_name_of_the_jobs_of_the_hubs_own(api):
    """What garbage collection knows of work under way leaves its own jobs out."""
    assert "hub's own" in wrong(api, definition(name="gc"))["name"]
    number = api.post("/api/workflows/", definition()).json()["id"]
    check_problem(api.patch(f"/api/workflows/{number}/", {"name": "gc"}), 400)
    Workflow.objects.filter(pk=number).update(name="gc")
    sent = {"workflow": "gc", "site": "london", "paths": ["/srv/london/projects"]}
    assert "another name" in check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    registered = {"jobtype": "gc", "site": "london"}
    assert "another name" in check_problem(api.post("/api/jobs/", registered), 400)["detail"]


def test_a_key_that_is_given_twice_is_refused_with_its_place(api):
    sent = '{"name": "mine", "label": "M", "filter_rules": [{"state": "all", "type": "file", "type": "all"}]}'
    document = check_problem(api.generic("POST", "/api/workflows/", sent, "application/json"), 400)
    assert document["errors"] == {"filter_rules[0].type": ["this key is given twice: leave one out"]}
    odd = api.generic("POST", "/api/workflows/", r'{"\ud800": 1, "\ud800": 2}', "application/json")
    assert list(check_problem(odd, 400)["errors"]) == [r"\ud800"]


def test_an_unknown_key_is_refused_and_an_older_one_left_aside(api):
    known = (
        "allow_missing_paths, discovery, discovery_options, enabled, fields, filter_rules, icon_classes, label, name, "
        "schedule_only, visible"
    )
    assert wrong(api, definition(filter_rule=[])) == {"filter_rule": f"Unknown key: known are {known}."}
    assert api.post("/api/workflows/", definition(icon="<i class='fa fa-cloud'></i>")).status_code == 201


MOVE = {"name": "dynamo.tasks.move_paths_on_gpfs"}
MISSING = ".action[0].source_missing_signature"


def handing(signature):
    """A rule whose step hands what it cannot do to another step."""
    return rule(MOVE | {"source_missing_signature": signature})


def moving(name, **options):
    return handing({"name": f"dynamo.tasks.{name}", **options})


RULES = [
    ("an unknown key", rule(includes=["*"]), ".includes", "unknown key: known are action, description, exclude"),
    ("no state", {"type": "all", "action": [STAT]}, ".state", "missing"),
    ("no type", {"state": "all", "action": [STAT]}, ".type", "missing"),
    ("no action", {"state": "all", "type": "all"}, ".action", "missing"),
    ("a state that is no text", rule(state=1), ".state", "1 is not text"),
    ("an unknown type", rule(kind="folder"), ".type", "types are file, directory, symlink, all"),
    ("type default without the state", rule(kind="default"), ".type", "goes with state default"),
    ("state default with a type", rule(state="default", kind="file"), ".type", "type default"),
    ("no actions", rule() | {"action": []}, ".action", "add one"),
    ("an action that is none", rule() | {"action": "migrate"}, ".action", "list of actions"),
    ("an action that is text", rule("migrate"), ".action[0]", "each action is an object, not 'migrate'"),
    ("an action without a name", rule({"site": "london"}), ".action[0].name", "missing"),
    ("a glob that is no list", rule(include="*.jpg"), ".include", "list of patterns"),
    ("a glob that is no text", rule(exclude=[1]), ".exclude", "list of patterns"),
    ("a flag that is none", rule(ignore_site_includes="yes"), ".ignore_site_includes", "'yes' is not true or false"),
    ("an unknown step", rule({"name": "dynamo.tasks.fly"}), ".action[0].name", "unknown step 'dynamo.tasks.fly'"),
    ("a step of the hub's", rule({"name": "dynamo.tasks.doom_objects"}), ".action[0].name", "not for workflows"),
    ("an unknown option", rule(STAT, STAT | {"speed": 9}), ".action[1].speed", "no option 'speed': it knows beside"),
    ("a wrong type", rule(STAT | {"skip_missing": "yes"}), ".action[0].skip_missing", "Expected `bool`, got `str`"),
    ("no choice", rule({"name": "dynamo.tasks.recall", "lock_level": "x"}), ".action[0].lock_level", "partial, implic"),
    ("out of bounds", rule({"name": "dynamo.tasks.migrate", "stub_size": -1}), ".action[0].stub_size", ">= 0"),
    ("an unknown site", rule(STAT | {"site": "paris"}), ".action[0].site", "'paris': known are dublin, london"),
    ("a site that is a number", rule(STAT | {"site": 1}), ".action[0].site", "unknown site 1"),
    ("no such field", rule(STAT | {"skip_missing": "*gone"}), ".action[0].skip_missing", "declares no field 'gone'"),
    ("no such field for a site", rule(STAT | {"site": "*gone"}), ".action[0].site", "declares no field 'gone'"),
    ("a step of the hub's in an option", moving("delete_objects", mark="x"), f"{MISSING}.name", "not for workflows"),
    ("another of the hub's in an option", moving("doom_objects"), f"{MISSING}.name", "not for workflows"),
    ("an unknown step in an option", moving("fly"), f"{MISSING}.name", "unknown step 'dynamo.tasks.fly'"),
    ("a field for the name of a step", handing({"name": "*f"}), f"{MISSING}.name", "unknown step '*f'"),
    ("a task that is none", handing({"task": "fly", "kwargs": {"a": 1}}), f"{MISSING}.task", "unknown step 'fly'"),
    ("no step in an option", handing({"mark": "x"}), MISSING, "names no step"),
    ("a wrong type in an option", moving("recall", lock_level=1), f"{MISSING}.lock_level", "Expected `str`"),
    ("no such field in an option", moving("recall", lock_level="*gone"), f"{MISSING}.lock_level", "no field 'gone'"),
    ("no such field in kwargs", moving("recall", kwargs={"endpoint": "*x"}), f"{MISSING}.kwargs.endpoint", "field 'x'"),
    ("kwargs that are none", moving("recall", kwargs=[1]), MISSING, "`kwargs` is an object"),
    ("an option in an option", moving("move_paths_on_gpfs", source_missing_signature=STAT),
     f"{MISSING}.source_missing_signature", "leave this out"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "place", "said"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
def test_a_rule_that_cannot_run_is_refused_with_its_place(api, bad, place, said):
    found = wrong(api, definition(rule(), bad))
    assert list(found) == [f"filter_rules[1]{place}"]
    assert said in found[f"filter_rules[1]{place}"]


def test_all_that_is_wrong_is_said_at_once(api):
    bad = definition(rule(STAT | {"speed": 1, "site": "x"}), rule(kind="x"), fields=[field("x")], discovery="x")
    assert set(wrong(api, bad)) == {
        "filter_rules[0].action[0].speed", "filter_rules[0].action[0].site", "filter_rules[1].type", "fields[0].type",
        "discovery",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("description", "a\0b", "this holds a NUL"),
        ("description", 2**63, "no 64 bits hold this number"),
        ("action[0].x", -(10**400), "no 64 bits hold this number"),
        ("description", {"\0": 1}, "of a key: this holds a NUL"),
        ("action[0].x.a[1][0]", "\0", "this holds a NUL"),
    ],
)
def test_what_a_database_or_an_order_cannot_hold_is_refused_with_its_place(api, key, value, why):
    values = {"description": rule(description=value), "action[0].x": rule(STAT | {"x": value})}
    bad = values.get(key) or rule(STAT | {"x": {"a": [1, [value]]}})
    assert why in wrong(api, definition(bad))[f"filter_rules[0].{key}"]


def test_nothing_is_taken_for_text_or_truth_that_is_not(api):
    sent = definition(name=5, label=True, icon_classes=["fa", 1], discovery=3, enabled="yes", visible=1)
    text, truth = ["Not a valid string."], ["Must be a valid boolean."]
    assert check_problem(api.post("/api/workflows/", sent), 400)["errors"] == {
        "name": text, "label": text, "icon_classes": {"1": text}, "discovery": text, "enabled": truth, "visible": truth
    }  # fmt: skip


def test_faults_in_keys_hide_none_in_rules(api):
    bad = definition(rule(STAT | {"speed": 1}), name="a b", enabled="maybe", foo=1)
    assert set(wrong(api, bad)) == {"name", "enabled", "foo", "filter_rules[0].action[0].speed"}
    assert set(wrong(api, definition(rule(STAT | {"speed": 1}), name="send"))) == {
        "name", "filter_rules[0].action[0].speed"
    }  # fmt: skip
    assert set(wrong(api, {"name": "mine", "filter_rules": 7})) == {"label", "fields", "filter_rules"}


def test_options_for_no_discovery_are_refused(api):
    assert "no discovery" in wrong(api, definition(discovery_options={"nonsense": 1}))["discovery_options"]


@pytest.mark.parametrize(
    ("kind", "value"), [("string", "a\0b"), ("int", 2**63), ("int", "9" * 30), ("list", [10**400])]
)
def test_a_value_of_a_field_that_an_order_cannot_hold_is_refused(api, kind, value):
    api.post("/api/workflows/", definition(fields=[field(kind)]))
    sent = {"workflow": "mine", "site": "london", "paths": ["/srv/london/projects"], "fields": {"f": value}}
    assert "field 'f'" in check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]


@pytest.mark.parametrize("value", ["1_0", " 7 ", "7\n", "\u0667", "", "+", "1.0", "0x1", True, None, [1]])
def test_a_number_that_forms_send_is_of_digits_alone(api, value):
    api.post("/api/workflows/", definition(fields=[field("int")]))
    sent = {"workflow": "mine", "site": "london", "paths": ["/srv/london/projects"]}
    document = check_problem(api.post("/api/file/workflow/", sent | {"fields": {"f": value}}), 400)
    assert "field 'f'" in document["detail"]
    assert api.post("/api/file/workflow/", sent | {"fields": {"f": "-12"}}).status_code == 201


@pytest.mark.parametrize(("workflow", "name"), [("trash_purge", "older_than_days"), ("verify", "budget_gb")])
def test_days_and_budgets_below_nothing_are_refused(api, workflow, name):
    sent = {"workflow": workflow, "site": "london", "paths": ["/srv/london/projects"], "fields": {name: -1}}
    assert name in check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]


def test_fields_give_the_options_of_a_step_that_an_option_names(api, agent):
    signature = {"task": "dynamo.tasks.reverse_stub", "kwargs": {"hydrate": "*hydrate", "sync_policy": "sourcesite"}}
    move = MOVE | {"source_missing_signature": signature}
    api.post("/api/workflows/", definition(rule(move), fields=[field("bool", name="hydrate", default=False)]))
    agent.tree = [file("/srv/london/projects/a")]
    start("mine", fields={"hydrate": True}, discovery="recursive")
    agent.run()
    assert agent.orders[-1].options["source_missing_signature"] == {
        "name": "dynamo.tasks.reverse_stub", "kwargs": {"hydrate": True, "conflict_preference": "ignore"}
    }  # fmt: skip


@pytest.mark.parametrize("junk", [None, True, 7, 1.5, "x", [], {}, [[]], {"a": []}])
@pytest.mark.parametrize("key", ["state", "type", "action", "include", "ignore_site_includes", "description"])
def test_no_value_of_a_rule_breaks_the_hub(api, key, junk):
    assert api.post("/api/workflows/", definition(rule() | {key: junk})).status_code in {201, 400}
    in_action = rule(STAT | {key: junk, "name": junk})
    check_problem(api.post("/api/workflows/", definition(in_action, fields=[field() | {key: junk}])), 400)


@pytest.mark.parametrize("value", [None, {}, "all", [1], 3])
def test_rules_and_fields_are_lists_of_objects(api, value):
    assert all(place.startswith("filter_rules") for place in wrong(api, definition() | {"filter_rules": value}))
    if value != {}:
        assert all(place.startswith("fields") for place in wrong(api, definition() | {"fields": value}))


@pytest.mark.feature("HUB-WF-036")
def test_what_would_do_nothing_is_refused_when_it_is_made_and_when_it_is_run(api):
    assert "add one" in wrong(api, definition() | {"filter_rules": []})["filter_rules"]
    Workflow.objects.create(name="mine", label="From elsewhere", filter_rules=[])
    sent = {"workflow": "mine", "site": "london", "paths": ["/srv/london/projects"]}
    assert "nothing would be done" in check_problem(api.post("/api/file/workflow/", sent), 400)["detail"]
    assert list(check_problem(api.post("/api/file/workflow/", sent | {"paths": []}), 400)["errors"]) == ["paths"]


A = {"label": "A", "value": "a"}
FIELDS = [
    ("no name", {"label": "F", "type": "int"}, ".name", "missing"),
    ("no label", {"name": "f", "type": "int"}, ".label", "missing"),
    ("no type", {"name": "f", "label": "F"}, ".type", "missing"),
    ("an unknown type", field("enum[user]"), ".type", "types are string, int, bool, choices, enum[site], list"),
    ("an unknown key", field(required=True), ".required", "unknown key"),
    ("a default of another type", field("int", default="x"), ".default", "'x' is not an integer"),
    ("a default that is no site", field("enum[site]", default="paris"), ".default", "unknown site 'paris'"),
    ("a default that is no choice", field("choices", choices=[A], default="b"), ".default", "one of a"),
    ("choices without choices", field("choices"), ".choices", "needs some"),
    ("a choice without a value", field("choices", choices=[{"label": "A"}]), ".choices[0].value", "missing"),
    ("a choice that is a list", field("choices", choices=[A | {"value": []}]), ".choices[0].value", "neither"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "place", "said"), [case[1:] for case in FIELDS], ids=[case[0] for case in FIELDS])
def test_a_field_that_is_not_well_is_refused_with_its_place(api, bad, place, said):
    found = wrong(api, definition(fields=[field(name="good"), bad]))
    assert list(found) == [f"fields[1]{place}"]
    assert said in found[f"fields[1]{place}"]


def test_a_field_declared_twice_is_refused(api):
    assert "declared twice" in wrong(api, definition(fields=[field(), field("int")]))["fields[1].name"]


@pytest.mark.parametrize(
    ("option", "declared", "said"),
    [
        ("hydrate", field("string"), "of type string, which the option does not take"),
        ("hydrate", field("int"), "of type int"),
        ("stub_size", field("bool"), "can be True: Expected `int`"),
        ("stub_size", field("int", default=-1), "can be -1: Expected `int` >= 0"),
        ("lock_level", field("choices", choices=[{"label": "A", "value": "full"}]), "can be 'full'"),
        ("endpoint", field("list"), "of type list"),
    ],
)
def test_a_field_whose_values_an_option_does_not_take_is_refused(api, option, declared, said):
    action = {"name": "dynamo.tasks.reverse_stub", option: "*f"}
    assert said in wrong(api, definition(rule(action), fields=[declared]))[f"filter_rules[0].action[0].{option}"]


def test_a_field_that_names_no_site_is_refused_for_one(api):
    found = wrong(api, definition(rule(STAT | {"site": "*f"}), fields=[field("bool")]))
    assert "make it enum[site]" in found["filter_rules[0].action[0].site"]


@pytest.mark.parametrize(
    ("name", "options", "place", "said"),
    [
        ("snapdif", {}, "discovery", "unknown discovery 'snapdif': known are"),
        ("objects", {}, "discovery", "not for workflows"),
        ("recursive", {"skip_missin": True}, "discovery_options.skip_missin", "no option"),
        ("recursive", {"skip_missing": 1}, "discovery_options.skip_missing", "Expected `bool`"),
        ("recursive", {"skip_missing": "*x"}, "discovery_options.skip_missing", "declares no field 'x'"),
    ],
)
@pytest.mark.feature("HUB-WF-004")
def test_a_discovery_and_its_options_are_checked(api, name, options, place, said):
    found = wrong(api, definition(discovery=name, discovery_options=options))
    assert list(found) == [place]
    assert said in found[place]


def test_of_a_discovery_that_there_is_not_those_are_named_that_a_workflow_may_have(api):
    said = wrong(api, definition(discovery="snapdif"))["discovery"]
    assert "recursive, " in said
    assert not {"objects", "references"} & set(re.split(r"[^a-z]+", said))


def test_a_number_that_a_form_wrote_is_one_as_a_default_too(api):
    stub = {"name": "dynamo.tasks.migrate", "stub_size": "*f"}
    assert api.post("/api/workflows/", definition(rule(stub), fields=[field("int", default="7")])).status_code == 201
    Workflow.objects.get(name="mine").delete()
    found = wrong(api, definition(rule(stub), fields=[field("int", default="-1")]))
    assert "can be -1: Expected `int` >= 0" in found["filter_rules[0].action[0].stub_size"]


@pytest.mark.parametrize("state", ["ALL", "Default", " all"])
def test_a_state_that_only_looks_like_all_or_default_is_refused(api, state):
    assert "write 'all'" in wrong(api, definition(rule(state=state)))["filter_rules[0].state"].replace("default", "all")


@pytest.mark.feature("HUB-WF-015")
def test_rules_for_all_and_default_rules_cannot_be_made_together(api):
    default = rule(state="default", kind="default")
    assert "cannot be mixed" in wrong(api, definition(rule(), default))["filter_rules"]
    assert api.post("/api/workflows/", definition(rule(kind="file"), default)).status_code == 201


def test_a_change_that_cannot_run_is_refused_and_changes_nothing(api):
    number = api.post("/api/workflows/", definition(fields=[field("bool")])).json()["id"]
    before = api.get(f"/api/workflows/{number}/").json()
    bad = [rule(STAT | {"skip_missing": "*g"})]
    document = check_problem(api.patch(f"/api/workflows/{number}/", {"filter_rules": bad, "label": "X"}), 400)
    assert list(document["errors"]) == ["filter_rules[0].action[0].skip_missing"]
    good = [rule(STAT | {"skip_missing": "*f"})]
    assert api.patch(f"/api/workflows/{number}/", {"filter_rules": good}).status_code == 200
    document = check_problem(api.patch(f"/api/workflows/{number}/", {"fields": []}), 400)
    assert list(document["errors"]) == ["filter_rules[0].action[0].skip_missing"]
    assert api.get(f"/api/workflows/{number}/").json() == before | {"filter_rules": good}


def test_a_workflow_whose_site_is_gone_is_not_run_and_its_other_keys_can_be_changed(api, agent):
    from argosy.hub.sites.models import Site

    api.post("/api/workflows/", definition(rule(STAT | {"site": "dublin"})))
    Site.objects.filter(name="dublin").delete()
    sent = {"workflow": "mine", "site": "london", "paths": ["/srv/london/projects"]}
    document = check_problem(api.post("/api/file/workflow/", sent), 400)
    assert "workflow mine: filter_rules[0].action[0].site: unknown site 'dublin'" in document["detail"]
    number = Workflow.objects.get(name="mine").pk
    assert api.patch(f"/api/workflows/{number}/", {"label": "Broken"}).status_code == 200


def test_a_job_keeps_the_rules_it_began_with(api, agent):
    number = api.post("/api/workflows/", definition(discovery="recursive")).json()["id"]
    agent.tree = [file("/srv/london/projects/a")]
    job = start("mine")
    api.delete(f"/api/workflows/{number}/")
    agent.run()
    assert (fresh(job).state, fresh(job).numprocessedfiles) == ("SUCCESS", 1)


@pytest.mark.feature("HUB-WF-019", "HUB-WF-020")
def test_further_keys_of_an_action_become_options_and_fields_take_their_places(api, agent):
    action = {"name": "dynamo.tasks.reverse_stub", "hydrate": "*whole", "overwrite": True, "stub_size": "*head"}
    fields = [field("bool", "whole"), field("int", "head", default=5)]
    assert api.post("/api/workflows/", definition(rule(action), fields=fields)).status_code == 201
    agent.tree = [file("/srv/london/projects/a")]
    start("mine", fields={"whole": True}, discovery="recursive")
    agent.run()
    assert agent.orders[-1].options == {"hydrate": True, "overwrite": True, "stub_size": 5}


@pytest.mark.feature("HUB-WF-018")
def test_an_action_runs_at_the_site_it_names_and_else_at_the_jobs(api, agent):
    actions = [STAT, STAT | {"site": "dublin"}, STAT | {"site": "*where"}]
    fields = [field("enum[site]", "where")]
    assert api.post("/api/workflows/", definition(rule(*actions), fields=fields)).status_code == 201
    agent.tree = [file("/srv/london/projects/a")]
    start("mine", fields={"where": "london"}, discovery="recursive")
    agent.run()
    assert [order.site for order in agent.orders[1:]] == ["london", "dublin", "london"]


@pytest.mark.feature("HUB-WF-042")
def test_only_the_globs_of_the_site_it_starts_from_count(api, agent):
    from argosy.hub.sites.models import Site

    Site.objects.filter(name="london").update(exclude=["*.tmp"])
    Site.objects.filter(name="dublin").update(exclude=["*"], include=["nothing"])
    api.post("/api/workflows/", definition(rule(STAT, STAT | {"site": "dublin"})))
    agent.tree = [file("/srv/london/projects/a"), file("/srv/london/projects/b.tmp")]
    start("mine", discovery="recursive")
    agent.run()
    assert [entry.path for entry in agent.orders[-1].entries] == [b"/srv/dublin/work/a"]


@pytest.mark.feature("HUB-WF-016")
def test_several_default_rules_may_differ_by_their_globs(api, agent):
    rules = [
        rule(STAT, state="moved"),
        rule(STAT, state="default", kind="default", include=["*.jpg"]),
        rule(STAT | {"skip_missing": True}, state="default", kind="default", exclude=["*.jpg"]),
    ]
    assert api.post("/api/workflows/", definition(*rules)).status_code == 201
    agent.tree = [file("/srv/london/projects/a.jpg"), file("/srv/london/projects/b.png")]
    start("mine", discovery="recursive")
    agent.run()
    worked = {order.entries[0].path[-5:]: order.options for order in agent.orders[1:]}
    assert worked == {b"a.jpg": {}, b"b.png": {"skip_missing": True}}


@pytest.mark.feature("HUB-WF-010")
def test_paths_that_are_not_there_are_let_through_where_the_workflow_says_so(api, agent):
    from argosy.hub.jobs.models import Submission

    api.post("/api/workflows/", definition(allow_missing_paths=True, discovery="recursive"))
    start("mine")
    start("mine", discovery=None)
    assert [given.options for given in Submission.objects.all()] == [{"skip_missing": True}] * 2


def test_the_schema_describes_each_step_with_its_options(api):
    known = api.get("/api/schema/?format=json").json()["components"]["schemas"]
    assert {"$ref": "#/components/schemas/dynamo.tasks.recall"} in known["WorkflowAction"]["oneOf"]
    recall = known["dynamo.tasks.recall"]
    assert recall["required"] == ["name"]
    assert recall["properties"]["lock_level"]["anyOf"][0]["enum"] == ["implicit", "partial"]
    assert "dynamo.tasks.doom_objects" not in known


def test_steps_and_discoveries_are_listed_with_their_options(api):
    steps = {one["name"]: one for one in api.get("/api/steps/?page_size=0").json()["results"]}
    assert steps["dynamo.tasks.migrate"]["options"]["properties"]["stub_size"]["minimum"] == 0
    assert "stubs of the files" in steps["dynamo.tasks.migrate"]["description"]
    found = {one["name"]: one["options"] for one in api.get("/api/discoveries/").json()["results"]}
    assert found["recursive"]["properties"]["skip_missing"]["type"] == "boolean"
    assert "objects" not in found


def test_an_option_of_a_field_that_may_be_null_is_not_set_where_it_is(api):
    fields = [field("bool", "b", default=None), field("int", "n", default=None)]
    migrate = {"name": "dynamo.tasks.migrate", "premigrate": "*b", "stub_size": "*n"}
    made = api.post("/api/workflows/", definition(rule(migrate), fields=fields))
    assert made.status_code == 201, made.json()
    for values, expected in (({}, {}), ({"b": True}, {"premigrate": True}), ({"n": 5}, {"stub_size": 5})):
        job = start("mine", fields=values)
        (asked,) = Submission.objects.filter(job=job)
        assert asked.rules[0]["chain"][0]["options"] == expected


def test_a_field_that_may_be_null_is_not_for_an_option_that_must_be_given(api):
    made = definition(
        rule({"name": "dynamo.tasks.create_snapshot", "snapshot": "*s"}), fields=[field(name="s", default=None)]
    )
    assert "None" in wrong(api, made)["filter_rules[0].action[0].snapshot"]


@pytest.mark.parametrize(
    ("kind", "more", "said"),
    [
        ("enum[site]", {"default": None}, "can be null, which names no site"),
        ("string", {"default": None}, "can be null, which names no site"),
        ("choices", {"choices": [{"label": "One", "value": 1}]}, "can be 1, which names no site"),
    ],
)
def test_a_field_that_can_be_no_site_is_not_for_the_site_of_an_action(api, kind, more, said):
    made = definition(rule(STAT | {"site": "*where"}), fields=[field(kind, "where", **more)])
    assert said in wrong(api, made)["filter_rules[0].action[0].site"]


def test_an_action_whose_field_names_no_site_is_not_run_at_the_site_of_the_job(api):
    made = definition(rule(STAT | {"site": "*where"}), fields=[field("string", "where")])
    assert api.post("/api/workflows/", made).status_code == 201
    asked = {"workflow": "mine", "site": "london", "paths": ["/srv/london/projects/a"]}
    refused = api.post("/api/file/workflow/", asked | {"fields": {"where": "paris"}})
    assert refused.status_code == 400
    assert "filter_rules[0].action[0].site, from field 'where': unknown site 'paris'" in refused.json()["detail"]
    Workflow.objects.filter(name="mine").update(fields=[field("enum[site]", "where", default=None)])
    for fields in ({}, {"where": None}):  # of a definition that was made before
        refused = api.post("/api/file/workflow/", asked | {"fields": fields})
        assert refused.status_code == 400
        assert "filter_rules[0].action[0].site: field 'where' can be null" in refused.json()["detail"]
