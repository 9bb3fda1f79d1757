"""Decisions on sites, datastores and sitelinks."""

import os
from collections.abc import Mapping
from typing import Any

import structlog
from django.db import models, transaction

from argosy.core.config import (
    RESERVED_SUFFIXES,
    SECRETS,
    SETTINGS,
    Config,
    DatastoreConfig,
    LinkConfig,
    SiteConfig,
    check_apart,
    check_store,
    plain,
)
from argosy.core.errors import Invalid
from argosy.core.order import StoreAccess
from argosy.core.paths import PRIVATE, absolute, below, display
from argosy.hub.common.changes import Kind, note
from argosy.hub.common.crypto import seal, store_seal, unseal
from argosy.hub.common.errors import Conflict
from argosy.hub.sites import filesets
from argosy.hub.sites.declared import check_name, mark, refuse_declared, refuse_taken
from argosy.hub.sites.models import Datastore, Declared, ServedRoot, Site, SiteLink

log = structlog.get_logger()

_KEYS = tuple(
    name for name in DatastoreConfig.__struct_fields__ if name not in {"secretaccesskey_file", "accesskey_file"}
)
"""What the configuration file may say of a datastore, secrets read."""
_OWN = {"hub.data_dir": os.path.abspath("data")}
"""Where Argosy keeps its own data: what the configuration that was applied says."""


@transaction.atomic
def save_site(site: Site, values: Mapping[str, Any]) -> Site:
    """Record the values at a site, new or not.

    Raises:
        Invalid: the name or a root cannot be; the message names the key.
        Exists: another site has the name.
        Conflict: the configuration file sets one of them.
    """
    refuse_declared(site, values)
    _set_site(site, values)
    if "roots" in values:
        _check_roots(site)
    for link in SiteLink.objects.filter(site=site):
        _check_below_roots(bytes(link.site_path), site)
    filesets.check(site)
    return site


@transaction.atomic
def save_datastore(datastore: Datastore, values: Mapping[str, Any]) -> Datastore:
    """Record the values at a datastore, new or not; secrets are encrypted.

    Raises:
        Invalid: the name cannot be, or there cannot be such a datastore; the message names the key.
        Exists: another datastore has the name.
        Conflict: the configuration file sets one of them.
    """
    refuse_declared(datastore, values)
    _set_datastore(datastore, values)
    _check_datastore(datastore, values)
    datastore.save()
    return datastore


def _set_datastore(datastore: Datastore, values: Mapping[str, Any]) -> None:
    secrets = unseal(bytes(datastore.sealed)) | {key: values[key] for key in SECRETS if key in values}
    for key, value in values.items():
        if key not in SECRETS:
            setattr(datastore, key, value)
    check_name(datastore.name, noun="datastore")
    datastore.type = datastore.type.upper()
    refuse_taken(datastore, Datastore.objects.filter(name=datastore.name), datastore.name)
    datastore.sealed = seal({key: value for key, value in secrets.items() if value})
    datastore.abilities, datastore.probed = None, None  # it may have become another
    datastore.trouble = datastore.trouble_code = ""


def _check_datastore(datastore: Datastore, values: Mapping[str, Any]) -> None:
    """Hold the datastore against the rules of the configuration file."""
    key = f"datastores.{datastore.name}"
    check_store(_configured(datastore))
    if "path" in values and datastore.path:
        datastore.path = plain(datastore.path, f"{key}.path")
        check_apart(_places(datastore), _others(datastore))


def _configured(datastore: Datastore) -> DatastoreConfig:
    """Return the datastore as the configuration file would say it, secrets included."""
    said: dict[str, Any] = {key: getattr(datastore, key) for key in _KEYS if key not in SECRETS}
    return DatastoreConfig(**said | unseal(bytes(datastore.sealed)))


@transaction.atomic
def save_link(link: SiteLink, values: Mapping[str, Any]) -> SiteLink:
    """Record the values at a sitelink, new or not.

    Raises:
        Invalid: the site path is not below a root of the site.
        Exists: another link of the site has the site path.
        Conflict: the configuration file sets one of them.
    """
    refuse_declared(link, values)
    for key, value in values.items():
        setattr(link, key, value)
    link.site_path = absolute(bytes(link.site_path))
    link.datastore_path = normal_prefix(bytes(link.datastore_path))
    _check_below_roots(link.site_path, link.site)
    shown = f"{display(link.site_path)} of {link.site.name}"
    refuse_taken(link, SiteLink.objects.filter(site=link.site, site_path=link.site_path), shown)
    link.save()
    return link


