"""What schedules that keep filesets in sync can be, each by itself and all together."""

import pytest

from argosy.core.config import Config, LinkConfig, SiteConfig
from argosy.hub.sites.services import reconcile
from argosy.hub.sync.models import Run
from tests.hub.fake import FakeAgent, config
from tests.hub.schedules import NEVER, TOP, filesets, jobs, made, subscribed
from tests.hub.test_api import check_problem

BOTH = "bidirectional_snapdiff"
SYNC = "bidirectional_sync"
PATHS = {"london": TOP, "dublin": "/srv/dublin/work", "paris": "/srv/paris/projects", "rome": "/srv/rome/projects"}


@pytest.fixture(autouse=True)
def _four_sites():
    """london, dublin, paris and rome, linked to one datastore; the tree is called otherwise in dublin."""
    more = tuple(
        SiteConfig(
            name=name,
            roots=(f"/srv/{name}",),
            links=(LinkConfig(site_path=PATHS[name], datastore="cloud", datastore_path="projects/"),),
        )
        for name in ("paris", "rome")
    )
    two = config()
    reconcile(Config(datastores=two.datastores, sites=(*two.sites, *more)))


def both(api, here: str, there: str, *, status: int = 201, **more):
    """Keep the tree in sync between two sites."""
    one = made(api, name=f"{here}-{there}", site=here, managed_paths=[PATHS[here]], discovery=BOTH, **NEVER, **more)
    return one, subscribed(api, one, SYNC, fields={"destinationsite": there}, status=status)


def one_way(api, here: str, there: str, *, status: int = 201):
    one = made(api, name=f"{here}>{there}", site=here, managed_paths=[PATHS[here]], discovery="snapdiff", **NEVER)
    return one, subscribed(api, one, "site_sync", fields={"destinationsite": there}, status=status)


@pytest.mark.feature("HUB-SYNC-039", "HUB-SYNC-040", "HUB-SYNC-041")
def test_bidirectional_sync_belongs_to_its_schedules_alone(api, agent: FakeAgent):
    one, _ = both(api, "london", "dublin")
    two = subscribed(api, one, SYNC, fields={"destinationsite": "paris"}, status=409)
    assert "has a subscription, and a bidirectional_snapdiff schedule takes one only" in two["detail"]
    other = made(api, name="other", site="rome", managed_paths=[PATHS["rome"]], discovery=BOTH, **NEVER)
    wrong = subscribed(api, other, "migrate", status=400)
    assert "bidirectional_sync is all that a bidirectional_snapdiff schedule takes" in wrong["detail"]
    for discovery in ("snapdiff", "recursive", None):
        plain = made(api, name=f"of {discovery}", discovery=discovery, **NEVER)
        refused = subscribed(api, plain, SYNC, fields={"destinationsite": "dublin"}, status=400)
        assert "bidirectional_sync runs from bidirectional_snapdiff schedules only" in refused["detail"]
    sent = {"site": "london", "workflow": SYNC, "paths": [TOP], "fields": {"destinationsite": "dublin"}}
    check_problem(api.post("/api/file/workflow/", sent), 400)


def test_a_subscription_cannot_be_changed_to_what_it_could_not_have_been(api):
    _, subscription = both(api, "london", "dublin")
    assert "is all that" in check_problem(api.patch(subscription["url"], {"workflow": "migrate"}), 400)["detail"]
    own = api.patch(subscription["url"], {"fields": {"destinationsite": "london"}})
    assert "is the site itself" in check_problem(own, 400)["detail"]
    assert api.patch(subscription["url"], {"fields": {"destinationsite": "paris"}}).status_code == 200


@pytest.mark.feature("HUB-SYNC-042")
def test_a_schedule_is_not_changed_to_or_from_bidirectional(api):
    one, _ = both(api, "london", "dublin")
    problem = check_problem(api.patch(one["url"], {"discovery": "snapdiff"}), 409)
    assert "cannot be changed from bidirectional_snapdiff: make another" in problem["detail"]
    other = made(api, name="other", discovery="snapdiff", **NEVER)
    problem = check_problem(api.patch(other["url"], {"discovery": BOTH}), 409)
    assert "cannot be changed to bidirectional_snapdiff" in problem["detail"]
    assert api.patch(other["url"], {"discovery": "recursive"}).status_code == 200
    assert api.patch(one["url"], {"discovery": BOTH, "minute": "5"}).status_code == 200


def test_a_bidirectional_run_is_one_job(api, agent: FakeAgent):
    filesets()
    one, _ = both(api, "london", "dublin")
    begun = api.post(f"{one['url']}run/").json()
    assert [job.jobtype for job in jobs(one)] == [SYNC]
    assert begun["fields"]["destinationsite"] == "dublin"


