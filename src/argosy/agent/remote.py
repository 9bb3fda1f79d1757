"""The hub on another machine: calls by HTTPS, with the certificate that says which node calls."""

import os
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from argosy.agent.calls import Answer, Caller, checked
from argosy.agent.lease import now
from argosy.core import wire
from argosy.core.errors import ArgosyError, Invalid, NotFound
from argosy.core.faults import HubAway
from argosy.core.order import Order

_PATIENCE: Final = 120.0
"""Seconds a call waits for its answer: the hub may be writing what others reported."""
_SOON: Final = 15.0
"""Seconds that one waits whose answer is worth nothing later."""
_HASTY: Final = frozenset({"renew", "present", "clock", "arrive"})
_CONNECTING: Final = 5.0
_KEPT: Final = 60.0
"""Seconds a connection is kept that nobody uses: less than the hub keeps it."""
_MOST: Final = 64
_AGAIN: Final = 1.0
_INSISTENCE: Final = 60.0
"""Seconds for which a claim is made again: by then the hub has given the task to others."""


@dataclass(frozen=True, slots=True)
class Papers:
    """Where a node has what it shows the hub, and what it knows the hub by: files in PEM form."""

    certificate: Path
    key: Path
    authority: Path

    @classmethod
    def in_directory(cls, directory: Path) -> "Papers":
        """Return those that `argosy agent join` leaves in a directory."""
        return cls(directory / "node.crt", directory / "node.key", directory / "ca.crt")

    def age(self) -> tuple[int, ...]:
        """Return what is another number when they were renewed."""
        return tuple(os.stat(file).st_mtime_ns for file in (self.certificate, self.key, self.authority))

    def context(self) -> ssl.SSLContext:
        """Return what connections are made with.

        Raises:
            NotFound: there are none yet.
            Invalid: they are none.
        """
        try:
            context = ssl.create_default_context(cafile=str(self.authority))
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
        except FileNotFoundError as error:
            where = self.certificate.parent
            raise NotFound(f"{where} holds no certificate of this node: get one with `argosy agent join`") from error
        except (ssl.SSLError, OSError) as error:
            raise Invalid(f"{self.certificate} cannot be used ({error}): join again") from error
        return context


class RemoteHub(Caller):
    """The hub at an address, for all threads of an agent. What was renewed is used from the next call on."""

    def __init__(self, address: str, papers: Papers) -> None:
        """`address`: such as `https://hub.example.org:8001`."""
        self._address = address.rstrip("/")
        self._papers = papers
        self._door = threading.Lock()
        self._closing = threading.Event()
        self._age = papers.age() if papers.certificate.exists() else ()
        self._client = self._opened()

    def close(self) -> None:
        """Claim no more. Connections end with the last who uses them: see `_current`."""
        self._closing.set()

    def claim(self, task: str, attempt: int, node: str) -> Order | None:
        """Take an attempt at a task; None: gone.

        Where the hub does not answer it is asked for a while again: it may have given it to us, and nobody else has it.
        """
        until = now() + _INSISTENCE
        take = super().claim
        while True:
            try:
                return take(task, attempt, node)
            except HubAway:
                if now() >= until or self._closing.wait(_AGAIN):
                    raise
            take = super().reclaim

    def _call(self, method: str, body: object) -> bytes:
        patience = httpx.Timeout(_SOON if method in _HASTY else _PATIENCE, connect=_CONNECTING)
        try:
            told = self._current().post(f"/api/agent/{method}/", content=wire.dump(body), timeout=patience)
        except httpx.HTTPError as error:
            raise HubAway(f"the hub cannot be reached at {self._address}: {_said(error)}") from error
        if told.status_code != httpx.codes.OK:
            raise HubAway(f"the hub at {self._address} does not answer this node: {_reason(told)}")
        return bytes(checked(wire.load(told.content, Answer)).body)

    def _current(self) -> httpx.Client:
        """Return the client; it is made anew after the certificate was renewed.

        The one before is let go of, never closed: somebody may be in the midst of a call, and TLS writes to the number
        of a descriptor, which would be that of a file by then.
        """
        with self._door:
            try:
                age = self._papers.age()
                if age != self._age:
                    self._client, self._age = self._opened(), age
            except (OSError, ArgosyError):
                pass  # they are being renewed: the old ones are good until then
            return self._client

    def _opened(self) -> httpx.Client:
        return httpx.Client(
            base_url=self._address,
            verify=self._papers.context(),
            limits=httpx.Limits(max_connections=_MOST, max_keepalive_connections=_MOST, keepalive_expiry=_KEPT),
            headers={"Content-Type": "application/json"},
            trust_env=False,
        )


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


def _reason(told: httpx.Response) -> str:
    try:
        return wire.load(told.content, Answer).message or f"status {told.status_code}"
    except ArgosyError:
        return f"status {told.status_code}"
