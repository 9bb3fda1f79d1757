"""How a hub starts: prepared for one data directory, then served. One process serves one data directory."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django

from argosy.core.config import Config
from argosy.hub.project import database

if TYPE_CHECKING:
    from argosy.hub.events.feed import Feed

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


def prepare(data_dir: Path, config: Config, admin_password: str | None) -> str | None:
    """Make the hub ready: keys, tables, shipped workflows, what the configuration file says, the administrator.

    Returns the administrator's password where it had to be generated: show it once, it is kept nowhere in clear.

    Raises:
        Invalid: the configuration contradicts itself.
        NotFound, Denied, Unsupported, Unavailable: the database cannot be used; the message says why, and what to do.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    chosen = database.Database(config.hub.database, config.hub.database_password)
    with database.settled(data_dir, chosen):
        return _prepared(data_dir, config, admin_password)


def _prepared(data_dir: Path, config: Config, admin_password: str | None) -> str | None:
    _set_up(data_dir)
    from django.core.management import call_command
    from django.db import connection

    from argosy.hub.common.services import ensure_admin
    from argosy.hub.gc.services import configure
    from argosy.hub.jobs import housekeeping
    from argosy.hub.sites.services import reconcile
    from argosy.hub.workflows.installing import install_shipped

    call_command("migrate", verbosity=0, interactive=False)
    database.order_by_bytes()
    install_shipped()
    reconcile(config)
    configure(config)
    housekeeping.configure(config.hub)
    made = ensure_admin(admin_password)
    connection.close()  # this thread may never ask again, and servers have only so many
    return made


def application(feed: "Feed") -> Asgi:
    """Return the ASGI application: the API, the files of its documentation pages, and streams of events.

    Call `prepare` first.
    """
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler

    import argosy.hub.project.urls  # noqa: F401 - so that the first request does not wait for all that it imports
    from argosy.hub.common.parsers import Handler
    from argosy.hub.events.stream import Streams

    return Streams(ASGIStaticFilesHandler(Handler()), feed)


def reset_password(username: str, password: str | None) -> str:
    """Set the password, or a new one, and return it. Call `prepare` or `attach` first.

    Raises:
        NotFound: there is no such user.
    """
    from argosy.hub.common import services

    return services.reset_password(username, password)


def export_site(name: str | None) -> str:
    """Return a site, or all of them, with links and their datastores as TOML, secrets left out.

    Call `prepare` or `attach` first.

    Raises:
        NotFound: there is no such site.
    """
    from argosy.hub.sites import export

    return export.toml(name)


def attach(data_dir: Path) -> None:
    """Use the database of a hub that was prepared before, changing nothing in it.

    Raises:
        NotFound: no hub was ever prepared there.
        Denied, Unavailable: its database cannot be used; the message says why, and what to do.
    """
    from argosy.core.errors import NotFound

    if not database.exists(data_dir):
        raise NotFound(f"{data_dir} holds no hub: start it once with `argosy up`")
    if (chosen := database.at(data_dir)).url:
        database.look(chosen)
    _set_up(data_dir)


def _set_up(data_dir: Path) -> None:
    """Have Django use this directory, readable by its owner alone."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ["ARGOSY_DATA_DIR"] = str(data_dir.absolute())
    os.environ["DJANGO_SETTINGS_MODULE"] = "argosy.hub.project.settings"
    django.setup()
    from django.conf import settings

    if str(data_dir.absolute()) != settings.DATA_DIR:
        raise RuntimeError(f"this process serves {settings.DATA_DIR}: start another for {data_dir}")
