"""The data directory of the hub that these tests share; one in a process, however often it is asked for.

Its tables are in a file there or, where the environment asks for that, at a PostgreSQL server.
"""

import atexit
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from argosy.core.config import Config, HubConfig
from argosy.hub.project import boot
from tests.postgresql import VARIABLE, PostgreSQL, running_postgresql

PASSWORD = "correct horse"

LIKE_PEOPLE = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"
"""Of a database that compares texts as dictionaries do, unless it is told otherwise."""

_open = ExitStack()
atexit.register(_open.close)


def _database() -> str:
    asked = os.environ.get(VARIABLE, "")
    if not asked:
        return ""
    server = PostgreSQL(Path(asked)) if asked.startswith("/") else _open.enter_context(running_postgresql())
    return f"{server.database(LIKE_PEOPLE)}&options=-c%20lock_timeout%3D2s"


DIRECTORY = Path(tempfile.mkdtemp(prefix="argosy-hub-tests-"))
_open.callback(shutil.rmtree, DIRECTORY, ignore_errors=True)
URL = _database()
on_sqlite = pytest.mark.skipif(bool(URL), reason="of SQLite alone")
boot.prepare(DIRECTORY, Config(hub=HubConfig(database=URL)), PASSWORD)  # before the tests import Django's models
for name in ("ARGOSY_DATA_DIR", "DJANGO_SETTINGS_MODULE"):
    del os.environ[name]  # the processes that share the tests each have a hub of their own
