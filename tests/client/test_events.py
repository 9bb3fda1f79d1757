"""Events as they are read from a stream, and jobs that are followed: a hub that answers as told."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.client import Client, Event, Tokens, following
from argosy.client.events import read
from argosy.core.errors import NotFound, Unavailable

STREAM = "/api/events/stream/"
EVENTS = {"Content-Type": "text/event-stream"}
TEXT = (
    ': beat\r\nid: e-1\r\n\r\nevent: job\nid: e-2\ndata: {"a": "\u2028 x\x85é"}\n\n: alone\n\nid: e-3\nevent: cut'
).encode()


def told(kind: str, number: int, **data: object) -> bytes:
    return f"id: e-{number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


@given(st.lists(st.integers(0, len(TEXT)), max_size=8))
def test_a_stream_reads_the_same_however_it_was_cut(places: list[int]) -> None:
    cuts = [0, *sorted(places), len(TEXT)]
    pieces = [TEXT[start:end] for start, end in pairwise(cuts)]
    assert list(read(pieces)) == [
        Event(id="e-1"),
        Event(type="job", id="e-2", data={"a": "\u2028 x\x85é"}),
    ]


class Hub:
    """Answers streams and questions, one after another; keeps what was asked."""

    def __init__(self, *streams: httpx.Response | Exception, jobs: Iterator[str]) -> None:
        self.streams, self.jobs = iter(streams), jobs
        self.asked: list[tuple[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.url.path, request.headers.get("Last-Event-ID", "")))
        if request.url.path == STREAM:
            answer = next(self.streams)
            if isinstance(answer, Exception):
                raise answer
            return answer
        state = next(self.jobs)
        if state == "away":
            raise httpx.ConnectError("refused")
        return httpx.Response(404 if state == "gone" else 200, json={"id": 7, "state": state, "detail": "no job"})

    def follow(self) -> list[str]:
        client = Client("http://hub", tokens=Tokens("a", "r"), transport=httpx.MockTransport(self))
        return [job.state.value for job in following.follow(client, 7)]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_FIRST_LOOK", 0.001)


def stream(*pieces: bytes, breaks: bool = False) -> httpx.Response:
    def content() -> Iterator[bytes]:
        yield from pieces
        if breaks:
            raise httpx.ReadError("reset by peer")

    return httpx.Response(200, headers=EVENTS, content=content())


def started(number: int) -> bytes:
    return told("job", number, id=7, state="STARTED")


def test_a_job_is_followed_by_events_and_asked_for_once_at_its_end() -> None:
    hub = Hub(stream(told("reset", 1), started(2), b": beat\nid: e-9\n\n", told("job", 10, id=7, state="SUCCESS")),
              jobs=iter(["SUCCESS"]))  # fmt: skip
    assert hub.follow() == ["STARTED", "STARTED", "SUCCESS"]
    assert hub.asked == [(STREAM, ""), ("/api/jobs/7/", "")]


def test_where_a_stream_breaks_the_job_is_asked_for_and_the_next_stream_goes_on_behind_it() -> None:
    hub = Hub(stream(told("reset", 1), started(2), breaks=True), stream(told("job", 3, id=7, state="SUCCESS")),
              jobs=iter(["STARTED", "SUCCESS"]))  # fmt: skip
    assert hub.follow() == ["STARTED", "STARTED", "SUCCESS"]
    assert [asked for asked in hub.asked if asked[0] == STREAM] == [(STREAM, ""), (STREAM, "e-2")]


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"detail": "there is nothing at this address"}),
        httpx.Response(503, json={"detail": "too many"}),
        httpx.ReadTimeout("nothing came"),
        httpx.Response(200, text="<html>\n\n"),
        httpx.Response(200, headers=EVENTS, text="data: <html>\n\n"),
    ],
)
def test_a_hub_without_streams_is_asked_again_and_again(answer: httpx.Response | Exception) -> None:
    hub = Hub(answer, answer, answer, answer, jobs=iter(["PENDING", "away", "STARTED", "SUCCESS"]))
    assert hub.follow() == ["PENDING", "STARTED", "SUCCESS"]


def test_a_job_that_is_deleted_while_it_is_followed_is_not_found() -> None:
    hub = Hub(stream(started(1), told("deleted", 2, type="job", id=7)), jobs=iter(["gone"]))
    with pytest.raises(NotFound):
        hub.follow()


def test_a_hub_that_stays_away_is_unavailable_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_ABSENCE", 0.0)
    with pytest.raises(Unavailable):
        Hub(httpx.ConnectError("refused"), jobs=iter(["away"])).follow()


def test_a_token_that_ran_out_is_replaced_before_the_stream_begins() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/auth/token/refresh/":
            return httpx.Response(200, json={"access": "new"})
        if request.headers["Authorization"] == "Bearer old":
            return httpx.Response(401, json={"detail": "run out"})
        return httpx.Response(200, headers=EVENTS, content=told("reset", 1, reason="new"))

    client = Client("http://hub", tokens=Tokens("old", "r"), transport=httpx.MockTransport(answer))
    ask: Callable[[], list[Event]] = lambda: list(client.events())  # noqa: E731
    assert [event.type for event in ask()] == ["reset"]
