import tomllib

import msgspec
import pytest

from argosy.core import config as configuration
from argosy.core.config import SECRETS, SETTINGS, DatastoreConfig, HubConfig, LinkConfig
from argosy.core.errors import Invalid, NotFound
from argosy.core.options import options
from argosy.core.order import Link
from argosy.core.report import Probed, fingerprint
from argosy.hub.common import keys
from argosy.hub.project import boot
from argosy.hub.sites.links import Linked, mapped
from argosy.hub.sites.models import Datastore, Site, SiteLink
from argosy.hub.sites.services import access, reconcile
from argosy.stores.base import STORES
from tests.hub.fake import config, start
from tests.hub.test_api import check_problem
from tests.hub.test_boot import START, python

SITE = {"name": "paris", "roots": ["/srv/paris"]}
LINK = {"site": "paris", "datastore": "shelf", "site_path": "/srv/paris", "datastore_path": ""}
STORE = {"name": "shelf", "type": "POSIX", "path": "/srv/shelf"}

FILE = """
[[datastores]]
name = "cloud"
type = "S3"
bucket = "bkt"
accesskeyid = "k"
secretaccesskey = "s3cret"
[[sites]]
name = "london"
roots = ["/srv/london"]
threads = 10
[[sites.links]]
site_path = "/srv/london/projects"
datastore = "cloud"
datastore_path = "projects/"
"""


@pytest.fixture
def declared(tmp_path):
    """Return the file, after its configuration was applied."""
    file = tmp_path / "argosy.toml"
    file.write_text(FILE)
    reconcile(configuration.load(file))
    return file


@pytest.mark.feature("HUB-SITE-001", "HUB-API-010")
def test_a_site_is_created_read_changed_and_deleted(api):
    made = api.post("/api/sites/", SITE)
    assert made.status_code == 201
    url = made.json()["url"]
    changed = api.patch(url, {"bandwidth": 100})
    assert (changed.status_code, changed.json()["bandwidth"], changed.json()["roots"]) == (200, 100, ["/srv/paris"])
    assert api.get(url).json()["bandwidth"] == 100
    assert api.delete(url).status_code == 204
    check_problem(api.get(url), 404)


@pytest.mark.feature("HUB-SITE-006", "HUB-SITE-007", "HUB-SITE-010")
def test_a_new_site_has_the_documented_batches_and_lock_threshold(api):
    site = api.post("/api/sites/", SITE).json()
    assert (site["file_batch_size"], site["file_batch_gb"], site["lock_threshold"]) == (40, 1, 86400)


@pytest.mark.feature("HUB-SITE-011", "HUB-SITE-012")
def test_a_new_site_has_no_globs_and_the_documented_search_address(api):
    site = api.post("/api/sites/", SITE).json()
    assert (site["include"], site["exclude"], site["elasticsearch_url"]) == (None, None, "localhost:9200")


@pytest.mark.feature("HUB-SITE-002")
def test_settings_are_shown_for_a_single_site_and_not_in_the_list(api, two_sites):
    assert {frozenset(site) for site in api.get("/api/sites/").json()["results"]} == {frozenset({"id", "name", "url"})}


@pytest.mark.feature("HUB-SITE-005")
@pytest.mark.parametrize("name", ["paris.interactive", "x.transfer", "x.discovery", "x.sync", "x.custom"])
def test_a_name_that_ends_as_queues_do_is_refused(api, name):
    assert "name the queues" in check_problem(api.post("/api/sites/", SITE | {"name": name}), 400)["detail"]


@pytest.mark.parametrize("name", ["", "a b", "/x", ".x", "x" * 64, "é", "a\nb", None, ["x"]])
def test_a_name_with_other_characters_is_refused(api, name):
    check_problem(api.post("/api/sites/", SITE | {"name": name}, format="json"), 400)


