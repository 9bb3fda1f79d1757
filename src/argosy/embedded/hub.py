"""The hub process: API, recorder and sweep, without privileges."""

import os
import socket
import sys
import tempfile
from typing import TYPE_CHECKING

import msgspec
import uvicorn

from argosy.core.errors import Denied
from argosy.embedded.child import ADMINISTRATOR, Child
from argosy.embedded.confinement import confine
from argosy.embedded.exchange import Exchange, bind
from argosy.embedded.place import Place
from argosy.embedded.user import user_of

if TYPE_CHECKING:
    from argosy.hub.events.feed import Feed

GRACE = 5
"""Seconds that requests under way may take when we are told to stop."""


def run(child: Child) -> None:
    """Answer until told to stop."""
    place = child.launch.place
    listener, exchange = bind(place.socket), Exchange(served=os.geteuid())
    give_up_privileges(place)
    child.settle()
    _serve(child, listener, exchange)


def give_up_privileges(place: Place) -> None:
    """Be the hub's user from now on, confined to its directory.

    Raises:
        Denied: that cannot be.
    """
    try:
        uid, gid = user_of(place)
        place.give_hub(uid, gid)
        with place.confinement.open("wb") as file:
            found = confine(place.hub, uid, gid)
            file.write(msgspec.json.encode(found))
    except OSError as error:
        raise Denied(f"the hub cannot give up its privileges: {error}") from error
    os.environ |= {"TMPDIR": str(place.temporary), "HOME": str(place.hub)}
    tempfile.tempdir = None


def _serve(child: Child, listener: socket.socket, exchange: Exchange) -> None:
    """Be the hub. Its modules are imported here: not before privileges are gone, not before settings are made."""
    from argosy.hub.project import boot

    password = boot.prepare(child.launch.place.hub, child.launch.config, child.launch.admin_password)
    if password:
        show(password)
    from argosy.hub.events.feed import Feed
    from argosy.hub.gc.collector import Collector
    from argosy.hub.schedules.clock import Ticker
    from argosy.hub.sync.conductor import Conductor
    from argosy.hub.sync.delivery import Delivery
    from argosy.hub.workflows import offered

    offered.begin()
    delivery, collector, ticker, feed = Delivery(exchange), Collector(), Ticker(), Feed()
    conductor = Conductor()
    feed.start()
    delivery.start()
    collector.start()
    ticker.start()
    conductor.start()
    exchange.serve(listener, delivery)
    server = Server(child, answering(feed), feed)
    server.run(sockets=[socket.socket(fileno=child.descriptors.listen)])
    feed.stop()
    exchange.stop()
    conductor.stop()
    ticker.stop()
    collector.stop()
    delivery.stop()


def show(password: str) -> None:
    """Say the password that was made up for the administrator."""
    sys.stdout.write(f"The administrator is {ADMINISTRATOR}, the password {password} (shown this once)\n")
    sys.stdout.flush()


class Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, child: Child, config: uvicorn.Config, feed: "Feed | None" = None) -> None:
        super().__init__(config)
        self._child, self._feed = child, feed

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._child.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams of events, which would last for ever, and then what else is under way."""
        if self._feed:
            self._feed.end()
        await super().shutdown(sockets)


def answering(feed: "Feed") -> uvicorn.Config:
    """Return how the API is answered."""
    from argosy.hub.project import boot

    return uvicorn.Config(
        boot.application(feed),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )
