"""Runs that end in the middle: a child process applies a plan, and dies at a named point, or has the power cut."""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from argosy.core import failpoints
from tests.sync.executor.pair import RealPair, Round
from tests.verbs.task import cut_power

POINTS = ("stage", "before_apply", "park", "unpark", "publish", "exchange", "trash", "after_apply")
_DIE_WITH_PARENT = 1


def forked(act: Callable[[], None]) -> bool:
    """Have a child do it; say whether it came to an end, and was not killed."""
    child = os.fork()
    if not child:
        try:
            ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
            act()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, it ends here and is told
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the child ended with {status}"
    return status == 0


def arm(points: dict[str, tuple[str, int | None]]) -> None:
    """Switch these failpoints on; what was hit of them before does not count."""
    failpoints._points, failpoints._hits = points, {}


def switch_on(point: str, hit: int, *, power: Path | None = None) -> None:
    """Die at that hit of the point; with the power of a mounted disk."""
    arm({f"sync:{point}": ("cut" if power else "kill", hit)})
    usual = failpoints._act
    if power is not None:
        failpoints._act = lambda name, action: cut_power(str(power)) if action == "cut" else usual(name, action)


def survives(pair: RealPair, made: Round, point: str, hit: int, *, power: Path | None = None) -> bool:
    """Apply the plan in a child that dies at that hit of the point; say whether there were fewer, and it did not."""

    def act() -> None:
        switch_on(point, hit, power=power)
        pair.sync(made)

    return forked(act)


def cut_after(pair: RealPair, made: Round, told: Path, outcomes: int, *, power: Path) -> list[int]:
    """Apply the plan in a child, cut the power when so many operations were told of; return their numbers."""

    def act() -> None:
        with told.open("wb") as file:

            def watch() -> None:
                every = [*made.outcomes[0], *made.outcomes[1]]
                file.write(msgspec.msgpack.encode(every[-1].number).hex().encode() + b"\n")
                file.flush()
                if len(every) == outcomes:
                    cut_power(str(power))

            pair.watch = watch
            pair.sync(made)

    assert not forked(act), "there were fewer outcomes"
    return [msgspec.msgpack.decode(bytes.fromhex(line)) for line in told.read_text().split()]
