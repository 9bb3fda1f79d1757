"""How a job is told: its exit status, its lines, its paths."""

import os
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from argosy.cli import watching
from argosy.cli.output import Format, amount, cause, shown, shown_path, span
from argosy.client import Client, Job, Tokens
from argosy.core.errors import Invalid
from argosy.core.states import JobState


def job(state: JobState = JobState.STARTED, **counts: int) -> Job:
    return Job(id=1, state=state, **counts)


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (job(JobState.SUCCESS, numprocessedfiles=2), 0),
        (job(JobState.SUCCESS, numskippedfiles=2), 0),
        (job(JobState.SUCCESS), 0),
        (job(JobState.SKIPPED), 0),
        (job(JobState.SUCCESS, numprocessedfiles=1, numabortedfiles=1), 3),
        (job(JobState.SUCCESS, numabortedfiles=1), 3),
        (job(JobState.FAILURE, numfailedfiles=1), 1),
        (job(JobState.FAILURE, numfailedfiles=1, numskippedfiles=1), 3),
        (job(JobState.FAILURE), 1),
        (job(JobState.FAILURE, numprocessedfiles=1), 3),
        (job(JobState.CANCELLED, numcancelledfiles=1), 1),
        (job(JobState.CANCELLED, numcancelledfiles=1, numprocessedfiles=1), 3),
    ],
)
def test_the_exit_status_says_whether_all_a_part_or_nothing_went_well(ended: Job, status: int) -> None:
    assert watching.status_of(ended) == status


def test_without_a_terminal_a_plain_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    lines = watching._Lines()
    for second in range(25):
        now[0] = float(second)
        lines(job(numfiles=100, numprocessedfiles=second, moved_data=second << 20))
    assert capsys.readouterr().out.splitlines() == [
        "Job 1: 10 of 100+ entries, 10.0 MiB moved, 1.0 MiB/s, 1 entries/s",
        "Job 1: 20 of 100+ entries, 20.0 MiB moved, 1.0 MiB/s, 1 entries/s",
    ]


def test_the_time_left_is_told_once_all_files_are_known() -> None:
    rate = watching.Rate()
    rate.note(job(numfiles=100))
    rate._seen = [(then - 10, 0, 0) for then, *_ in rate._seen]
    known = Job(id=1, state=JobState.STARTED, numfiles=100, numprocessedfiles=10, dir_walk_complete=True)
    rate.note(known)
    assert rate.left(known) == "1:30 left"
    assert rate.left(job(numfiles=100, numprocessedfiles=10)) == ""


def test_paths_are_made_absolute_without_looking_at_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("/etc")
    monkeypatch.chdir(tmp_path)
    assert watching.absolute("link/../a//b/") == os.fsencode(tmp_path) + b"/a/b"
    assert watching.absolute("/x/./y") == b"/x/y"
    assert watching.absolute("//x") == b"/x"
    assert watching.absolute(os.fsdecode(b"/\xff")) == b"/\xff"


def test_an_empty_path_is_not_the_current_directory() -> None:
    with pytest.raises(Invalid, match="empty"):
        watching.absolute("")


@pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 50, "5.0 PiB")])
def test_amounts_are_told_as_people_read_them(count: int, told: str) -> None:
    assert amount(count) == told


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0.4 s"), (12.4, "0:12"), (75, "1:15"), (3725, "1:02:05")])
def test_times_are_told_as_people_read_them(seconds: float, told: str) -> None:
    assert span(seconds) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("caf\u00e9 \u5e06 [x] \\", "caf\u00e9 \u5e06 [x] \\"),
        ("a\x1b[31m\n\x7f\x9b", r"a\x1b[31m\x0a\x7f\x9b"),
        ("\u202e\u2028\u2029\ufeff\udcff", r"\u202e\u2028\u2029\ufeff\udcff"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_steers_a_terminal_is_shown_escaped(text: str, told: str) -> None:
    assert shown(text) == told


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("caf\u00e9 [x]".encode(), "caf\u00e9 [x]"),
        (b"a\xff", r"a\xff"), (b"a\xfe", r"a\xfe"), (rb"a\xff", r"a\\xff"),
        (b"\x9b", r"\x9b"), ("\x9b".encode(), r"\xc2\x9b"), ("\u202e".encode(), r"\xe2\x80\xae"),
    ],
)  # fmt: skip
def test_no_two_paths_are_shown_alike(path: bytes, told: str) -> None:
    assert shown_path(path) == told


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("/a: no such file", "no such file"), ("/a is a socket", "is a socket"), ("/ab: gone", "/ab: gone"),
        ("/a: /a: twice", "/a: twice"), ("/a: \x1b", r"\x1b"),
    ],
)  # fmt: skip
def test_a_reason_is_told_without_its_path(reason: str, told: str) -> None:
    assert cause("/a", reason) == told


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"numprocessedfiles": 1}, "1 entry processed"),
        ({"numskippedfiles": 5, "numfailedfiles": 1}, "5 entries skipped, 1 failed"),
        ({}, "nothing to do"),
    ],
)
def test_the_end_counts_entries(counts: dict[str, int], told: str) -> None:
    assert watching.summary(job(JobState.SUCCESS, **counts)) == f"Job 1 SUCCESS: {told}; 0 B moved"