@pytest.mark.parametrize(
    "change",
    [{"roots": ["srv"]}, {"roots": ["/a/../b"]}, {"roots": "/a"}, {"threads": 0}, {"file_batch_size": -1},
     {"file_batch_gb": "x"}, {"include": "*.jpg"}, {"bandwidth": -1}, {"bandwidth": 10**30}, {"lock_threshold": 1e30}],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused(api, change):
    check_problem(api.post("/api/sites/", SITE | change), 400)
    assert not Site.objects.exists()


SERVED = {
    "S3": {"bucket": "bkt", "accesskeyid": "k", "secretaccesskey": "vErYsEcReT", "prefix": "a/b", "addressing": "path",
           "encryption": "aws:kms", "kms_key_id": "key", "storage_class": "GLACIER", "restore_tier": "Bulk",
           "restore_days": 3, "tries": 2, "timeout": 7},
    "GCS": {"bucket": "bkt", "credentialsfile": '{"key": "vErYsEcReT"}', "endpoint": "https://h", "tries": 2},
    "AZURE": {"container": "vault", "storageaccount": "acme", "accesskey": "vErYsEcReT", "prefix": "a", "timeout": 7},
}  # fmt: skip


@pytest.mark.feature("HUB-BW-001")
@pytest.mark.parametrize("kind", SERVED)
def test_datastores_of_each_kind_are_registered_read_changed_and_deleted(api, data_dir, kind):
    sent = {"name": "cloud", "type": kind} | SERVED[kind]
    made = api.post("/api/datastores/", sent)
    assert made.status_code == 201, made.content
    url, shown = made.json()["url"], made.json()
    for answer in (made, api.get(url), api.get("/api/datastores/")):
        assert "vErYsEcReT" not in answer.content.decode()
    assert {key: shown[key] for key in sent if key in shown} == {k: v for k, v in sent.items() if k not in SECRETS}
    assert access(Datastore.objects.get()).settings == SERVED[kind]
    assert b"vErYsEcReT" not in b"".join(file.read_bytes() for file in data_dir.glob("hub.sqlite3*"))
    assert api.patch(url, {"tries": 9}).json()["tries"] == 9
    assert access(Datastore.objects.get()).settings == SERVED[kind] | {"tries": 9}
    assert api.delete(url).status_code == 204
    check_problem(api.get(url), 404)


@pytest.mark.parametrize(
    "change",
    [{"addressing": "host"}, {"encryption": "rot13"}, {"restore_tier": "Soon"}, {"restore_days": 0}, {"tries": 0},
     {"tries": 21}, {"timeout": 0}, {"timeout": "x"}, {"ca_file": 3}, {"prefix": None}],
)  # fmt: skip
def test_a_setting_of_a_datastore_that_cannot_be_is_refused(api, change):
    check_problem(api.post("/api/datastores/", {"name": "cloud", "type": "S3", "bucket": "bkt"} | change), 400)
    assert not Datastore.objects.exists()


def test_the_usual_settings_are_those_of_the_plugin_as_of_the_configuration():
    for kind, settings in SETTINGS.items():
        said = DatastoreConfig(name="x", type=kind)
        usual = {option.name: option.default for option in options(STORES.get(kind.lower())) if not option.required}
        assert {key: getattr(said, key) for key in settings if key in usual} == usual


def test_the_number_of_a_datastore_is_made_of_its_name_and_kept(api):
    first = api.post("/api/datastores/", STORE).json()
    number = access(Datastore.objects.get()).id
    assert 0 < number < 2**32
    assert number != first["id"]
    api.patch(first["url"], {"name": "rack"})
    assert access(Datastore.objects.get()).id == number
    api.delete(first["url"])
    api.post("/api/datastores/", STORE | {"name": "other", "path": "/srv/other"})
    api.post("/api/datastores/", STORE)
    assert access(Datastore.objects.get(name="shelf")).id == number


def test_two_datastores_never_have_one_number(api):
    api.post("/api/datastores/", STORE)
    number = Datastore.objects.get().number
    Datastore.objects.update(name="rack")
    api.post("/api/datastores/", STORE | {"path": "/srv/other"})
    assert set(Datastore.objects.values_list("number", flat=True)) == {number, (number + 1) % 2**32}


def test_datastores_that_there_were_keep_the_numbers_that_inodes_hold(tmp_path):
    then = """
from django.core.management import call_command
from django.db import connection
call_command("migrate", "sites", "0001", verbosity=0)
connection.cursor().execute(
    "INSERT INTO sites_datastore (id, name, type, file_keys, file_name, layout, bucket, container, storageaccount,"
    " endpoint, region, accesskeyid, path, sealed)"
    " VALUES (41, 'old', 'POSIX', '[]', '', 'native', '', '', '', '', '', '', '/srv/old', x'')"
)
call_command("migrate", verbosity=0)
from argosy.hub.sites.models import Datastore
from argosy.hub.sites.services import access
print(access(Datastore.objects.get()).id)
"""
    assert python(START.format(then=then), str(tmp_path), "x")[-1] == "41"


def test_the_seal_of_a_datastore_outlives_the_database_and_is_no_others(api, settings):
    def seals():
        return {store.name: access(store).seal for store in Datastore.objects.all()}

    reconcile(config(hub=HubConfig(data_dir="/var/argosy")))
    api.post("/api/datastores/", STORE)
    before = seals()
    assert len(set(before.values())) == 2
    assert {len(seal) for seal in before.values()} == {32}
    for model in (SiteLink, Site, Datastore):
        model.objects.all().delete()
    api.post("/api/datastores/", STORE)
    assert seals()["shelf"] == before["shelf"]
    settings.KEYS = keys.ephemeral()
    Datastore.objects.update(sealed=b"")
    assert seals()["shelf"] != before["shelf"]


CAN = {"conditions": True, "checksums": True, "versions": False, "copies": True, "multipart": True}


def asked(agent, site="london"):
    return [one.name for one in agent.delivery.unprobed(site)]


def tell(agent, **found):
    (one,) = agent.delivery.unprobed("london")
    agent.delivery.probed(Probed(datastore=one.name, fingerprint=fingerprint(one), **found))


def test_what_an_agent_found_at_a_datastore_is_shown_and_asked_once(api, agent, two_sites):
    url = f"/api/datastores/{Datastore.objects.get().pk}/"
    assert api.get(url).json()["abilities"] is None
    assert (asked(agent), asked(agent, "dublin"), asked(agent, "paris")) == (["cloud"], ["cloud"], [])
    tell(agent, abilities=CAN)
    shown = api.get(url).json()
    assert (shown["abilities"], shown["trouble"]) == (CAN, "")
    agent.clock.forward(3600)
    assert asked(agent) == []


def test_a_datastore_that_did_not_answer_is_asked_again_a_minute_later(api, agent, two_sites):
    tell(agent, trouble="bucket bkt does not answer")
    assert api.get(f"/api/datastores/{Datastore.objects.get().pk}/").json()["trouble"] == "bucket bkt does not answer"
    assert asked(agent) == []
    agent.clock.forward(61)
    tell(agent, abilities=CAN)
    assert (Datastore.objects.get().trouble, Datastore.objects.get().abilities) == ("", CAN)


def test_a_datastore_that_was_changed_is_probed_anew_and_what_was_found_before_is_not_taken(api, agent, declared):
    (before,) = agent.delivery.unprobed("london")
    tell(agent, abilities=CAN)
    api.patch(f"/api/datastores/{Datastore.objects.get().pk}/", {"storage_class": "STANDARD_IA"})
    assert asked(agent) == ["cloud"]
    agent.delivery.probed(Probed(datastore="cloud", fingerprint=fingerprint(before), abilities=CAN))
    assert Datastore.objects.get().abilities is None


def test_a_store_without_conditions_is_said_to_need_the_immutable_layout(api, agent, declared):
    tell(agent, abilities=CAN | {"conditions": False})
    url = f"/api/datastores/{Datastore.objects.get().pk}/"
    assert 'set layout = "immutable"' in api.get(url).json()["trouble"]
    api.patch(url, {"layout": "immutable"})
    tell(agent, abilities=CAN | {"conditions": False})
    assert api.get(url).json()["trouble"] == ""


def test_two_sites_cannot_have_one_name(api, two_sites):
    check_problem(api.post("/api/sites/", SITE | {"name": "london"}), 409)


@pytest.mark.feature("HUB-SITE-004")
def test_a_renamed_site_keeps_its_links_and_jobs(api, agent):
    site = api.post("/api/sites/", SITE).json()
    api.post("/api/datastores/", STORE)
    api.post("/api/sitelinks/", LINK)
    sent = {"paths": ["/srv/paris"], "site": "paris", "workflow": "premigrate"}
    job = api.post("/api/file/workflow/", sent).json()["job"]
    assert api.patch(site["url"], {"name": "lutetia"}).status_code == 200
    assert api.get(f"/api/jobs/{job}/").json()["site"] == "lutetia"
    assert api.get("/api/sitelinks/").json()["results"][0]["site"] == "lutetia"
    agent.clock.forward(60)
    agent.delivery.sweep()
    assert agent.claim().site == "lutetia"


def test_a_site_that_jobs_name_is_not_deleted(api):
    api.post("/api/datastores/", STORE)
    site = api.post("/api/sites/", SITE).json()
    api.post("/api/sitelinks/", LINK)
    api.post("/api/file/workflow/", {"paths": ["/srv/paris"], "site": "paris", "workflow": "premigrate"})
    assert "jobs" in check_problem(api.delete(site["url"]), 409)["detail"]


def test_secrets_of_a_datastore_are_written_and_never_shown_nor_kept_in_clear(api, data_dir):
    sent = {"name": "cloud", "type": "s3", "bucket": "bkt", "accesskeyid": "k", "secretaccesskey": "vErYsEcReT"}
    made = api.post("/api/datastores/", sent)
    assert made.status_code == 201
    assert made.json()["type"] == "S3"
    for answer in (made, api.get(made.json()["url"]), api.get("/api/datastores/")):
        assert "vErYsEcReT" not in answer.content.decode()
        assert "secretaccesskey" not in answer.content.decode()
    assert access(Datastore.objects.get()).settings["secretaccesskey"] == "vErYsEcReT"
    kept = b"".join(file.read_bytes() for file in data_dir.glob("hub.sqlite3*"))
    assert b"vErYsEcReT" not in kept
    api.patch(made.json()["url"], {"region": "eu"})
    assert access(Datastore.objects.get()).settings["secretaccesskey"] == "vErYsEcReT"
    api.patch(made.json()["url"], {"accesskeyid": "", "secretaccesskey": ""})
    assert "secretaccesskey" not in access(Datastore.objects.get()).settings


def test_the_key_that_encrypts_secrets_and_its_like_are_readable_by_their_owner_alone(data_dir):
    keys = list((data_dir / "keys").iterdir())
    assert len(keys) == 3
    assert {file.stat().st_mode & 0o777 for file in keys} == {0o600}


@pytest.mark.parametrize("change", [{"type": "TAPE"}, {"bucket": ""}, {"name": "a/b"}, {"layout": "round"}])
def test_a_datastore_that_cannot_be_is_refused(api, change):
    sent = {"name": "cloud", "type": "S3", "bucket": "bkt"} | change
    check_problem(api.post("/api/datastores/", sent), 400)


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"type": "POSIX", "path": "/var/argosy"}, "datastores.x.path: /var/argosy is, holds or lies in"),
        ({"type": "POSIX", "path": "/var/argosy/agent"}, "lies in /var/argosy (hub.data_dir)"),
        ({"type": "POSIX", "path": "/"}, "datastores.x.path: / is, holds or lies in"),
        ({"type": "POSIX", "path": "/srv/london//in/"}, "path: /srv/london/in is, holds or lies in /srv/london (sites"),
        ({"type": "POSIX", "path": "shelf"}, "datastores.x.path: path 'shelf' is not absolute"),
        ({"type": "POSIX"}, "datastores.x.path: is missing"),
        ({"type": "POSIX", "path": "/x", "bucket": "bkt"}, "datastores.x.bucket: does not apply"),
        ({"type": "GCS", "bucket": "bkt", "credentialsfile": "/etc/gcs.json"}, "credentialsfile: is not the JSON"),
        ({"type": "AZURE", "container": "vault", "storageaccount": "acme"}, "datastores.x.accesskey: is missing"),
        ({"type": "S3", "bucket": "bkt", "ca_file": "/etc/ca.pem"}, "datastores.x.ca_file: holds no certificates"),
        ({"type": "S3", "bucket": "bkt", "kms_key_id": "k"}, "datastores.x.kms_key_id: does not apply"),
        ({"type": "S3", "bucket": "bkt", "prefix": "../x"}, "datastores.x.prefix: '../x' holds"),
        ({"type": "POSIX", "path": "/x", "tries": 3}, "datastores.x.tries: does not apply to a POSIX datastore"),
        ({"type": "S3", "bucket": "bkt", "container": "c"}, "datastores.x.container: does not apply"),
        ({"type": "S3", "bucket": "bkt", "endpoint": "ftp://h"}, "datastores.x.endpoint: is not a web address"),
        ({"type": "S3", "bucket": "Bucket 01/../x"}, "datastores.x.bucket: 'Bucket 01/../x': the name of a bucket"),
        ({"type": "S3", "bucket": "bkt", "accesskeyid": "k"}, "datastores.x.secretaccesskey: is missing"),
    ],
)
def test_the_api_refuses_a_datastore_as_the_file_does(api, sent, said):
    reconcile(config(hub=HubConfig(data_dir="/var/argosy")))
    assert said in check_problem(api.post("/api/datastores/", {"name": "x"} | sent), 400)["detail"]
    assert Datastore.objects.count() == 1


