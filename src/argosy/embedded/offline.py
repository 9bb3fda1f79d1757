"""What the administrator does with a hub's database on its machine, whether the hub runs or not."""

import logging
import os
from pathlib import Path

from argosy.core.errors import Denied, NotFound
from argosy.embedded.confinement import confine
from argosy.embedded.logs import log_to_stderr
from argosy.embedded.place import Place
from argosy.embedded.user import nobodies


def reset_password(data_dir: Path, user: str, password: str | None) -> str:
    """Set the password, or a new one; return it.

    Raises:
        NotFound: there is no such user, or no hub in the directory.
        Denied: the directory cannot be read.
    """
    _attach(data_dir)
    from argosy.hub.project import boot

    return boot.reset_password(user, password)


def export_site(data_dir: Path, name: str | None) -> str:
    """Return a site, or all of them, as they stand, as TOML without secrets.

    Raises:
        NotFound: there is no such site, or no hub in the directory.
        Denied: the directory cannot be read.
    """
    _attach(data_dir)
    from argosy.hub.project import boot

    return boot.export_site(name)


def _attach(data_dir: Path) -> None:
    """Use the hub's database as the hub process does, so that what is written stays the hub's."""
    place = Place(data_dir.absolute())
    if not place.top.exists():
        raise NotFound(f"{data_dir} does not exist: name the hub's data directory with --data-dir")
    if not os.access(place.hub, os.R_OK | os.W_OK | os.X_OK):
        raise Denied(f"{data_dir} holds no hub that you may change: use sudo, or name another with --data-dir")
    owner = _owner(place.hub)
    os.umask(0o077)
    log_to_stderr("offline", logging.WARNING)
    confine(place.hub, *owner)
    from argosy.hub.project import boot

    boot.attach(place.hub)


def _owner(directory: Path) -> tuple[int, int]:
    found = directory.stat()
    if os.geteuid() == 0 and found.st_uid in {0, *nobodies()}:
        raise Denied(f"{directory} has no user of its own yet: start Argosy on it once, which gives it one")
    return found.st_uid, found.st_gid