@pytest.mark.feature("HUB-SYNC-055")
@pytest.mark.parametrize("hydrate", [True, False])
def test_a_subscription_says_whether_whole_files_are_brought(api, agent: FakeAgent, hydrate: bool):
    filesets()
    fields = {field["name"]: field for field in definition(api, SYNC)["fields"]}
    assert fields["hydrate"]["type"] == "bool"
    one = made(api, discovery=BOTH, **NEVER)
    subscribed(api, one, SYNC, fields={"destinationsite": "dublin", "hydrate": hydrate})
    begun = api.post(f"{one['url']}run/").json()
    assert Run.objects.get(job=begun["id"]).hydrate is hydrate


@pytest.mark.feature("HUB-SYNC-031")
@pytest.mark.parametrize("workflow", [SYNC, "site_sync"])
def test_who_keeps_the_name_can_be_chosen_and_is_the_newest_by_default(api, workflow: str):
    preference = next(each for each in definition(api, workflow)["fields"] if each["name"] == "sync_preference")
    assert preference["default"] == "newest"
    assert {"newest", "local", "ignore"} <= {each["value"] for each in preference["choices"]}


def definition(api, name: str):
    return next(each for each in api.get("/api/workflows/?page_size=0").json()["results"] if each["name"] == name)


def test_a_path_is_managed_by_one_bidirectional_schedule_of_its_site(api):
    one = made(api, discovery=BOTH, **NEVER)
    sent = {"name": "again", "site": "london", "managed_paths": [TOP], "discovery": BOTH}
    problem = check_problem(api.post("/api/schedules/", sent), 409)
    assert (
        "london:/srv/london/projects is managed by the bidirectional_snapdiff schedule 'nightly' already"
        in (problem["detail"])
    )
    other = made(api, name="other", discovery=BOTH, managed_paths=["/srv/london/more"], **NEVER)
    check_problem(api.patch(other["url"], {"managed_paths": [TOP]}), 409)
    assert api.patch(one["url"], {"managed_paths": ["/srv/london/less"]}).status_code == 200
    assert api.patch(other["url"], {"managed_paths": [TOP]}).status_code == 200
    made(api, name="one way", discovery="snapdiff", **NEVER)


def test_a_pair_is_not_synced_twice_from_whichever_side(api):
    both(api, "london", "dublin")
    _, problem = both(api, "dublin", "london", status=409)
    assert (
        "would be in a ring: london:/srv/london/projects - dublin:/srv/dublin/work are in sync already"
        in (problem["detail"])
    )


def test_a_star_of_pairs_is_taken(api):
    for site in ("dublin", "paris", "rome"):
        both(api, site, "london")


def test_a_ring_of_three_is_refused(api):
    both(api, "london", "dublin")
    both(api, "dublin", "paris")
    _, problem = both(api, "paris", "london", status=409)
    assert "would be in a ring" in problem["detail"]


def test_a_ring_names_all_its_sites(api):
    both(api, "london", "dublin")
    both(api, "paris", "dublin")
    one = made(api, name="third", site="dublin", managed_paths=[PATHS["dublin"]], discovery="snapdiff", **NEVER)
    problem = subscribed(api, one, "site_sync", fields={"destinationsite": "london"}, status=409)
    assert "would be in a ring" in problem["detail"]
    two = made(api, name="fourth", site="paris", managed_paths=[PATHS["paris"]], discovery="snapdiff", **NEVER)
    problem = subscribed(api, two, "site_sync", fields={"destinationsite": "london"}, status=409)
    for tree in (f"{site}:{PATHS[site]}" for site in ("london", "dublin", "paris")):
        assert tree in problem["detail"]
    assert "Sync all sites with one" in problem["detail"]


def test_a_chain_of_pairs_is_refused(api):
    both(api, "london", "dublin")
    both(api, "paris", "dublin")
    _, problem = both(api, "rome", "paris", status=409)
    assert "would be a chain, not a star" in problem["detail"]


def test_one_way_syncs_may_fan_out_and_follow_each_other_and_not_come_back(api):
    source, _ = one_way(api, "london", "dublin")
    subscribed(api, source, "site_sync", fields={"destinationsite": "paris"})
    _, subscription = one_way(api, "paris", "rome")
    _, problem = one_way(api, "rome", "london", status=409)
    assert "london:/srv/london/projects - paris:/srv/paris/projects - rome:/srv/rome/projects" in problem["detail"]
    assert api.delete(subscription["url"]).status_code == 204
    back = next(one for one in api.get("/api/schedules/").json()["results"] if one["name"] == "rome>london")
    subscribed(api, back, "site_sync", fields={"destinationsite": "london"})


def test_a_change_of_paths_is_held_against_all_other_schedules(api):
    both(api, "london", "dublin")
    away = made(api, name="away", site="dublin", managed_paths=["/srv/dublin/work/sub"], discovery="snapdiff", **NEVER)
    subscribed(api, away, "site_sync", fields={"destinationsite": "london"})
    assert "ring" in check_problem(api.patch(away["url"], {"managed_paths": [PATHS["dublin"]]}), 409)["detail"]
    assert api.get(away["url"]).json()["managed_paths"] == ["/srv/dublin/work/sub"]
