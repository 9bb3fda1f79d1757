"""Forks an agent for each line on its input: `run DIRECTORY` answers its process, `wait PROCESS` how it ended."""

import contextlib
import ctypes
import os
import signal
import sys
import traceback
from pathlib import Path

import msgspec

from argosy.core.errors import Invalid
from argosy.steps.base import STEPS
from argosy.stores.base import STORES
from tests.verbs.task import Task, perform

_DIE_WITH_PARENT = 1


def fork(directory: Path) -> int:
    """Return the process of an agent that does the task in the directory."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        _redirect(directory)
        perform(msgspec.json.decode((directory / "task").read_bytes(), type=Task))
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it ends here and is told
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _redirect(directory: Path) -> None:
    errors = os.open(directory / "errors", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(errors, descriptor)
    os.dup2(os.open("/dev/null", os.O_RDONLY), 0)


def ended(process: int) -> int:
    """Return how the process ended: its status, negative for the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main() -> None:
    """Serve until the input ends."""
    for step in ("migrate", "recall", "reverse_stub", "delete_paths_from_gpfs", "move_paths_on_gpfs"):
        with contextlib.suppress(Invalid):
            STEPS.get(f"dynamo.tasks.{step}")  # imported here, once
    STORES.get("posix")
    while words := sys.stdin.readline().split(maxsplit=1):
        verb, what = words[0], words[1].strip()
        print(fork(Path(what)) if verb == "run" else ended(int(what)), flush=True)


if __name__ == "__main__":
    main()
