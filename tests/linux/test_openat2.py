"""Opening beneath a directory, with openat2 and without."""

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.linux.openat2 import DIRECTORY, LOOKUP, open_beneath, walk

Open = Callable[..., int]


@pytest.fixture(params=[open_beneath, walk], ids=["openat2", "walk"])
def opener(request: pytest.FixtureRequest) -> Open:
    return request.param


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "top/a/b").mkdir(parents=True)
    (tmp_path / "top/a/b/file").write_bytes(b"inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_bytes(b"outside")
    (tmp_path / "top/within").symlink_to("a")
    (tmp_path / "top/escape").symlink_to("../outside")
    (tmp_path / "top/absolute").symlink_to(tmp_path / "outside")
    descriptor = os.open(tmp_path / "top", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def test_what_lies_beneath_is_opened(opener: Open, top: int) -> None:
    assert read(opener(top, b"a/b/file", os.O_RDONLY)) == b"inside"
    for flags in (DIRECTORY, LOOKUP):
        descriptor = opener(top, b"a/b", flags)
        assert not os.get_inheritable(descriptor)
        assert os.stat(b"file", dir_fd=descriptor).st_size == 6
        os.close(descriptor)


@pytest.mark.parametrize("link", [b"within", b"escape", b"absolute"])
@pytest.mark.parametrize("rest", [b"", b"/b", b"/file"])
def test_no_symlink_is_followed_wherever_it_stands_and_leads(opener: Open, top: int, link: bytes, rest: bytes) -> None:
    for flags in (os.O_RDONLY, LOOKUP):
        with pytest.raises(OSError, match="symbolic links") as error:
            opener(top, link + rest, flags)
        assert error.value.errno == errno.ELOOP


def test_dots_do_not_lead_out(opener: Open, top: int) -> None:
    with pytest.raises(OSError, match="cross-device") as error:
        opener(top, b"../outside/file", os.O_RDONLY)
    assert error.value.errno == errno.EXDEV


def test_what_is_missing_or_no_directory_is_said_to_be_so(opener: Open, top: int) -> None:
    with pytest.raises(FileNotFoundError):
        opener(top, b"a/no/file", os.O_RDONLY)
    with pytest.raises(NotADirectoryError):
        opener(top, b"a/b/file/c", os.O_RDONLY)
    with pytest.raises(NotADirectoryError):
        opener(top, b"a/b/file", LOOKUP)


def test_a_mount_point_is_crossed_only_where_it_may(
    opener: Open, top: int, tmp_path: Path, loop_mount: Callable[[str], Path]
) -> None:
    subprocess.run(["mount", "--bind", loop_mount("xfs"), tmp_path / "top/a/b"], check=True)
    try:
        os.close(opener(top, b"a/b", DIRECTORY))
        with pytest.raises(OSError, match="cross-device") as error:
            opener(top, b"a/b", DIRECTORY, same_mount=True)
        assert error.value.errno == errno.EXDEV
    finally:
        subprocess.run(["umount", tmp_path / "top/a/b"], check=True)


def test_paths_may_be_longer_than_the_kernel_takes(top: int) -> None:
    at = os.dup(top)
    names = [b"%03d-" % level + b"d" * 200 for level in range(40)]
    for name in names:
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    descriptor = open_beneath(top, b"/".join(names), DIRECTORY)
    assert os.listdir(descriptor) == []
    os.close(descriptor)
    os.symlink("/etc", names[0] + b"/link", dir_fd=top)
    with pytest.raises(OSError, match="symbolic links"):
        open_beneath(top, names[0] + b"/link/" + b"/".join(names[1:]), DIRECTORY)


@pytest.mark.parametrize("path", [b"n" * 5000, b"a/" + b"n" * 5000, b"a/" * 1999 + b"n" * 5000])
def test_a_name_that_is_too_long_is_told_as_such_wherever_it_stands(top: int, path: bytes) -> None:
    with pytest.raises(OSError, match=r"too long|No such file") as caught:
        open_beneath(top, path, DIRECTORY)
    assert caught.value.errno in {errno.ENAMETOOLONG, errno.ENOENT}
