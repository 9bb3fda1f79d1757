"""The process: one piece of work on its input, one answer on its output, and it ends with whoever asked.

What all of the work needs is imported before the input is read: a process may be started before there is work.
"""

import ctypes
import os
import signal
import sys
from typing import Final

import msgspec

from argosy.core.errors import ArgosyError, Corrupt, Exhausted, Unavailable
from argosy.sync.rounds import committing, cutting, planning
from argosy.sync.rounds.work import Answer, Commit, Cut, Plan, Work

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Do what is asked on the standard input."""
    _end_with(int(sys.argv[1]))
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Work)
    sys.stdout.buffer.write(msgspec.json.encode(answer(asked)))


def answer(asked: Work) -> Answer:
    """Do it, and say what came of it."""
    try:
        return _done(asked)
    except ArgosyError as error:
        return Answer(error=error.code, message=error.message)
    except msgspec.MsgspecError as error:
        return Answer(error=Corrupt.code, message=f"what the round left cannot be read: {error}: sync again")
    except MemoryError:
        return Answer(error=Exhausted.code, message="there is not enough memory to plan this sync: give the hub more")
    except OSError as error:
        name = error.filename or "the hub's data directory"
        return Answer(error=Unavailable.code, message=f"{name}: {error.strerror}: see to it, and sync again")


def _done(asked: Work) -> Answer:
    match asked:
        case Plan():
            return planning.make(asked)
        case Cut():
            return cutting.cut(asked)
        case Commit():
            return committing.commit(asked)


def _end_with(parent: int) -> None:
    """Have the kernel end us when the hub ends; where it ended meanwhile, end now."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    main()
