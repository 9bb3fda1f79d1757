"""`argosy hub`."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from argosy.core.config import Config
from argosy.core.errors import Invalid, Unsupported
from argosy.embedded.child import Launch
from argosy.embedded.place import Place
from argosy.embedded.start import PASSWORD_VARIABLE, require_hub
from argosy.embedded.supervisor import Part, Supervisor, held, listen

_ROOM = "argosy.distributed"
_MAIN = "main"


def hub(config: Config, *, address: str, port: int) -> None:
    """Run the hub in the data directory of the configuration until a signal asks to stop.

    Raises:
        Exists: a port is in use, or another Argosy runs on the data directory.
        Busy: the processes of one that was killed do not end.
        Denied: data directory or port may not be used.
        Invalid: the configuration names no database or no Redis, or this machine has no such address.
        Unavailable: the hub does not start.
        Unsupported: this installation lacks the hub.
    """
    _require(config)
    place = Place(Path(config.hub.data_dir))
    password = os.environ.pop(PASSWORD_VARIABLE, None) or None
    launch = Launch(config=config, data_dir=str(place.top), admin_password=password)
    agents_port = config.hub.agents_port
    with held(place) as hold, listen(address, port) as api, listen(address, agents_port, "hub.agents_port") as agents:
        if os.geteuid() == 0:
            place.take_over()
        main = Part(name=_MAIN, grace=15.0, room=_ROOM)
        answering = [
            Part(name=f"api-{number}", grace=10.0, room=_ROOM, after=_MAIN)
            for number in range(1, config.hub.processes + 1)
        ]
        said = f"https://{_shown(address)}:{api.getsockname()[1]}, for agents at port {agents.getsockname()[1]}"
        supervisor = Supervisor(
            msgspec.json.encode(launch),
            parts=[*answering, main],
            hold=hold,
            listeners={"listen": api, "agents": agents},
            ready=f"Argosy is ready at {said}",
            awaited=[part.name for part in (main, *answering)],
        )
        supervisor.run()


def _require(config: Config) -> None:
    require_hub()
    require_nodes()
    for key, like in (("database", "postgresql://argosy@/argosy"), ("redis", "redis://127.0.0.1:6379/0")):
        if not getattr(config.hub, key):
            raise Invalid(
                f"{config.file or 'the configuration'}: hub.{key} is missing: `argosy hub` needs it, such as {like}; "
                "`argosy up` needs neither database nor Redis"
            )


def require_nodes() -> None:
    """Return where what hub and agents on many machines are made of is installed.

    Raises:
        Unsupported: it is not.
    """
    for name in ("celery", "kombu", "redis", "cryptography"):
        if name not in sys.modules and find_spec(name) is None:
            raise Unsupported(f"this needs {name}, which is not installed: pip install 'argosy[nodes]'")


def _shown(address: str) -> str:
    return f"[{address}]" if ":" in address else address