def test_a_datastore_is_not_changed_into_one_that_cannot_be(api):
    store = api.post("/api/datastores/", STORE).json()
    api.post("/api/sites/", SITE)
    for change in ({"path": "/srv/paris/in"}, {"type": "GCS"}, {"type": "S3", "bucket": "bkt"}):
        check_problem(api.patch(store["url"], change), 400)
    assert api.get(store["url"]).json() == store
    assert api.patch(store["url"], {"path": "/srv//other/"}).json()["path"] == "/srv/other"


@pytest.mark.parametrize(
    ("roots", "said"),
    [
        (["/"], "sites.paris.roots.0: / is, holds or lies in"),
        (["/srv/oslo", "/srv/shelf/in"], "sites.paris.roots.1: /srv/shelf/in is, holds or lies in /srv/shelf"),
        (["/srv/oslo", "/srv/oslo/in"], "sites.paris.roots.1: /srv/oslo/in is, holds or lies in /srv/oslo"),
        (["/srv/dublin/in"], "lies in /srv/dublin (sites.dublin.roots.0)"),
        (["oslo"], "sites.paris.roots.0: path 'oslo' is not absolute"),
        ([], "sites.paris.roots: is empty"),
    ],
)
def test_the_api_refuses_roots_as_the_file_does(api, two_sites, roots, said):
    api.post("/api/datastores/", STORE)
    site = api.post("/api/sites/", SITE).json()
    assert said in check_problem(api.patch(site["url"], {"roots": roots}), 400)["detail"]
    assert api.get(site["url"]).json()["roots"] == ["/srv/paris"]


