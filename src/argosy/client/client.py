"""The hub, called over HTTP. Tokens are refreshed as needed; errors come as ours, with the hub's words."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import msgspec

from argosy.client.conflicts import Conflict
from argosy.client.events import Event, read
from argosy.client.explained import JobTold, PathTold
from argosy.client.plans import Plan
from argosy.client.schedules import Begun, Schedule, Subscription
from argosy.client.shapes import Datastore, Fileset, GcRun, Health, Job, JobFile, Page, RetiredRoot, Site, Task, Tokens
from argosy.client.syncs import Sync, Undo
from argosy.client.workflows import Plugin, Tried, Workflow
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
_SILENCE = 15.0
"""Seconds without a sign of life after which a stream is taken for broken; the hub gives one every five."""


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

    def filesets(self, site: str | None = None) -> list[Fileset]:
        """Return the filesets; those of a site once it has said what lies there, `Unavailable` where it does not."""
        return list(self._all("filesets/", Fileset, None if site is None else {"site": site}))

    def add_fileset(self, site: str, name: str, path: bytes, *, snapshots: str) -> Fileset:
        """Register a fileset; return it."""
        body = {"site": site, "name": name, **paths.to_json(path), "snapshots": snapshots}
        return _value(self._call("POST", "filesets/", body), Fileset)

    def set_fileset(self, number: int, **values: float | None) -> Fileset:
        """Change settings of a fileset; return it."""
        return _value(self._call("PATCH", f"filesets/{number}/", values), Fileset)

    def remove_fileset(self, number: int) -> None:
        """Give a fileset up; what its site keeps of it stays there."""
        self._call("DELETE", f"filesets/{number}/")

    def adopt_fileset(self, number: int) -> None:
        """Have the site take what lies at the top of a fileset for it; `filesets` tells what came of it."""
        self._call("POST", f"filesets/{number}/adopt/")

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

    def collect(self, kind: str, *, take_over: bool = False) -> GcRun:
        """Begin garbage collection, to `plan` or to `run` it; `Exists` where it goes on already.

        `take_over`: objects that bear the seal of another hub, or of a key that was lost, count as this hub's.
        """
        return _value(self._call("POST", "gc/", {"kind": kind, "take_over": take_over}), GcRun)

    def collection(self, number: int) -> GcRun:
        """Return a run of garbage collection as it stands."""
        return _value(self._call("GET", f"gc/{number}/"), GcRun)

    def submit(
        self,
        workflow: str,
        *,
        site: str,
        given: Sequence[bytes],
        state: str = "",
        fields: Mapping[str, Any] | None = None,
        discovery: str | None = "",
        patterns: Mapping[str, Any] | None = None,
        dry_run: bool = False,
    ) -> int:
        """Run a workflow over paths at a site; return the number of the job, which has been recorded.

        `discovery`: how entries are found; None: the paths themselves are taken; "": as the workflow has it.
        `state`: what the paths are given with; `patterns`: `include`, `exclude`, `ignore_site_includes` and
        `ignore_site_excludes`, as the API has them. With `dry_run` the job is a plan: it changes nothing.
        """
        also = {"state": state} if state else {}
        body: dict[str, Any] = {
            "workflow": workflow,
            "site": site,
            "paths": [paths.to_json(path) | also for path in given],
            **(patterns or {}),
        }
        body |= {"fields": dict(fields)} if fields else {}
        body |= {} if discovery == "" else {"discovery": discovery}
        body |= {"dry_run": True} if dry_run else {}
        return _value(self._call("POST", "file/workflow/", body), _Submitted).job

    def workflows(self) -> Iterator[Workflow]:
        """Yield the workflows, by name."""
        return self._all("workflows/", Workflow)

    def workflow(self, name: str) -> Workflow:
        """Return a workflow by its name, or else by its id; `NotFound` where there is none."""
        known = list(self.workflows())
        found = [one for one in known if one.name == name] or [one for one in known if str(one.id) == name]
        if not found:
            raise NotFound(f"there is no workflow {name!r}: known are {', '.join(one.name for one in known)}")
        return found[0]

    def create_workflow(self, definition: Mapping[str, Any]) -> Workflow:
        """Record a workflow; `Invalid` names each place of the definition that is not well."""
        return _value(self._call("POST", "workflows/", definition), Workflow)

    def change_workflow(self, number: int, definition: Mapping[str, Any]) -> Workflow:
        """Set the keys that are given, and leave the others."""
        return _value(self._call("PATCH", f"workflows/{number}/", definition), Workflow)

    def delete_workflow(self, number: int) -> None:
        """Remove a workflow; `Exists` where it comes with Argosy."""
        self._call("DELETE", f"workflows/{number}/")

    def reset_workflow(self, number: int) -> Workflow:
        """Make a workflow what the release says that it came with; `Exists` where it came with none."""
        return _value(self._call("POST", f"workflows/{number}/reset/"), Workflow)

    def try_workflow(self, asked: Mapping[str, Any]) -> Tried:
        """Return what a workflow would do with paths; nothing is done."""
        return _value(self._call("POST", "workflows/test/", asked), Tried)

    def steps(self) -> Iterator[Plugin]:
        """Yield the steps that workflows may name."""
        return self._all("steps/", Plugin)

    def discoveries(self) -> Iterator[Plugin]:
        """Yield the discoveries that workflows may name."""
        return self._all("discoveries/", Plugin)

    def schedules(self) -> Iterator[Schedule]:
        """Yield the schedules, by name."""
        return self._all("schedules/", Schedule)

    def schedule(self, name: str) -> Schedule:
        """Return a schedule by its name, or else by its id; `NotFound` where there is none."""
        known = list(self.schedules())
        found = [one for one in known if one.name == name] or [one for one in known if str(one.id) == name]
        if not found:
            raise NotFound(f"there is no schedule {name!r}: known are {', '.join(one.name for one in known) or 'none'}")
        return found[0]

    def add_schedule(self, values: Mapping[str, Any]) -> Schedule:
        """Record a schedule."""
        return _value(self._call("POST", "schedules/", values), Schedule)

    def change_schedule(self, number: int, values: Mapping[str, Any]) -> Schedule:
        """Set the keys that are given, and leave the others."""
        return _value(self._call("PATCH", f"schedules/{number}/", values), Schedule)

    def remove_schedule(self, number: int) -> None:
        """Remove a schedule; its jobs go on, and stay."""
        self._call("DELETE", f"schedules/{number}/")

    def run_schedule(self, number: int) -> Begun:
        """Begin a run of a schedule at once; `Exists` where one goes on."""
        return _value(self._call("POST", f"schedules/{number}/run/"), Begun)

    def subscriptions(self, schedule: int) -> Iterator[Subscription]:
        """Yield what is subscribed to a schedule, by the names of the workflows."""
        return self._all(f"schedules/{schedule}/workflows/", Subscription)

    def subscribe(self, schedule: Schedule, workflow: str, fields: Mapping[str, Any]) -> Subscription:
        """Have a workflow run when the schedule does."""
        body = {"site": schedule.site, "workflow": workflow, "fields": fields}
        return _value(self._call("POST", f"schedules/{schedule.id}/workflows/", body), Subscription)

    def unsubscribe(self, schedule: int, number: int) -> None:
        """Have it run no more when the schedule does."""
        self._call("DELETE", f"schedules/{schedule}/workflows/{number}/")

    def jobs(
        self,
        *,
        most: int | None = None,
        states: Sequence[str] = (),
        workflow: str | None = None,
        path: bytes | None = None,
    ) -> Iterator[Job]:
        """Yield jobs, the latest first: all, or those in these states, of a workflow, or given paths that begin so."""
        query = {"state": ",".join(states), "jobtype": workflow}
        query |= {} if path is None else paths.to_json(path, "input_paths_prefix")
        found = self._all("jobs/", Job, {key: value for key, value in query.items() if value})
        for number, job in enumerate(found):
            if most is not None and number >= most:
                return
            yield job

    def job(self, number: int) -> Job:
        """Return a job as it stands."""
        return _value(self._call("GET", f"jobs/{number}/"), Job)

    def files(self, number: int, *, category: str | None = None) -> Iterator[JobFile]:
        """Yield the files of a job, all or those of one category."""
        return self._all(f"jobs/{number}/files/", JobFile, {"category": category} if category else {})

    def download(self, number: int, *, kind: str, category: str | None = None) -> Iterator[bytes]:
        """Yield the files of a job as one file of JSON or CSV, piece by piece; it is whole if nothing is raised."""
        query = {"file_format": kind} | ({"category": category} if category else {})
        try:
            yield from self._stream(f"jobs/{number}/files/download/", query)
        except _Unauthorized:
            self._refresh()
            yield from self._stream(f"jobs/{number}/files/download/", query)

    def _stream(self, path: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        with self._reachable(), self._http.stream("GET", path, params=query, headers=self._authorization()) as answer:
            if not answer.is_success:
                answer.read()
                raise self._error(answer)
            yield from answer.iter_bytes()

    def tasks(self, number: int, *, states: Sequence[str] = ()) -> Iterator[Task]:
        """Yield the tasks of a job, in the order they were made: all, or those in these states."""
        query: dict[str, Any] = {"job_id": number} | ({"state": ",".join(states)} if states else {})
        return self._all("tasks/", Task, query)

    def waiting(self, number: int) -> str:
        """Return what the last attempt of tasks met that wait for another, or make one; "" where that says nothing.

        The first hundred tasks are looked at. What else a job may wait for, `explain_job` tells.
        """
        open_ = f"{TaskState.PENDING},{TaskState.STARTED}"
        unfinished = self._all("tasks/", Task, {"job_id": number, "state": open_})
        return next((task.reason for task in islice(unfinished, _PAGE) if task.reason), "")

    def explain_job(self, number: int) -> JobTold:
        """Return why a job waits, and what of it failed and why."""
        return _value(self._call("GET", f"jobs/{number}/explain/"), JobTold)

    def explain_path(self, path: bytes, *, site: str | None = None) -> PathTold:
        """Return what became of a path, and what keeps it now; at one site, or at all whose roots hold it."""
        query = paths.to_json(path) | ({"site": site} if site else {})
        return _value(self._call("GET", "file/explain/", query=query), PathTold)

    def plan(self, number: int) -> Plan:
        """Return what a plan says; `NotFound` where the job is none."""
        return _value(self._call("GET", f"jobs/{number}/plan/"), Plan)

    def apply(self, number: int) -> int:
        """Have a plan applied; return the number of the job that does it. `Exists` where it is not complete."""
        return _value(self._call("POST", f"jobs/{number}/apply/"), _Submitted).job

    def syncs(self) -> Iterator[Sync]:
        """Yield the syncs, the newest first."""
        return self._all("syncs/", Sync)

    def sync(self, number: int) -> Sync:
        """Return the sync that is a job; `NotFound` where it is none."""
        return _value(self._call("GET", f"syncs/{number}/"), Sync)

    def base(self, one: str, two: str, into: Path) -> bool:
        """Write to a file what two filesets, by their ids, agree on in this order; False: they never agreed.

        It is what was known when it was asked for: a sync that ends meanwhile replaces it.
        """
        try:
            answer = self._call("GET", "syncs/base/", query={"one": one, "two": two})
        except NotFound:
            return False
        into.write_bytes(answer.content)
        return True

    def clock(self) -> int:
        """Return what time it is at the hub, ns since 1970."""
        return _value(self._call("GET", "clock/"), _Clock).now_ns

    def confirm(self, number: int) -> int:
        """Have the sync done that a guard refused; return the number of the job that does it.

        `Exists` where nothing was refused, or it was confirmed already.
        """
        return _value(self._call("POST", f"jobs/{number}/confirm/"), Job).id

    def undo(self, number: int) -> Undo:
        """Have a plan made that gives back what a sync took; `Exists` while it goes on, or where it took nothing."""
        return _value(self._call("POST", f"jobs/{number}/undo/"), Undo)

    def conflicts(self, *, state: str = "", job: int | None = None, site: str = "") -> Iterator[Conflict]:
        """Yield the conflicts that syncs met, the newest first; `state`: of these states alone, with commas between."""
        asked = {"state": state, "job_id": "" if job is None else str(job), "site": site}
        return self._all("conflicts/", Conflict, {name: value for name, value in asked.items() if value})

    def conflict(self, number: int) -> Conflict:
        """Return a conflict; `NotFound` where there is none."""
        return _value(self._call("GET", f"conflicts/{number}/"), Conflict)

    def keep(self, number: int, version: str) -> Conflict:
        """Have `this`, the `other` version or `both` be kept of a conflict; return it: its job does that.

        `Exists` where it is settled otherwise already, or no site can do it.
        """
        return _value(self._call("POST", f"conflicts/{number}/keep/", {"version": version}), Conflict)

    def unlock(self, fileset: int) -> int:
        """Have the lock of a fileset released; return the job that does it. `Exists` where its holder is at work."""
        return _value(self._call("POST", f"filesets/{fileset}/unlock/"), Job).id

    def cancel(self, number: int) -> None:
        """Have a job's pending tasks dropped and its running ones stop between entries."""
        self._call("POST", f"jobs/{number}/cancel/")

    def resubmit(self, number: int, *, only_failed: bool = False) -> Job:
        """Have a job done again, or what of it failed or was aborted; return the new job.

        While the job has not ended nothing happens, and it is returned itself.
        """
        return _value(self._call("POST", f"jobs/{number}/resubmit/", {"only_failed": only_failed}), Job)

    def delete_job(self, number: int) -> None:
        """Have a job removed; `Exists` while it has not ended."""
        self._call("DELETE", f"jobs/{number}/")

    def events(
        self, *, types: Sequence[str] = (), jobs: Sequence[int] = (), after: str = ""
    ) -> Generator[Event, None, None]:
        """Yield what the hub tells until it ends the stream: of these types, of these jobs, or of all.

        `after`: the id of the last event that was read; where what came behind it is not known any more, and where
        there was none, the first event is a `reset`: load anew what you show. The hub ends streams when it stops
        and when the login runs out: call again.
        """
        query = {"types": ",".join(types), "job_id": ",".join(map(str, jobs))}
        query = {key: value for key, value in query.items() if value}
        try:
            yield from self._listen(query, after)
        except _Unauthorized:
            self._refresh()
            yield from self._listen(query, after)

    def _listen(self, query: Mapping[str, str], after: str) -> Iterator[Event]:
        headers = self._authorization() | ({"Last-Event-ID": after} if after else {})
        timeout = httpx.Timeout(30.0, read=_SILENCE)
        with (
            self._reachable(),
            self._http.stream("GET", "events/stream/", params=query, headers=headers, timeout=timeout) as answer,
        ):
            if not answer.is_success:
                answer.read()
                raise self._error(answer)
            try:
                _check_is_stream(answer)
                yield from read(answer.iter_bytes())
            except msgspec.MsgspecError as error:
                raise _no_hub(answer, error) from error

    def health(self) -> Health:
        """Return how hub and sites are."""
        return _value(self._call("GET", "health/"), Health)

    def close(self) -> None:
        """Let go of the connections; no other thread may be in the midst of a call, or of reading events."""
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
        with self._reachable():
            answer = self._http.request(method, path, json=body, params=query, headers=self._authorization())
        if answer.is_success:
            return answer
        raise self._error(answer)

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens.access}"} if self._tokens else {}

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise Unavailable(
                f"the hub at {self.url} does not answer ({error}): is `argosy up` running there?"
            ) from error

    def _error(self, answer: httpx.Response) -> ArgosyError:
        try:
            problem = msgspec.json.decode(answer.content, type=Problem)
        except msgspec.MsgspecError as error:
            return _no_hub(answer, error)
        said = problem.detail or problem.title or f"the hub at {self.url} answered {answer.status_code}"
        if answer.status_code == 401:
            return _Unauthorized(said)
        return KINDS.get(answer.status_code, ArgosyError)(said)


class _Unauthorized(Denied):
    """Our token is missing, has run out or is wrong."""


class _Submitted(msgspec.Struct, frozen=True):
    job: int


class _Clock(msgspec.Struct, frozen=True):
    now_ns: int


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
        raise _no_hub(answer, error) from error


def _check_is_stream(answer: httpx.Response) -> None:
    kind = answer.headers.get("Content-Type", "")
    if not kind.startswith("text/event-stream"):
        raise msgspec.DecodeError(f"it is {kind or 'of no type'}, and no stream of events")


def _no_hub(answer: httpx.Response, error: Exception) -> Unavailable:
    told = error if answer.is_success else f"{answer.status_code} {answer.reason_phrase}".rstrip()
    return Unavailable(f"{answer.url} did not answer as a hub does ({told}): is `argosy up` running at that address?")


def _converted(item: Mapping[str, Any], shape: type[T]) -> T:
    try:
        return msgspec.convert(item, shape)
    except msgspec.ValidationError as error:
        raise Unavailable(f"the hub did not answer as expected ({error}): is it a newer version?") from error
