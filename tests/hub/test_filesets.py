"""Filesets at the hub: registered by file or API, and told of by agents."""

import threading
import time

import pytest

from argosy.core import config as configuration
from argosy.core.fileset import Registered, Seen
from argosy.core.report import Present
from argosy.hub.sites import export, filesets
from argosy.hub.sites.models import Fileset
from argosy.hub.sites.services import reconcile
from tests.hub.test_api import check_problem

FILE = """
[[sites]]
name = "london"
roots = ["/srv/london"]
[[sites.filesets]]
name = "projects"
path = "/srv/london/projects"
snapshots = "btrfs"
"""
MORE = """
[[sites.filesets]]
name = "more"
path = "/srv/london/more"
"""
SENT = {"site": "london", "name": "shared", "path": "/srv/london/shared"}
IDENT = "ab" * 16


@pytest.fixture
def file(tmp_path):
    """Return the file, after its configuration was applied."""
    written = tmp_path / "argosy.toml"
    written.write_text(FILE)
    reconcile(configuration.load(written))
    return written


def tell(agent, *seen, site="london"):
    agent.delivery.present(Present(site=site, node="node1", filesets=seen))


def ok(name, path, number=1):
    return Seen(name=name, path=path, state="ok", id=IDENT, number=number)


PROJECTS = ok("projects", b"/srv/london/projects")


@pytest.mark.feature("HUB-FILE-006")
def test_the_filesets_of_a_site_are_listed_with_what_lies_there(api, agent, file):
    api.post("/api/sites/", {"name": "paris", "roots": ["/srv/paris"]})
    api.post("/api/filesets/", {"site": "paris", "name": "all", "path": "/srv/paris"})
    tell(agent, PROJECTS)
    (found,) = api.get("/api/filesets/?site=london").json()["results"]
    assert found["url"].endswith(f"/api/filesets/{found['id']}/")
    shown = {
        key: found[key] for key in ("site", "name", "path", "snapshots", "fileset_id", "number", "state", "reason")
    }
    assert shown == {
        "site": "london", "name": "projects", "path": "/srv/london/projects", "snapshots": "btrfs",
        "fileset_id": IDENT, "number": 1, "state": "ok", "reason": "",
    }  # fmt: skip
    everywhere = api.get("/api/filesets/").json()["results"]
    assert [(one["site"], one["name"], one["state"]) for one in everywhere] == [
        ("london", "projects", "ok"), ("paris", "all", "unknown"),
    ]  # fmt: skip


@pytest.mark.feature("HUB-FILE-007")
def test_a_site_that_does_not_answer_in_time_is_told_clearly(api, agent, file, monkeypatch):
    never = check_problem(api.get("/api/filesets/?site=london"), 504)
    assert never["type"].endswith(":timeout")
    assert "site london does not say what is at its filesets: no agent of it was ever heard" in never["detail"]
    monkeypatch.setattr(filesets, "PATIENCE", 0.2)
    tell(agent)
    assert "node1 gave no answer within 0 s" in check_problem(api.get("/api/filesets/?site=london"), 504)["detail"]
    tell(agent, PROJECTS)
    assert api.get("/api/filesets/?site=london").status_code == 200
    agent.clock.forward(-60)
    tell(agent, PROJECTS)
    assert "start its agent" in check_problem(api.get("/api/filesets/?site=london"), 504)["detail"]
    assert api.get("/api/filesets/").status_code == 200


def test_a_query_waits_for_what_the_site_says(api, agent, file, django_db_blocker):
    tell(agent)

    def tell_later():
        with django_db_blocker.unblock():
            time.sleep(0.3)
            tell(agent, PROJECTS)

    telling = threading.Thread(target=tell_later)
    telling.start()
    assert api.get("/api/filesets/?site=london").json()["results"][0]["state"] == "ok"
    telling.join()


def test_a_site_without_filesets_answers_at_once_and_an_unknown_one_is_refused(api, two_sites):
    assert api.get("/api/filesets/?site=london").json()["results"] == []
    assert "unknown site 'atlantis'" in check_problem(api.get("/api/filesets/?site=atlantis"), 400)["detail"]
    assert "Unknown parameter" in check_problem(api.get("/api/filesets/?sites=london"), 400)["detail"]