def test_a_key_that_there_is_not_is_refused_and_named(api):
    site, store = api.post("/api/sites/", SITE).json(), api.post("/api/datastores/", STORE).json()
    link = api.post("/api/sitelinks/", LINK).json()
    for row in (site, store, link):
        document = check_problem(api.patch(row["url"], {"nokey": 5}), 400)
        ((key, (said,)),) = document["errors"].items()
        assert (key, said.partition(":")[0], document["detail"]) == ("nokey", "Unknown key", f"nokey: {said}"[:-1])
    check_problem(api.post("/api/sites/", {"name": "oslo", "nokey": 1}), 400)


@pytest.mark.feature("HUB-API-012")
def test_what_was_shown_may_be_sent_back_and_read_only_keys_are_ignored(api):
    api.post("/api/sites/", SITE)
    api.post("/api/datastores/", STORE)
    api.post("/api/sitelinks/", LINK | {"site_path_b64": "L3Nydi9wYXJpcy//"})
    for model, path in ((Site, "sites"), (Datastore, "datastores"), (SiteLink, "sitelinks")):
        url = f"/api/{path}/{model.objects.get().pk}/"
        shown = api.get(url).json()
        answer = api.patch(url, shown | {"id": 99, "url": "x"})
        assert (answer.status_code, answer.json()) == (200, shown)


