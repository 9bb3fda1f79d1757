"""What answers agents: calls by HTTPS, from nodes that show a certificate of the hub's, each for its own site."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Protocol

import structlog
import uvicorn
from django.db import connection
from uvicorn.protocols.http.h11_impl import H11Protocol

from argosy.agent.calls import LARGEST, Answer, answered, method_of
from argosy.agent.hub import Hub
from argosy.core import wire
from argosy.core.errors import ArgosyError, Denied, Invalid
from argosy.distributed.guard import Guard

CALLS: Final = 32
"""Calls that are answered at once: each waits for the recorder most of the time."""
KEPT: Final = 120
"""Seconds a connection is kept that nobody uses: longer than agents keep it, so that none is closed under a call."""
_PREFIX: Final = "/api/agent/"
_GRACE: Final = 5

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Identity(Protocol):
    """Which node shows a certificate."""

    @property
    def site(self) -> str:
        """Its site."""

    @property
    def node(self) -> str:
        """Its name."""


Authorise = Callable[[bytes], Identity]
"""Say whose certificate (DER) it is; raises `Denied` where it counts no more, or never did."""


class Agents:
    """The application. Whatever a call asks for is looked at before it is done: no node acts for another site."""

    def __init__(self, hub: Hub, authorise: Authorise) -> None:
        self._hub = hub
        self._authorise = authorise
        self._guard = Guard()
        self._pool = ThreadPoolExecutor(CALLS, "agents")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, shown = scope.get("path", ""), scope.get("argosy.certificate") or b""
        body = await _body(receive)
        if scope.get("method") != "POST":
            status, answer = 405, Answer(error=Invalid.code, message="only POST is answered here")
        elif body is None:
            status, answer = 413, Answer(error=Invalid.code, message=f"more than {LARGEST} bytes")
        else:
            status, answer = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._answer, path, shown, body
            )
        await _send(send, status, wire.dump(answer))

    def _answer(self, path: str, certificate: bytes, body: bytes) -> tuple[int, Answer]:
        try:
            try:
                node = self._authorise(certificate)
            except ArgosyError as error:
                _log.warning("node refused", reason=error.message)
                return 401, Answer(error=error.code, message=error.message)
            name = path.removeprefix(_PREFIX).removesuffix("/")
            if not path.startswith(_PREFIX):
                return 404, Answer(error=Invalid.code, message="calls of agents go to /api/agent/METHOD/")
            return 200, answered(partial(self._called, name, node, body))
        except Exception:  # noqa: BLE001 - whatever it was, the agents are to be answered
            _log.exception("call failed")
            return 503, Answer(error="unavailable", message="the hub failed: its log says how")
        finally:
            connection.close()  # back to the pool: this thread may not be needed again for long

    def _called(self, name: str, node: Identity, body: bytes) -> object:
        method = method_of(name)
        asked = wire.load(body, method.body)
        try:
            self._guard.check(node.site, node.node, asked)
        except Denied as error:
            _log.warning("call refused", site=node.site, node=node.node, method=name, reason=error.message)
            raise
        return method.act(self._hub, asked)


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request; None where it is too large."""
    pieces, length = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        length += len(pieces[-1])
        if length > LARGEST:
            return None
        if not message.get("more_body"):
            return b"".join(pieces)


async def _send(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Certified(H11Protocol):
    """Tells the application which certificate the other end has shown."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the certificate."""
        super().connection_made(transport)
        secured = transport.get_extra_info("ssl_object")
        certificate = secured.getpeercert(binary_form=True) if secured else None
        answer = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["argosy.certificate"] = certificate
            await answer(scope, receive, send)

        self.app = app


def answering(app: Agents, context: ssl.SSLContext) -> uvicorn.Config:
    """Return how the application is served to whoever shows a certificate that the context believes."""
    config = uvicorn.Config(
        app,
        http=_Certified,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEPT,
        timeout_graceful_shutdown=_GRACE,
    )
    config.load()
    config.ssl = context
    return config
