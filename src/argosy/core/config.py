"""The configuration file, and what it may say."""

from typing import Literal

import msgspec


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[hub]`."""

    data_dir: str = "data"


class DatastoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[datastores]]`."""

    name: str
    type: Literal["S3", "GCS", "AZURE", "POSIX"]
    layout: Literal["native", "immutable"] = "native"
    bucket: str = ""
    endpoint: str = ""
    region: str = ""
    accesskeyid: str = ""
    secretaccesskey: str = ""
    secretaccesskey_file: str = ""
    path: str = ""


class LinkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[sites.links]]`."""

    site_path: str
    datastore: str
    datastore_path: str = ""


class SiteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`[[sites]]`."""

    name: str
    roots: tuple[str, ...]
    threads: int = 10
    unguarded_stubs: bool = False
    file_batch_size: int = 40
    file_batch_gb: int = 1
    links: tuple[LinkConfig, ...] = ()


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    hub: HubConfig = HubConfig()
    datastores: tuple[DatastoreConfig, ...] = ()
    sites: tuple[SiteConfig, ...] = ()
