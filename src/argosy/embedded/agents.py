"""The agents process: serves every site of the configuration, with the privileges it was started with."""

import gc
import os
import socket
import sys

from argosy.agent.link import LocalHub
from argosy.agent.worker import Worker
from argosy.embedded.child import Child

GRACE = 25.0
"""Seconds an entry under way may take when we are told to stop."""


SWITCH = 0.0005
"""Seconds a thread may keep the interpreter while others wait: a tenth of the usual sent 64 KiB files 8 % faster."""
OBJECTS = 10_000
"""New objects after which cycles among them are looked for; what was imported is not looked through again."""


def run(child: Child) -> None:
    """Serve the sites until told to stop; stop between entries."""
    sys.setswitchinterval(SWITCH)
    place = child.launch.place
    child.settle()
    hub = LocalHub(place.socket)
    worker = Worker(child.launch.config, place.top, hub, socket.gethostname())
    gc.freeze()
    gc.set_threshold(OBJECTS, 20, 50)
    worker.start()
    hub.listen(worker.ring)
    _tell_when_welcomed(child, hub)
    child.stopping.wait()
    ended = worker.stop(GRACE)
    hub.close()
    if not ended:  # threads that nobody can end would be waited for
        os._exit(0)


def _tell_when_welcomed(child: Child, hub: LocalHub) -> None:
    while not child.stopping.is_set():
        if hub.wait_welcomed(0.2):
            child.ready()
            return
