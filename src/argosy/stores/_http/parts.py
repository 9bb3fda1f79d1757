"""Objects sent in parts: bounded memory, and a few parts under way at once."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from argosy.core.failpoints import failpoint
from argosy.stores.base import Source

R = TypeVar("R")

_MIB = 1 << 20
SMALLEST = 16 * _MIB
_IN_FLIGHT = 2


def part_size(size: int, *, most: int, smallest: int = SMALLEST) -> int:
    """Return how large the parts of an object are, in whole MiB, so that `most` of them suffice."""
    needed = -(-size // most)
    return max(smallest, -(-needed // _MIB) * _MIB)


def spans(size: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the parts of an object."""
    for start in range(0, size, step):
        yield start, min(start + step, size)


def send_all(source: Source, step: int, send: Callable[[int, bytes], R]) -> list[R]:
    """Call `send(number, data)` for each part, from 1 on, and return what it returned; errors are those of `send`."""
    sent: list[R] = []
    flying: deque[Future[R]] = deque()
    with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="part") as threads:
        try:
            for number, (start, end) in enumerate(spans(source.size, step), start=1):
                if len(flying) == _IN_FLIGHT:
                    sent.append(_landed(flying.popleft()))
                data = source.read(start, end - start)
                flying.append(threads.submit(send, number, data))
                del data
            sent.extend(map(_landed, flying))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return sent


def _landed(part: Future[R]) -> R:
    landed = part.result()
    failpoint("hsm:part")
    return landed
