"""Names given and swapped."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argosy.linux.rename import exchange, noreplace, noreplace_by_link


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "directory").mkdir()
    (tmp_path / "full/of").mkdir(parents=True)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(params=[noreplace, noreplace_by_link])
def move(request: pytest.FixtureRequest) -> Callable[[int, bytes, int, bytes], None]:
    return request.param


@pytest.mark.parametrize("name", ["a", "link", "directory"])
def test_what_is_moved_has_only_its_new_name(here: int, tmp_path: Path, move: Callable[..., None], name: str) -> None:
    inode = os.lstat(tmp_path / name).st_ino
    move(here, name.encode(), here, b"new")
    assert not os.path.lexists(tmp_path / name)
    assert os.lstat(tmp_path / "new").st_ino == inode
    assert os.lstat(tmp_path / "new").st_nlink == (2 if name == "directory" else 1)


@pytest.mark.parametrize(("name", "taken"), [("a", "b"), ("a", "link"), ("a", "directory"), ("directory", "full")])
def test_a_taken_name_is_left_as_it_is(
    here: int, tmp_path: Path, move: Callable[..., None], name: str, taken: str
) -> None:
    before = os.lstat(tmp_path / taken)
    with pytest.raises(OSError, match=r"exists|not empty"):
        move(here, name.encode(), here, taken.encode())
    assert os.lstat(tmp_path / taken).st_ino == before.st_ino
    assert os.path.lexists(tmp_path / name)


def test_an_exchange_swaps_whatever_the_names_stand_for(here: int, tmp_path: Path) -> None:
    exchange(here, b"a", here, b"link")
    assert (tmp_path / "link").read_bytes() == b"a"
    assert os.readlink(tmp_path / "a") == "nowhere"
    with pytest.raises(FileNotFoundError):
        exchange(here, b"a", here, b"missing")
