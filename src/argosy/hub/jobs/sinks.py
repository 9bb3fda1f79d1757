"""Discoveries whose findings go through no chain: they are counted, and taken by whoever wanted to know."""

from collections.abc import Callable, Sequence

from argosy.core.entry import Entry

Sink = Callable[[int, Sequence[Entry]], None]
"""Keeps, durably, what a task of a job found. It may be told the same things again."""


def _nothing(job: int, entries: Sequence[Entry]) -> None:
    """Keep nothing: what was to be done of it has been done at the site."""


_SINKS: dict[str, Sink] = {"dynamo.tasks.rebuild": _nothing}

BATCH = 500
"""Entries of the first batch of such a discovery: more than of others, since nothing waits for it."""


def add(step: str, sink: Sink) -> None:
    """Have the sink take what tasks of this kind find."""
    _SINKS[step] = sink


def of(step: str) -> Sink | None:
    """Return what takes the findings of such a task; None: chains do."""
    return _SINKS.get(step)
