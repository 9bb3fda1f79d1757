"""`argosy up`."""

import os
from importlib.util import find_spec
from pathlib import Path

import msgspec

from argosy.core.config import Config
from argosy.core.errors import Unsupported
from argosy.embedded.child import Launch
from argosy.embedded.place import Place
from argosy.embedded.supervisor import Part, Supervisor, held, listen

_AGENTS, _HUB = Part(name="agents", grace=30.0), Part(name="hub", grace=10.0)
PASSWORD_VARIABLE = "ARGOSY_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable


def up(config: Config, *, address: str, port: int) -> None:
    """Run Argosy in the data directory of the configuration until a signal asks to stop.

    Raises:
        Exists: the port is in use, or another Argosy runs on the data directory.
        Busy: the processes of one that was killed do not end.
        Denied: data directory or port may not be used.
        Invalid: this machine has no such address, or the data directory is none.
        Unavailable: hub or agents do not start.
        Unsupported: this installation lacks the hub.
    """
    require_hub()
    place = Place(Path(config.hub.data_dir))
    password = os.environ.pop(PASSWORD_VARIABLE, None) or None
    launch = Launch(config=config, data_dir=str(place.top), admin_password=password)
    with held(place) as hold, listen(address, port) as listener:
        if os.geteuid() == 0:
            place.take_over()
        supervisor = Supervisor(
            msgspec.json.encode(launch),
            parts=[_AGENTS, _HUB] if config.sites else [_HUB],
            hold=hold,
            listeners={"listen": listener},
            ready=f"Argosy is ready at {_url(address, listener.getsockname()[1])}",
            awaited=[_HUB.name],
        )
        supervisor.run()


def require_hub() -> None:
    """Return where what the hub is made of is installed.

    Raises:
        Unsupported: it is not.
    """
    if missing := [name for name in ("django", "rest_framework", "uvicorn") if find_spec(name) is None]:
        raise Unsupported(f"the hub needs {missing[0]}, which is not installed: pip install 'argosy[hub]'")


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
