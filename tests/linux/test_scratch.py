"""Temporary directories are gone, whatever became of the process that made them."""

import os
import signal

from argosy.linux import scratch as scratches
from argosy.linux.scratch import PREFIX, scratch


def killed_in(top):
    """Have a process make a directory and be killed in it; return its name."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        with scratch(top) as folder:
            (folder / "file").write_bytes(b"text")
            os.write(writing, folder.name.encode())
            signal.pause()
    name = os.read(reading, 256).decode()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)
    return name


def test_what_a_killed_process_left_is_removed_by_the_next_and_nothing_else_is(tmp_path, monkeypatch):
    left = killed_in(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to("mine")
    with scratch(tmp_path) as first:
        assert (tmp_path / left / "file").exists(), "it may be one that is not locked yet"
        monkeypatch.setattr(scratches, "_SETTLED_S", -1)
        with scratch(tmp_path) as second:
            assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
                [first.name, second.name, "mine", f"{PREFIX}link"]
            )
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(["mine", f"{PREFIX}link"])
