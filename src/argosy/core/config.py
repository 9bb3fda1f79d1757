"""The configuration file: what it may say, and how it is read and refused.

The secret of a datastore comes from `secretaccesskey`, from the file that `secretaccesskey_file` names, or from the
environment variable `ARGOSY_DATASTORE_<NAME>_SECRETACCESSKEY` (the name in upper case, other characters as `_`). So
do `accesskey` (`accesskey_file`, `..._ACCESSKEY`) and `credentialsfile` (`..._CREDENTIALSFILE`), the password of the
hub's database from `hub.database_password`, `hub.database_password_file` or `ARGOSY_DATABASE_PASSWORD`, and that for
Redis from `redis_password`, `redis_password_file` or `ARGOSY_REDIS_PASSWORD`.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args, get_type_hints
from urllib.parse import parse_qs, urlsplit

import msgspec

from argosy.core import paths
from argosy.core.broker import Broker
from argosy.core.errors import Invalid
from argosy.core.fileset import Registered, SnapshotKind, check_filesets

RESERVED_SUFFIXES = (".interactive", ".transfer", ".discovery", ".sync", ".custom")
"""How no site name may end: they name the queues of a site."""

SETTINGS: dict[str, tuple[str, ...]] = {
    "S3": (
        "layout", "bucket", "endpoint", "region", "accesskeyid", "secretaccesskey", "prefix", "ca_file", "addressing",
        "encryption", "kms_key_id", "storage_class", "restore_tier", "restore_days", "tries", "timeout",
    ),
    "GCS": (
        "bucket", "endpoint", "credentialsfile", "prefix", "ca_file", "kms_key_id", "storage_class", "tries", "timeout",
    ),
    "AZURE": ("container", "storageaccount", "accesskey", "endpoint", "prefix", "ca_file", "tries", "timeout"),
    "POSIX": ("path",),
}  # fmt: skip
"""Which keys say how a datastore of each type is reached: those its plugin is told. All else does not apply to it."""
DATABASE_VARIABLE = "ARGOSY_DATABASE_PASSWORD"
"""The environment variable that may hold the password of the hub's database."""
REDIS_VARIABLE = "ARGOSY_REDIS_PASSWORD"
"""The environment variable that may hold the password for Redis, of the hub or of an agent."""
SECRETS = ("secretaccesskey", "accesskey", "credentialsfile")
"""Keys whose values are secrets."""

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Number = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]
Threads = Annotated[int, msgspec.Meta(ge=1, le=1024)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=1 << 50)]
Retention = Annotated[float, msgspec.Meta(ge=0, le=36_500)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Processes = Annotated[int, msgspec.Meta(ge=1, le=64)]
Tries = Annotated[int, msgspec.Meta(ge=1, le=20)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=3600)]
Days = Annotated[int, msgspec.Meta(ge=1, le=365)]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_IN_FILES = ("secretaccesskey", "accesskey")
"""Secrets that a key of their own, `..._file`, may read from a file."""
_LONGEST_NAME = 1024
"""Characters beyond which what should be the name of a file is taken for a secret, and never told."""
_WANTED = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_BOUNDS = {">=": "at least", "<=": "at most"}


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[hub]`."""

    data_dir: str = "data"
    """Where hub and agents keep their data; relative to the configuration file. Lies in no root and no datastore."""
    database: str = ""
    """Where the hub keeps its tables: a database of PostgreSQL 15 or newer, such as
    `postgresql://argosy@db.example.org/argosy` or `postgresql://argosy@/argosy?host=/run/postgresql`, without a
    password. Empty: a file in `data_dir`."""
    database_password: str = ""
    """The password for it. Better in a file or in the environment, see below."""
    database_password_file: str = ""
    """A file that holds the password and nothing else; relative to the configuration file."""
    names: tuple[str, ...] = ()
    """`argosy hub`: names and addresses by which agents and people reach the hub: its certificate is for them. Empty:
    the name of the machine, `localhost`, 127.0.0.1 and ::1."""
    agents_port: Port = 8001
    """`argosy hub`: the port on which it answers agents."""
    processes: Processes = 2
    """`argosy hub`: how many processes answer the API."""
    redis: str = ""
    """`argosy hub`: the Redis server by which agents are told of tasks, such as `rediss://hub@redis.example.org:6379/0`,
    without a password."""
    redis_password: str = ""
    """The password for it. Better in a file or in the environment, see below."""
    redis_password_file: str = ""
    """A file that holds the password and nothing else; relative to the configuration file."""
    redis_ca_file: str = ""
    """File with certificates (PEM) of the authorities that its certificate is checked by; relative to the configuration
    file. Or what is in it. Empty: the usual."""
    garbage_days: Retention = 90.0
    """For how many days an object is kept in its datastore after the last file that pointed to it went. As long as your
    oldest backup, at least: stubs that it brings back need their objects."""
    expire_old_jobs_interval: str = "0 0 * * *"
    """When jobs that ended longer ago than the global setting `jobs_ttl` are removed: five fields as cron has, in UTC.
    This and the other chores are also done whenever the hub starts."""
    invalidate_cancelled_job_tasks_interval: str = "0 * * * *"
    """When tasks that are still open although their job was cancelled are cancelled."""
    inactive_tasks_interval: str = "0 * * * *"
    """When tasks fail whose agent was lost, and that no other has taken up for `task_invalidation_timeout`, a global
    setting."""

    def __repr__(self) -> str:
        """Show nothing that is secret."""
        return f"HubConfig(data_dir={self.data_dir!r}, database={self.database!r}, redis={self.redis!r})"

    @property
    def broker(self) -> Broker:
        """How Redis is reached."""
        return Broker(url=self.redis, password=self.redis_password, authorities=self.redis_ca_file)


class AgentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[agent]`: what `argosy agent` needs, on a node of a site."""

    hub: str = ""
    """Where the hub answers agents, such as `https://hub.example.org:8001`."""
    node: str = ""
    """What the node is called, as `argosy agent join` told the hub. Empty: the name of the machine."""
    redis: str = ""
    """The Redis server by which the hub tells of tasks, as for the hub, with the user of the site if it has one."""
    redis_password: str = ""
    """The password for it. Better in a file or in the environment, see below."""
    redis_password_file: str = ""
    """A file that holds the password and nothing else; relative to the configuration file."""
    redis_ca_file: str = ""
    """As for the hub."""

    def __repr__(self) -> str:
        """Show nothing that is secret."""
        return f"AgentConfig(hub={self.hub!r}, node={self.node!r}, redis={self.redis!r})"

    @property
    def broker(self) -> Broker:
        """How Redis is reached."""
        return Broker(url=self.redis, password=self.redis_password, authorities=self.redis_ca_file)


class DatastoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[datastores]]`."""

    name: str
    """1 to 63 letters, digits, `.` `_` `-`; begins with a letter or digit."""
    type: Literal["S3", "GCS", "AZURE", "POSIX"]
    """S3: a bucket on AWS or any server that speaks S3. GCS: a bucket of Google Cloud Storage. AZURE: a container of
    Azure Blob Storage. POSIX: a directory."""
    layout: Literal["native", "immutable"] = "native"
    """native: objects are called as the files are. immutable: after their uuids, so that nothing is ever replaced; the
    only layout for a store that honours no conditions."""
    bucket: str = ""
    """S3, GCS: the bucket. It must exist."""
    container: str = ""
    """AZURE: the container. It must exist."""
    storageaccount: str = ""
    """AZURE: the storage account."""
    endpoint: str = ""
    """S3, GCS, AZURE: address of the server, such as `https://s3.example.org`. Empty: AWS, Google or Azure."""
    region: str = ""
    """S3: region of the bucket."""
    accesskeyid: str = ""
    """S3: access key id. Empty: what the machine provides (environment, instance role)."""
    secretaccesskey: str = ""
    """S3: the secret itself. Better in a file or in the environment, see below."""
    secretaccesskey_file: str = ""
    """S3: a file that holds the secret and nothing else; relative to the configuration file."""
    accesskey: str = ""
    """AZURE: the access key itself. Better in a file or in the environment, see below."""
    accesskey_file: str = ""
    """AZURE: a file that holds the access key and nothing else; relative to the configuration file."""
    credentialsfile: str = ""
    """GCS: the JSON file of a service account; relative to the configuration file. Or what is in it. Empty: what the
    machine provides."""
    path: str = ""
    """POSIX: the directory; relative to the configuration file. It must exist, and keep user attributes of files."""
    prefix: str = ""
    """S3, GCS, AZURE: folder of the bucket or container that holds everything. Empty: all of it."""
    ca_file: str = ""
    """S3, GCS, AZURE: file with certificates (PEM) of authorities to trust besides the usual; relative to the
    configuration file. Or what is in it."""
    addressing: Literal["auto", "path", "virtual"] = "auto"
    """S3: where the name of the bucket goes. path: into the path. virtual: into the name of the host. auto: path where
    there is an endpoint."""
    encryption: Literal["none", "AES256", "aws:kms"] = "none"
    """S3: how the server is asked to encrypt what it keeps. none: it is not asked, and does as the bucket says."""
    kms_key_id: str = ""
    """S3 with aws:kms, GCS: the key to encrypt with. Empty: the bucket's."""
    storage_class: str = ""
    """S3, GCS: class of new objects, such as STANDARD_IA. Empty: the usual."""
    restore_tier: Literal["Standard", "Bulk", "Expedited"] = "Standard"
    """S3: how soon objects are brought back from an archive class. Bulk takes longest, Expedited costs most."""
    restore_days: Days = 7
    """S3: for how many days an object that was brought back can be read."""
    tries: Tries = 5
    """S3, GCS, AZURE: how often a request is made, at most, while the store does not answer."""
    timeout: Seconds = 60
    """S3, GCS, AZURE: for how many seconds an answer is awaited, and a part of an object may be on its way."""

    def __repr__(self) -> str:
        """Name the datastore and nothing that is secret."""
        return f"DatastoreConfig(name={self.name!r}, type={self.type!r})"


class LinkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[sites.links]]`."""

    site_path: str
    """A path of the site, below one of its roots. Where several links cover a path, the longest counts."""
    datastore: str
    """Name of the datastore that receives what lies there."""
    datastore_path: str = ""
    """Where in the datastore. Two sites whose links lead to the same place can send to each other. Empty: all of it."""


class FilesetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[sites.filesets]]`."""

    name: str
    """As for datastores; no other fileset of the site has it."""
    path: str
    """Its top directory, below one of the site's roots or one of them; in, above or at no other fileset."""
    snapshots: SnapshotKind = "index"
    """How it is held fast what the fileset looked like. index: by a list of what is in it, on any filesystem. btrfs: by
    a read-only snapshot as well, of the subvolume that its top is. gpfs: by one of an independent fileset of GPFS."""
    mass_change_percent: Percent = 50
    """A sync waits until somebody confirms it where more than so many per cent of what both filesets had alike are gone
    in this one, and more than `mass_change_count`. 100: it does not, however many are."""
    mass_change_count: Number = 10
    """See `mass_change_percent`."""
    mass_change_top: Count = 2
    """It waits as well where nothing is left at the top of this one, and so many or more were there."""
    trash_days: Retention | None = None
    """For how many days what was removed and replaced in it is kept. 0: not at all. As its site has it, if left out."""

    @property
    def registered(self) -> Registered:
        """The fileset, its path as bytes."""
        return Registered(name=self.name, path=self.path.encode(), snapshots=self.snapshots, trash_days=self.trash_days)


class SiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[sites]]`."""

    name: str
    """As for datastores; may not end in `.interactive`, `.transfer`, `.discovery`, `.sync` or `.custom`."""
    roots: tuple[str, ...]
    """Directories, absolute, that agents may touch. Nothing outside of them is read, written or deleted."""
    threads: Threads = 10
    """Entries that are worked on at once; of others' steps each task has as many to itself, 16 at most."""
    unguarded_stubs: bool = False
    """Let there be stubs where nothing keeps programs that read them from reading zeros. A risk."""
    min_stub_size: Bytes = 65536
    """Files smaller than this, in bytes, are not made stubs: they are premigrated and stay as they are."""
    trash_days: Retention = 30.0
    """For how many days removed entries and replaced contents are kept in `.argosy` of their root. 0: not at all."""
    file_batch_size: Count = 40
    """Most entries of one task."""
    file_batch_gb: Count = 1
    """Most content of one task, in GiB; a single larger file is a task of its own."""
    links: tuple[LinkConfig, ...] = ()
    """The site's links, see `[[sites.links]]`."""
    filesets: tuple[FilesetConfig, ...] = ()
    """Trees of which is found out what changed, see `[[sites.filesets]]`."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    hub: HubConfig = HubConfig()
    agent: AgentConfig = AgentConfig()
    datastores: tuple[DatastoreConfig, ...] = ()
    sites: tuple[SiteConfig, ...] = ()
    file: str = ""
    """Where it was read from, for messages; set by `load`, not a key."""
    declared: tuple[str, ...] = ()
    """The keys the file sets, `sites.london.threads` say, those set to their defaults included; not a key either."""


def load(file: Path, *, data_dir: Path | None = None, environment: Mapping[str, str] = os.environ) -> Config:
    """Return what the file says: checked, paths made absolute, secrets read.

    Args:
        file: the TOML file.
        data_dir: what stands in for `hub.data_dir`, where given.
        environment: where secrets may be.

    Raises:
        Invalid: the file, or a file of a secret, cannot be read; a key is unknown or its value impossible.
            The message names file, key and reason, never a secret.
    """
    raw = _read(file)
    try:
        config = _resolved(_converted(raw), file.absolute().parent, data_dir, environment)
        _check(config)
    except _Refused as refused:
        raise Invalid(f"{file}: {refused.message}") from None
    return msgspec.structs.replace(config, file=str(file.absolute()), declared=tuple(_declared(raw)))


def secret_variable(datastore: str, key: str = "secretaccesskey") -> str:
    """Return the environment variable that may hold a secret of a datastore."""
    return f"ARGOSY_DATASTORE_{re.sub('[^A-Z0-9]', '_', datastore.upper())}_{key.upper()}"


def check_store(store: DatastoreConfig) -> None:
    """Return if there can be such a datastore.

    Raises:
        Invalid: there cannot; the message names key and reason, never a secret.
    """
    key = f"datastores.{store.name}"
    _check_unused(store, key)
    _CHECKS[store.type](store, key)
    if store.endpoint:
        _check_endpoint(store.endpoint, f"{key}.endpoint")
    if (plain_prefix := _prefix(store.prefix, f"{key}.prefix").rstrip("/")) != store.prefix.strip("/"):
        _refuse(f"{key}.prefix", f"{store.prefix!r} holds an empty name: write {plain_prefix!r}")
    _check_authorities(store.ca_file, f"{key}.ca_file")


def check_apart(places: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]] = ()) -> None:
    """Return if no place, given as key and path, is, holds or lies in another of them or of the others.

    A walk of one would meet what Argosy keeps in the other.

    Raises:
        Invalid: one does; the message names both.
    """
    for number, (key, path) in enumerate(places):
        for other_key, other in (*others, *places[:number]):
            if paths.below(path.encode(), other.encode()) or paths.below(other.encode(), path.encode()):
                _refuse(key, f"{path} is, holds or lies in {other} ({other_key}): keep them apart")


def plain(path: str, key: str) -> str:
    """Return the absolute path without doubled or trailing slashes.

    Raises:
        Invalid: it is not absolute, or holds . or ..; the message names the key.
    """
    try:
        return paths.absolute(path.encode()).decode()
    except Invalid as error:
        _refuse(key, error.message)


class _Refused(Invalid):
    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}" if key else reason)


def _refuse(key: str, reason: str) -> NoReturn:
    raise _Refused(key, reason)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        raise Invalid(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise Invalid(f"{file}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{file}: is not TOML: {error}") from error


def _converted(raw: dict[str, Any]) -> Config:
    if ours := {"file", "declared"} & set(raw):
        _refuse(min(ours), "unknown key")
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise _translated(str(error), raw) from None


def _declared(raw: dict[str, Any]) -> Iterator[str]:
    for table in ("hub", "agent"):
        yield from (f"{table}.{key}" for key in raw.get(table, ()))
    for table in ("datastores", "sites"):
        yield from (f"{table}.{row['name']}.{key}" for row in raw.get(table, ()) for key in row)


def _translated(message: str, raw: dict[str, Any]) -> _Refused:
    """Turn what msgspec says (`... - at `$.sites[0].threads``) into key and reason."""
    reason, _, where = message.partition(" - at `$")
    key = _dotted(where.rstrip("`"), raw)
    if field := re.fullmatch(r"Object contains unknown field `(.*)`", reason):
        return _Refused(f"{key}.{field[1]}".strip("."), "unknown key")
    if field := re.fullmatch(r"Object missing required field `(.*)`", reason):
        return _Refused(f"{key}.{field[1]}".strip("."), "is missing")
    return _Refused(key, _worded(reason.replace("`", ""), key.rpartition(".")[2]))


