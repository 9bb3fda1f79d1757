"""What a configuration file may say, and how it is refused."""

import re
from pathlib import Path

import pytest

from argosy.core.config import Config, load
from argosy.core.errors import Invalid

STORE = '[[datastores]]\nname = "cloud"\ntype = "POSIX"\npath = "/srv/store"\n'
SITE = '[[sites]]\nname = "london"\nroots = ["/srv/london"]\n'
FILESET = '[[sites.filesets]]\nname = "docs"\npath = "/srv/london/a"\n'
LINK = '[[sites.links]]\nsite_path = "/srv/london/projects"\ndatastore = "cloud"\n'
S3 = '[[datastores]]\nname = "cloud"\ntype = "S3"\nbucket = "bkt"\n'
GCS = '[[datastores]]\nname = "cloud"\ntype = "GCS"\nbucket = "bkt"\n'
AZURE = '[[datastores]]\nname = "cloud"\ntype = "AZURE"\ncontainer = "vault"\nstorageaccount = "acme"\n'
HUB = "[hub]\n"
PG = HUB + 'database = "postgresql://argosy@/argosy?host=/run/postgresql"\n'

EXAMPLE = """
[hub]
data_dir = "data"
[[datastores]]
name = "cloud"
type = "S3"
bucket = "bucket01"
endpoint = "http://127.0.0.1:8333"
accesskeyid = "any"
secretaccesskey = "any"
layout = "native"
[[sites]]
name = "london"
roots = ["/srv/london"]
threads = 10
unguarded_stubs = false
file_batch_size = 40
file_batch_gb = 1
[[sites.links]]
site_path = "/srv/london/projects"
datastore = "cloud"
datastore_path = "projects/"
"""

REFUSED = [
    ("colour = 1", "colour: unknown key"),
    ("declared = []", "declared: unknown key"),
    ('file = "x"', "file: unknown key"),
    ("[hub]\nport = 1", "hub.port: unknown key"),
    ("[hub]\ndata_dir = 3", "hub.data_dir: must be text"),
    ('[hub]\ndata_dir = ""', "hub.data_dir: is empty"),
    (HUB + 'database = "mysql://a@h/b"', "hub.database: is no address of PostgreSQL: write it like postgresql://"),
    (HUB + 'database = "postgresql://a@h"', "hub.database: names no database"),
    (HUB + 'database = "postgresql://a@[h/b"', "hub.database: is no address (Invalid IPv6 URL)"),
    (HUB + 'database = "postgresql://a:s3cr3t@h/b"', "hub.database: holds a password"),
    (HUB + 'database = "postgresql://a@h/b?password=s3cr3t"', "hub.database: holds a password"),
    (HUB + 'database = "a:s3cr3t@h/b?password=s3cr3t"', "hub.database: holds a password"),
    (HUB + 'database_password = "s3cr3t"', "hub.database_password: does not apply without database"),
    (PG + 'database_password = "s3cr3t"\ndatabase_password_file = "f"', "hub.database_password_file"),
    (PG + 'database_password_file = "nowhere"', "hub.database_password_file: "),
    ("sites = 3", "sites: must be a list"),
    (SITE + "treads = 1", "sites.london.treads: unknown key"),
    (SITE + 'threads = "many"', "sites.london.threads: must be a whole number"),
    (SITE + "threads = 0", "sites.london.threads: must be at least 1"),
    (SITE + "threads = 5000", "sites.london.threads: must be at most 1024"),
    (SITE + "file_batch_size = -1", "sites.london.file_batch_size: must be at least 1"),
    (SITE + "file_batch_gb = 0", "sites.london.file_batch_gb: must be at least 1"),
    (SITE + "file_batch_gb = 1.5", "sites.london.file_batch_gb: must be a whole number"),
    ('[[sites]]\nroots = ["/a"]', "sites.0.name: is missing"),
    ('[[sites]]\nname = "london"', "sites.london.roots: is missing"),
    ('[[sites]]\nname = "london"\nroots = []', "sites.london.roots: is empty"),
    ('[[sites]]\nname = "london"\nroots = ["srv"]', "sites.london.roots.0: path 'srv' is not absolute"),
    ('[[sites]]\nname = "london"\nroots = ["/a/../b"]', "sites.london.roots.0: path '/a/../b' holds . or .."),
    ('[[sites]]\nname = "london"\nroots = ["/"]', "sites.london.roots.0: / is, holds or lies in"),
    ('[[sites]]\nname = "a b"\nroots = ["/a"]', "sites.0.name: 'a b': use 1 to 63 letters"),
    ('[[sites]]\nname = ""\nroots = ["/a"]', "sites.0.name: '': use 1 to 63 letters"),
    ('[[sites]]\nname = "../x"\nroots = ["/a"]', "sites.0.name: '../x': use 1 to 63 letters"),
    (f'[[sites]]\nname = "{64 * "a"}"\nroots = ["/a"]', "sites.0.name:"),
    *((f'[[sites]]\nname = "x.{kind}"\nroots = ["/a"]', f"sites.x.{kind}.name: may not end in") for kind in
      ("interactive", "transfer", "discovery", "sync", "custom")),
    (SITE + SITE.replace("/srv/london", "/srv/other"), "sites.1.name: 'london' is taken"),
    (SITE + SITE.replace('"london"', '"dublin"'), "sites.dublin.roots.0: /srv/london is, holds or lies in /srv/london"),
    (SITE + '[[sites]]\nname = "dublin"\nroots = ["/srv/london/in"]', "sites.dublin.roots.0: /srv/london/in is"),
    (SITE + '[[sites]]\nname = "dublin"\nroots = ["/srv"]', "sites.dublin.roots.0: /srv is, holds or lies in"),
    ('[[sites]]\nname = "london"\nroots = ["/a", "/a/b"]', "sites.london.roots.1: /a/b is, holds or lies in /a"),
    ('[hub]\ndata_dir = "/srv/london/data"\n' + SITE, "sites.london.roots.0: /srv/london is, holds or lies in"),
    (STORE.replace("/srv/store", "/srv/london/s") + SITE, "lies in /srv/london/s (datastores.cloud.path)"),
    (STORE + SITE + LINK.replace("/srv/london/projects", "/srv/else"), "links.0.site_path: /srv/else lies below none"),
    (STORE + SITE + LINK.replace("/srv/london/projects", "/srv/london2"), "links.0.site_path: /srv/london2 lies below"),
    (STORE + SITE + LINK.replace("/srv/london/projects", "x"), "links.0.site_path: path 'x' is not absolute"),
    (STORE + SITE + LINK.replace('"cloud"', '"clod"'), "links.0.datastore: there is no datastore 'clod'"),
    (SITE + LINK, "links.0.datastore: there is no datastore 'cloud': known are none"),
    (STORE + SITE + LINK + LINK, "sites.london.links: /srv/london/projects is linked twice"),
    (STORE + SITE + LINK + 'datastore_path = "a/../b"', "links.0.datastore_path: 'a/../b' holds"),
    (STORE + SITE + LINK + 'datastore_path = ".argosy/x"', "links.0.datastore_path: '.argosy/x' holds"),
    (STORE + SITE + LINK + 'datastore_path = "a\\u0001"', "links.0.datastore_path: 'a\\x01' holds control"),
    (STORE + STORE, "datastores.1.name: 'cloud' is taken"),
    ('[[datastores]]\nname = "cloud"', "datastores.cloud.type: is missing"),
    ('[[datastores]]\nname = "cloud"\ntype = "s3"', "datastores.cloud.type: 's3' is not one of S3, GCS, AZURE, POSIX"),
    (GCS.replace('"bkt"', '""'), "datastores.cloud.bucket: is missing: a GCS datastore is a bucket"),
    (GCS + 'credentialsfile = "nowhere.json"', "nowhere.json cannot be read: No such file or directory"),
    (GCS + """credentialsfile = '["s3cr3t"]'""", "datastores.cloud.credentialsfile: is not the JSON of a service"),
    (GCS + """credentialsfile = '{"s3cr3t'""", "datastores.cloud.credentialsfile: is not the JSON of a service"),
    (GCS + """credentialsfile = '"private_key": "s3cr3t"'""", "datastores.cloud.credentialsfile: is not the JSON of"),
    (GCS + f'credentialsfile = "{1024 * "x"}s3cr3t"', "datastores.cloud.credentialsfile: is not the JSON of"),
    (GCS + 'region = "eu"', "datastores.cloud.region: does not apply to a GCS datastore"),
    (GCS + 'container = "c"', "datastores.cloud.container: does not apply to a GCS datastore"),
    (AZURE.replace('"vault"', '""'), "datastores.cloud.container: is missing: an AZURE datastore is a container"),
    (AZURE.replace("vault", "Vault"), "datastores.cloud.container: 'Vault': the name of a container is"),
    (AZURE.replace("vault", "a--b"), "datastores.cloud.container: 'a--b': the name of a container is"),
    (AZURE.replace('"acme"', '""'), "datastores.cloud.storageaccount: is missing"),
    (AZURE.replace("acme", "ac-me"), "datastores.cloud.storageaccount: 'ac-me': use 3 to 24"),
    (AZURE, "datastores.cloud.accesskey: is missing: set accesskey, accesskey_file or the environment variable"),
    (AZURE + 'accesskey = "s3cr3t"\naccesskey_file = "f"', "accesskey_file: accesskey is given too"),
    (AZURE + 'accesskey = "k"\nbucket = "bkt"', "datastores.cloud.bucket: does not apply to an AZURE datastore"),
    (AZURE + 'accesskey = "k"\nencryption = "AES256"', "datastores.cloud.encryption: does not apply to an AZURE"),
    (S3 + 'accesskey_file = "k"', "datastores.cloud.accesskey_file: does not apply to an S3 datastore"),
    (S3 + 'prefix = "a/../b"', "datastores.cloud.prefix: 'a/../b' holds"),
    (S3 + 'prefix = "a//b"', "datastores.cloud.prefix: 'a//b' holds an empty name: write 'a/b'"),
    (S3 + 'prefix = ".argosy"', "datastores.cloud.prefix: '.argosy' holds"),
    (S3 + 'ca_file = "nowhere.pem"', "nowhere.pem cannot be read: No such file or directory"),
    (S3 + 'ca_file = "one\\ntwo"', "datastores.cloud.ca_file: holds no certificates in PEM form"),
    (S3 + 'addressing = "host"', "datastores.cloud.addressing: 'host' is not one of auto, path, virtual"),
    (S3.replace("bkt", "b.kt") + 'endpoint = "https://h"\naddressing = "virtual"', "addressing: the bucket has a dot"),
    (S3 + 'encryption = "rot13"', "datastores.cloud.encryption: 'rot13' is not one of none, AES256, aws:kms"),
    (S3 + 'kms_key_id = "k"', "datastores.cloud.kms_key_id: does not apply without encryption aws:kms"),
    (S3 + 'restore_tier = "Soon"', "restore_tier: 'Soon' is not one of Standard, Bulk, Expedited"),
    (S3 + "restore_days = 0", "datastores.cloud.restore_days: must be at least 1"),
    (S3 + "tries = 21", "datastores.cloud.tries: must be at most 20"),
    (S3 + "timeout = 0", "datastores.cloud.timeout: must be at least 1"),
    *((STORE + said, f"datastores.cloud.{said.partition(' ')[0]}: does not apply to a POSIX datastore") for said in
      ('prefix = "a"', 'ca_file = "a"', "tries = 3", "timeout = 3", 'storage_class = "X"', 'accesskey_file = "f"')),
    ('[[datastores]]\nname = "cloud"\ntype = "S3"', "datastores.cloud.bucket: is missing"),
    ('[[datastores]]\nname = "cloud"\ntype = "POSIX"', "datastores.cloud.path: is missing"),
    (STORE + 'bucket = "bkt"', "datastores.cloud.bucket: does not apply to a POSIX datastore"),
    *((S3.replace("bkt", name), f"datastores.cloud.bucket: {name!r}: the name of a bucket is 3 to 63 lower-case")
      for name in ("b", "Bucket 01/../x", "..", "../x", 64 * "b", "bucket\u00e9")),
    (S3 + 'path = "/x"', "datastores.cloud.path: does not apply to an S3 datastore"),
    (S3 + 'layout = "flat"', "datastores.cloud.layout: 'flat' is not one of native, immutable"),
    (S3 + 'endpoint = "localhost:8333"', "datastores.cloud.endpoint: is not a web address"),
    (S3 + 'endpoint = "http://[::1"', "datastores.cloud.endpoint: is not a web address"),
    (S3 + 'endpoint = "http://u:p@h"', "datastores.cloud.endpoint: holds credentials"),
    (S3 + 'accesskeyid = "k"', "datastores.cloud.secretaccesskey: is missing: set secretaccesskey"),
    (S3 + 'secretaccesskey = "s3cr3t"', "datastores.cloud.accesskeyid: is missing"),
    (S3 + 'secretaccesskey = "s3cr3t"\nsecretaccesskey_file = "f"', "_file: secretaccesskey is given too"),
    (S3 + 'accesskeyid = "k"\nsecretaccesskey_file = "nowhere"', "nowhere cannot be read: No such file or directory"),
    ("sites = [", "is not TOML:"),
    (SITE + FILESET.replace('path = "/srv/london/a"', ""), "sites.london.filesets.docs.path: is missing"),
    (SITE + FILESET.replace("/srv/london/a", "srv"), "filesets.docs.path: path 'srv' is not absolute"),
    (SITE + FILESET.replace("/a", "/../dublin"), "docs.path: path '/srv/london/../dublin' holds . or .."),
    (SITE + FILESET.replace("/a", "/a/.."), "docs.path: path '/srv/london/a/..' holds . or .."),
    (SITE + FILESET.replace("/srv/london/a", "/srv/dublin"), "docs.path: /srv/dublin lies below none of the roots"),
    (SITE + FILESET.replace("/srv/london/a", "/srv/london2"), "docs.path: /srv/london2 lies below none of the roots"),
    (SITE + FILESET.replace("/a", "/.argosy/trash"), "docs.path: /srv/london/.argosy/trash belongs to Argosy"),
    (SITE + FILESET.replace("/a", "/.rotate"), "docs.path: /srv/london/.rotate belongs to Argosy"),
    (SITE + FILESET.replace("docs", "d/c"), "sites.london.filesets.0.name: 'd/c': use 1 to 63 letters"),
    (SITE + FILESET + FILESET.replace("/a", "/b"), "sites.london.filesets.1.name: 'docs' is taken by another"),
    (SITE + FILESET + FILESET.replace("docs", "b"), "filesets.b.path: /srv/london/a is, holds or lies in"),
    (SITE + FILESET + FILESET.replace("docs", "b").replace("/a", "/a/b"), "lies in /srv/london/a, fileset docs"),
    (SITE + FILESET + FILESET.replace("docs", "b").replace("/a", ""), "filesets.b.path: /srv/london is, holds or"),
    (SITE + FILESET + 'snapshots = "zfs"', "filesets.docs.snapshots: 'zfs' is not one of index, btrfs, gpfs"),
    (SITE + FILESET + "snapshots = true", "sites.london.filesets.docs.snapshots: must be text"),
    (SITE + FILESET + 'id = "1"', "sites.london.filesets.docs.id: unknown key"),
]  # fmt: skip


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "argosy.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_cannot_be_is_refused_with_file_key_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(Invalid, match=re.escape(reason)) as refused:
        load(file)
    assert refused.value.message.startswith(f"{file}: ")