def test_a_fileset_is_added_changed_and_removed(api, file):
    made = api.post("/api/filesets/", SENT)
    assert (made.status_code, made.json()["snapshots"], made.json()["state"]) == (201, "index", "unknown")
    url = made.json()["url"]
    changed = api.patch(url, {"path_b64": "L3Nydi9sb25kb24vw/8=", "snapshots": "gpfs"})
    assert (changed.status_code, changed.json()["path_b64"]) == (200, "L3Nydi9sb25kb24vw/8=")
    assert changed.json()["snapshots"] == "gpfs"
    assert api.delete(url).status_code == 204
    assert "there is no fileset" in check_problem(api.get(url), 404)["detail"]


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        ({"path": "/srv/london/projects/x"}, 400, "lies in /srv/london/projects, fileset projects"),
        ({"path": "/srv/london"}, 400, "filesets do not nest"),
        ({"path": "/srv/paris"}, 400, "lies below none of the roots of the site: /srv/london"),
        ({"path": "/srv/london/../x"}, 400, "holds . or .."),
        ({"path": "shared"}, 400, "is not absolute"),
        ({"path": "/srv/london/.argosy/x"}, 400, "belongs to Argosy"),
        ({"path": f"/srv/london/{'x' * 256}/y"}, 400, "a name in it has 256 bytes"),
        ({"path": f"/srv/london/{'é' * 128}"}, 400, "no filesystem allows more than 255"),
        ({"path": "/srv/london" + 17 * f"/{'x' * 250}"}, 400, "has 4278 bytes: Linux allows no more than 4095"),
        ({"name": "a b"}, 400, "use 1 to 63 letters"),
        ({"name": "projects"}, 409, "fileset projects of london exists already"),
        ({"snapshots": "zfs"}, 400, "not a valid choice: known are index, btrfs, gpfs"),
        ({"site": "atlantis"}, 400, "unknown site 'atlantis': known are london"),
        ({"number": 5, "colour": 1}, 400, "Unknown key"),
    ],
)
def test_a_fileset_that_cannot_be_is_refused_and_not_kept(api, file, sent, status, reason):
    assert reason in str(check_problem(api.post("/api/filesets/", SENT | sent), status))
    assert Fileset.objects.count() == 1


def test_what_the_configuration_declares_is_changed_there(api, file):
    url = f"/api/filesets/{Fileset.objects.get().pk}/"
    for change in ({"name": "x"}, {"path": "/srv/london/x"}, {"snapshots": "index"}):
        detail = check_problem(api.patch(url, change), 409)["detail"]
        assert detail.startswith(f"{file} sets {next(iter(change))} of london:projects: change it there")
    assert check_problem(api.delete(url), 409)["detail"] == f"{file} declares this: remove it there"


def test_roots_of_a_site_go_on_holding_its_filesets(api, two_sites):
    site = api.post("/api/sites/", {"name": "paris", "roots": ["/srv/paris"]}).json()
    api.post("/api/filesets/", {"site": "paris", "name": "all", "path": "/srv/paris/all"})
    assert "filesets.all.path" in check_problem(api.patch(site["url"], {"roots": ["/srv/lutetia"]}), 400)["detail"]
    assert api.delete(site["url"]).status_code == 204
    assert not Fileset.objects.exists()


def test_the_configuration_is_kept_in_step_and_others_are_left(api, agent, file):
    api.post("/api/filesets/", SENT)
    tell(agent, PROJECTS)
    file.write_text(FILE + MORE)
    reconcile(configuration.load(file))
    assert [(one.name, one.state) for one in Fileset.objects.all()] == [
        ("projects", "ok"),
        ("shared", ""),
        ("more", ""),
    ]
    file.write_text(FILE.replace("/srv/london/projects", "/srv/london/else"))
    reconcile(configuration.load(file))
    assert [(one.name, one.state) for one in Fileset.objects.all()] == [("projects", ""), ("shared", "")]
    file.write_text(FILE.partition("[[sites.filesets]]")[0])
    reconcile(configuration.load(file))
    assert [one.name for one in Fileset.objects.all()] == ["shared"]


def test_filesets_are_exported_in_the_words_of_the_file(api, file):
    api.post("/api/filesets/", SENT | {"path_b64": "L3Nydi9sb25kb24vw/8="})
    told = export.toml("london")
    assert '[[sites.filesets]]\nname = "projects"\npath = "/srv/london/projects"\nsnapshots = "btrfs"\n' in told
    assert '# [[sites.filesets]]\n# name = "shared"' in told


def test_what_an_agent_says_of_another_path_is_not_taken(agent, file):
    tell(agent, ok("projects", b"/srv/london/old"), ok("unknown", b"/srv/london/projects"))
    assert Fileset.objects.get().seen is None


