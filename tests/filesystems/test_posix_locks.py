"""`posix` beside an agent that was stopped while it had a lock."""

import os
from pathlib import Path

import pytest

from argosy.core.faults import Occupied
from argosy.filesystems._posix import locks
from argosy.filesystems.posix import Posix
from tests.contracts.filesystem import publish
from tests.contracts.open_file import HOLD, another_process, said


def test_nobody_waits_for_ever_for_who_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    tree = Posix(root=bytes(tmp_path))
    path = tree.root + b"/f"
    publish(tree, path)
    with another_process(HOLD, tree.root, path) as process:
        assert said(process) == str(os.stat(path).st_ino)
        with pytest.raises(Occupied, match="another task works on it"), tree.locked(path):
            pass
    with tree.locked(path) as inode:
        assert inode == os.stat(path).st_ino
