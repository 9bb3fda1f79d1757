"""What a hub does again and again, each in a thread of its own."""

import threading
from collections.abc import Callable
from typing import Final

import structlog
from django.db import OperationalError, connection

log = structlog.get_logger()

GRACE: Final = 5.0
"""Seconds that what is under way may take when it is told to stop; to break it off is harmless."""


class Duty:
    """Something that is done until it is told to end. Whatever goes wrong with it is logged, and it is done again."""

    def __init__(self, name: str, do: Callable[[], float], *, later: float, grace: float | None = GRACE) -> None:
        """`do` returns after how many seconds it is to be done again; where it raises, it is after `later`.

        `grace`: how long `stop` waits for what is under way; None: until it is done.
        """
        self._do = do
        self._later = later
        self._grace = grace
        self._after = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name=name, daemon=True)

    @property
    def is_ended(self) -> bool:
        """Whether it was told to end."""
        return self._stopped.is_set()

    def is_alive(self) -> bool:
        """Say whether it began, and has not come to its end."""
        return self._thread.is_alive()

    def start(self, *, after: float = 0.0) -> None:
        """Begin, in so many seconds."""
        self._after = after
        self._thread.start()

    def end(self) -> None:
        """Do it no more. Does not wait."""
        self._stopped.set()

    def stop(self) -> None:
        """End, and wait for what is under way; harmless where it never began."""
        self.end()
        if self._thread.is_alive():
            self._thread.join(self._grace)

    def _go_on(self) -> None:
        wait = self._after
        while not self._stopped.wait(wait):
            try:
                wait = self._do()
            except Exception as error:
                wait = self._later
                connection.close()  # a server that went away and came back needs another
                if isinstance(error, OperationalError):  # of the database, not of ours
                    log.warning("put off", duty=self._thread.name, error=str(error).strip())
                else:
                    log.exception("put off", duty=self._thread.name)
        connection.close()