def test_an_id_stays_known_when_a_fileset_is_refused_and_the_site_is_not_well(api, agent, file):
    tell(agent, PROJECTS)
    tell(agent, Seen(name="projects", path=PROJECTS.path, state="copy", reason="is a copy"))
    (found,) = api.get("/api/filesets/?site=london").json()["results"]
    assert (found["state"], found["reason"], found["fileset_id"]) == ("copy", "is a copy", IDENT)
    (site,) = api.get("/api/health/").json()["site_status"]
    assert (site["health"], site["reason"]) == ("warning", "fileset projects: is a copy")


def test_that_a_fileset_is_to_be_adopted_is_said_once_and_what_was_said_before_does_not_count(api, agent, file):
    tell(agent, PROJECTS)
    one = Registered(name="projects", path=PROJECTS.path, snapshots="btrfs")
    assert agent.delivery.filesets("london") == (one,)
    assert api.post(f"/api/filesets/{Fileset.objects.get().pk}/adopt/").status_code == 202
    tell(agent, PROJECTS)
    assert [told.adopt for told in agent.delivery.filesets("london")] == [True]
    assert Fileset.objects.get().seen is None
    assert [told.adopt for told in agent.delivery.filesets("london")] == [False]
    assert agent.delivery.filesets("atlantis") == ()


def test_only_those_who_are_logged_in_see_filesets(anonymous, file):
    check_problem(anonymous.get("/api/filesets/"), 401)
    check_problem(anonymous.post("/api/filesets/", SENT), 401)


def test_a_site_whose_roots_are_not_known_has_no_fileset_that_cannot_be_either(api):
    api.post("/api/sites/", {"name": "paris"})
    sent = {"site": "paris", "name": "far", "path": f"/srv/{'x' * 5000}"}
    assert "sites.paris.filesets.far.path" in check_problem(api.post("/api/filesets/", sent), 400)["detail"]


def test_how_much_may_be_gone_before_a_sync_asks_is_set_for_each_fileset(api, file):
    made = api.post("/api/filesets/", SENT).json()
    usual = {"mass_change_percent": 50, "mass_change_count": 10, "mass_change_top": 2}
    assert {key: made[key] for key in usual} == usual
    number = made["id"]
    other = {"mass_change_percent": 100, "mass_change_count": 0, "mass_change_top": 7}
    assert api.patch(f"/api/filesets/{number}/", other).status_code == 200
    assert {key: api.get(f"/api/filesets/{number}/").json()[key] for key in other} == other
    for key, value in (("mass_change_percent", 101), ("mass_change_percent", 0), ("mass_change_count", -1)):
        assert key in str(check_problem(api.patch(f"/api/filesets/{number}/", {key: value}), 400))


def test_what_the_file_says_of_mass_changes_is_declared_and_exported(api, file):
    declared = Fileset.objects.get(name="projects")
    refused = check_problem(api.patch(f"/api/filesets/{declared.pk}/", {"mass_change_count": 3}), 409)
    assert str(file) in refused["detail"]
    file.write_text(FILE + "mass_change_percent = 80\n")
    reconcile(configuration.load(file))
    declared.refresh_from_db()
    assert (declared.mass_change_percent, declared.mass_change_count) == (80, 10)
    assert "mass_change_percent = 80" in export.toml("london")
    assert "mass_change_count" not in export.toml("london")


def test_how_long_the_trash_of_a_fileset_is_kept_is_settled_by_it_or_by_its_site(api, file):
    made = api.post("/api/filesets/", SENT).json()
    assert made["trash_days"] is None
    path = f"/api/filesets/{made['id']}/"
    assert api.patch(path, {"trash_days": 90.5}).json()["trash_days"] == 90.5
    assert [one.trash_days for one in filesets.registered("london") if one.name == made["name"]] == [90.5]
    for value in (-1, 36_501, "long"):
        assert "trash_days" in str(check_problem(api.patch(path, {"trash_days": value}), 400))
    assert api.patch(path, {"trash_days": None}).json()["trash_days"] is None
    file.write_text(FILE + "trash_days = 90.0\n")
    reconcile(configuration.load(file))
    declared = Fileset.objects.get(name="projects")
    assert declared.trash_days == 90
    assert "trash_days = 90.0" in export.toml("london")
    assert str(file) in check_problem(api.patch(f"/api/filesets/{declared.pk}/", {"trash_days": 1}), 409)["detail"]
