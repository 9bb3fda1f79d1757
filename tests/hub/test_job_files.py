"""What became of the files of a job: pages, and all of them as one file."""

import base64
import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy.core.entry import Entry
from argosy.core.errors import Unavailable
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.hub.jobs import files as module
from argosy.hub.jobs.blobs import Noted, pack_noted
from argosy.hub.jobs.downloads import as_csv, as_json
from argosy.hub.jobs.files import FileNote, JobFiles
from argosy.hub.jobs.models import Job, Result, Task
from tests.hub.fake import file, processed, start
from tests.hub.test_api import check_problem

pytestmark = pytest.mark.usefixtures("two_sites")

TREE = "/srv/london/projects"


def mixed(order, entry):
    number = int(entry.path[-3:])
    if order.step.endswith("migrate") and number % 3:
        state = FileState.FAILED if number % 3 == 1 else FileState.SKIPPED
        return Outcome(entry=entry, state=state, reason=f"because of {number}")
    return processed(order, entry)


@pytest.fixture
def job(agent) -> Job:
    agent.tree, agent.act = [file(f"{TREE}/{number:03}", number) for number in range(250)], mixed
    agent.batch_size = 7
    job = start("premigrate")
    agent.run()
    return job


def content(answer) -> bytes:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)


def pages(files: JobFiles, size: int) -> list[FileNote]:
    return [note for start_ in range(0, len(files), size) for note in files[start_ : start_ + size]]


def whole_list(job: Job, state: FileState | None) -> list[FileNote]:
    return [note for piece in JobFiles(job, state).pieces() for note in piece]


@pytest.mark.parametrize("near", [0, 30, 2000])
def test_pages_of_any_size_are_the_whole_list_cut(job, near, monkeypatch):
    monkeypatch.setattr(module, "_NEAR", near)
    expected = {None: 250, FileState.PROCESSED: 84, FileState.FAILED: 83, FileState.SKIPPED: 83}
    for state in (None, *FileState):
        files, whole = JobFiles(job, state), whole_list(job, state)
        assert whole == list(files) == pages(files, 20) == pages(files, 9)
        assert files[len(files) : len(files) + 5] == []
        assert len(whole) == len({note.outcome.entry.path for note in whole}) == expected.get(state, 0)


@pytest.mark.parametrize("category", ["failed", "failures", "processed", "aborted", None])
def test_all_files_of_a_category_are_downloaded_as_json_and_as_csv(api, job, category, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 5)
    asked = {"category": category} if category else {}
    listed = api.get(f"/api/jobs/{job.pk}/files/", {**asked, "page_size": 0}).json()["results"]
    answer = api.get(f"/api/jobs/{job.pk}/files/download/", asked)
    assert json.loads(content(answer)) == listed
    assert answer["Content-Type"] == "application/json"
    answer = api.get(f"/api/jobs/{job.pk}/files/download/", {**asked, "file_format": "csv"})
    name = f"job-{job.pk}-{category}-files.csv" if category else f"job-{job.pk}-files.csv"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    rows = list(csv.DictReader(io.StringIO(content(answer).decode(), newline="")))
    assert [{key: value for key, value in row.items() if value} for row in rows] == [
        {key: str(value) for key, value in item.items() if value != ""} for item in listed
    ]


def test_what_cannot_be_downloaded_is_said(api, job):
    for wrong in ("file_format=xml", "category=lost"):
        check_problem(api.get(f"/api/jobs/{job.pk}/files/download/?{wrong}"), 400)
    check_problem(api.get("/api/jobs/99999/files/download/"), 404)


NAMES = st.binary(min_size=1, max_size=40).map(lambda name: b"/srv/" + name.replace(b"\0", b"n"))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(names=st.lists(NAMES, min_size=1, max_size=5), reason=TEXTS, source=NAMES | st.just(b""))
@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
def test_any_byte_of_a_name_comes_out_of_a_download_as_it_went_in(names, reason, source):
    notes = [
        FileNote(
            outcome=Outcome(entry=Entry(path=name), state=FileState.FAILED, reason=reason),
            state="failed",
            source=source,
            site="london",
            task="t",
            step="s",
        )
        for name in names
    ]
    from_json = json.loads(b"".join(as_json(iter([notes]))))
    from_csv = list(csv.DictReader(io.StringIO(b"".join(as_csv(iter([notes]))).decode(), newline="")))
    for rows in (from_json, from_csv):
        assert [exact(row, "path") for row in rows] == names
        assert [exact(row, "source") for row in rows] == [source] * len(names)
        assert [row["reason"] for row in rows] == [reason] * len(names)


def exact(row: dict, key: str) -> bytes:
    return base64.b64decode(row[f"{key}_b64"]) if row.get(f"{key}_b64") else (row.get(key) or "").encode()


def test_a_download_reads_a_piece_at_a_time_and_breaks_off_where_files_are_removed_meanwhile(job, monkeypatch):
    monkeypatch.setattr(module, "_PIECE", 5)
    pieces = JobFiles(job, None).pieces()
    assert len(next(pieces)) < 50
    Result.objects.filter(job=job).delete()
    with pytest.raises(Unavailable, match="removed while they were read"):
        list(pieces)


def test_what_is_recorded_during_a_download_is_not_in_it(job):
    pieces = JobFiles(job, FileState.PROCESSED).pieces()
    first = next(pieces)
    task = Task.objects.filter(job=job).last()
    blob = pack_noted([Noted(outcome=Outcome.processed(Entry(path=b"/late")))])
    Result.objects.create(job=job, task=task, attempt=1, state="processed", final="processed", count=1, blob=blob)
    assert len([*first, *(note for piece in pieces for note in piece)]) == 84
