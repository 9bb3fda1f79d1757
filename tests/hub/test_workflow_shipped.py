"""The workflows that come with Argosy: there, protected, and what was changed of them survives an upgrade."""

import pytest

from argosy.hub.workflows.definition import faults
from argosy.hub.workflows.installing import install_shipped
from argosy.hub.workflows.models import Workflow
from argosy.hub.workflows.services import is_led
from argosy.hub.workflows.shipped import SHIPPED
from tests.hub.test_api import check_problem

STAT = {"name": "dynamo.tasks.stat_paths"}


@pytest.fixture(autouse=True)
def _as_released():
    yield
    Workflow.objects.all().delete()
    install_shipped()


def rules(**more):
    return [{"state": "all", "type": "all", "action": [STAT | more]}]


def released(**more):
    """Return a release that ships one workflow."""
    return ({"name": "ours", "label": "Ours", "fields": [], "filter_rules": rules(), **more},)


def ours() -> Workflow:
    return Workflow.objects.get(name="ours")


@pytest.mark.feature("HUB-WF-044")
def test_the_documented_ones_are_there():
    shown = dict(Workflow.objects.values_list("name", "visible"))
    offered = {"migrate", "premigrate", "recall", "send", "site_sync", "bidirectional_sync"}
    assert {name for name, visible in shown.items() if visible} == offered
    assert {"transparent_recall", "reverse_stub", "delete_file"} <= shown.keys()


@pytest.mark.parametrize("definition", SHIPPED, ids=lambda definition: definition["name"])
def test_each_is_well_formed(definition):
    row = Workflow.objects.get(name=definition["name"])
    told = {key: getattr(row, key) for key in ("filter_rules", "fields", "discovery", "discovery_options")}
    if not is_led(row):  # whose rules are shown, and not run
        assert faults(told).by_place == {}
    assert (row.shipped, row.changed) == (True, [])


def test_the_fields_and_defaults_are_the_documented_ones(api):
    found = {one["name"]: one for one in api.get("/api/workflows/?page_size=0").json()["results"]}
    defaults = {
        name: {field["name"]: field.get("default", "required") for field in found[name]["fields"]}
        for name in ("migrate", "premigrate", "recall", "send", "transparent_recall", "reverse_stub", "delete_file")
    }
    assert defaults == {
        "migrate": {"lock_level": "partial"},
        "premigrate": {"lock_level": "implicit"},
        "recall": {"lock_level": "implicit"},
        "send": {"destinationsite": "required", "hydrate": False, "overwrite": False},
        "transparent_recall": {},
        "reverse_stub": {"hydrate": False, "overwrite": False},
        "delete_file": {"recursive": False},
    }
    assert found["transparent_recall"]["filter_rules"][0]["action"][0]["lock_level"] == "partial"
    assert [found[name]["discovery"] for name in ("migrate", "send", "delete_file")] == ["recursive", "recursive", None]


def test_one_is_neither_deleted_nor_renamed_and_the_remedy_is_named(api):
    number = Workflow.objects.get(name="send").pk
    assert "`visible` to false" in check_problem(api.delete(f"/api/workflows/{number}/"), 409)["detail"]
    document = check_problem(api.patch(f"/api/workflows/{number}/", {"name": "ship"}), 409)
    assert "make a copy under another" in document["detail"]
    document = check_problem(api.post("/api/workflows/", {"label": "x", **released()[0], "name": "send"}), 400)
    assert "There is such a workflow already" in document["detail"]


def test_what_was_changed_of_one_is_shown_and_can_be_taken_back(api):
    number = Workflow.objects.get(name="send").pk
    before = api.get(f"/api/workflows/{number}/").json()
    assert (before["shipped"], before["changed"]) == (True, [])
    changed = api.patch(f"/api/workflows/{number}/", {"visible": False, "filter_rules": rules()}).json()
    assert changed["changed"] == ["filter_rules", "visible"]
    assert api.post(f"/api/workflows/{number}/reset/").json() == before
    assert api.get(f"/api/workflows/{number}/").json() == before


def test_there_is_nothing_to_go_back_to_for_ones_own(api):
    number = api.post("/api/workflows/", released()[0]).json()["id"]
    assert "does not come with Argosy" in check_problem(api.post(f"/api/workflows/{number}/reset/"), 409)["detail"]


def test_an_upgrade_brings_what_the_release_changed():
    install_shipped(released())
    install_shipped(released(label="Better", filter_rules=rules(skip_missing=True)))
    assert (ours().label, ours().filter_rules, ours().changed) == ("Better", rules(skip_missing=True), [])


def test_an_upgrade_leaves_what_was_changed_here(api):
    install_shipped(released())
    api.patch(f"/api/workflows/{ours().pk}/", {"enabled": False, "label": "Harbour's"})
    install_shipped(released(label="Better", enabled=True, visible=False, filter_rules=rules(skip_missing=True)))
    row = ours()
    assert (row.enabled, row.label, row.visible, row.filter_rules) == (
        False, "Harbour's", False, rules(skip_missing=True),
    )  # fmt: skip
    assert row.changed == ["enabled", "label"]


def test_rules_that_were_changed_keep_the_fields_they_go_with(api):
    install_shipped(released())
    field = {"name": "miss", "label": "Miss", "type": "bool", "default": False}
    mine = rules(skip_missing="*miss")
    api.patch(f"/api/workflows/{ours().pk}/", {"filter_rules": mine, "fields": [field]})
    install_shipped(released(fields=[field | {"name": "other"}], filter_rules=rules(skip_missing="*other")))
    assert (ours().filter_rules, ours().fields) == (mine, [field])
    install_shipped(released(fields=[field], filter_rules=mine))
    assert ours().changed == []


def test_to_start_again_changes_nothing(api):
    number = Workflow.objects.get(name="send").pk
    changed = api.patch(f"/api/workflows/{number}/", {"visible": False, "icon_classes": ["fa-ship"]}).json()
    install_shipped()
    assert api.get(f"/api/workflows/{number}/").json() == changed


def test_ones_own_keeps_its_name_when_a_release_has_one_like_it(api):
    sent = {**released()[0], "label": "Mine"}
    api.post("/api/workflows/", sent)
    install_shipped(released())
    assert (ours().label, ours().shipped) == ("Mine", False)


def test_one_that_a_release_ships_no_more_stays_as_ones_own(api):
    install_shipped(released())
    install_shipped(())
    assert ours().shipped is False
    assert api.delete(f"/api/workflows/{ours().pk}/").status_code == 204


def test_those_of_a_database_from_before_this_was_noted_count_as_unchanged():
    from importlib import import_module

    from django.apps import apps

    Workflow.objects.update(installed=None)
    import_module("argosy.hub.workflows.migrations.0002_installed").all_came_with_a_release(apps, None)
    assert all(row.shipped and not row.changed for row in Workflow.objects.all())
    install_shipped()
    assert all(row.shipped and not row.changed for row in Workflow.objects.all())