def _worded(reason: str, name: str) -> str:
    """Say `Expected int, got str` and its like in the words of whoever writes the file."""
    if value := re.fullmatch(r"Invalid enum value (.*)", reason):
        choices = get_type_hints(DatastoreConfig) | get_type_hints(FilesetConfig)
        return f"{value[1]} is not one of {', '.join(get_args(choices[name]))}"
    if bound := re.fullmatch(r"Expected (?:int|float) (>=|<=) (\d+)(?:\.0)?", reason):
        return f"must be {_BOUNDS[bound[1]]} {bound[2]}"
    if kind := re.fullmatch(r"Expected (\w+), got \w+", reason):
        return f"must be {_WANTED.get(kind[1], kind[1])}"
    return reason[:1].lower() + reason[1:]


def _dotted(where: str, raw: Any) -> str:
    """Write `.sites[0].threads` as `sites.london.threads`: things go by their names where they have one."""
    parts: list[str] = []
    for name, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", where):
        raw = raw.get(name) if name else raw[int(index)]
        named = isinstance(raw, dict) and isinstance(raw.get("name"), str)
        parts.append(name or (raw["name"] if named else index))
    return ".".join(parts)


def _resolved(config: Config, base: Path, data_dir: Path | None, environment: Mapping[str, str]) -> Config:
    return msgspec.structs.replace(
        config,
        hub=_resolved_hub(config.hub, base, data_dir, environment),
        agent=msgspec.structs.replace(config.agent, **_resolved_redis(config.agent, "agent", base, environment)),
        datastores=tuple(_resolved_store(store, base, environment) for store in config.datastores),
        sites=tuple(_resolved_site(site) for site in config.sites),
    )


def _resolved_hub(hub: HubConfig, base: Path, data_dir: Path | None, environment: Mapping[str, str]) -> HubConfig:
    said, file = hub.database_password, hub.database_password_file
    if said and file:
        _refuse("hub.database_password_file", "database_password is given too: keep one of them")
    if (said or file) and not hub.database:
        _refuse(f"hub.database_password{'_file' if file else ''}", "does not apply without database")
    password = _read_from(base / file, "hub.database_password_file") if file else said
    return msgspec.structs.replace(
        hub,
        **_resolved_redis(hub, "hub", base, environment),
        data_dir=_own(hub.data_dir, base, data_dir),
        database_password=(password or environment.get(DATABASE_VARIABLE, "")) if hub.database else "",
        database_password_file="",
    )


