"""What hub and agents process have in common: what they are told, and that they never outlive the supervisor."""

import logging
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from argosy.core.config import Config
from argosy.core.errors import ArgosyError, Unavailable
from argosy.embedded.confinement import die_with_parent
from argosy.embedded.logs import log_to_stderr
from argosy.embedded.place import Place

ADMINISTRATOR = "admin"
AWAY = 75
"""Exit status of a child that cannot start because something that it needs does not answer: it may yet."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor tells its children; secrets included, so it travels in memory only."""

    config: Config
    data_dir: str
    admin_password: str | None = None

    @property
    def place(self) -> Place:
        """The data directory."""
        return Place(Path(self.data_dir))


class Descriptors(msgspec.Struct, frozen=True, kw_only=True):
    """What a child inherits."""

    launch: int
    """A file in memory: `Launch` as JSON."""
    life: int
    """Ends when the supervisor does."""
    status: int
    """Where to say `<name>` and a newline once ready."""
    listen: int
    """The socket the API answers on."""
    hold: int
    """The lock that says a child lives."""
    agents: int = -1
    """The socket on which agents of other machines are answered, where there are any."""


class Child:
    """This process, as the supervisor's child."""

    def __init__(self, name: str, descriptors: Descriptors) -> None:
        self.name = name
        self.descriptors = descriptors
        self.launch = _told(descriptors.launch)
        self.stopping = threading.Event()

    def settle(self) -> None:
        """Stop at SIGTERM; end at once when the supervisor has."""
        signal.signal(signal.SIGTERM, lambda *_: self.stopping.set())
        die_with_parent()
        threading.Thread(target=_end_with, args=(self.descriptors.life,), name="life", daemon=True).start()

    def ready(self) -> None:
        """Tell the supervisor."""
        os.write(self.descriptors.status, f"{self.name}\n".encode())


def main(name: str, descriptors: str, run: Callable[[Child], None]) -> int:
    """Be the child called `name` until told to stop; return the exit status."""
    os.umask(0o077)
    os.chdir("/")
    log_to_stderr(name, logging.INFO)
    _open_many()
    child = Child(name, msgspec.json.decode(descriptors, type=Descriptors))
    die_with_parent()
    try:
        run(child)
    except ArgosyError as error:
        sys.stderr.write(f"argosy: {name}: {error.message}\n")
        return AWAY if isinstance(error, Unavailable) else 1
    return 0


def _open_many() -> None:
    """Let this process hold as many files open as it may: batches hold theirs, and who listens to events a socket."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _told(descriptor: int) -> Launch:
    return msgspec.json.decode(os.pread(descriptor, os.fstat(descriptor).st_size, 0), type=Launch)


def _end_with(life: int) -> None:
    os.read(life, 1)
    os._exit(1)
