"""The REST client against a hub that answers as told: `httpx.MockTransport`."""

import json
from collections.abc import Callable

import httpx
import pytest

from argosy.client import Client, Tokens
from argosy.core.errors import ArgosyError, Denied, Exhausted, Exists, Invalid, NotFound, Unavailable

Answer = Callable[[httpx.Request], httpx.Response]


def client(answer: Answer, *, tokens: Tokens | None = None, kept: list[Tokens] | None = None) -> Client:
    seen = kept if kept is not None else []
    return Client(
        "http://hub:8000/", tokens=tokens or Tokens("old", "again"), on_tokens=seen.append,
        transport=httpx.MockTransport(answer),
    )  # fmt: skip


def problem(status: int, detail: str) -> httpx.Response:
    return httpx.Response(
        status, json={"type": "urn:argosy:problem:x", "title": "T", "status": status, "detail": detail}
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid), (403, Denied), (404, NotFound), (409, Exists), (413, Invalid), (500, ArgosyError),
        (502, Unavailable), (503, Unavailable), (507, Exhausted),
    ],
)  # fmt: skip
def test_a_problem_comes_as_an_error_of_its_kind_in_the_words_of_the_hub(status: int, kind: type[ArgosyError]) -> None:
    with pytest.raises(ArgosyError) as raised:
        client(lambda _: problem(status, "because of that")).job(1)
    assert type(raised.value) is kind
    assert raised.value.message == "because of that"


@pytest.mark.parametrize("status", [200, 401, 404, 405, 502])
def test_an_answer_that_is_no_hubs_is_told_as_such(status: int) -> None:
    with pytest.raises(
        Unavailable, match=r"http://hub:8000/\S+ did not answer as a hub does .*: is `argosy up`"
    ) as raised:
        client(lambda _: httpx.Response(status, text="<html>")).job(1)
    assert (str(status) in raised.value.message) == (status != 200)


def test_a_hub_that_cannot_be_reached_is_unavailable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(Unavailable, match="is `argosy up` running there"):
        client(refuse).job(1)


def test_an_access_token_that_ran_out_is_replaced_kept_and_the_call_repeated() -> None:
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(f"{request.url.path} {request.headers.get('Authorization', '')}")
        if request.url.path == "/api/auth/token/refresh/":
            return httpx.Response(200, json={"access": "new"})
        if request.headers["Authorization"] == "Bearer old":
            return problem(401, "token has run out")
        return httpx.Response(200, json={"id": 7, "state": "SUCCESS"})

    kept: list[Tokens] = []
    with client(answer, kept=kept) as hub:
        assert hub.job(7).id == 7
    assert kept == [Tokens("new", "again")]
    assert calls == ["/api/jobs/7/ Bearer old", "/api/auth/token/refresh/ ", "/api/jobs/7/ Bearer new"]


def test_a_refresh_token_that_ran_out_asks_for_a_login() -> None:
    with pytest.raises(Denied, match="run `argosy login`"):
        client(lambda _: problem(401, "no")).job(7)


def test_without_a_login_one_is_asked_for() -> None:
    with pytest.raises(Denied, match="run `argosy login`"):
        Client("http://hub", transport=httpx.MockTransport(lambda _: problem(401, "no"))).job(7)


def test_wrong_passwords_are_told_in_the_words_of_the_hub() -> None:
    with pytest.raises(Denied, match="no active account"):
        client(lambda _: problem(401, "no active account")).login("a", "b")


def test_every_page_is_read_and_no_address_of_an_answer_is_followed() -> None:
    hosts: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        page = int(request.url.params["page"])
        more = "http://evil/steal" if page < 3 else None
        return httpx.Response(
            200, json={"count": 3, "next": more, "results": [{"path": f"/{page}", "state": "failed"}]}
        )

    with client(answer) as hub:
        assert [file.path for file in hub.files(1, category="failed")] == ["/1", "/2", "/3"]
    assert set(hosts) == {"hub"}


def test_paths_of_any_bytes_are_submitted_exactly() -> None:
    sent: list[object] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(201, json={"job": 9})

    with client(answer) as hub:
        assert (
            hub.submit("send", site="london", given=[b"/a", b"/\xff"], fields={"x": True}, discovery="recursive") == 9
        )
    assert sent == [
        {
            "workflow": "send", "site": "london", "fields": {"x": True}, "discovery": "recursive",
            "paths": [{"path": "/a"}, {"path": "/\ufffd", "path_b64": "L/8="}],
        }
    ]  # fmt: skip


def test_keys_that_are_not_known_are_left_alone() -> None:
    with client(lambda _: httpx.Response(200, json={"id": 1, "state": "STARTED", "brand_new": {}})) as hub:
        assert not hub.job(1).ended


@pytest.mark.parametrize("url", ["hub:8000", "ftp://hub", "http://", "x", "http://[::"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="is not an address"):
        Client(url)


def test_tokens_are_not_shown() -> None:
    assert "again" not in repr(Tokens("old", "again"))


def test_why_tasks_wait_is_asked_of_those_that_have_not_ended() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query.decode())
        return httpx.Response(200, json={"results": [{"reason": ""}, {"reason": "the store is down"}], "next": None})

    assert client(answer).waiting(7) == "the store is down"
    assert asked == ["job_id=7&state=PENDING%2CSTARTED&page=1&page_size=100"]
