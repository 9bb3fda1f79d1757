"""docs/reference says what the code says."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "reference"


def check(directory: Path) -> "subprocess.CompletedProcess[str]":
    """Run in a process of its own: the pages of the API need Django set up without a data directory."""
    command = [sys.executable, str(ROOT / "tools" / "reference.py"), "--check", str(directory)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return shutil.copytree(PAGES, tmp_path / "reference")


def test_the_reference_is_current() -> None:
    assert check(PAGES).stderr == ""
    assert check(PAGES).returncode == 0


def test_a_page_that_is_not_what_the_code_says_is_named_with_the_remedy(copied: Path) -> None:
    page = copied / "cli.md"
    page.write_text(page.read_text().replace("--hydrate", "--with-bytes"))
    (copied / "rest.md").unlink()
    (copied / "gone.md").touch()
    found = check(copied)
    assert found.returncode == 1
    assert "(cli.md, gone.md, rest.md): run make docs" in found.stderr


@pytest.mark.parametrize("page", sorted(page.name for page in PAGES.glob("*.md")))
def test_no_table_of_the_reference_has_a_cell_too_many(page: str) -> None:
    tables = (PAGES / page).read_text().split("\n\n")
    for rows in (block.splitlines() for block in tables if block.startswith("| ")):
        assert {row.replace("\\|", "").count("|") for row in rows} == {rows[0].count("|")}


def test_every_option_key_and_state_of_the_reference_is_explained() -> None:
    unexplained = [
        f"{page.name}: {row}"
        for page in PAGES.glob("*.md")
        for row in page.read_text().splitlines()
        if row.startswith("| `") and page.name != "states.md" and row.endswith("|  |")
    ]
    assert unexplained == []
