"""How a job is told: its exit status, its lines, its paths."""

import os
from pathlib import Path

import pytest

from argosy.cli import watching
from argosy.cli.output import amount, span
from argosy.client import Job
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
        (job(JobState.SUCCESS, numabortedfiles=1), 1),
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
        "Job 1: 10 of 100+ files, 10.0 MiB moved, 1.0 MiB/s, 1 files/s",
        "Job 1: 20 of 100+ files, 20.0 MiB moved, 1.0 MiB/s, 1 files/s",
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


@pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 50, "5.0 PiB")])
def test_amounts_are_told_as_people_read_them(count: int, told: str) -> None:
    assert amount(count) == told


@pytest.mark.parametrize(("seconds", "told"), [(0.4, "0.4 s"), (12.4, "0:12"), (75, "1:15"), (3725, "1:02:05")])
def test_times_are_told_as_people_read_them(seconds: float, told: str) -> None:
    assert span(seconds) == told
