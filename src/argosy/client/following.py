"""A job followed to its end: the hub tells what changes, and is asked where that breaks off."""

import time
from collections.abc import Iterator
from contextlib import closing

import msgspec

from argosy.client.client import Client
from argosy.client.events import Event
from argosy.client.shapes import Job
from argosy.core.errors import NotFound, Unavailable

_FIRST_LOOK, _LOOKS = 0.1, 1.0
"""Seconds between questions: short at first, for short jobs."""
_ABSENCE = 60.0
"""Seconds the hub may be away while a job is followed."""
_UNHEARD = 60.0
"""Seconds until a stream is tried again that could not be opened, or told nothing: something on the way keeps it."""


def follow(client: Client, number: int) -> Iterator[Job]:
    """Yield the job as it stands, at each change and every few seconds, until it has ended.

    Raises:
        NotFound: there is no such job, or no longer.
        Denied: the hub does not let us, or not any more.
        Unavailable: the hub was away for a minute.
    """
    following = _Following(client, number)
    while True:
        yield from following.told()
        if following.ended:
            return
        yield from following.asked()
        if following.ended:
            return


class _Following:
    """What is known of the job, and of the way on which it is known."""

    def __init__(self, client: Client, number: int) -> None:
        self._client, self._number = client, number
        self._job: Job | None = None
        self._after = ""
        self._heard = time.monotonic()
        self._stream_due = 0.0
        self._pause = _FIRST_LOOK

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self._job is not None and self._job.ended

    def told(self) -> Iterator[Job]:
        """Yield the job as events tell of it, until it has ended or the stream has."""
        if time.monotonic() < self._stream_due:
            return
        self._stream_due = time.monotonic() + _UNHEARD
        try:
            with closing(self._client.events(types=["job"], jobs=[self._number], after=self._after)) as events:
                for event in events:
                    self._note(event)
                    if self.ended or event.type == "deleted":
                        break
                    if self._job is not None:
                        yield self._job
            if self.ended:
                yield self._whole()
        except (Unavailable, NotFound, msgspec.MsgspecError):
            pass  # it is asked for instead; an older hub has no events

    def _note(self, event: Event) -> None:
        self._stream_due, self._heard = 0.0, time.monotonic()
        self._after = event.id or self._after
        if event.type == "job":
            self._job = msgspec.convert(event.data, Job)

    def asked(self) -> Iterator[Job]:
        """Yield the job as the hub answers, if it does, and wait a while."""
        try:
            yield self._whole()
        except Unavailable:
            if time.monotonic() - self._heard > _ABSENCE:
                raise
        if not self.ended:
            time.sleep(self._pause)
            self._pause = min(_LOOKS, self._pause * 1.5)

    def _whole(self) -> Job:
        """Ask for the job, with what events do not tell."""
        self._job = self._client.job(self._number)
        self._heard = time.monotonic()
        return self._job
