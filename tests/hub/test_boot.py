"""A hub starts in a process of its own: a process serves one data directory."""

import os
import stat
import subprocess
import sys
from pathlib import Path

START = """
import sys
from pathlib import Path
from argosy.core.config import Config
from argosy.hub.project import boot
print(boot.prepare(Path(sys.argv[1]), Config(), sys.argv[2] or None))
{then}
"""
LOGIN = """
from django.contrib.auth import authenticate
print(bool(authenticate(username="admin", password=sys.argv[3])))
"""


def python(code: str, *arguments: str) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ARGOSY_", "DJANGO_"))}
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    return [line for line in run.stdout.splitlines() if "[info" not in line]


def test_the_first_start_makes_an_administrator_and_shows_a_password_once(tmp_path: Path):
    (made,) = python(START.format(then=""), str(tmp_path / "d"), "")
    assert len(made) >= 20
    assert python(START.format(then=LOGIN), str(tmp_path / "d"), "", made) == ["None", "True"]
    kept = b"".join(file.read_bytes() for file in (tmp_path / "d").rglob("*") if file.is_file())
    assert made.encode() not in kept


def test_a_password_that_is_given_replaces_the_present_one(tmp_path: Path):
    assert python(START.format(then=LOGIN), str(tmp_path), "first", "first") == ["None", "True"]
    assert python(START.format(then=LOGIN), str(tmp_path), "second", "second") == ["None", "True"]
    assert python(START.format(then=LOGIN), str(tmp_path), "", "first") == ["None", "False"]


def test_the_data_directory_is_its_owners_alone_and_the_database_waits_for_the_disk(tmp_path: Path):
    then = """
from django.db import connection
print([connection.cursor().execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")])
"""
    assert python(START.format(then=then), str(tmp_path / "d"), "x")[-1] == "['wal', 2]"
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700


def test_the_settings_can_be_imported_without_a_data_directory():
    assert python("from argosy.hub.project import settings; print(settings.DATABASES['default']['NAME'])") == [
        ":memory:"
    ]


def test_the_tables_are_what_the_models_say(tmp_path: Path):
    then = """
from django.core.management import call_command
call_command("makemigrations", check=True, dry_run=True, verbosity=0)
"""
    python(START.format(then=then), str(tmp_path), "x")


def test_the_password_of_a_hub_is_reset_without_starting_it(tmp_path: Path):
    python(START.format(then=""), str(tmp_path), "first")
    code = """
import sys
from pathlib import Path
from argosy.hub.project import boot
boot.attach(Path(sys.argv[1]))
print(boot.reset_password("admin", None))
"""
    (made,) = python(code, str(tmp_path))
    assert python(START.format(then=LOGIN), str(tmp_path), "", made) == ["None", "True"]
