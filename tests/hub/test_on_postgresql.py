"""A quarter of the hub's own tests, on PostgreSQL: those that come by every query. `make test-postgresql` runs all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgresql import VARIABLE, PostgreSQL

HERE = Path(__file__).parent
QUARTER = {
    "recording": ("test_reports.py", "test_rows.py", "test_acts_together.py", "test_chunks.py"),
    "delivery": ("test_delivery.py",),
    "jobs": ("test_job_lists.py", "test_job_files.py", "test_job_removal.py", "test_job_states.py", "test_closing.py"),
    "beside": (
        "test_job_resubmit.py",
        "test_schedule_runs.py",
        "test_phases.py",
        "test_conflicts.py",
        "test_tokens.py",
    ),
}


@pytest.mark.parametrize("part", QUARTER)
def test_what_holds_on_sqlite_holds_on_postgresql(postgresql: PostgreSQL, tmp_path: Path, part: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'inner'}"]
    known = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    run = subprocess.run(
        [*command, *(str(HERE / name) for name in QUARTER[part])],
        cwd=HERE.parents[1],
        env=known | {VARIABLE: str(postgresql.directory)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-8000:]