@transaction.atomic
def delete(row: Declared) -> None:
    """Remove a site with its links and filesets, a datastore, a link or a fileset.

    Raises:
        Conflict: the configuration file declares it, or something needs it.
    """
    if row.file_keys:
        raise Conflict(f"{row.file_name} declares this: remove it there")
    if isinstance(row, Site):
        note(Kind.SITE, [row.pk])
    try:
        row.delete()
    except models.ProtectedError as error:
        needed = sorted({f"{type(user).__name__.lower()}s" for user in error.protected_objects})
        raise Conflict(f"{row} is used by {', '.join(needed)}: remove those first") from error


@transaction.atomic
def forget(root: ServedRoot) -> None:
    """Take it that no file below a root that is served no longer points to an object: collection goes on without it."""
    root.forgotten = True  # it is remembered for the agents, which are told when they ask
    root.save(update_fields=["forgotten"])
    log.warning("root forgotten", site=root.site, root=root.path)


def normal_prefix(prefix: bytes) -> bytes:
    """Return the prefix as it is kept: empty, or names that each end in one slash.

    Raises:
        Invalid: a name is `.`, `..` or Argosy's own.
    """
    names = [name for name in prefix.split(b"/") if name]
    if {b".", b"..", PRIVATE} & set(names) or b"\0" in prefix:
        raise Invalid(f"datastore_path {display(prefix)!r} holds ., .. or {PRIVATE.decode()}: give it without them")
    return b"".join(name + b"/" for name in names)


def access(datastore: Datastore) -> StoreAccess:
    """Return how to reach the datastore, secrets included; settings that are as they usually are go without saying."""
    said = _configured(datastore)
    usual = DatastoreConfig(name=said.name, type=said.type)
    settings = {key: getattr(said, key) for key in SETTINGS[said.type]}
    return StoreAccess(
        id=datastore.number,
        name=said.name,
        type=said.type,
        layout=said.layout,
        settings={key: value for key, value in settings.items() if value != getattr(usual, key)},
        seal=store_seal(datastore.number),
    )


