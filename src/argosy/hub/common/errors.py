"""Errors that only the hub knows."""

from typing import ClassVar

from argosy.core.errors import ArgosyError, Unavailable


class Conflict(ArgosyError):
    """The state of things forbids it: the configuration file declares it, or something still needs it."""

    code: ClassVar[str] = "conflict"


class TimedOut(Unavailable):
    """A site did not answer in time what was asked of it."""

    code: ClassVar[str] = "timeout"
