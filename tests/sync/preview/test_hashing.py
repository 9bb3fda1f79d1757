"""Files are read as a scan saw them, or not at all."""

import os

import pytest
from blake3 import blake3

from argosy.core.errors import ArgosyError, Changed, NotFound, Unsupported
from argosy.core.faults import BehindSymlink
from argosy.core.pointer import Pointer, StubState
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems._posix.seal import Seal
from argosy.sync.planner.trees import Version
from argosy.sync.preview.hashing import hash_of


@pytest.fixture
def top(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def seen(path):
    state = path.stat()
    return state.st_ino, Version(state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def test_a_file_that_is_as_it_was_has_its_hash(tmp_path, top):
    path = tmp_path / "x"
    path.write_bytes(b"text" * 1_000_000)
    assert hash_of(top, b"x", *seen(path)) == blake3(path.read_bytes()).digest()


def test_a_file_that_was_written_or_replaced_since_is_not_taken_for_it(tmp_path, top):
    path = tmp_path / "x"
    path.write_bytes(b"text")
    inode, version = seen(path)
    os.utime(path, ns=(version.mtime_ns, version.mtime_ns))
    with pytest.raises(Changed, match="plan again"):
        hash_of(top, b"x", inode, version)
    with pytest.raises(Changed):
        hash_of(top, b"x", inode + 1, seen(path)[1])


def test_no_symlink_is_followed_and_what_is_gone_is_named(tmp_path, top):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_bytes(b"text")
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(BehindSymlink):
        hash_of(top, b"link/x", *seen(tmp_path / "real" / "x"))
    with pytest.raises(NotFound, match="gone"):
        hash_of(top, b"gone", 1, Version(0, 0, 0))


def test_a_stub_is_not_read(tmp_path, top):
    path = tmp_path / "stub"
    path.write_bytes(bytes(10))
    with path.open("rb") as file:
        pointer = Pointer(
            state=StubState.STUB,
            datastore=1,
            uuid=bytes(16),
            digest=bytes(32),
            size=10,
            mtime_ns=1,
            binding=binding_of(file.fileno()),
        )
        Seal().write(file.fileno(), pointer)
    with pytest.raises(Unsupported, match="recall"):
        hash_of(top, b"stub", *seen(path))


def test_what_only_root_can_tell_from_a_stub_is_not_read_by_others(tmp_path, top):
    holey, whole = tmp_path / "holey", tmp_path / "whole"
    holey.touch()
    os.truncate(holey, 1 << 20)
    whole.write_bytes(b"text")
    tmp_path.chmod(0o755)
    told = {}
    for path in (holey, whole):
        reading, writing = os.pipe()
        known = seen(path)
        if os.fork() == 0:
            try:
                os.setgroups([])
                os.setresuid(12345, 12345, 12345)
                said = hash_of(top, path.name.encode(), *known).hex()
            except ArgosyError as error:
                said = str(error)
            os.write(writing, said.encode())
            os._exit(0)
        os.close(writing)
        with open(reading, "rb") as answer:
            told[path.name] = answer.read().decode()
        os.wait()
    assert "run this as root" in told["holey"]
    assert told["whole"] == blake3(b"text").hexdigest()
    assert hash_of(top, b"holey", *seen(holey)) == blake3(bytes(1 << 20)).digest()


def test_that_a_file_was_read_does_not_show_in_its_atime(tmp_path, top):
    path = tmp_path / "x"
    path.write_bytes(b"text")
    os.utime(path, ns=(1, path.stat().st_mtime_ns))
    hash_of(top, b"x", *seen(path))
    assert path.stat().st_atime_ns == 1
