"""The bell of this process: how sites hear of tasks."""

from typing import Protocol


class Bell(Protocol):
    """A hint to a site that a task may be claimed. Losing one costs time, never work."""

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:
        """Tell the site. Never blocks, never raises."""


class _Silent:
    """No bell hangs: the sweep of the process that has one finds the tasks."""

    def ring(self, site: str, task: str, attempt: int, queue: str) -> None:
        """Tell nobody."""


_hung: Bell = _Silent()


def hang(bell: Bell) -> None:
    """Make this the bell of the process."""
    global _hung  # noqa: PLW0603 - a process has one bell, as it has one database
    _hung = bell


def ring(site: str, task: str, attempt: int, queue: str) -> None:
    """Ring the bell of the process."""
    _hung.ring(site, task, attempt, queue)
