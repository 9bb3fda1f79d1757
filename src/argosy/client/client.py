"""The hub, called over HTTP. Tokens are refreshed as needed; errors come as ours, with the hub's words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self, TypeVar

import httpx
import msgspec

from argosy.client.shapes import Datastore, GcRun, Job, JobFile, Page, RetiredRoot, Site, Task, Tokens
from argosy.core import paths
from argosy.core.errors import (
    ArgosyError,
    Denied,
    Exhausted,
    Exists,
    Invalid,
    NotFound,
    Unavailable,
)
from argosy.core.states import TaskState

T = TypeVar("T")

KINDS: dict[int, type[ArgosyError]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: NotFound,
    409: Exists,
    413: Invalid,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: Exhausted,
}
_PAGE = 100


class Problem(msgspec.Struct, frozen=True):
    """How the hub says what is wrong."""

    detail: str = ""
    title: str = ""


class Client:
    """One hub. A context manager.

    Every call raises `Unavailable` where the hub cannot be reached, `Denied` where it does not let us, `Invalid` where
    it does not understand or accept what is asked, `NotFound`, `Exists` or `Exhausted`.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: Tokens | None = None,
        on_tokens: Callable[[Tokens], None] = lambda _: None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`on_tokens` is told of every new pair of tokens, to keep it."""
        self.url = _checked_url(url)
        self._tokens = tokens
        self._on_tokens = on_tokens
        self._http = httpx.Client(base_url=f"{self.url}/api/", timeout=30.0, transport=transport)

    def login(self, user: str, password: str) -> Tokens:
        """Log in; return the tokens and use them from now on."""
        answer = self._send("POST", "auth/token/", {"username": user, "password": password})
        return self._keep(_value(answer, Tokens))

    def sites(self) -> list[Site]:
        """Return the sites."""
        return list(self._all("sites/", Site))

    def datastores(self) -> list[Datastore]:
        """Return the datastores."""
        return list(self._all("datastores/", Datastore))

    def site(self, number: int) -> Site:
        """Return a site with its settings."""
        return _value(self._call("GET", f"sites/{number}/"), Site)

    def forget_root(self, site: str, path: str) -> None:
        """Have the hub forget a root that a site once served; `NotFound` where it waits for none such."""
        for root in self._all("retiredroots/", RetiredRoot):
            if (root.site, root.path) == (site, path):
                self._call("DELETE", f"retiredroots/{root.id}/")
                return
        raise NotFound(f"site {site} has no root {path} that it once served and does not serve any more")

    def collect(self, kind: str) -> GcRun:
        """Begin garbage collection, to `plan` or to `run` it; `Exists` where it goes on already."""
        return _value(self._call("POST", "gc/", {"kind": kind}), GcRun)

    def collection(self, number: int) -> GcRun:
        """Return a run of garbage collection as it stands."""
        return _value(self._call("GET", f"gc/{number}/"), GcRun)

    def submit(
        self,
        workflow: str,
        *,
        site: str,
        given: Sequence[bytes],
        fields: Mapping[str, Any] | None = None,
        discovery: str | None = None,
    ) -> int:
        """Run a workflow over paths at a site; return the number of the job, which has been recorded."""
        body: dict[str, Any] = {"workflow": workflow, "site": site, "paths": [paths.to_json(path) for path in given]}
        body |= {"fields": dict(fields)} if fields else {}
        body |= {"discovery": discovery} if discovery else {}
        return _value(self._call("POST", "file/workflow/", body), _Submitted).job

    def jobs(self, *, most: int | None = None) -> Iterator[Job]:
        """Yield jobs, the latest first."""
        for number, job in enumerate(self._all("jobs/", Job)):
            if most is not None and number >= most:
                return
            yield job

    def job(self, number: int) -> Job:
        """Return a job as it stands."""
        return _value(self._call("GET", f"jobs/{number}/"), Job)

    def files(self, number: int, *, category: str | None = None) -> Iterator[JobFile]:
        """Yield the files of a job, all or those of one category."""
        return self._all(f"jobs/{number}/files/", JobFile, {"category": category} if category else {})

    def waiting(self, number: int) -> str:
        """Return why tasks of a job wait for another attempt, or make one, "" where none of the first hundred does."""
        open_ = f"{TaskState.PENDING},{TaskState.STARTED}"
        unfinished = self._all("tasks/", Task, {"job_id": number, "state": open_})
        return next((task.reason for task in islice(unfinished, _PAGE) if task.reason), "")

    def cancel(self, number: int) -> None:
        """Have a job's pending tasks dropped and its running ones stop between entries."""
        self._call("POST", f"jobs/{number}/cancel/")

    def health(self) -> None:
        """Return where the hub answers."""
        self._call("GET", "health/")

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def _all(self, path: str, shape: type[T], query: Mapping[str, Any] | None = None) -> Iterator[T]:
        """Yield what is on all pages. Pages are counted here: a token goes to no address that an answer names."""
        number = 1
        while True:
            answer = self._call("GET", path, query={**(query or {}), "page": number, "page_size": _PAGE})
            page = _value(answer, Page)
            yield from (_converted(item, shape) for item in page.results)
            if not page.next:
                return
            number += 1

    def _call(
        self, method: str, path: str, body: object = None, query: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        """Call with our token; where it has run out, with a new one."""
        try:
            return self._send(method, path, body, query)
        except _Unauthorized:
            self._refresh()
            return self._send(method, path, body, query)

    def _refresh(self) -> None:
        if self._tokens is None:
            raise Denied(f"not logged in to {self.url}: run `argosy login`")
        old, self._tokens = self._tokens, None
        try:
            answer = self._send("POST", "auth/token/refresh/", {"refresh": old.refresh})
        except (_Unauthorized, Invalid) as error:
            raise Denied(f"the login to {self.url} has run out: run `argosy login`") from error
        refreshed = _value(answer, _Refreshed)
        self._keep(Tokens(access=refreshed.access, refresh=refreshed.refresh or old.refresh))

    def _keep(self, tokens: Tokens) -> Tokens:
        self._tokens = tokens
        self._on_tokens(tokens)
        return tokens

    def _send(
        self, method: str, path: str, body: object = None, query: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._tokens.access}"} if self._tokens else {}
        try:
            answer = self._http.request(method, path, json=body, params=query, headers=headers)
        except httpx.TransportError as error:
            raise Unavailable(
                f"the hub at {self.url} does not answer ({error}): is `argosy up` running there?"
            ) from error
        if answer.is_success:
            return answer
        raise self._error(answer)

    def _error(self, answer: httpx.Response) -> ArgosyError:
        try:
            problem = msgspec.json.decode(answer.content, type=Problem)
        except msgspec.MsgspecError:
            problem = Problem()
        said = problem.detail or problem.title or f"the hub at {self.url} answered {answer.status_code}"
        if answer.status_code == 401:
            return _Unauthorized(said)
        return KINDS.get(answer.status_code, ArgosyError)(said)


class _Unauthorized(Denied):
    """Our token is missing, has run out or is wrong."""


class _Submitted(msgspec.Struct, frozen=True):
    job: int


class _Refreshed(msgspec.Struct, frozen=True):
    access: str
    refresh: str | None = None


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise Invalid(f"{url!r} is not an address ({error}): give one like http://127.0.0.1:8000") from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise Invalid(f"{url!r} is not an address: give one like http://127.0.0.1:8000")
    return url.rstrip("/").removesuffix("/api")


def _value(answer: httpx.Response, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(answer.content, type=shape)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"{answer.url} did not answer as a hub does ({error}): check the address") from error


def _converted(item: Mapping[str, Any], shape: type[T]) -> T:
    try:
        return msgspec.convert(item, shape)
    except msgspec.ValidationError as error:
        raise Unavailable(f"the hub did not answer as expected ({error}): is it a newer version?") from error
