"""`posix` where the agent is not root: what it may not do is said, what it writes cannot be forged."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator

import pytest

from argosy.core.entry import Attributes
from argosy.core.errors import ArgosyError, Corrupt, Denied, Invalid
from argosy.core.faults import NoAccess
from argosy.filesystems.posix import Posix
from tests.contracts.filesystem import DIRECTORY, OWN, PLAIN, pointer, publish, unnamed
from tests.filesystems.nobody import NOBODY, as_nobody

KEY = bytes(range(32))


@pytest.fixture
def tree() -> Iterator[Posix]:
    """A tree nobody owns, where nobody can reach it (unlike pytest's own directories)."""
    root = tempfile.mkdtemp(prefix="argosy-nobody-").encode()
    os.chown(root, NOBODY, NOBODY)
    yield Posix(root=root, key=KEY)
    shutil.rmtree(root)


def checks(function: Callable[[Posix], None]) -> Callable[[Posix], None]:
    """The test, run as nobody."""

    def test(tree: Posix) -> None:
        as_nobody(lambda: function(tree))

    test.__name__ = function.__name__
    return test


@checks
def test_a_pointer_is_read_as_written(tree: Posix) -> None:
    with _pointed(tree) as file:
        assert file.pointer() == pointer(file.binding())
        assert "user.argosy" in os.listxattr(tree.root + b"/f")
        assert file.attributes().xattrs == ()
        file.forget()
        assert file.pointer() is None


@checks
def test_a_program_that_runs_as_its_owner_would_lose_that_with_its_blocks(tree: Posix) -> None:
    name = os.fsdecode(tree.root + b"/program")
    with open(name, "wb") as out:
        out.write(b"x" * 9000)
    for mode, loses in ((0o755, False), (0o2745, False), (0o4755, True), (0o2755, True)):
        os.chmod(name, mode)
        with tree.open(os.fsencode(name), writing=True) as file:
            assert file.loses_rights() is loses
            file.punch(0)
        assert (os.stat(name).st_mode & 0o7777 != mode) is loses  # so it is: the kernel takes them


@checks
def test_a_forged_pointer_is_refused(tree: Posix) -> None:
    with _pointed(tree) as file:
        value = os.getxattr(tree.root + b"/f", "user.argosy")
        forged = pointer(file.binding(), uuid=b"somebody else's!").encode()
        for wrong in (forged, forged + value[-32:], value[:-1] + bytes([value[-1] ^ 1]), b"", value[:-32]):
            os.setxattr(tree.root + b"/f", "user.argosy", wrong)
            with pytest.raises(Corrupt):
                file.pointer()


@checks
def test_a_forged_pointer_is_nobodys_and_hides_no_others(tree: Posix) -> None:
    told: list[bytes] = []
    with _pointed(tree) as file:
        publish(tree, tree.root + b"/e", b"")
        os.setxattr(tree.root + b"/e", "user.argosy", b"junk")
        said = [found.path for found in tree.every_pointer(on_forged=lambda path, _: told.append(path))]
        assert set(said) == {file.entry.path}
        assert set(told) == {tree.root + b"/e"}


@checks
def test_a_pointer_sealed_with_another_key_is_refused(tree: Posix) -> None:
    with _pointed(tree):
        pass
    with Posix(root=tree.root, key=bytes(32)).open(tree.root + b"/f") as file, pytest.raises(Corrupt):
        file.pointer()


def test_what_an_agent_without_privileges_left_is_believed_by_one_with_them(tree: Posix) -> None:
    as_nobody(lambda: _pointed(tree).close())
    path = tree.root + b"/f"
    with tree.open(path) as file:
        assert file.pointer() == pointer(file.binding())
        os.setxattr(path, "user.argosy", pointer(file.binding(), uuid=b"somebody else's!").encode() + bytes(32))
        assert file.pointer() is None


def test_an_agent_with_privileges_leaves_nothing_for_one_without_to_believe(tree: Posix) -> None:
    as_nobody(lambda: _pointed(tree).close())
    path = tree.root + b"/f"
    with tree.open(path) as file:
        file.point(pointer(file.binding(), uuid=b"a newer object !"))
        assert file.pointer() == pointer(file.binding(), uuid=b"a newer object !")
        assert "user.argosy" not in os.listxattr(path)
        file.forget()
        assert file.pointer() is None


def test_a_pointer_that_is_taken_off_does_not_bring_an_older_one_back(
    tree: Posix, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_nobody(lambda: _pointed(tree).close())
    path = tree.root + b"/f"
    with tree.open(path) as file:
        os.setxattr(path, "trusted.argosy", pointer(file.binding(), uuid=b"a newer object !").encode())
        remove = os.removexattr

        def stop(descriptor: int, name: bytes) -> None:
            remove(descriptor, name)
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "removexattr", stop)
        with pytest.raises(KeyboardInterrupt):
            file.forget()
        assert file.pointer() == pointer(file.binding(), uuid=b"a newer object !")


@checks
def test_a_pointer_copied_with_its_seal_is_another_inodes(tree: Posix) -> None:
    with _pointed(tree):
        publish(tree, tree.root + b"/g", attributes=_mine(PLAIN))
        os.setxattr(tree.root + b"/g", "user.argosy", os.getxattr(tree.root + b"/f", "user.argosy"))
    with tree.open(tree.root + b"/g") as file:
        assert file.pointer() is None


@checks
def test_without_a_key_nothing_is_sealed(tree: Posix) -> None:
    publish(tree, tree.root + b"/f", attributes=_mine(PLAIN))
    with Posix(root=tree.root).open(tree.root + b"/f") as file, pytest.raises(Invalid, match="key"):
        file.point(pointer(file.binding()))


@checks
def test_a_staged_file_is_pointed_even_when_dressed_read_only(tree: Posix) -> None:
    path = tree.root + b"/f"
    with tree.stage(path) as staged:
        staged.dress(Attributes(mode=0o400, uid=0, gid=0, mtime_ns=5))
        staged.point(pointer(staged.binding()))
        staged.publish(path)
    with tree.open(path) as file:
        assert file.pointer() is not None
        assert file.attributes().mode == 0o400
        assert file.attributes().mtime_ns == 5


@checks
def test_what_cannot_be_given_away_stays_ours_without_set_uid(tree: Posix) -> None:
    path = tree.root + b"/f"
    publish(tree, path, attributes=Attributes(mode=0o6755, uid=0, gid=0, mtime_ns=7))
    with tree.open(path) as file:
        assert unnamed(file.attributes()) == (0o755, NOBODY, NOBODY, 7, ())
    publish(tree, tree.root + b"/g", attributes=Attributes(mode=0o6755, uid=NOBODY, gid=NOBODY, mtime_ns=7))
    with tree.open(tree.root + b"/g") as file:
        assert file.attributes().mode == 0o6755


@checks
def test_everything_is_made_as_far_as_may_be(tree: Posix) -> None:
    assert tree.make_directory(tree.root + b"/d", DIRECTORY)
    tree.make_symlink(tree.root + b"/d/l", b"t", OWN)
    publish(tree, tree.root + b"/x/y/f", attributes=OWN)
    assert tree.stat(tree.root + b"/d").mtime_ns == DIRECTORY.mtime_ns
    assert tree.stat(tree.root + b"/d/l").mtime_ns == OWN.mtime_ns
    assert tree.make_directory(tree.root + b"/x", _mine(PLAIN))


def test_what_may_not_be_listed_is_told_and_shown(tree: Posix) -> None:
    os.mkdir(tree.root + b"/closed", 0o700)
    publish(tree, tree.root + b"/zebra")
    as_nobody(lambda: _scan_closed(tree))


def _scan_closed(tree: Posix) -> None:
    errors: list[tuple[bytes, ArgosyError]] = []
    found = [entry.path for entry in tree.scan(tree.root, on_error=lambda *error: errors.append(error))]
    assert found == [tree.root, tree.root + b"/closed", tree.root + b"/zebra"]
    assert [(path, type(error)) for path, error in errors] == [(tree.root + b"/closed", NoAccess)]


def test_what_may_not_be_read_or_written_is_denied(tree: Posix) -> None:
    publish(tree, tree.root + b"/f", attributes=Attributes(mode=0o600, uid=0, gid=0, mtime_ns=0))
    os.mkdir(tree.root + b"/d", 0o755)
    shutil.rmtree(tree.root + b"/.argosy")
    as_nobody(lambda: _denied(tree))


def _denied(tree: Posix) -> None:
    with pytest.raises(Denied):
        tree.open(tree.root + b"/f")
    with pytest.raises(Denied):
        publish(tree, tree.root + b"/d/f", attributes=_mine(PLAIN))
    assert os.listdir(tree.root + b"/d") == []


def test_a_private_directory_that_users_could_have_made_is_refused(tree: Posix) -> None:
    os.mkdir(tree.root + b"/.argosy", 0o700)
    os.mkdir(tree.root + b"/.argosy/staging", 0o700)
    os.chown(tree.root + b"/.argosy/staging", NOBODY, NOBODY)
    with pytest.raises(Denied, match="not Argosy's own"):
        publish(tree, tree.root + b"/f")
    os.chown(tree.root + b"/.argosy/staging", 0, 0)
    os.chmod(tree.root + b"/.argosy/staging", 0o770)
    with pytest.raises(Denied, match="not Argosy's own"):
        publish(tree, tree.root + b"/f")
    shutil.rmtree(tree.root + b"/.argosy")
    os.symlink("/tmp", tree.root + b"/.argosy")
    with pytest.raises(Denied):
        publish(tree, tree.root + b"/f")


def test_a_private_directory_that_the_owner_of_the_root_put_there_is_refused_for_everything(tree: Posix) -> None:
    publish(tree, tree.root + b"/f")
    seen = tree.stat(tree.root + b"/f")
    as_nobody(lambda: _swap_private(tree))
    refusal = rf"{tree.root.decode()}/\.argosy: is not Argosy's own .* move .* away"
    for act in (
        tree.sweep,
        lambda: publish(tree, tree.root + b"/g"),
        lambda: tree.put_aside(tree.root + b"/f", seen),
        lambda: tree.make_directory(tree.root + b"/d", DIRECTORY),
    ):
        with pytest.raises(Denied, match=refusal):
            act()
    assert os.listdir(tree.root + b"/.argosy") == []
    assert sorted(os.listdir(tree.root)) == [b".argosy", b".old", b"f"]


def _swap_private(tree: Posix) -> None:
    os.rename(tree.root + b"/.argosy", tree.root + b"/.old")
    os.mkdir(tree.root + b"/.argosy", 0o700)


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_private_directory_that_others_may_write_to_is_refused(tree: Posix, mode: int) -> None:
    publish(tree, tree.root + b"/f")
    os.chmod(tree.root + b"/.argosy", mode)
    with pytest.raises(Denied, match=r"/\.argosy: is not Argosy's own"):
        publish(tree, tree.root + b"/g")


def _pointed(tree: Posix):
    publish(tree, tree.root + b"/f", attributes=_mine(PLAIN))
    file = tree.open(tree.root + b"/f")
    file.point(pointer(file.binding()))
    return file


def _mine(attributes: Attributes) -> Attributes:
    return Attributes(mode=attributes.mode, uid=NOBODY, gid=NOBODY, mtime_ns=attributes.mtime_ns)


@pytest.mark.parametrize(("owner", "mode"), [(NOBODY, 0o600), (0, 0o620), (0, 0o602)])
def test_a_file_of_locks_that_others_could_hold_up_is_refused(tree: Posix, owner: int, mode: int) -> None:
    publish(tree, tree.root + b"/f")
    with tree.locked(tree.root + b"/f"):
        pass
    locks = tree.root + b"/.argosy/locks/inodes"
    os.chown(locks, owner, owner)
    os.chmod(locks, mode)
    with pytest.raises(Denied, match=r"\.argosy: is not Argosy's own"), tree.locked(tree.root + b"/f"):
        pass