def _resolved_redis(
    said: HubConfig | AgentConfig, table: str, base: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """Return what is said of Redis, with what is in the files that it names."""
    password, file = said.redis_password, said.redis_password_file
    if password and file:
        _refuse(f"{table}.redis_password_file", "redis_password is given too: keep one of them")
    if (password or file or said.redis_ca_file) and not said.redis:
        named = "password" if password else "password_file" if file else "ca_file"
        _refuse(f"{table}.redis_{named}", "does not apply without redis")
    if file:
        password = _read_from(base / file, f"{table}.redis_password_file")
    return {
        "redis_password": (password or environment.get(REDIS_VARIABLE, "")) if said.redis else "",
        "redis_password_file": "",
        "redis_ca_file": _content(said.redis_ca_file, base, f"{table}.redis_ca_file"),
    }


def _own(said: str, base: Path, given: Path | None) -> str:
    if not said:
        _refuse("hub.data_dir", "is empty: name a directory")
    return _absolute(str(given.absolute()) if given else said, base)


def _absolute(path: str, base: Path) -> str:
    return os.path.normpath(base / path)


def _resolved_store(store: DatastoreConfig, base: Path, environment: Mapping[str, str]) -> DatastoreConfig:
    secrets = {name: _secret(store, name, base, environment) for name in SECRETS if name in SETTINGS[store.type]}
    files = dict.fromkeys((f"{name}_file" for name in secrets if name in _IN_FILES), "")
    return msgspec.structs.replace(
        store,
        path=_absolute(store.path, base) if store.type == "POSIX" and store.path else store.path,
        ca_file=_authorities(store, base),
        **secrets,
        **files,
    )


def _secret(store: DatastoreConfig, name: str, base: Path, environment: Mapping[str, str]) -> str:
    said, file = getattr(store, name), getattr(store, f"{name}_file", "")
    if said and file:
        _refuse(f"datastores.{store.name}.{name}_file", f"{name} is given too: keep one of them")
    if file:
        return _read_from(base / file, f"datastores.{store.name}.{name}_file")
    found = said or environment.get(secret_variable(store.name, name), "")
    return found if name in _IN_FILES else _content(found, base, f"datastores.{store.name}.{name}")


def _authorities(store: DatastoreConfig, base: Path) -> str:
    applies = "ca_file" in SETTINGS[store.type]
    return _content(store.ca_file, base, f"datastores.{store.name}.ca_file") if applies else store.ca_file


def _content(said: str, base: Path, key: str) -> str:
    """Return what is in the file that is named, or what was said where that is no name but the content."""
    is_content = not said or len(said) > _LONGEST_NAME or set(said) & set('{"\n')
    return said if is_content else _read_from(base / said, key)


def _read_from(file: Path, key: str) -> str:
    try:
        text = file.read_bytes().decode().strip()
    except OSError as error:
        _refuse(key, f"{file} cannot be read: {error.strerror}")
    except (UnicodeDecodeError, ValueError):
        _refuse(key, f"{file} is not text")
    return text or _refuse(key, f"{file} is empty")


def _resolved_site(site: SiteConfig) -> SiteConfig:
    key = f"sites.{site.name}"
    return msgspec.structs.replace(
        site,
        roots=tuple(plain(root, f"{key}.roots.{index}") for index, root in enumerate(site.roots)),
        links=tuple(_resolved_link(link, f"{key}.links.{index}") for index, link in enumerate(site.links)),
        filesets=tuple(
            msgspec.structs.replace(fileset, path=plain(fileset.path, f"{key}.filesets.{fileset.name}.path"))
            for fileset in site.filesets
        ),
    )


def _resolved_link(link: LinkConfig, key: str) -> LinkConfig:
    return msgspec.structs.replace(
        link,
        site_path=plain(link.site_path, f"{key}.site_path"),
        datastore_path=_prefix(link.datastore_path, f"{key}.datastore_path"),
    )


def _prefix(text: str, key: str) -> str:
    """Return "" or a prefix that ends in one slash and begins with none."""
    names = [name for name in text.split("/") if name]
    if {".", "..", paths.PRIVATE.decode()} & set(names):
        _refuse(key, f"{text!r} holds ., .. or {paths.PRIVATE.decode()}: give a prefix without them")
    if not text.isprintable():
        _refuse(key, f"{text!r} holds control characters")
    return "".join(f"{name}/" for name in names)


def _check(config: Config) -> None:
    _check_database(config.hub.database)
    for table in ("hub", "agent"):
        said: HubConfig | AgentConfig = getattr(config, table)
        _check_redis(said.redis, f"{table}.redis")
        _check_authorities(said.redis_ca_file, f"{table}.redis_ca_file")
    _check_hub(config.agent.hub)
    if config.agent.node and not _NAME.fullmatch(config.agent.node):
        _refuse("agent.node", f"{config.agent.node!r}: use 1 to 63 letters, digits, . _ -, the first a letter or digit")
    _check_names("datastores", (store.name for store in config.datastores))
    _check_names("sites", (site.name for site in config.sites))
    for store in config.datastores:
        check_store(store)
    for site in config.sites:
        _check_site(site, config)
    _check_places(config)


def _check_database(url: str) -> None:
    """Refuse what names no database, and a password, which would be shown with the rest."""
    if not url:
        return
    key, like = "hub.database", "write it like postgresql://argosy@db.example.org/argosy"
    try:
        parts = urlsplit(url)
        asked = parse_qs(parts.query, keep_blank_values=True)
    except ValueError as error:
        _refuse(key, f"is no address ({error}): {like}")
    if "password" in asked or ":" in parts.netloc.rpartition("@")[0]:
        _refuse(key, f"holds a password: put it into a file and name that in {key}_password_file")
    if parts.scheme not in {"postgresql", "postgres"}:
        _refuse(key, f"is no address of PostgreSQL: {like}")
    if not parts.path.strip("/") and "dbname" not in asked:
        _refuse(key, f"names no database: {like}")


def _check_redis(url: str, key: str) -> None:
    """Refuse what is no address of Redis, and a password, which would be shown with the rest."""
    if not url:
        return
    like = "write it like rediss://hub@redis.example.org:6379/0"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"redis", "rediss"} and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        valid = False
    if not valid or not re.fullmatch(r"(/[0-9]*)?", parts.path):
        _refuse(key, f"is no address of Redis: {like}")
    if ":" in parts.netloc.rpartition("@")[0]:
        _refuse(key, f"holds a password: put it into a file and name that in {key}_password_file")


