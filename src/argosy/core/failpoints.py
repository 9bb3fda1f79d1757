"""Places where a test may make Argosy die, fail or wait, switched on by ARGOSY_FAILPOINTS.

`name=action[#n]`, comma separated. Actions: `kill` (SIGKILL to itself), `error` (an OSError, EIO), `sleep(s)`,
`pause` (until the file `ARGOSY_FAILPOINTS_DIR/name.go` exists). `#n`: only at the n-th hit.
"""

import errno
import os
import signal
import threading
import time
from pathlib import Path

_lock = threading.Lock()
_hits: dict[str, int] = {}


def _parse(text: str) -> dict[str, tuple[str, int | None]]:
    points: dict[str, tuple[str, int | None]] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, _, action = item.partition("=")
        action, _, number = action.partition("#")
        points[name] = (action, int(number) if number else None)
    return points


_points = _parse(os.environ.get("ARGOSY_FAILPOINTS", ""))
_directory = Path(os.environ.get("ARGOSY_FAILPOINTS_DIR", "/nonexistent"))


def failpoint(name: str) -> None:
    """Do nothing, unless the environment says otherwise of `name`. A hit is noted as `name.hit` in the directory."""
    if not _points or name not in _points:
        return
    action, wanted = _points[name]
    with _lock:
        _hits[name] = _hits.get(name, 0) + 1
        hit = _hits[name]
    if wanted is not None and hit != wanted:
        return
    if _directory.is_dir():
        (_directory / f"{name}.hit").touch()
    _act(name, action)


def _act(name: str, action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "error":
        raise OSError(errno.EIO, f"failpoint {name}")
    elif action.startswith("sleep("):
        time.sleep(float(action[6:-1]))
    elif action == "pause":
        while not (_directory / f"{name}.go").exists():
            time.sleep(0.005)
    else:
        raise ValueError(f"ARGOSY_FAILPOINTS: unknown action {action!r} for {name}")