def test_optional_texts_are_unset_by_sending_them_empty(api):
    sent = {"name": "cloud", "type": "S3", "bucket": "bkt", "region": "eu", "endpoint": "https://h"}
    store = api.post("/api/datastores/", sent | {"accesskeyid": "k", "secretaccesskey": "s"}).json()
    unset = {"region": "", "endpoint": "", "accesskeyid": "", "secretaccesskey": ""}
    assert api.patch(store["url"], unset).status_code == 200
    assert access(Datastore.objects.get()).settings == {"bucket": "bkt"}
    site = api.post("/api/sites/", SITE).json()
    assert api.patch(site["url"], {"elasticsearch_url": ""}).json()["elasticsearch_url"] == ""


def test_a_datastore_that_sites_are_linked_to_is_not_deleted(api):
    store = api.post("/api/datastores/", STORE).json()
    api.post("/api/sites/", SITE)
    api.post("/api/sitelinks/", LINK)
    assert "sitelinks" in check_problem(api.delete(store["url"]), 409)["detail"]


def test_a_sitelink_is_kept_in_its_normal_form(api):
    api.post("/api/sites/", SITE)
    api.post("/api/datastores/", STORE)
    sent = {"site": "paris", "datastore": "shelf", "site_path": "/srv/paris//a/", "datastore_path": "/x//y"}
    made = api.post("/api/sitelinks/", sent)
    assert (made.json()["site_path"], made.json()["datastore_path"]) == ("/srv/paris/a", "x/y/")
    check_problem(api.post("/api/sitelinks/", sent), 409)
    assert api.patch(made.json()["url"], {"datastore_path": ""}).json()["datastore_path"] == ""
    assert api.delete(made.json()["url"]).status_code == 204