@pytest.mark.parametrize(("text", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_no_refusal_tells_a_secret(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        load(written(tmp_path, text))
    assert "s3cr3t" not in refused.value.message


def test_a_secret_of_the_wrong_type_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="secretaccesskey: must be text") as refused:
        load(written(tmp_path, S3 + "secretaccesskey = 424242"))
    assert "424242" not in refused.value.message


def test_the_documented_example_is_accepted_as_it_stands(tmp_path: Path) -> None:
    config = load(written(tmp_path, EXAMPLE))
    assert config.hub.data_dir == str(tmp_path / "data")
    assert config.datastores[0].bucket == "bucket01"
    assert config.sites[0].links[0].datastore_path == "projects/"
    assert config.file == str(tmp_path / "argosy.toml")


@pytest.mark.parametrize("name", ["b.1", "old_bucket-01", 63 * "b"])
def test_names_that_buckets_have_are_accepted(tmp_path: Path, name: str) -> None:
    assert load(written(tmp_path, S3.replace("bkt", name))).datastores[0].bucket == name


def test_filesets_may_be_a_root_and_lie_side_by_side(tmp_path: Path) -> None:
    beside = FILESET.replace("docs", "more").replace("/a", "/ab//c/") + 'snapshots = "btrfs"\n'
    dublin = SITE.replace("london", "dublin") + FILESET.replace("/srv/london/a", "/srv/dublin")
    london, other = load(written(tmp_path, SITE + FILESET + beside + dublin)).sites
    assert [one.path for one in (*london.filesets, *other.filesets)] == [
        "/srv/london/a", "/srv/london/ab/c", "/srv/dublin",
    ]  # fmt: skip
    assert [one.snapshots for one in london.filesets] == ["index", "btrfs"]


def test_an_empty_file_is_a_hub_without_sites(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")).sites == ()


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load(written(tmp_path, '[hub]\ndata_dir = "d/x"\n' + STORE.replace("/srv/store", "../store")))
    assert config.hub.data_dir == str(tmp_path / "d" / "x")
    assert config.datastores[0].path == str(tmp_path.parent / "store")


def test_a_given_data_directory_wins_over_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path, EXAMPLE), data_dir=tmp_path / "other").hub.data_dir == str(tmp_path / "other")


def test_roots_and_links_are_written_without_doubled_or_trailing_slashes(tmp_path: Path) -> None:
    text = STORE + SITE.replace("/srv/london", "/srv//london/") + LINK.replace("projects", "projects//")
    config = load(written(tmp_path, text))
    assert config.sites[0].roots == ("/srv/london",)
    assert config.sites[0].links[0].site_path == "/srv/london/projects"


@pytest.mark.parametrize(("said", "meant"), [("", ""), ("a", "a/"), ("/a/b/", "a/b/"), ("/", ""), ("a//b", "a/b/")])
def test_a_datastore_path_is_a_prefix_that_ends_in_a_slash(tmp_path: Path, said: str, meant: str) -> None:
    config = load(written(tmp_path, STORE + SITE + LINK + f'datastore_path = "{said}"'))
    assert config.sites[0].links[0].datastore_path == meant


def test_siblings_whose_names_begin_alike_are_not_inside_one_another(tmp_path: Path) -> None:
    text = SITE + '[[sites]]\nname = "dublin"\nroots = ["/srv/london2"]\n'
    assert len(load(written(tmp_path, text)).sites) == 2


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ('secretaccesskey = "s3cr3t"', {}),
        ('secretaccesskey_file = "secret"', {}),
        ("", {"ARGOSY_DATASTORE_CLOUD_SECRETACCESSKEY": "s3cr3t"}),
    ],
)
def test_a_secret_comes_from_the_file_a_file_of_its_own_or_the_environment(
    tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    (tmp_path / "secret").write_text("s3cr3t\n")
    file = written(tmp_path, f'{S3}accesskeyid = "k"\n{text}\n')
    store = load(file, environment=environment).datastores[0]
    assert store.secretaccesskey == "s3cr3t"
    assert "s3cr3t" not in repr(store)


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ('accesskey = "s3cr3t"', {}),
        ('accesskey_file = "secret"', {}),
        ("", {"ARGOSY_DATASTORE_CLOUD_ACCESSKEY": "s3cr3t"}),
    ],
)
def test_the_access_key_of_azure_comes_from_where_secrets_come_from(
    tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    (tmp_path / "secret").write_text("s3cr3t\n")
    store = load(written(tmp_path, f"{AZURE}{text}\n"), environment=environment).datastores[0]
    assert (store.accesskey, store.accesskey_file) == ("s3cr3t", "")


CREDENTIALS = '{"type": "service_account", "private_key": "s3cr3t"}'


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ('credentialsfile = "gcs.json"', {}),
        (f"credentialsfile = '{CREDENTIALS}'", {}),
        ("", {"ARGOSY_DATASTORE_CLOUD_CREDENTIALSFILE": "gcs.json"}),
        ("", {"ARGOSY_DATASTORE_CLOUD_CREDENTIALSFILE": CREDENTIALS}),
    ],
)
def test_the_credentials_of_google_are_what_is_in_their_file(
    tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    (tmp_path / "gcs.json").write_text(CREDENTIALS + "\n")
    store = load(written(tmp_path, f"{GCS}{text}\n"), environment=environment).datastores[0]
    assert store.credentialsfile == CREDENTIALS
    assert "s3cr3t" not in repr(store)


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ('database_password = "s3cr3t"', {}),
        ('database_password_file = "secret"', {}),
        ("", {"ARGOSY_DATABASE_PASSWORD": "s3cr3t"}),
    ],
)
def test_the_password_of_the_database_comes_from_where_secrets_come_from(
    tmp_path: Path, text: str, environment: dict[str, str]
) -> None:
    (tmp_path / "secret").write_text("s3cr3t\n")
    config = load(written(tmp_path, f"{PG}{text}\n"), environment=environment)
    assert config.hub.database == "postgresql://argosy@/argosy?host=/run/postgresql"
    assert (config.hub.database_password, config.hub.database_password_file) == ("s3cr3t", "")
    assert "s3cr3t" not in repr(config)


