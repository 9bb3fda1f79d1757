"""Which rules a path goes through, against what the manual says, computed in the plainest way there is."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.core.entry import Entry, Kind
from argosy.hub.jobs.models import Job
from argosy.hub.sites.models import Site
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.rules import Rule
from argosy.hub.workflows.trial import tried
from tests.hub.test_api import check_problem

STATES = ["created", "modified", "moved"]
TYPES = ["file", "directory", "symlink"]
SIGNS = "ab./é"
STAT = {"name": "dynamo.tasks.stat_paths"}


def matches_whole(glob: str, path: str) -> bool:
    """Match a shell pattern: * is any characters, ? one, [..] one of some, [!..] one of the others."""
    if not glob:
        return not path
    if glob[0] == "*":
        return any(matches_whole(glob[1:], path[start:]) for start in range(len(path) + 1))
    if not path:
        return False
    if glob[0] == "[":
        inner, rest = glob[1:].split("]", 1)
        one_of_them = path[0] in inner.removeprefix("!")
        return one_of_them != inner.startswith("!") and matches_whole(rest, path[1:])
    return glob[0] in {"?", path[0]} and matches_whole(glob[1:], path[1:])


def applies(rule: dict[str, Any], run: dict[str, Any], site: dict[str, Any], entry: Entry) -> bool:
    """Say whether a rule captures the entry, as the manual has it."""
    if rule["state"] not in ("all", "default", entry.state):
        return False
    if rule["type"] not in ("all", "default", entry.kind.value):
        return False
    globs = {}
    for kind in ("include", "exclude"):
        globs[kind] = list(rule.get(kind, [])) if run.get(kind) is None else list(run[kind])
        ignored = f"ignore_site_{kind}s"
        if not rule.get(ignored) and not run.get(ignored):
            globs[kind] += site[kind] or []
    path = entry.path.decode()
    included = any(matches_whole(glob, path) for glob in globs["include"]) or not globs["include"]
    return included and not any(matches_whole(glob, path) for glob in globs["exclude"])


def expected(rules: list[dict[str, Any]], run: dict[str, Any], site: dict[str, Any], entry: Entry) -> list[int]:
    """Every rule that captures the path; the default rules only for paths that no other rule has captured."""
    captured = [n for n, rule in enumerate(rules) if rule["state"] != "default" and applies(rule, run, site, entry)]
    left = [n for n, rule in enumerate(rules) if rule["state"] == "default" and applies(rule, run, site, entry)]
    return captured or left


def mixed(rules: list[dict[str, Any]]) -> bool:
    """Say whether a set has rules for all and default rules, which is not allowed."""
    return {("all", "all"), ("default", "default")} <= {(rule["state"], rule["type"]) for rule in rules}


globs = st.lists(
    st.lists(st.sampled_from(["*", "?", "[ab]", "[!a]", "[é/]", *SIGNS]), min_size=1, max_size=5).map("".join),
    max_size=2,
)
switches = st.booleans()
ordinary = st.fixed_dictionaries(
    {"state": st.sampled_from([*STATES, "all"]), "type": st.sampled_from([*TYPES, "all"]), "action": st.just([STAT])},
    optional={"include": globs, "exclude": globs, "ignore_site_includes": switches, "ignore_site_excludes": switches},
)
default = ordinary.map(lambda rule: rule | {"state": "default", "type": "default"})
rule_sets = st.lists(ordinary | default, min_size=1, max_size=4)
runs = st.fixed_dictionaries(
    {},
    optional={
        "include": st.none() | globs,
        "exclude": st.none() | globs,
        "ignore_site_includes": switches,
        "ignore_site_excludes": switches,
    },
)
entries = st.builds(
    lambda path, state, kind: Entry(path=f"/{path}".encode(), state=state, kind=Kind(kind)),
    st.text(SIGNS, max_size=5),
    st.sampled_from(["", *STATES]),
    st.sampled_from(TYPES),
)
sites = st.fixed_dictionaries({"include": st.none() | globs, "exclude": st.none() | globs})


@pytest.mark.feature("HUB-WF-011", "HUB-WF-014", "HUB-WF-038")
def test_each_path_goes_through_the_rules_that_the_manual_says(two_sites):
    seen = set()

    @settings(max_examples=300, deadline=None)
    @given(rules=rule_sets.filter(lambda rules: not mixed(rules)), run=runs, site=sites, found=st.lists(entries))
    def check(rules, run, site, found):
        Site.objects.filter(name="london").update(**site)
        workflow = Workflow(name="mine", label="Mine", filter_rules=rules)
        chosen = tried(workflow, found, site="london", fields={}, **run).matched
        assert chosen == [expected(rules, run, site, entry) for entry in found]
        seen.update(len(numbers) for numbers in chosen)

    check()
    assert {0, 1, 2} <= seen


def test_a_set_of_rules_is_refused_where_it_has_both_kinds_and_only_there(api, two_sites):
    @settings(deadline=None)
    @given(rules=rule_sets)
    def check(rules):
        sent = {"label": "Mine", "filter_rules": rules, "fields": []}
        body = {"workflow": sent | {"name": "mine"}, "site": "london", "paths": ["/srv/london/a"]}
        answer = api.post("/api/workflows/test/", body)
        assert answer.status_code == (400 if mixed(rules) else 200), answer.content

    check()


@pytest.mark.parametrize(
    ("glob", "path", "selected"),
    [
        ("*.jpg", b"/a/b.jpg", True),
        ("*.jpg", b"/a/b.JPG", False),
        ("b.jpg", b"/a/b.jpg", False),
        ("/a/*", b"/a/b/c", True),
        ("/a", b"/a/b", False),
        ("/caf?", "/café".encode(), True),
        ("/[é]", "/é".encode(), True),
        ("/a?b", b"/a\xffb", True),
        ("/a*b", b"/a\n\xff\xfeb", True),
        ("/a[", b"/a[", True),
        ("/a\\*", b"/a\\b", True),
    ],
)
@pytest.mark.feature("HUB-WF-037")
def test_a_glob_is_a_shell_pattern_over_the_whole_path_in_characters(glob, path, selected):
    assert Rule(state="all", type="all", chain=(), include=(glob,)).selects(path) is selected
    assert Rule(state="all", type="all", chain=(), exclude=(glob,)).selects(path) is not selected


def test_a_glob_with_many_stars_takes_no_time():
    rule = Rule(state="all", type="all", chain=(), include=("*a" * 40 + "b",))
    assert not rule.selects(b"/" + b"a" * 4000)


def body(**more):
    rules = [
        {"state": "all", "type": "file", "action": [{"name": "dynamo.tasks.recall", "lock_level": "*level"}]},
        {"state": "moved", "type": "all", "action": {"name": "dynamo.tasks.delete_paths_from_gpfs", "site": "dublin"}},
    ]
    fields = [{"name": "level", "label": "Level", "type": "string", "default": "partial"}]
    definition = {"name": "mine", "label": "M", "filter_rules": rules, "fields": fields, "discovery": "recursive"}
    return {"workflow": definition, "site": "london", "paths": ["/srv/london/a"]} | more


def test_a_definition_is_tried_on_paths_and_nothing_is_recorded(api, two_sites):
    before, odd = Workflow.objects.count(), "L3Nydi9sb25kb24v/w=="
    recall, delete = "dynamo.tasks.recall", "dynamo.tasks.delete_paths_from_gpfs"
    paths = [
        "/srv/london/a",
        {"path": "/srv/london/b", "state": "moved"},
        {"path": "/srv/london/c", "type": "directory"},
        {"path_b64": odd, "state": "moved", "type": "directory"},
    ]
    answer = api.post("/api/workflows/test/", body(paths=paths, fields={"level": "implicit"}))
    assert answer.status_code == 200
    assert answer.json() == {
        "discovery": "recursive",
        "discovery_options": {},
        "rules": [
            {"rule": 0, "steps": [{"name": recall, "site": "london", "options": {"lock_level": "implicit"}}]},
            {"rule": 1, "steps": [{"name": delete, "site": "dublin", "options": {}}]},
        ],
        "paths": [
            {"path": "/srv/london/a", "state": "", "type": "file", "rules": [0]},
            {"path": "/srv/london/b", "state": "moved", "type": "file", "rules": [0, 1]},
            {"path": "/srv/london/c", "state": "", "type": "directory", "rules": []},
            {"path": "/srv/london/\ufffd", "path_b64": odd, "state": "moved", "type": "directory", "rules": [1]},
        ],
    }  # fmt: skip
    assert (Workflow.objects.count(), Job.objects.count()) == (before, 0)


def test_a_recorded_workflow_is_tried_by_its_name(api, two_sites):
    answer = api.post("/api/workflows/test/", body(workflow="send", fields={"destination": "dublin"})).json()
    assert [step["site"] for step in answer["rules"][0]["steps"]] == ["london", "london", "dublin"]
    assert answer["paths"][0]["rules"] == [0]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"workflow": "sned"}, 404, "unknown workflow 'sned'"),
        ({"workflow": 7}, 400, "workflow"),
        ({"workflow": {"name": "x"}}, 400, "workflow.label"),
        ({"site": "paris"}, 400, "unknown site 'paris'"),
        ({"paths": []}, 400, "paths"),
        ({"paths": ["a"]}, 400, "is not absolute"),
        ({"paths": [{"path": "/a", "kind": "file"}]}, 400, "A path has no 'kind'"),
        ({"paths": [{"path": "/a", "type": "fifo"}]}, 400, "type"),
        ({"paths": [{"path": "/a", "state": "ALL"}]}, 400, "'ALL' is found by nothing"),
        ({"paths": [7]}, 400, "paths"),
        ({"fields": {"level": "full"}}, 400, "step dynamo.tasks.recall: lock_level, from field 'level': Invalid"),
        ({"workflow": "send", "fields": {"destination": None}}, 400, "field 'destinationsite': None is not text"),
        ({"fields": {"speed": 1}}, 400, "unknown field 'speed'"),
        ({"discovery": None}, 400, "discovery: Unknown key"),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_refused(api, two_sites, change, status, said):
    assert said in check_problem(api.post("/api/workflows/test/", body(**change)), status)["detail"]