@pytest.mark.parametrize(
    ("state", "counts", "told"),
    [
        (
            JobState.SUCCESS,
            {"numprocessedfiles": 5, "numskippedfiles": 1},
            "5 entries to deal with, 1 left alone; nothing was changed: see it with `argosy apply --show 1`, "
            "do it with `argosy apply 1`",
        ),
        (
            JobState.FAILURE,
            {"numfailedfiles": 1},
            "1 entry in trouble; nothing was changed: see it with `argosy apply --show 1`",
        ),
        (JobState.STARTED, {"numprocessedfiles": 2}, "2 entries to deal with; nothing was changed"),
        (JobState.CANCELLED, {"numprocessedfiles": 2}, "2 entries to deal with; nothing was changed"),
    ],
)
def test_a_plan_is_not_said_to_have_done_anything(state: JobState, counts: dict[str, int], told: str) -> None:
    planned = Job(id=1, state=state, dry_run=True, **counts)
    assert watching.summary(planned) == f"Plan 1 {state}: {told}"
    assert watching.progress(planned).startswith("Plan 1: ")
    assert "moved" not in watching.progress(planned)


def hub(results: list[dict[str, object]], causes: Sequence[dict[str, object]] = ()) -> Client:
    """A hub that answers every list with these, and explains every job with these causes."""
    explained = {"job": 1, "state": "PENDING", "summary": "", "causes": causes, "examined": 0, "unwell": 0}
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json={"results": results, "next": None} | explained))
    return Client("http://hub", tokens=Tokens("a", "r"), transport=answer)


def test_why_tasks_wait_is_told_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [0.0], list[str]()
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    tasks: list[dict[str, object]] = [{"reason": ""}, {"reason": "the \x1bstore is down"}]
    tell = watching._Reasons(hub(tasks), told.append)
    for reason in ("the \x1bstore is down", "the \x1bstore is down", "it is full", ""):
        tasks[1]["reason"] = reason
        now[0] += 2
        tell(job())
    assert told == [r"waiting: the \x1bstore is down; it is tried again", "waiting: it is full; it is tried again"]


def test_what_is_said_to_be_done_again_is_said_so_once() -> None:
    line = watching.retried(hub([{"reason": "the agents were started anew while this ran: it is begun again"}]), 1)
    assert line == "waiting: the agents were started anew while this ran: it is begun again"


def trouble(cause: str, state: str, title: str, reason: str = "") -> dict[str, object]:
    return {"cause": cause, "state": state, "title": title, "reason": reason, "remedy": "", "files": 1, "site": "a"}


def test_why_a_job_stands_still_is_told_where_no_task_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [0.0], list[str]()
    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    causes = [
        trouble("no_space", "failed", "Full"),
        trouble("running", "running", "It runs"),
        trouble("no_agent", "waiting", "Nobody \x1bis there", "none was heard"),
    ]
    tell = watching._Reasons(hub([], causes), told.append)
    for done in (5, 5, 6, 6):
        now[0] += 2
        tell(job(numfiles=9, numprocessedfiles=done))
        if done == 6:
            causes.clear()
    assert told == [r"waiting: Nobody \x1bis there: none was heard; see `argosy explain 1`"]
    assert watching.waiting(hub([], [trouble("behind", "waiting", "Behind")]), 1) == ""


def test_why_a_job_failed_or_had_nothing_to_do_is_told_where_no_entry_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    alike = trouble("alike", "skipped", "Both sides are alike") | {"files": 0}
    refused = trouble("sync_refused", "failed", "A guard refused", "12 of 12 are \x1bgone") | {"files": 0}
    watching.tell_why(hub([], [alike]), job(JobState.SKIPPED), Format.TEXT)
    assert capsys.readouterr().out == "Both sides are alike\n"
    watching.tell_why(hub([], [alike]), job(JobState.SKIPPED), Format.JSON)
    watching.tell_why(hub([], [trouble("no_space", "failed", "Full")]), job(JobState.FAILURE), Format.TEXT)
    watching.tell_why(hub([], [refused]), job(JobState.SUCCESS), Format.TEXT)
    assert capsys.readouterr() == ("", "")
    watching.tell_why(hub([], [refused]), job(JobState.FAILURE), Format.JSON)
    assert capsys.readouterr() == ("", "A guard refused: 12 of 12 are \\x1bgone\n")
    assert watching.summary(job(JobState.FAILURE)) == "Job 1 FAILURE: nothing was done; 0 B moved"


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"numcancelledfiles": 99}, []),
        ({"numabortedfiles": 11}, ["all of them: argosy job files 1 --category aborted"]),
        ({"numfailedfiles": 8, "numcancelledfiles": 9}, []),
        (
            {"numfailedfiles": 9, "numabortedfiles": 2},
            ["all of them: argosy job files 1 --category failed and argosy job files 1 --category aborted"],
        ),
    ],
)
def test_where_all_bad_files_are_is_told_by_what_became_of_them(
    counts: dict[str, int], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    watching.list_bad(hub([{"path": "/a", "reason": "/a: bad"}]), job(JobState.CANCELLED, **counts))
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith("all")] == told
