"""The agents process: serves every site of the configuration, with the privileges it was started with."""

import os
import socket

from argosy.agent.link import LocalHub
from argosy.agent.tuning import tuned
from argosy.agent.worker import Worker
from argosy.embedded.child import Child

GRACE = 25.0
"""Seconds an entry under way may take when we are told to stop."""


def run(child: Child) -> None:
    """Serve the sites until told to stop; stop between entries."""
    place = child.launch.place
    child.settle()
    hub = LocalHub(place.socket)
    worker = Worker(child.launch.config, place.top, hub, socket.gethostname())
    with tuned():
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
