"""The configuration file: what it may say, and how it is read and refused.

The secret of a datastore comes from `secretaccesskey`, from the file that `secretaccesskey_file` names, or from the
environment variable `ARGOSY_DATASTORE_<NAME>_SECRETACCESSKEY` (the name in upper case, other characters as `_`).
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from argosy.core import paths
from argosy.core.errors import Invalid

RESERVED_SUFFIXES = (".interactive", ".transfer", ".discovery", ".sync", ".custom")
"""How no site name may end: they name the queues of a site."""

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Threads = Annotated[int, msgspec.Meta(ge=1, le=1024)]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_LATER = {"GCS", "AZURE"}
_WANTED = {
    "int": "a whole number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_BOUNDS = {">=": "at least", "<=": "at most"}
_S3_ONLY = ("bucket", "endpoint", "region", "accesskeyid", "secretaccesskey", "secretaccesskey_file")


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[hub]`."""

    data_dir: str = "data"
    """Where hub and agents keep their data; relative to the configuration file. Lies in no root and no datastore."""


class DatastoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[datastores]]`."""

    name: str
    """1 to 63 letters, digits, `.` `_` `-`; begins with a letter or digit."""
    type: Literal["S3", "GCS", "AZURE", "POSIX"]
    """S3: a bucket on AWS or any server that speaks S3. POSIX: a directory. GCS and AZURE are to come, and refused."""
    layout: Literal["native", "immutable"] = "native"
    """native: objects are called as the files are. immutable: after their uuids, so that nothing is ever replaced."""
    bucket: str = ""
    """S3: the bucket. It must exist."""
    endpoint: str = ""
    """S3: address of the server, such as `https://s3.example.org`. Empty: AWS."""
    region: str = ""
    """S3: region of the bucket."""
    accesskeyid: str = ""
    """S3: access key id. Empty: what the machine provides (environment, instance role)."""
    secretaccesskey: str = ""
    """S3: the secret itself. Better in a file or in the environment, see below."""
    secretaccesskey_file: str = ""
    """S3: a file that holds the secret and nothing else; relative to the configuration file."""
    path: str = ""
    """POSIX: the directory; relative to the configuration file. It must exist, and keep user attributes of files."""

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


class SiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[sites]]`."""

    name: str
    """As for datastores; may not end in `.interactive`, `.transfer`, `.discovery`, `.sync` or `.custom`."""
    roots: tuple[str, ...]
    """Directories, absolute, that agents may touch. Nothing outside of them is read, written or deleted."""
    threads: Threads = 10
    """Entries that are worked on at once."""
    unguarded_stubs: bool = False
    """Let there be stubs that nothing guards. Stubs are to come; leave it."""
    file_batch_size: Count = 40
    """Most entries of one task."""
    file_batch_gb: Count = 1
    """Most content of one task, in GiB; a single larger file is a task of its own."""
    links: tuple[LinkConfig, ...] = ()
    """The site's links, see `[[sites.links]]`."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    hub: HubConfig = HubConfig()
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


def secret_variable(datastore: str) -> str:
    """Return the environment variable that may hold the secret of a datastore."""
    return f"ARGOSY_DATASTORE_{re.sub('[^A-Z0-9]', '_', datastore.upper())}_SECRETACCESSKEY"


def check_store(store: DatastoreConfig) -> None:
    """Return if there can be such a datastore.

    Raises:
        Invalid: there cannot; the message names key and reason, never a secret.
    """
    key = f"datastores.{store.name}"
    if store.type in _LATER:
        _refuse(f"{key}.type", f"{store.type} is not available yet: use S3 or POSIX")
    if store.type == "POSIX":
        if not store.path:
            _refuse(f"{key}.path", "is missing: a POSIX datastore is a directory")
        _check_unused(store, key, _S3_ONLY)
        return
    _check_bucket(store, f"{key}.bucket")
    _check_unused(store, key, ("path",))
    _check_access(store, key)


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
    _refuse_later_types(raw)
    if ours := {"file", "declared"} & set(raw):
        _refuse(min(ours), "unknown key")
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise _translated(str(error), raw) from None


def _declared(raw: dict[str, Any]) -> Iterator[str]:
    yield from (f"hub.{key}" for key in raw.get("hub", ()))
    for table in ("datastores", "sites"):
        yield from (f"{table}.{row['name']}.{key}" for row in raw.get(table, ()) for key in row)


def _refuse_later_types(raw: dict[str, Any]) -> None:
    stores = raw.get("datastores")
    for index, store in enumerate(stores if isinstance(stores, list) else []):
        if isinstance(store, dict) and store.get("type") in _LATER:
            _refuse(
                f"datastores.{store.get('name', index)}.type", f"{store['type']} is not available yet: use S3 or POSIX"
            )


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
        allowed = get_args(get_type_hints(DatastoreConfig)[name])
        return f"{value[1]} is not one of {', '.join(word for word in allowed if word not in _LATER)}"
    if bound := re.fullmatch(r"Expected int (>=|<=) (\d+)", reason):
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
        hub=HubConfig(data_dir=_own(config.hub.data_dir, base, data_dir)),
        datastores=tuple(_resolved_store(store, base, environment) for store in config.datastores),
        sites=tuple(_resolved_site(site) for site in config.sites),
    )


def _own(said: str, base: Path, given: Path | None) -> str:
    if not said:
        _refuse("hub.data_dir", "is empty: name a directory")
    return _absolute(str(given.absolute()) if given else said, base)


def _absolute(path: str, base: Path) -> str:
    return os.path.normpath(base / path)


def _resolved_store(store: DatastoreConfig, base: Path, environment: Mapping[str, str]) -> DatastoreConfig:
    if store.type == "POSIX":
        return msgspec.structs.replace(store, path=_absolute(store.path, base) if store.path else "")
    return msgspec.structs.replace(store, secretaccesskey=_secret(store, base, environment), secretaccesskey_file="")


def _secret(store: DatastoreConfig, base: Path, environment: Mapping[str, str]) -> str:
    if store.secretaccesskey and store.secretaccesskey_file:
        _refuse(f"datastores.{store.name}.secretaccesskey_file", "secretaccesskey is given too: keep one of them")
    if store.secretaccesskey_file:
        return _secret_from(base / store.secretaccesskey_file, f"datastores.{store.name}.secretaccesskey_file")
    return store.secretaccesskey or environment.get(secret_variable(store.name), "")


def _secret_from(file: Path, key: str) -> str:
    try:
        secret = file.read_bytes().decode().strip()
    except OSError as error:
        _refuse(key, f"{file} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        _refuse(key, f"{file} is not text")
    return secret or _refuse(key, f"{file} is empty")


def _resolved_site(site: SiteConfig) -> SiteConfig:
    key = f"sites.{site.name}"
    return msgspec.structs.replace(
        site,
        roots=tuple(plain(root, f"{key}.roots.{index}") for index, root in enumerate(site.roots)),
        links=tuple(_resolved_link(link, f"{key}.links.{index}") for index, link in enumerate(site.links)),
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
    _check_names("datastores", (store.name for store in config.datastores))
    _check_names("sites", (site.name for site in config.sites))
    for store in config.datastores:
        check_store(store)
    for site in config.sites:
        _check_site(site, config)
    _check_places(config)


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


def _check_bucket(store: DatastoreConfig, key: str) -> None:
    if not store.bucket:
        _refuse(key, f"is missing: an {store.type} datastore is a bucket")
    if not _BUCKET.fullmatch(store.bucket):
        named = "is 3 to 63 lower-case letters, digits, . - _, and begins and ends with a letter or digit"
        _refuse(key, f"{store.bucket!r}: the name of a bucket {named}")


def _check_unused(store: DatastoreConfig, key: str, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(store, name):
            _refuse(f"{key}.{name}", f"does not apply to a {store.type} datastore")


def _check_access(store: DatastoreConfig, key: str) -> None:
    if store.endpoint:
        _check_endpoint(store.endpoint, f"{key}.endpoint")
    if store.accesskeyid and not store.secretaccesskey:
        sources = f"secretaccesskey, secretaccesskey_file or the environment variable {secret_variable(store.name)}"
        _refuse(f"{key}.secretaccesskey", f"is missing: set {sources}")
    if store.secretaccesskey and not store.accesskeyid:
        _refuse(f"{key}.accesskeyid", "is missing: a secret was given without it")


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