def test_a_sitelink_may_have_paths_of_any_bytes(api):
    api.post("/api/sites/", SITE)
    api.post("/api/datastores/", STORE)
    sent = {"site": "paris", "datastore": "shelf", "site_path_b64": "L3Nydi9wYXJpcy//", "datastore_path": ""}
    made = api.post("/api/sitelinks/", sent)
    assert made.status_code == 201, made.content
    assert made.json()["site_path_b64"] == "L3Nydi9wYXJpcy//"
    assert bytes(SiteLink.objects.get().site_path) == b"/srv/paris/\xff"


@pytest.mark.parametrize(
    "change",
    [{"site_path": "/srv/london"}, {"site_path": "paris"}, {"site_path": "/srv/paris/../x"}, {"datastore_path": "../x"},
     {"datastore_path": ".argosy/x"}, {"site": "nowhere"}, {"datastore": "nowhere"}, {"site_path": None}],
)  # fmt: skip
def test_a_sitelink_that_cannot_be_is_refused(api, change):
    api.post("/api/sites/", SITE)
    api.post("/api/datastores/", STORE)
    sent = {"site": "paris", "datastore": "shelf", "site_path": "/srv/paris", "datastore_path": ""} | change
    check_problem(api.post("/api/sitelinks/", sent), 400)