def test_a_password_in_the_environment_says_nothing_to_a_hub_without_a_server(tmp_path: Path) -> None:
    config = load(written(tmp_path, EXAMPLE), environment={"ARGOSY_DATABASE_PASSWORD": "s3cr3t"})
    assert config.hub.database_password == ""


def test_an_empty_file_of_a_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n")
    with pytest.raises(Invalid, match=r"secretaccesskey_file: .* is empty"):
        load(written(tmp_path, S3 + 'accesskeyid = "k"\nsecretaccesskey_file = "secret"'))


def test_a_variable_is_named_after_the_datastore(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="ARGOSY_DATASTORE_MY_CLOUD_2_SECRETACCESSKEY"):
        load(written(tmp_path, S3.replace('"cloud"', '"my-cloud.2"') + 'accesskeyid = "k"'))


def test_no_representation_of_a_whole_configuration_tells_a_secret(tmp_path: Path) -> None:
    config: Config = load(written(tmp_path, EXAMPLE.replace('secretaccesskey = "any"', 'secretaccesskey = "s3cr3t"')))
    assert "s3cr3t" not in repr(config)
    assert "s3cr3t" not in str(config)


def test_the_keys_a_file_sets_are_known_even_where_they_say_the_default(tmp_path: Path) -> None:
    declared = load(written(tmp_path, EXAMPLE)).declared
    assert "sites.london.threads" in declared
    assert "hub.data_dir" in declared
    assert "datastores.cloud.region" not in declared


def test_a_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"nix\.toml: cannot be read: No such file"):
        load(tmp_path / "nix.toml")


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "argosy.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(Invalid, match="is not UTF-8 text"):
        load(tmp_path / "argosy.toml")
