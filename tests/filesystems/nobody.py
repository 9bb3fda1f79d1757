"""Doing something as a user without rights."""

import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

NOBODY = 65534


def as_nobody(function: Callable[[], object]) -> None:
    """Run the function in a child that has given up being root; what it raises fails the test, with its traceback."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(function, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said


def let_all_in(directory: Path) -> None:
    """Have everybody come to the directory, which lies somewhere below that for temporary files."""
    for each in (directory, *directory.parents):
        if each == Path(tempfile.gettempdir()):
            break
        each.chmod(each.stat().st_mode | 0o055)


def _child(function: Callable[[], object], writing: int) -> None:
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        function()
    except BaseException:  # noqa: BLE001 - a child must not go on as a second pytest
        os.write(writing, traceback.format_exc().encode())
        os._exit(1)
    os._exit(0)
