"""Streams are sent beside Django, which would keep a thread for each: it only decides who may listen to what."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from argosy.core.errors import Unavailable
from argosy.hub.common import problems
from argosy.hub.events.feed import Feed
from argosy.hub.events.listener import Asked, Listener, Send

ADMITTED = "argosy.events"
"""Where the view leaves, in the scope of the request, what may be listened to."""
BEAT = 5.0
"""Seconds without an event after which a sign of life is sent."""
_RETRY = b"retry: 2000\n\n"
"""How many milliseconds a browser waits before it comes again."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Any, Any, Any], Awaitable[None]]


class Streams:
    """Django, and the streams that its view admits: coroutines of the server's loop, without threads."""

    def __init__(self, app: App, feed: Feed) -> None:
        self._app, self._feed = app, feed

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Have Django answer; where the answer is that somebody may listen, send the stream in its place."""
        kept: list[Message] = []

        async def pass_on(message: Message) -> None:
            if ADMITTED in scope and scope["method"] == "GET":
                kept.append(message)
            else:
                await send(message)

        await self._app(scope, receive, pass_on)
        if kept:
            await self._answer(scope[ADMITTED], receive, send, kept[0])

    async def _answer(self, asked: Asked, receive: Receive, send: Send, start: Message) -> None:
        try:
            listener = self._feed.join(asked)
        except Unavailable as error:
            await _refuse(send, error)
            return
        gone = asyncio.create_task(_leave_with(receive, listener))
        try:
            await send({**start, "headers": [*_kept(start), (b"content-type", b"text/event-stream")]})
            await self._send_on(listener, send)
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            if not listener.ended:
                raise  # it was not us who wanted this to be broken off
        finally:
            gone.cancel()
            self._feed.leave(listener)

    async def _send_on(self, listener: Listener, send: Send) -> None:
        """Send what there is, wait for more, until somebody ends it."""
        await listener.send(send, _RETRY)
        while not listener.ended and (left := listener.asked.until - time.time()) > 0:
            if piece := self._feed.news(listener):
                await listener.send(send, piece)
            elif not await listener.news(min(BEAT, left)):
                await listener.send(send, self._feed.beat(listener))


def _kept(start: Message) -> list[tuple[bytes, bytes]]:
    """Return the headers of Django's answer, but for those that speak of its body."""
    return [header for header in start["headers"] if not header[0].lower().startswith(b"content-")]


async def _leave_with(receive: Receive, listener: Listener) -> None:
    """End the listener when his connection does."""
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end()


async def _refuse(send: Send, error: Unavailable) -> None:
    document = problems.problem(503, code=error.code, detail=error.message)
    headers = [(b"content-type", problems.CONTENT_TYPE.encode()), (b"retry-after", b"30")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})
