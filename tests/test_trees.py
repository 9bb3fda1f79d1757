"""What the comparison of trees notices."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trees import ACCESS, ACL, MiB, compare, nasty_tree


def _write(path: str, content: bytes) -> None:
    with open(path, "r+b" if os.path.exists(path) else "wb") as file:
        file.write(content)


def _repoint(path: str, target: str) -> None:
    os.unlink(path)
    os.symlink(target, path)


def _relink(path: str) -> None:
    shutil.copy2(path, path + ".new")
    os.rename(path + ".new", path)


def _link_instead(path: str, twin: str) -> None:
    os.unlink(path)
    os.link(os.path.join(os.path.dirname(path), twin), path)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    one, other = tmp_path / "one", tmp_path / "other"
    nasty_tree(one)
    subprocess.run(["cp", "-a", "--sparse=auto", str(one), str(other)], check=True)
    return one, other


def test_a_faithful_copy_does_not_differ(pair: tuple[Path, Path]) -> None:
    assert compare(*pair) == []


CHANGES: dict[str, tuple[str, Callable[[str], object]]] = {
    "content differs": ("sizes/4096", lambda path: _write(path, b"y")),
    "content differs (": ("sizes/4097", lambda path: os.truncate(path, 4000)),
    "mode 4755": ("modes/file-4755", lambda path: os.chmod(path, 0o755)),
    "mode 2775": ("modes/dir-2775", lambda path: os.chmod(path, 0o775)),
    "owner": ("sizes/1", lambda path: os.chown(path, 5, -1)),
    "owner (": ("symlinks/dangling", lambda path: os.chown(path, 5, -1, follow_symlinks=False)),
    "mtime": ("sizes/4096", lambda path: os.utime(path, ns=(1, 1))),
    "mtime ": ("sizes/empty", lambda path: os.utime(path, ns=(1, 1))),
    "mtime  ": ("symlinks/relative", lambda path: os.utime(path, ns=(1, 1), follow_symlinks=False)),
    "xattr b'user.empty'": ("attributes/file", lambda path: os.removexattr(path, "user.empty")),
    "xattr b'user.new'": ("attributes/directory", lambda path: os.setxattr(path, "user.new", b"")),
    "xattr b'system.posix_acl_access'": ("sizes/0", lambda path: os.setxattr(path, ACCESS, ACL)),
    "xattr b'system.posix_acl_default'": (
        "attributes/acl directory",
        lambda path: os.removexattr(path, "system.posix_acl_default"),
    ),
    "target differs": ("symlinks/relative", lambda path: _repoint(path, "else")),
    "symlink became file": ("symlinks/up", lambda path: (os.unlink(path), _write(path, b""))),
    "only in": ("sizes/0", os.unlink),
    "only in ": ("sizes/empty/more", lambda path: _write(path, b"")),
    "sparse": ("sparse/all", lambda path: _write(path, bytes(4 * MiB))),
    "names of one file no longer are": ("links/one", _relink),
    "names of one file that were not": ("sizes/0", lambda path: _link_instead(path, "4095")),
}


@pytest.mark.parametrize("difference", CHANGES)
def test_each_kind_of_difference_is_noticed(pair: tuple[Path, Path], difference: str) -> None:
    name, change = CHANGES[difference]
    change(str(pair[1] / name))
    lines = compare(*pair)
    assert any(difference.strip() in line for line in lines), lines


def test_the_top_counts_unless_it_is_said_not_to(pair: tuple[Path, Path]) -> None:
    os.chmod(pair[1], 0o711)
    assert [line for line in compare(*pair) if "mode" in line]
    assert compare(*pair, top=False) == []


def test_what_is_argosys_own_does_not_count(pair: tuple[Path, Path]) -> None:
    top = os.stat(pair[1])
    (pair[1] / ".argosy" / "versions").mkdir(parents=True)
    os.utime(pair[1], ns=(top.st_atime_ns, top.st_mtime_ns))
    os.setxattr(pair[1] / "sizes/1", "user.argosy", b"x")
    assert compare(*pair) == []