def test_sitelinks_are_listed_by_site_and_datastore(api, two_sites):
    london, store = Site.objects.get(name="london").pk, Datastore.objects.get().pk

    def count(query):
        return api.get(f"/api/sitelinks/?{query}").json()["count"]

    assert (count(f"site_id={london}"), count("site_id=0"), count(f"datastore_id={store}")) == (1, 0, 2)
    check_problem(api.get("/api/sitelinks/?site_id=x"), 400)


def test_a_key_that_the_file_sets_cannot_be_changed_elsewhere_and_the_answer_names_file_and_key(api, declared):
    url = f"/api/sites/{Site.objects.get().pk}/"
    for key, value in {"threads": 5, "roots": ["/x"], "name": "x"}.items():
        detail = check_problem(api.patch(url, {key: value}), 409)["detail"]
        assert key in detail
        assert str(declared) in detail
    assert api.patch(url, {"bandwidth": 7, "file_batch_size": 9}).status_code == 200
    store = f"/api/datastores/{Datastore.objects.get().pk}/"
    assert "secretaccesskey" in check_problem(api.patch(store, {"secretaccesskey": "x"}), 409)["detail"]
    assert api.patch(store, {"region": "eu"}).status_code == 200
    link = f"/api/sitelinks/{SiteLink.objects.get().pk}/"
    check_problem(api.patch(link, {"datastore_path": "x"}), 409)


def test_what_the_file_declares_cannot_be_deleted(api, declared):
    for model, path in ((SiteLink, "sitelinks"), (Site, "sites"), (Datastore, "datastores")):
        assert str(declared) in check_problem(api.delete(f"/api/{path}/{model.objects.get().pk}/"), 409)["detail"]


def test_the_refusal_to_change_a_declared_link_names_site_and_path_as_text(api, declared):
    detail = check_problem(api.patch(f"/api/sitelinks/{SiteLink.objects.get().pk}/", {"datastore_path": "x"}), 409)
    assert "london:/srv/london/projects" in detail["detail"]


def test_the_file_wins_over_the_database_and_leaves_alone_what_it_does_not_set(api, declared):
    Site.objects.update(threads=99, bandwidth=7)
    before = SiteLink.objects.get().pk
    reconcile(configuration.load(declared))
    assert (Site.objects.get().threads, Site.objects.get().bandwidth) == (10, 7)
    assert SiteLink.objects.get().pk == before


def test_what_the_file_no_longer_declares_may_be_changed_again_and_its_links_go(api, declared):
    declared.write_text(FILE.partition("[[sites]]")[0] + '[[sites]]\nname = "oslo"\nroots = ["/srv/oslo"]\n')
    reconcile(configuration.load(declared))
    london = Site.objects.get(name="london")
    assert api.patch(f"/api/sites/{london.pk}/", {"threads": 3}).status_code == 200
    assert not SiteLink.objects.exists()


def test_a_configuration_that_contradicts_itself_changes_nothing(two_sites):
    told = config()
    lost = msgspec.structs.replace(told.sites[0], links=(LinkConfig(site_path="/srv/london/x", datastore="none"),))
    with pytest.raises(Invalid, match="london links to unknown datastore 'none'"):
        reconcile(msgspec.structs.replace(told, sites=(lost,)))
    assert SiteLink.objects.count() == 2


