import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argosy.agent.spool import LIMIT, Spool
from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.core.report import Report


def a_report(task: str = "t", attempt: int = 1) -> Report:
    return Report(task=task, attempt=attempt, outcomes=(Outcome.processed(Entry(path=b"/a\xff")),))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_a_report_waits_until_it_is_done(spool: Spool) -> None:
    file = spool.put(a_report())
    assert [report for _, report in spool.unsent()] == [a_report()]
    spool.done(file)
    assert list(spool.unsent()) == []


def test_reports_outlive_the_process_that_put_them(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from argosy.agent.spool import Spool; from argosy.core.report import Report\n"
        "Spool(Path(sys.argv[1])).put(Report(task='t', attempt=2)); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert [(report.task, report.attempt) for _, report in Spool(tmp_path).unsent()] == [("t", 2)]


def test_older_reports_come_first(spool: Spool) -> None:
    for task in ("b", "a", "c"):
        spool.put(a_report(task))
    assert [report.task for _, report in spool.unsent()] == ["b", "a", "c"]


def test_a_torn_report_is_swept_and_an_unreadable_one_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "x.1.tmp").write_bytes(b"half")
    (tmp_path / "y.1.report").write_bytes(b"nonsense")
    spool = Spool(tmp_path)
    assert list(spool.unsent()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["y.1.unreadable"]


def test_a_refused_report_no_longer_holds_up_the_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.refuse(spool.put(a_report("bad")))
    spool.put(a_report("good"))
    assert [report.task for _, report in spool.unsent()] == ["good"]
    assert (tmp_path / "bad.1.refused").exists()


def test_a_spool_says_when_it_is_full(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(LIMIT - 1):
        (tmp_path / f"{number}.1.report").touch()
    assert not spool.full()
    (tmp_path / "last.1.report").touch()
    assert spool.full()


def test_reports_that_are_delivered_while_they_are_listed_are_no_error(spool: Spool) -> None:
    files = [spool.put(a_report(task)) for task in "abc"]
    listing = spool.unsent()
    next(listing)
    for file in files:
        spool.done(file)
    assert list(listing) == []
    spool.refuse(files[0])
    over = threading.Event()

    def churn(task: str) -> None:
        while not over.is_set():
            spool.done(spool.put(a_report(task)))

    with ThreadPoolExecutor(2) as pool:
        churning = [pool.submit(churn, task) for task in "xy"]
        for _ in range(300):
            list(spool.unsent())
        over.set()
        assert [one.result() for one in churning] == [None, None]