def _check_hub(url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and parts.path in {"", "/"}
    except ValueError:
        valid = False
    if not valid or "@" in parts.netloc or parts.query:
        _refuse("agent.hub", "is no address of a hub: write it like https://hub.example.org:8001")


def _check_names(table: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not _NAME.fullmatch(name):
            _refuse(
                f"{table}.{index}.name", f"{name!r}: use 1 to 63 letters, digits, . _ -, the first a letter or digit"
            )
        if name in seen:
            _refuse(f"{table}.{index}.name", f"{name!r} is taken by another of the {table}")
        seen.add(name)


def _check_posix(store: DatastoreConfig, key: str) -> None:
    if not store.path:
        _refuse(f"{key}.path", "is missing: a POSIX datastore is a directory")


def _check_s3(store: DatastoreConfig, key: str) -> None:
    _check_bucket(store, f"{key}.bucket")
    if store.accesskeyid and not store.secretaccesskey:
        _refuse_without(store, key, "secretaccesskey")
    if store.secretaccesskey and not store.accesskeyid:
        _refuse(f"{key}.accesskeyid", "is missing: a secret was given without it")
    if store.kms_key_id and store.encryption != "aws:kms":
        _refuse(f"{key}.kms_key_id", "does not apply without encryption aws:kms")
    if store.addressing == "virtual" and store.endpoint and "." in store.bucket:
        _refuse(
            f"{key}.addressing", "the bucket has a dot in its name, which no certificate of a host covers: use path"
        )


def _check_gcs(store: DatastoreConfig, key: str) -> None:
    _check_bucket(store, f"{key}.bucket")
    if store.credentialsfile:
        try:
            known = msgspec.json.decode(store.credentialsfile)
        except msgspec.DecodeError:
            known = None
        if not isinstance(known, dict):
            _refuse(f"{key}.credentialsfile", "is not the JSON of a service account")


def _check_azure(store: DatastoreConfig, key: str) -> None:
    if not store.container:
        _refuse(f"{key}.container", "is missing: an AZURE datastore is a container")
    if not _CONTAINER.fullmatch(store.container):
        named = "is 3 to 63 lower-case letters, digits and single -, and begins and ends with a letter or digit"
        _refuse(f"{key}.container", f"{store.container!r}: the name of a container {named}")
    if not store.storageaccount:
        _refuse(f"{key}.storageaccount", "is missing: a container belongs to a storage account")
    if not _ACCOUNT.fullmatch(store.storageaccount):
        _refuse(f"{key}.storageaccount", f"{store.storageaccount!r}: use 3 to 24 lower-case letters and digits")
    if not store.accesskey:
        _refuse_without(store, key, "accesskey")


_CHECKS: dict[str, Callable[[DatastoreConfig, str], None]] = {
    "S3": _check_s3,
    "GCS": _check_gcs,
    "AZURE": _check_azure,
    "POSIX": _check_posix,
}


def _check_bucket(store: DatastoreConfig, key: str) -> None:
    if not store.bucket:
        _refuse(key, f"is missing: {_article(store.type)} datastore is a bucket")
    if not _BUCKET.fullmatch(store.bucket):
        named = "is 3 to 63 lower-case letters, digits, . - _, and begins and ends with a letter or digit"
        _refuse(key, f"{store.bucket!r}: the name of a bucket {named}")


def _check_unused(store: DatastoreConfig, key: str) -> None:
    """Refuse what is set and does not apply to the type: nobody shall believe that it has an effect."""
    applies = {"name", "type", "layout", *SETTINGS[store.type]}
    usual = DatastoreConfig(name=store.name, type=store.type)
    for name in store.__struct_fields__:
        owner = name if name in applies else name.removesuffix("_file")
        if owner not in applies and getattr(store, name) != getattr(usual, name):
            _refuse(f"{key}.{name}", f"does not apply to {_article(store.type)} datastore")


def _article(kind: str) -> str:
    return f"{'an' if kind in {'S3', 'AZURE'} else 'a'} {kind}"


def _refuse_without(store: DatastoreConfig, key: str, secret: str) -> NoReturn:
    sources = f"{secret}, {secret}_file or the environment variable {secret_variable(store.name, secret)}"
    _refuse(f"{key}.{secret}", f"is missing: set {sources}")


def _check_authorities(text: str, key: str) -> None:
    """Refuse what the libraries would: they say so only when a connection is made."""
    if text:
        import ssl

        try:
            ssl.create_default_context(cadata=text)
        except (ssl.SSLError, ValueError):
            _refuse(key, "holds no certificates in PEM form")


def _check_endpoint(endpoint: str, key: str) -> None:
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        _refuse(key, "is not a web address: give https:// (or http://), a host and, where needed, a port")
    if "@" in parts.netloc:
        _refuse(key, "holds credentials: use accesskeyid and secretaccesskey")


def _check_site(site: SiteConfig, config: Config) -> None:
    key = f"sites.{site.name}"
    if site.name.endswith(RESERVED_SUFFIXES):
        _refuse(f"{key}.name", f"may not end in {', '.join(RESERVED_SUFFIXES)}: they name the queues of a site")
    if not site.roots:
        _refuse(f"{key}.roots", "is empty: name at least one directory")
    for index, link in enumerate(site.links):
        _check_link(link, f"{key}.links.{index}", site, {store.name for store in config.datastores})
    sources = [link.site_path for link in site.links]
    if doubled := next((path for path in sources if sources.count(path) > 1), None):
        _refuse(f"{key}.links", f"{doubled} is linked twice: one site path has one datastore")
    _check_names(f"{key}.filesets", (fileset.name for fileset in site.filesets))
    try:
        check_filesets(site.name, [root.encode() for root in site.roots], [one.registered for one in site.filesets])
    except Invalid as error:
        raise _Refused("", error.message) from None


def _check_link(link: LinkConfig, key: str, site: SiteConfig, stores: set[str]) -> None:
    if not any(paths.below(link.site_path.encode(), root.encode()) for root in site.roots):
        _refuse(f"{key}.site_path", f"{link.site_path} lies below none of the roots of {site.name}")
    if link.datastore not in stores:
        _refuse(
            f"{key}.datastore",
            f"there is no datastore {link.datastore!r}: known are {', '.join(sorted(stores)) or 'none'}",
        )


def _check_places(config: Config) -> None:
    places = [("hub.data_dir", config.hub.data_dir)]
    places += [(f"datastores.{store.name}.path", store.path) for store in config.datastores if store.path]
    places += [(f"sites.{site.name}.roots.{i}", root) for site in config.sites for i, root in enumerate(site.roots)]
    check_apart(places)
