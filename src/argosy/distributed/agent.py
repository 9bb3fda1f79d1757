"""`argosy agent`: serves one site on this node, with the privileges it was started with."""

import logging
import os
import signal
import socket
import sys
import threading
import uuid
from pathlib import Path
from typing import Final

import structlog

from argosy.agent.remote import Papers, RemoteHub
from argosy.agent.slots import SLOTS
from argosy.agent.tuning import tuned
from argosy.agent.worker import Worker
from argosy.core.config import Config
from argosy.core.errors import ArgosyError, Invalid
from argosy.distributed.start import require_nodes
from argosy.embedded.agents import GRACE
from argosy.embedded.logs import log_to_stderr
from argosy.embedded.place import Place
from argosy.embedded.supervisor import held

_AGAIN: Final = 1.0
"""Seconds between attempts to tell the hub that we begin."""

_log = structlog.get_logger(__name__)


def node_of(config: Config) -> str:
    """Return what this node is called."""
    return config.agent.node or socket.gethostname()


def serve(config: Config) -> None:
    """Serve the site of the configuration until a signal asks to stop; stop between entries.

    Raises:
        Invalid: the configuration does not say which site, hub or Redis.
        NotFound: the node has not joined.
        Exists: another agent runs on the data directory.
        Busy: one that was killed does not end.
        Denied: the data directory may not be used.
        Unsupported: this installation lacks what an agent is made of.
    """
    require_nodes()
    _require(config)
    os.umask(0o077)
    log_to_stderr("agent", logging.INFO)
    top = Path(config.hub.data_dir)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    with held(Place(top / "agent" / ".process")):
        _serve(config, top, stopping)


def _serve(config: Config, top: Path, stopping: threading.Event) -> None:
    from argosy.agent.bells import Bells

    node, site = node_of(config), config.sites[0].name
    hub = RemoteHub(config.agent.hub, Papers.in_directory(top / "agent" / "pki"))
    worker = Worker(config, top, hub, node)
    bells = Bells(config.agent.broker, site, list(SLOTS), ready=worker.ready, ring=worker.ring)
    with tuned():
        worker.start()
        if _arrive(hub, site, node, stopping):
            bells.start()
            _say(f"The agent of {site} on {node} is ready")
        stopping.wait()
        bells.stop()
        ended = worker.stop(GRACE)
    hub.close()
    if not ended:  # threads that nobody can end would be waited for
        os._exit(0)


def _arrive(hub: RemoteHub, site: str, node: str, stopping: threading.Event) -> bool:
    """Have the hub offer again what an earlier process of this node ran; False: we were told to stop before."""
    instance, told = uuid.uuid4().hex, ""
    while not stopping.is_set():
        try:
            hub.arrive(site, node, instance)
        except ArgosyError as error:
            if error.message != told:
                _log.warning("the hub does not know that we are here", reason=error.message)
            told = error.message
            stopping.wait(_AGAIN)
        else:
            return True
    return False


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _require(config: Config) -> None:
    file = config.file or "the configuration"
    if len(config.sites) != 1:
        raise Invalid(
            f"{file}: an agent serves one site, this says {len(config.sites)}: give each site a file and a data_dir"
        )
    for key, like in (("hub", "https://hub.example.org:8001"), ("redis", "rediss://redis.example.org:6379/0")):
        if not getattr(config.agent, key):
            raise Invalid(f"{file}: agent.{key} is missing: write it like {like}")
