"""The data directory of the hub that these tests share; one in a process, however often it is asked for."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from argosy.core.config import Config
from argosy.hub.project import boot

PASSWORD = "correct horse"

DIRECTORY = Path(tempfile.mkdtemp(prefix="argosy-hub-tests-"))
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)
boot.prepare(DIRECTORY, Config(), PASSWORD)  # Django must know its settings before the tests import its models
for name in ("ARGOSY_DATA_DIR", "DJANGO_SETTINGS_MODULE"):
    del os.environ[name]  # the processes that share the tests each have a hub of their own
