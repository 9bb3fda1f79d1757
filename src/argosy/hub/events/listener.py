"""One who listens: what for, how far he has come, and how the thread that makes events wakes him."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, MutableMapping
from contextlib import suppress
from typing import Any

import msgspec

from argosy.hub.common.changes import Kind
from argosy.hub.events.pictures import Picture
from argosy.hub.events.recent import Event

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to hear, who was found to be allowed to."""

    kinds: frozenset[Kind]
    jobs: frozenset[int] | None = None
    """Only of these jobs; None: of all."""
    after: str = ""
    """Id of the last event that he has; "": none."""
    until: float
    """When his login ends, in seconds of the epoch."""
    user: int
    login: Hashable
    """The same for all who showed what stands or falls together."""
    allowed: Callable[[], bool]
    """Asks the database whether he still is allowed to."""
    narrowed: bool
    """Whether he does not see all there is."""
    sees: Callable[[Kind, Collection[int]], frozenset[int]]
    """Asks the database which of some rows he sees."""

    def may_have(self, event: Event) -> bool:
        """Say whether it is of something that he sees."""
        return not self.narrowed or self.user in event.seen_by

    def wants(self, picture: Picture) -> bool:
        """Say whether it is one of those that were asked for: the hub's own jobs are by their number alone."""
        if picture.kind not in self.kinds:
            return False
        return not picture.own if self.jobs is None else picture.job in self.jobs


class Listener:
    """Holds a number and no events: who reads slowly, or not at all, costs the hub nothing more."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.position = 0
        """Number of the last event he was sent, or had no use for."""
        self.reset = ""
        """Why he has to load anew what he shows, until he has been told; "": he has not."""
        self.ended = False
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._woken = asyncio.Event()
        self._sends = False

    def wake(self) -> None:
        """Have him look for news. From any thread."""
        with suppress(RuntimeError):  # his loop has ended, and he with it
            self._loop.call_soon_threadsafe(self._woken.set)

    def end(self) -> None:
        """Have him leave, in the middle of what he does not read if need be. From any thread."""
        self.ended = True
        self.wake()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._break_off)

    def _break_off(self) -> None:
        if self._sends and self._task is not None:
            self._task.cancel()

    async def send(self, send: Send, text: bytes) -> None:
        """Send a piece of the stream; where he does not read, that lasts until he does or has to leave."""
        self._sends = True
        try:
            await send({"type": "http.response.body", "body": text, "more_body": True})
        finally:
            self._sends = False

    async def news(self, seconds: float) -> bool:
        """Wait until he is woken; False: he was not, in so many seconds."""
        try:
            await asyncio.wait_for(self._woken.wait(), seconds)
        except TimeoutError:
            return False
        self._woken.clear()
        return True
