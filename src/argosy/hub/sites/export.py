"""Sites as they stand, in the words of the configuration file."""

import json
from collections.abc import Sequence
from typing import Any

from argosy.core.config import DatastoreConfig
from argosy.core.errors import NotFound
from argosy.core.paths import display
from argosy.hub.common.crypto import unseal
from argosy.hub.sites.filesets import SETTINGS
from argosy.hub.sites.models import Datastore, Fileset, Site, SiteLink

_SITE = (
    "name",
    "roots",
    "threads",
    "unguarded_stubs",
    "min_stub_size",
    "trash_days",
    "file_batch_size",
    "file_batch_gb",
)
_DATASTORE = tuple(key for key in DatastoreConfig.__struct_fields__ if hasattr(Datastore, key))


def toml(name: str | None) -> str:
    """Return the site, or all, with their links and the datastores they lead to; secrets are named and left out.

    Raises:
        NotFound: there is no such site.
    """
    sites = list(Site.objects.filter(name=name) if name is not None else Site.objects.all())
    if name is not None and not sites:
        raise NotFound(f"there is no site {name!r}: known are {', '.join(Site.objects.values_list('name', flat=True))}")
    links = list(SiteLink.objects.filter(site__in=sites).select_related("datastore"))
    stores = {link.datastore_id: link.datastore for link in links}
    return "\n".join([*map(_datastore, stores.values()), *(text for site in sites for text in _site(site, links))])


def _site(site: Site, links: Sequence[SiteLink]) -> list[str]:
    """Return the table of a site, and those of its links and filesets."""
    own = [_link(link) for link in links if link.site_id == site.pk]
    held = map(_fileset, Fileset.objects.filter(site=site))
    return [_table("[[sites]]", {key: getattr(site, key) for key in _SITE}), *own, *held]


def _datastore(store: Datastore) -> str:
    usual = DatastoreConfig(name="", type="POSIX")
    said = {key: getattr(store, key) for key in _DATASTORE}
    known = {key: value for key, value in said.items() if key == "type" or value != getattr(usual, key)}
    return _table("[[datastores]]", known, secrets=sorted(unseal(bytes(store.sealed))))


def _link(link: SiteLink) -> str:
    paths = {"site_path": bytes(link.site_path), "datastore_path": bytes(link.datastore_path)}
    table = _table(
        "[[sites.links]]",
        {
            "site_path": display(paths["site_path"]),
            "datastore": link.datastore.name,
            "datastore_path": display(paths["datastore_path"]),
        },
    )
    return _sayable(table, "link", *paths.values())


def _fileset(fileset: Fileset) -> str:
    path = bytes(fileset.path)
    said = {"name": fileset.name, "path": display(path), "snapshots": fileset.snapshots}
    usual = Fileset()
    said |= {key: getattr(fileset, key) for key in SETTINGS if getattr(fileset, key) != getattr(usual, key)}
    return _sayable(_table("[[sites.filesets]]", said), "fileset", path)


def _sayable(table: str, noun: str, *paths: bytes) -> str:
    """Return the table, as a comment where a path is not text."""
    if all(display(path).encode() == path for path in paths):
        return table
    commented = "".join(f"# {line}\n" for line in table.splitlines())
    return f"# A path of this {noun} is not UTF-8, which this file cannot say: add it by the API.\n{commented}"


def _literal(value: Any) -> str:
    """Return a string, number, truth value or list of them: TOML writes them as JSON does, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _table(header: str, values: dict[str, Any], *, secrets: Sequence[str] = ()) -> str:
    lines = [header, *(f"{key} = {_literal(value)}" for key, value in values.items())]
    lines += [f"# {key} is set and not shown" for key in secrets]
    return "\n".join(lines) + "\n"
