"""The hub process: API, recorder and sweep, without privileges."""

import os
import socket
import sys
import tempfile

import msgspec
import uvicorn

from argosy.core.errors import Denied
from argosy.embedded.child import ADMINISTRATOR, Child
from argosy.embedded.confinement import confine
from argosy.embedded.exchange import Exchange, bind
from argosy.embedded.place import Place
from argosy.embedded.user import user_of

GRACE = 5
"""Seconds that requests under way may take when we are told to stop."""


def run(child: Child) -> None:
    """Answer until told to stop."""
    place = child.launch.place
    listener, exchange = bind(place.socket), Exchange(served=os.geteuid())
    _give_up_privileges(place)
    child.settle()
    _serve(child, listener, exchange)


def _give_up_privileges(place: Place) -> None:
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
        _show(password)
    from argosy.hub.gc.collector import Collector
    from argosy.hub.jobs.delivery import Delivery

    delivery, collector = Delivery(exchange), Collector()
    delivery.start()
    collector.start()
    exchange.serve(listener, delivery)
    server = _Server(child)
    server.run(sockets=[socket.socket(fileno=child.descriptors.listen)])
    exchange.stop()
    collector.stop()
    delivery.stop()


def _show(password: str) -> None:
    sys.stdout.write(f"The administrator is {ADMINISTRATOR}, the password {password} (shown this once)\n")
    sys.stdout.flush()


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, child: Child) -> None:
        from argosy.hub.project import boot

        config = uvicorn.Config(
            boot.application(),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACE,
        )
        super().__init__(config)
        self._child = child

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._child.ready()
