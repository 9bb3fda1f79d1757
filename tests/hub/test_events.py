"""Live events over real HTTP: a hub in this process, served as it is served everywhere."""

import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import uvicorn
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from argosy.client import Client, Event, Tokens
from argosy.hub.common import changes, sight
from argosy.hub.events.feed import Feed
from argosy.hub.events.recent import Recent
from argosy.hub.events.tickets import Ticket
from argosy.hub.gc import services as collection
from argosy.hub.gc.models import Run
from argosy.hub.jobs.ledger import Ledger
from argosy.hub.jobs.models import Job, Task
from argosy.hub.jobs.services import cancel
from argosy.hub.project import boot
from argosy.hub.sites import services
from argosy.hub.sites.models import Site
from tests.argosy_up import until
from tests.hub.fake import file, fresh, start

pytestmark = pytest.mark.usefixtures("two_sites")
ENDED = {"SUCCESS", "FAILURE", "SKIPPED", "CANCELLED"}


class Served:
    """The hub, served by a thread."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = listener.getsockname()[1]
        self.readers: list[Reader] = []
        config = uvicorn.Config(
            boot.application(feed), log_config=None, lifespan="off", access_log=False, timeout_graceful_shutdown=2
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)

    def __enter__(self) -> Self:
        self.feed.start()
        self.thread.start()
        until(lambda: self.server.started, what="served")
        return self

    def __exit__(self, *error: object) -> None:
        self.feed.stop()
        for reader in self.readers:
            reader.ended.wait(10)
            reader.client.close()
        self.server.should_exit = True
        self.thread.join(30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, token: str = "", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"{self.url}/api/{path}", headers=headers, timeout=30, **more)


class Reader:
    """Reads a stream in a thread, and keeps what was told."""

    def __init__(self, served: Served, token: str, *, after: str = "", **asked: Any) -> None:
        self.client = Client(served.url, tokens=Tokens(token, ""))
        served.readers.append(self)
        self.told: list[Event] = []
        self.ended = threading.Event()
        self._events = self.client.events(after=after, **asked)
        threading.Thread(target=self._read, daemon=True).start()
        self.await_(lambda: self.told or self.ended.is_set())

    def _read(self) -> None:
        with suppress(Exception):
            for event in self._events:
                self.told.append(event)
        self.ended.set()

    def await_(self, so: Any, seconds: float = 20) -> Any:
        return until(so, seconds=seconds, what=f"told: {self.told}")

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.told if event.type == kind]

    def last(self, kind: str = "job") -> dict[str, Any]:
        found = self.of(kind)
        return found[-1].data if found else {}

    def job(self, job: Job) -> dict[str, Any]:
        """Return what was told last of a job."""
        return next((event.data for event in reversed(self.of("job")) if event.data["id"] == job.pk), {})

    @property
    def id(self) -> str:
        return next(event.id for event in reversed(self.told) if event.id)


@contextmanager
def serving(**more: Any) -> Iterator[Served]:
    with Served(Feed(**more)) as served:
        yield served


@pytest.fixture
def hub() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture
def ann() -> Iterator[User]:
    user = User.objects.create_user("ann", password="a long password")
    yield user
    user.delete()


def ended(reader: Reader, job: Job) -> bool:
    return any(event.data["id"] == job.pk and event.data["state"] in ENDED for event in reader.of("job"))


def counted(job: Job, n: int = 1) -> None:
    """Count another file of the job, as the recorder does it."""
    with transaction.atomic():
        ledger = Ledger(timezone.now())
        ledger.count(job.pk, numfiles=n)
        ledger.write()


def plug(served: Served, token: str, query: str = "") -> socket.socket:
    """Ask for a stream and read nothing of it."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect(("127.0.0.1", served.port))
    one.sendall(f"GET /api/events/stream/{query} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return one


@pytest.mark.parametrize(
    ("query", "status", "named"),
    [
        ("?types=job,nonsense", 400, "nonsense"),
        ("?job_id=x", 400, "job_id"),
        ("?job_id=987654", 404, "there is no job 987654"),
        (f"?job_id={','.join(map(str, range(101)))}", 400, "job_id"),
        ("?ticket=nonsense", 401, "/api/events/ticket/"),
    ],
)
def test_what_cannot_be_listened_to_is_refused_in_words(hub, token, query, status, named):
    answer = hub.get(f"events/stream/{query}", "" if "ticket" in query else token)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert named in answer.json()["detail"]


def test_nobody_listens_without_a_token_that_stands(hub, ann):
    old = AccessToken.for_user(ann)
    old.set_exp(lifetime=-timedelta(seconds=1))
    other = AccessToken.for_user(ann)
    other["hash_password"] = "of another password"
    for shown in ("", "nonsense", str(old), str(other)):
        assert hub.get("events/stream/", shown).status_code == 401
        assert hub.get("events/ticket/", shown).status_code == 401


def test_a_browser_that_accepts_nothing_but_events_is_answered_with_them_or_with_a_problem(hub, token):
    only = {"Accept": "text/event-stream"}
    assert httpx.get(f"{hub.url}/api/events/stream/", headers=only).status_code == 401
    with httpx.stream(
        "GET", f"{hub.url}/api/events/stream/", headers={**only, "Authorization": f"Bearer {token}"}
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert "no-cache" in answer.headers["Cache-Control"]


def test_a_stream_begins_with_a_reset_and_tells_of_a_job_what_the_list_of_jobs_shows(hub, token, agent):
    reader = Reader(hub, token)
    reader.await_(lambda: reader.of("reset"))
    assert reader.last("reset") == {"reason": "new"}
    agent.tree = [file("/srv/london/projects/a", 3)]
    job = start("premigrate")
    agent.run()
    reader.await_(lambda: ended(reader, job))
    (shown,) = hub.get("jobs/", token).json()["results"]
    assert {**reader.last(), "url": f"{hub.url}{reader.last()['url']}"} == shown


def test_tasks_are_told_as_the_list_of_tasks_shows_them_and_those_of_other_jobs_are_not(hub, token, agent):
    agent.tree = [file("/srv/london/projects/a")]
    other, job = start("premigrate"), start("premigrate")
    reader = Reader(hub, token, types=["task"], jobs=[job.pk])
    agent.run()
    assert fresh(other).state == "SUCCESS"
    wanted = {str(task.taskid) for task in Task.objects.filter(job=job)}
    done = lambda: {event.data["taskid"] for event in reader.of("task") if event.data["state"] == "SUCCESS"}  # noqa: E731
    reader.await_(lambda: done() == wanted)
    assert {event.data["job"] for event in reader.of("task")} == {job.pk}
    assert {event.type for event in reader.told} <= {"", "reset", "task"}
    shown = {task["taskid"]: task for task in hub.get("tasks/", token).json()["results"]}
    last = reader.last("task")
    assert {**last, "url": f"{hub.url}{last['url']}"} == shown[last["taskid"]]


def test_sites_are_told_when_they_change_and_when_they_go(hub, token):
    reader = Reader(hub, token, types=["site"])
    site = services.save_site(Site(), {"name": "york", "roots": ["/srv/york"]})
    reader.await_(lambda: reader.last("site").get("name") == "york")
    shown = hub.get(f"sites/{site.pk}/", token).json()
    assert {**reader.last("site"), "url": f"{hub.url}{reader.last('site')['url']}"} == shown
    services.delete(site)
    reader.await_(lambda: reader.of("deleted"))
    assert reader.last("deleted") == {"type": "site", "id": shown["id"]}


def test_a_thousand_changes_are_a_few_events_and_the_last_is_exact(hub, token):
    job = start("premigrate")
    reader = Reader(hub, token, types=["job"])
    began = timezone.now()
    for _ in range(1000):
        counted(job)
    took = (timezone.now() - began).total_seconds()
    reader.await_(lambda: reader.job(job).get("numfiles") == 1000)
    assert len(reader.of("job")) <= 4 * took + 3
    assert fresh(job).numfiles == 1000


def test_what_is_rolled_back_is_not_told(hub, token):
    undone, done = start("premigrate"), start("premigrate")
    reader = Reader(hub, token, types=["job"])
    with transaction.atomic():
        counted(undone)
        transaction.set_rollback(True)
    counted(done)
    reader.await_(lambda: reader.job(done).get("numfiles") == 1)
    assert reader.job(undone).get("numfiles", 0) == 0
    assert hub.feed._changes.take(changes.Kind.JOB) == set()


def test_who_comes_again_gets_what_he_missed_and_no_reset(hub, token):
    job, other = start("premigrate"), start("premigrate")
    first = Reader(hub, token, types=["job"])
    counted(job)
    first.await_(lambda: first.job(job).get("numfiles") == 1)
    after, _ = first.id, first.client.close()
    counted(job)
    counted(other)
    cancel(other.pk)
    again = Reader(hub, token, types=["job"], after=after)
    again.await_(lambda: ended(again, other) and len(again.of("job")) > 1)
    assert not again.of("reset")
    assert again.job(job)["numfiles"] == 2


@pytest.mark.parametrize("after", ["00000000-1", "nonsense", "-", "0-99999999999999999999999", "é-²"])
def test_an_id_of_another_hub_or_of_none_is_told_to_load_anew_and_named_jobs_as_they_are(hub, token, after):
    job = start("premigrate")
    query = {"types": "job", "job_id": job.pk, "last_event_id": after}
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.stream("GET", f"{hub.url}/api/events/stream/", params=query, headers=headers) as answer:
        text = ""
        for piece in answer.iter_text():
            text += piece
            if "event: job" in text and text.endswith("\n\n"):
                break
    assert text.index('{"reason":"gone"}') < text.index(f'"id":{job.pk}')


def test_an_id_that_was_never_given_is_told_to_load_anew(hub, token):
    era = Reader(hub, token).id.partition("-")[0]
    reader = Reader(hub, token, after=f"{era}-999999")
    reader.await_(lambda: reader.of("reset"))
    assert reader.last("reset") == {"reason": "gone"}


def test_who_stayed_away_too_long_is_told_to_load_anew(token):
    jobs = [start("premigrate") for _ in range(3)]
    with serving() as served:
        served.feed._recent[changes.Kind.JOB] = Recent(most=2)
        first = Reader(served, token, types=["job"])
        first.await_(lambda: first.id)
        after, _ = first.id, first.client.close()
        watching = Reader(served, token, types=["job"])
        for job in jobs:
            counted(job)
            watching.await_(lambda: watching.job(job).get("numfiles") == 1)  # noqa: B023 - it is called here
        again = Reader(served, token, types=["job"], after=after)
        again.await_(lambda: again.of("reset"))
        assert again.last("reset") == {"reason": "gone"}


def test_more_changes_than_are_kept_apart_are_told_as_a_reset_never_as_nothing(hub, token):
    reader = Reader(hub, token, types=["task"])
    changes.note(changes.Kind.TASK, range(10**6, 10**6 + changes.MOST + 1))
    reader.await_(lambda: len(reader.of("reset")) == 2)
    assert reader.last("reset") == {"reason": "gone"}


def test_to_cancel_a_job_is_told_of_its_tasks_and_has_nobody_begin_anew(hub, token):
    job, other = start("premigrate"), start("premigrate")
    reader, elsewhere = Reader(hub, token, jobs=[job.pk]), Reader(hub, token, jobs=[other.pk])
    for one in (reader, elsewhere):
        one.await_(lambda: one.of("job"))  # noqa: B023 - it is called here
    cancel(job.pk)
    reader.await_(lambda: ended(reader, job) and reader.last("task").get("state") == "CANCELLED")
    counted(other)
    elsewhere.await_(lambda: elsewhere.job(other).get("numfiles") == 1)
    assert [len(one.of("reset")) for one in (reader, elsewhere)] == [1, 1]


def test_everybody_hears_of_the_jobs_that_the_api_lists_for_him_and_of_no_others(hub, token, ann):
    reader = Reader(hub, str(AccessToken.for_user(ann)), types=["job"])
    job = start("premigrate")
    run = collection.begin(Run.Kind.PLAN)
    assert run.job is not None
    named = Reader(hub, token, types=["job"], jobs=[run.job])
    named.await_(lambda: named.last().get("id") == run.job)
    counted(job)
    reader.await_(lambda: reader.job(job).get("numfiles") == 1)
    listed = {shown["id"] for shown in hub.get("jobs/", str(AccessToken.for_user(ann))).json()["results"]}
    assert {event.data["id"] for event in reader.of("job")} == listed == {job.pk}


def test_the_tasks_of_a_job_of_the_hubs_own_are_told_to_who_names_it_alone(hub, token):
    reader = Reader(hub, token, types=["task"])
    run, job = collection.begin(Run.Kind.PLAN), start("premigrate")
    assert run.job is not None
    named = Reader(hub, token, types=["task"], jobs=[run.job])
    named.await_(lambda: named.of("reset"))
    with transaction.atomic():
        changes.note(changes.Kind.TASK, Task.objects.values_list("pk", flat=True))
    named.await_(lambda: named.of("task"))
    reader.await_(lambda: reader.of("task"))
    assert {event.data["job"] for event in named.of("task")} == {run.job}
    assert {event.data["job"] for event in reader.of("task")} == {job.pk}


def test_who_comes_first_is_told_once_to_load_what_he_shows_whatever_happened_before(token):
    own = changes.Changes()
    with serving(changes=own) as served:
        own.many(changes.Kind.JOB)
        reader = Reader(served, token, types=["job"])
        job = start("premigrate")
        own.add(changes.Kind.JOB, [job.pk])
        reader.await_(lambda: reader.job(job))
        assert [event.data for event in reader.of("reset")] == [{"reason": "new"}]


def test_who_missed_what_nobody_knows_is_told_so_when_another_comes(token):
    own = changes.Changes()
    with serving(changes=own) as served:
        first = Reader(served, token, types=["job"])
        first.await_(lambda: first.id)
        after, _ = first.id, first.client.close()
        until(lambda: not served.feed._listeners, what="gone")
        own.many(changes.Kind.JOB)
        Reader(served, token, types=["job"]).await_(lambda: served.feed._listeners)
        again = Reader(served, token, types=["job"], after=after)
        again.await_(lambda: again.of("reset"))
        assert again.last("reset") == {"reason": "gone"}


def test_who_may_no_longer_is_put_out_while_he_listens(token, ann):
    with serving(recheck=0.1) as served:
        reader, other = Reader(served, str(AccessToken.for_user(ann))), Reader(served, token)
        ann.is_active = False
        ann.save()
        reader.await_(reader.ended.is_set)
        assert not other.ended.is_set()


def test_who_may_no_longer_is_put_out_though_events_cannot_be_made(token, ann):
    own = changes.Changes()
    with serving(recheck=0.1, changes=own) as served:
        reader = Reader(served, str(AccessToken.for_user(ann)), types=["site"])
        own.add(changes.Kind.SITE, ["no number"])  # type: ignore[list-item]  # a question that the database refuses
        ann.is_active = False
        ann.save()
        reader.await_(reader.ended.is_set)


def test_a_change_does_not_put_off_the_look_whether_all_still_may():
    feed = Feed(changes=changes.Changes(), recheck=1.5)
    feed.start()
    before = feed._checked
    until(lambda: feed._checked > before)
    looked = feed._checked
    until(lambda: time.monotonic() > looked + 1.3)
    feed._due.set()
    until(lambda: feed._checked > looked)
    feed.stop()
    assert feed._checked - looked < 2.5


def test_who_reads_nothing_is_put_out_all_the_same_when_his_login_has_run_out(ann):
    short = AccessToken.for_user(ann)
    short.set_exp(lifetime=timedelta(seconds=4))
    jobs = [start("premigrate") for _ in range(30)]
    Job.objects.update(fields={"text": "x" * 120_000})
    with serving(recheck=0.2) as served, plug(served, str(short), "?types=job"):
        until(served.feed._present, what="listening")
        for job in jobs:
            counted(job)
        until(lambda: any(listener._sends for listener in served.feed._present()), what="stuck")
        until(lambda: not served.feed._present(), seconds=20, what="put out")


def test_a_stream_ends_with_the_login(hub, ann):
    short = AccessToken.for_user(ann)
    short.set_exp(lifetime=timedelta(seconds=2))
    reader = Reader(hub, str(short))
    reader.await_(reader.ended.is_set)


def test_a_ticket_opens_a_stream_for_a_minute_and_nothing_else(hub, token):
    answer = httpx.post(f"{hub.url}/api/events/ticket/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201
    assert set(answer.json()) == {"ticket", "expires_in"}
    ticket = answer.json()["ticket"]
    with httpx.stream("GET", f"{hub.url}/api/events/stream/", params={"ticket": ticket}) as stream:
        assert stream.status_code == 200
        pieces = stream.iter_text()
        assert "event: reset" in next(pieces) + next(pieces)
    assert hub.get("jobs/", ticket).status_code == 401
    assert hub.get(f"jobs/?ticket={ticket}").status_code == 401
    assert hub.get(f"events/stream/?ticket={token}").status_code == 401
    late = Ticket.for_user(User.objects.get(username="admin"))
    late.set_exp(lifetime=-timedelta(seconds=1))
    assert hub.get(f"events/stream/?ticket={late}").status_code == 401


def test_one_too_many_is_refused_and_may_come_when_another_has_gone(token):
    with serving(most=2) as served:
        one, other = plug(served, token), plug(served, token)
        until(lambda: len(served.feed._present()) == 2)
        answer = served.get("events/stream/", token)
        assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
        assert "2 listen to events already" in answer.json()["detail"]
        one.close()
        until(lambda: len(served.feed._present()) == 1)
        assert Reader(served, token).told
        other.close()


def test_streams_end_in_order_when_the_hub_does(token):
    with serving() as served:
        one = plug(served, token)
        until(served.feed._present, what="listening")
        served.feed.end()
        one.settimeout(20)
        read = b""
        while piece := one.recv(65536):
            read += piece
            if read.endswith(b"0\r\n\r\n"):
                break
        assert read.endswith(b"0\r\n\r\n")
        until(lambda: not served.feed._present())
        assert served.get("events/stream/", token).status_code == 503


def test_two_hundred_listen_at_once_without_a_thread_or_much_memory_for_each(hub, token):
    job = start("premigrate")
    threads = threading.active_count()
    with crowd(hub, token):
        pass  # what Python keeps of two hundred requests at once is the same whatever they ask for
    memory = resident()
    with crowd(hub, token) as plugs:
        until(lambda: threading.active_count() <= threads + 2, what="no more threads than before")
        cancel(job.pk)
        heard: dict[socket.socket, bytes] = dict.fromkeys(plugs, b"")
        until(lambda: all(b'"CANCELLED"' in text for text in read_some(heard).values()), what="all heard of it")
        assert resident() - memory < 20 << 20
    assert threading.active_count() <= threads + 2


@contextmanager
def crowd(served: Served, token: str) -> Iterator[list[socket.socket]]:
    """Two hundred who listen for jobs, gone at the end."""
    plugs = [plug(served, token, "?types=job") for _ in range(200)]
    try:
        until(lambda: len(served.feed._present()) == 200, what="all listen")
        yield plugs
    finally:
        for one in plugs:
            one.close()
    until(lambda: not served.feed._present(), what="all are gone")


def read_some(heard: dict[socket.socket, bytes]) -> dict[socket.socket, bytes]:
    ready, _, _ = select.select(list(heard), [], [], 0.1)
    for one in ready:
        heard[one] += one.recv(1 << 16)
    return heard


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_who_does_not_read_costs_a_buffer_and_keeps_nobody_waiting(hub, token):
    jobs = [start("premigrate") for _ in range(30)]
    Job.objects.update(fields={"text": "x" * 120_000})
    slow, quick = plug(hub, token, "?types=job"), Reader(hub, token, types=["job"])
    until(lambda: len(hub.feed._present()) == 2)
    with slow:
        for number in range(1, 4):
            for job in jobs:
                counted(job)
            quick.await_(lambda: all(quick.job(job).get("numfiles") == number for job in jobs))  # noqa: B023 - called here
        held = [one.transport.get_write_buffer_size() for one in hub.server.server_state.connections]
        assert 0 < max(held) < 512 << 10
        slow.settimeout(20)
        text = b""
        while text.count(b'"numfiles":3,') < len(jobs):
            text += slow.recv(1 << 20)
    assert text.count(b"event: job") < 3 * len(jobs)  # he is spared what was outdated when he came to it


def test_events_hold_no_line_end_whatever_is_in_a_job(hub, token):
    job = start("premigrate")
    text = "a\nb\r\n\u2028\u0085 data: x\n\nevent: job"
    Job.objects.filter(pk=job.pk).update(fields={"text": text})
    reader = Reader(hub, token, types=["job"], jobs=[job.pk])
    reader.await_(lambda: reader.of("job"))
    assert reader.last()["fields"] == {"text": text}
    assert json.loads(json.dumps(reader.last())) == reader.last()


@pytest.mark.parametrize("what", ["deactivated", "new password", "reset password", "deleted"])
@pytest.mark.parametrize("by", ["token", "ticket"])
def test_who_is_put_out_of_the_hub_loses_his_open_stream(token, what, by):
    with serving(recheck=0.1) as hub:
        loses(hub, token, what, by)


def test_he_loses_it_within_seconds(hub, token):
    loses(hub, token, "deactivated", "token")


def loses(hub: Served, token: str, what: str, by: str) -> None:
    ann = User.objects.create_user("ann", password="a long password")
    access = str(AccessToken.for_user(ann))
    if by == "ticket":
        got = httpx.post(f"{hub.url}/api/events/ticket/", headers={"Authorization": f"Bearer {access}"})
        query, headers = {"ticket": got.json()["ticket"]}, {}
    else:
        query, headers = {}, {"Authorization": f"Bearer {access}"}
    other = Reader(hub, token)
    url = f"{hub.url}/api/events/stream/"
    try:
        with httpx.stream("GET", url, params=query, headers=headers, timeout=20) as answer:
            pieces = answer.iter_text()
            next(pieces)
            began = time.monotonic()
            put_out(ann, what)
            for _ in pieces:
                assert time.monotonic() - began < 10
            assert time.monotonic() - began < 10
        assert httpx.get(url, params=query, headers=headers).status_code == 401
        assert not other.ended.is_set()
    finally:
        User.objects.filter(username="ann").delete()


def put_out(user: User, what: str) -> None:
    if what == "deactivated":
        User.objects.filter(pk=user.pk).update(is_active=False)
    elif what == "new password":
        user.set_password("another long password")
        user.save()
    elif what == "reset password":
        boot.reset_password(user.username, None)
    else:
        user.delete()


@pytest.fixture
def his_alone(monkeypatch, ann):
    """Of jobs and their tasks ann sees her own; sites nobody sees but others."""

    def shown(user, rows):
        if user.pk != ann.pk:
            return rows
        own = {Job: {"owner": user}, Task: {"job__owner": user}}
        return rows.filter(**own[rows.model]) if rows.model in own else rows.none()

    monkeypatch.setattr(sight, "shown", shown)


@pytest.mark.usefixtures("his_alone")
def test_whatever_narrows_what_somebody_can_get_narrows_what_he_is_told(hub, token, ann):
    hers = str(AccessToken.for_user(ann))
    others, own = start("premigrate"), start("premigrate")
    Job.objects.filter(pk=own.pk).update(owner=ann)
    his, all_of_it = Reader(hub, hers), Reader(hub, token)
    for job in (others, own):
        cancel(job.pk)
    Site.objects.get(name="london").save()
    with transaction.atomic():
        changes.note(changes.Kind.SITE, Site.objects.values_list("pk", flat=True))
    all_of_it.await_(lambda: ended(all_of_it, others) and ended(all_of_it, own) and all_of_it.of("site"))
    his.await_(lambda: ended(his, own) and his.of("task"))
    counted(own)
    his.await_(lambda: his.job(own).get("numfiles") == 1)
    assert {event.data["id"] for event in his.of("job")} == {own.pk}
    assert {event.data["job"] for event in his.of("task")} == {own.pk}
    assert his.of("site") == []
    listed = {path: hub.get(path, hers).json() for path in ("jobs/", "tasks/", "sites/", "jobs/recent/", "jobs/stats/")}
    assert [job["id"] for job in listed["jobs/"]["results"]] == [own.pk]
    assert [job["id"] for job in listed["jobs/recent/"]["results"]] == [own.pk]
    assert {task["job"] for task in listed["tasks/"]["results"]} == {own.pk}
    assert listed["sites/"]["results"] == []
    for stats in (listed["jobs/"]["stats"], listed["jobs/stats/"]):
        assert sum(stats["state"].values()) == stats["state"]["CANCELLED"] == 1
    for path in ("", "explain/", "files/"):
        assert hub.get(f"jobs/{others.pk}/{path}", hers).status_code == 404
        assert hub.get(f"jobs/{own.pk}/{path}", hers).status_code == 200
    assert hub.get(f"events/stream/?job_id={others.pk}", hers).status_code == 404


@pytest.mark.usefixtures("his_alone")
def test_who_does_not_see_all_begins_anew_when_he_comes_again(hub, ann):
    hers = str(AccessToken.for_user(ann))
    first = Reader(hub, hers, types=["job"])
    after, _ = first.id, first.client.close()
    again = Reader(hub, hers, types=["job"], after=after)
    again.await_(lambda: again.of("reset"))
    assert again.last("reset") == {"reason": "gone"}


def test_who_sees_less_from_now_on_loses_the_stream_of_one_who_saw_more(hub, ann, monkeypatch):
    reader = Reader(hub, str(AccessToken.for_user(ann)))
    monkeypatch.setattr(sight, "shown", lambda user, rows: rows.none() if user.pk == ann.pk else rows)
    reader.await_(reader.ended.is_set)