def test_an_exported_site_reads_back_as_it_stands_without_its_secrets(declared, tmp_path):
    text = boot.export_site("london")
    assert "s3cret" not in text
    assert "# secretaccesskey is set and not shown" in text
    assert tomllib.loads(text)["sites"][0]["links"] == [
        {"site_path": "/srv/london/projects", "datastore": "cloud", "datastore_path": "projects/"}
    ]
    again = tmp_path / "again.toml"
    again.write_text(text)
    loaded = configuration.load(again, environment={configuration.secret_variable("cloud"): "s3cret"})
    assert loaded.sites == configuration.load(declared).sites
    assert loaded.datastores == configuration.load(declared).datastores


def test_an_export_says_every_setting_of_a_datastore_and_no_usual_one(declared, tmp_path):
    more = 'prefix = "a/b"\nencryption = "AES256"\nstorage_class = "GLACIER"\ntries = 3\nrestore_days = 2\n'
    declared.write_text(FILE.replace("[[sites]]", more + "[[sites]]"))
    reconcile(configuration.load(declared))
    text = boot.export_site("london")
    assert "timeout" not in text
    again = tmp_path / "again.toml"
    again.write_text(text)
    loaded = configuration.load(again, environment={configuration.secret_variable("cloud"): "s3cret"})
    assert loaded.datastores == configuration.load(declared).datastores


def test_an_export_says_names_of_any_characters_and_shows_what_it_cannot_say(two_sites):
    site = Site.objects.get(name="london")
    SiteLink.objects.filter(site=site).update(site_path='/srv/london/"\\\x7fé\n'.encode())
    assert tomllib.loads(boot.export_site("london"))["sites"][0]["links"][0]["site_path"] == '/srv/london/"\\\x7fé\n'
    SiteLink.objects.filter(site=site).update(site_path=b"/srv/london/\xff")
    assert "links" not in tomllib.loads(boot.export_site("london"))["sites"][0]
    assert "not UTF-8" in boot.export_site("london")


def test_a_site_that_does_not_exist_cannot_be_exported():
    with pytest.raises(NotFound, match="no site 'x'"):
        boot.export_site("x")


def linked(name: str, *links: tuple[bytes, str, bytes]) -> Linked:
    return Linked(name, [Link(site_path=path, datastore=store, datastore_path=prefix) for path, store, prefix in links])


@pytest.mark.parametrize(
    ("path", "there"),
    [(b"/l/p", b"/d/w"), (b"/l/p/a", b"/d/w/a"), (b"/l/p/deep/a", b"/d/deep/a"), (b"/l/p/deep", b"/d/deep"),
     (b"/l/p/deeper", b"/d/w/deeper"), (b"/l/q/\xff", b"/d/q/\xff"), (b"/l/p/other/x", b"/d/o/x")],
)  # fmt: skip
def test_a_path_is_mapped_by_the_longest_links(path, there):
    london = linked("l", (b"/l/p", "c", b"p/"), (b"/l/q", "e", b""), (b"/l/p/other", "o", b"z/"))
    dublin = linked(
        "d", (b"/d/w", "c", b"p/"), (b"/d/deep", "c", b"p/deep/"), (b"/d/q", "e", b""), (b"/d/o", "o", b"z/")
    )
    assert mapped(path, london, dublin) == there


def test_a_prefix_is_compared_name_by_name():
    with pytest.raises(Invalid, match="d has no sitelink"):
        mapped(b"/l/projects-old/a", linked("l", (b"/l", "c", b"")), linked("d", (b"/d", "c", b"projects/")))


def test_orders_of_jobs_see_links_that_were_added_later(agent, two_sites, api):
    start("premigrate")
    sent = {"site": "london", "datastore": "cloud", "site_path": "/srv/london/more", "datastore_path": "more"}
    assert api.post("/api/sitelinks/", sent).status_code == 201
    assert len(agent.claim().links) == 2