def _set_site(site: Site, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        setattr(site, key, value)
    check_name(site.name, noun="site")
    if site.name.endswith(RESERVED_SUFFIXES):
        raise Invalid(f"a site's name may not end in {', '.join(RESERVED_SUFFIXES)}: they name the queues of a site")
    site.roots = [plain(root, f"sites.{site.name}.roots.{index}") for index, root in enumerate(site.roots)]
    refuse_taken(site, Site.objects.filter(name=site.name), site.name)
    _rename_served(site)
    site.save()
    note(Kind.SITE, [site.pk])
    ServedRoot.objects.bulk_create(
        [ServedRoot(site=site.name, path=root) for root in site.roots], ignore_conflicts=True
    )
    ServedRoot.objects.filter(site=site.name, path__in=site.roots).update(forgotten=False)


def _rename_served(site: Site) -> None:
    """Have the roots that were served go by the new name of their site, beside those that went by it before."""
    was = Site.objects.filter(pk=site.pk).exclude(name=site.name).values_list("name", flat=True).first()
    if was is not None:
        roots, known = ServedRoot.objects.filter(site=was), ServedRoot.objects.filter(site=site.name)
        known.filter(forgotten=True, path__in=roots.values("path")).delete()
        roots.filter(path__in=known.values("path")).delete()
        roots.update(site=site.name)


def _check_roots(site: Site) -> None:
    if not site.roots:
        raise Invalid(f"sites.{site.name}.roots: is empty: name at least one directory")
    check_apart(_places(site), _others(site))


def _places(row: Site | Datastore) -> list[tuple[str, str]]:
    """Return the directories of the row, each with the key that says it."""
    if isinstance(row, Site):
        return [(f"sites.{row.name}.roots.{index}", root) for index, root in enumerate(row.roots)]
    return [(f"datastores.{row.name}.path", row.path)] if row.path else []


def _others(row: Site | Datastore) -> list[tuple[str, str]]:
    rows: list[Site | Datastore] = [*Datastore.objects.all(), *Site.objects.all()]
    return [*_OWN.items(), *(place for other in rows if other != row for place in _places(other))]


def _check_below_roots(site_path: bytes, site: Site) -> None:
    if site.roots and not any(below(site_path, root.encode()) for root in site.roots):
        roots = ", ".join(site.roots)
        raise Invalid(f"site_path {display(site_path)} lies below none of the roots of {site.name}: {roots}")


@transaction.atomic
def reconcile(config: Config) -> None:
    """Make sites, datastores, links and filesets what the configuration file says, and remember which keys it sets.

    A key that it no longer names gets its default again. A site or datastore that it no longer declares stays, and may
    be changed again; links and filesets that it no longer declares go.

    Raises:
        Invalid: what it says and what was said otherwise do not go together.
    """
    file = _File(config)
    _OWN["hub.data_dir"] = os.path.abspath(config.hub.data_dir)
    for model in (Site, Datastore):
        model.objects.update(file_keys=[], file_name="")
    for store in config.datastores:
        _declare_datastore(store, file)
    filesets.drop(config.sites)
    kept = [link.pk for site in config.sites for link in _declare_site(site, file)]
    SiteLink.objects.exclude(file_keys=[]).exclude(pk__in=kept).delete()
    log.info("configuration applied", file=config.file, sites=len(config.sites), datastores=len(config.datastores))


class _File:
    """The configuration file and the keys it sets, those included that it sets to their defaults."""

    def __init__(self, config: Config) -> None:
        """Call it before the rows forget which keys it set before."""
        self.name = config.file or "the configuration file"
        self._before = {model: dict(model.objects.values_list("name", "file_keys")) for model in (Site, Datastore)}
        self._declared = set(config.declared)
        self._all = not config.file

    def keys(self, table: str, declared: SiteConfig | DatastoreConfig, values: Mapping[str, Any]) -> list[str]:
        """Return which keys of the row the file sets: those it names, and secrets found beside it."""
        row = f"{table}.{declared.name}"
        named = {key for key in values if self._all or f"{row}.{key}" in self._declared}
        return sorted(named | {key for key in values if key in SECRETS and values[key]})

    def dropped(self, row: Site | Datastore, keys: list[str]) -> set[str]:
        """Return which keys of the row it set before, and sets no more."""
        return set(self._before[type(row)].get(row.name, ())) - set(keys)


def _declare_datastore(store: DatastoreConfig, file: _File) -> None:
    row = Datastore.objects.filter(name=store.name).first() or Datastore()
    values = {key: getattr(store, key) for key in _KEYS}
    keys = file.keys("datastores", store, values)
    row.file_keys, row.name = [], store.name
    _set_datastore(row, {key: values[key] for key in {*keys, *file.dropped(row, keys)}})
    check_store(_configured(row))
    row.save()
    mark(row, keys, file.name)


def _declare_site(site: SiteConfig, file: _File) -> list[SiteLink]:
    row = Site.objects.filter(name=site.name).first() or Site()
    values = {field: getattr(site, field) for field in site.__struct_fields__ if field not in {"links", "filesets"}}
    values["roots"] = list(site.roots)
    keys = file.keys("sites", site, values)
    row.name = site.name
    _set_site(row, {key: values[key] for key in {*keys, *file.dropped(row, keys)}})
    mark(row, keys, file.name)
    for fileset in site.filesets:
        filesets.declare(row, fileset, file.name)
    return [_declare_link(row, link, file) for link in site.links]


def _declare_link(site: Site, link: LinkConfig, file: _File) -> SiteLink:
    path = absolute(link.site_path.encode())
    row = SiteLink.objects.filter(site=site, site_path=path).first() or SiteLink()
    store = Datastore.objects.filter(name=link.datastore).first()
    if store is None:
        raise Invalid(f"{file.name}: site {site.name} links to unknown datastore {link.datastore!r}")
    values = {"site": site, "datastore": store, "site_path": path, "datastore_path": link.datastore_path.encode()}
    row.file_keys = []
    save_link(row, values)
    mark(row, sorted(values), file.name)
    return row
