"""What every filesystem plugin promises."""

import errno
import os
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.errors import ArgosyError, Changed, Denied, Exhausted, Exists, Invalid, NotFound
from argosy.core.paths import walk_key
from argosy.core.pointer import Binding, Pointer, StubState
from argosy.filesystems.base import Filesystem, Origin, Shelf, Stands
from tests.trees import ACCESS, ACL, DEFAULT, DIRECTORY_ACL, MiB, acl, compare, nasty_tree

OWN = Attributes(
    mode=0o4660,
    uid=1234,
    gid=4321,
    mtime_ns=-1_234_567_890_123_456_789,
    xattrs=((ACCESS, ACL), (b"user.binary", bytes(range(256))), (b"user.empty", b"")),
)
NOBODY = 2**32 - 1
PLAIN = Attributes(mode=0o644, uid=0, gid=0, mtime_ns=1_000_000_000_000_000_001)
DIRECTORY = Attributes(
    mode=0o3755, uid=1234, gid=4321, mtime_ns=999_999_999, xattrs=((DEFAULT, DIRECTORY_ACL), (b"user.x", b"y"))
)


def pointer(binding: Binding, **changes: object) -> Pointer:
    fields: dict[str, object] = {
        "state": StubState.PREMIGRATED,
        "datastore": 7,
        "uuid": bytes(range(16)),
        "size": 5,
        "mtime_ns": 1,
        "digest": bytes(32),
        "etag": '"abc"',
        "binding": binding,
    }
    return Pointer(**fields | changes)  # type: ignore[arg-type]


def unnamed(attributes: Attributes) -> tuple[object, ...]:
    """All but what people call the owners."""
    return attributes.mode, attributes.uid, attributes.gid, attributes.mtime_ns, attributes.xattrs


def publish(tree: Filesystem, path: bytes, content: bytes = b"content", attributes: Attributes = PLAIN) -> None:
    with tree.stage(path) as staged:
        staged.write(0, content)
        staged.truncate(len(content))
        staged.dress(attributes)
        staged.sync()
        staged.publish(path)


def replace(tree: Filesystem, path: bytes, content: bytes, seen: Entry) -> None:
    with tree.stage(path) as staged:
        staged.write(0, content)
        staged.dress(PLAIN)
        staged.replace(path, seen)


def names_below(tree: Filesystem, path: bytes | None = None, after: bytes | None = None) -> list[bytes]:
    errors: list[ArgosyError] = []
    found = list(tree.scan(path or tree.root, on_error=lambda _, error: errors.append(error), after=after))
    assert errors == []
    return [entry.path for entry in found]


def versions(tree: Filesystem) -> dict[bytes, bytes]:
    """What the version store holds: path below the root to content."""
    top = tree.root + b"/.argosy/versions"
    return {
        os.path.relpath(os.path.join(directory, name), top).partition(b"/")[2]: content_of(
            os.path.join(directory, name)
        )
        for directory, _, files in os.walk(top)
        for name in files
    }


def content_of(path: bytes) -> bytes:
    if os.path.islink(path):
        return os.readlink(path)
    with open(path, "rb") as file:
        return file.read()


def staging(tree: Filesystem) -> list[bytes]:
    return os.listdir(tree.root + b"/.argosy/staging")


class FilesystemContract:
    """Subclass me, and define a fixture `tree` that yields a filesystem whose root is an empty directory."""

    # scan

    def test_a_scan_meets_everything_in_walk_order(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        found = names_below(tree)
        expected = {os.path.join(d, n) for d, ds, fs in os.walk(tree.root) for n in (*ds, *fs)} | {tree.root}
        assert set(found) == expected
        assert found == sorted(found, key=walk_key)

    def test_a_scan_tells_of_each_entry_what_lstat_does(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        kinds = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
        for entry in tree.scan(tree.root, on_error=_fail):
            found = os.lstat(entry.path)
            assert entry.kind is kinds[stat.S_IFMT(found.st_mode)]
            assert (entry.inode, entry.mtime_ns, entry.ctime_ns) == (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
            assert entry.size == (0 if entry.kind is Kind.DIRECTORY else found.st_size)
            assert entry.facts.links == (found.st_nlink if entry.kind is Kind.FILE else 1)

    def test_a_scan_goes_on_behind_any_path_of_an_earlier_one(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        whole = names_below(tree)
        for number in range(0, len(whole), 3):
            assert names_below(tree, after=whole[number]) == whole[number + 1 :]

    def test_a_scan_goes_on_behind_a_path_that_is_gone(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        whole = names_below(tree)
        for gone in (b"/a", b"/modes/dir-9/x", b"/sizes/4096/inside", b"/order.txt/x", b"/zzz", b"/sizes\0"):
            assert names_below(tree, after=tree.root + gone) == [
                path for path in whole if walk_key(path) > walk_key(tree.root + gone)
            ]

    def test_a_scan_of_a_part_heeds_after_wherever_it_lies(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        part = tree.root + b"/order"
        assert names_below(tree, part) == [part, part + b"/inside"]
        assert names_below(tree, part, after=tree.root + b"/modes") == [part, part + b"/inside"]
        assert names_below(tree, part, after=part) == [part + b"/inside"]
        assert names_below(tree, part, after=tree.root + b"/order-") == []

    def test_a_scan_of_a_file_or_symlink_yields_just_it(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        assert names_below(tree, tree.root + b"/sizes/1") == [tree.root + b"/sizes/1"]
        assert names_below(tree, tree.root + b"/symlinks/to directory") == [tree.root + b"/symlinks/to directory"]

    def test_a_scan_leaves_out_what_is_argosys_own_but_not_what_users_call_like_it(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/d/.argosy/f")
        assert names_below(tree) == [tree.root + end for end in (b"", b"/d", b"/d/.argosy", b"/d/.argosy/f")]

    def test_a_scan_of_what_is_missing_tells_of_it(self, tree: Filesystem) -> None:
        errors: list[tuple[bytes, ArgosyError]] = []
        path = tree.root + b"/no/such"
        assert list(tree.scan(path, on_error=lambda *error: errors.append(error))) == []
        assert [(where, type(error)) for where, error in errors] == [(path, NotFound)]

    def test_a_scan_calls_pipes_and_sockets_other(self, tree: Filesystem) -> None:
        os.mkfifo(tree.root + b"/pipe")
        os.mknod(tree.root + b"/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        assert [entry.kind for entry in tree.scan(tree.root, on_error=_fail)][1:] == [Kind.OTHER, Kind.OTHER]

    def test_a_scan_goes_deeper_than_files_may_be_open_and_paths_be_long(self, tree: Filesystem) -> None:
        at = os.open(tree.root, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir(b"ddd", dir_fd=at)
            below = os.open(b"ddd", os.O_RDONLY, dir_fd=at)
            os.mkdir(b"eee", dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
        found = names_below(tree)
        assert len(found) == 3001
        assert found == sorted(found, key=walk_key)
        assert tree.stat(tree.root + b"/ddd" * 1500).kind is Kind.DIRECTORY
        publish(tree, tree.root + b"/ddd" * 1500 + b"/f")
        subprocess.run(["rm", "-r", tree.root + b"/ddd"], check=True)  # deeper than shutil.rmtree can

    # stat, resolve, open

    def test_stat_tells_what_scan_does(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        assert all(tree.stat(entry.path) == entry for entry in tree.scan(tree.root, on_error=_fail))

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            (b"/no", NotFound),
            (b"/file/below", NotFound),
            (b"/" + b"n" * 256, Invalid),
            (b"/link/passwd", Denied),
            (b"/.argosy", Denied),
            (b"/.argosy/staging/x", Denied),
            (b"/../etc", Invalid),
        ],
    )
    def test_what_cannot_be_looked_at_is_said_to_be_so(
        self, tree: Filesystem, path: bytes, kind: type[ArgosyError]
    ) -> None:
        os.symlink("/etc", tree.root + b"/link")
        (Path(os.fsdecode(tree.root)) / "file").touch()
        with pytest.raises(kind, match=r"/\w*"):
            tree.stat(tree.root + path)

    def test_a_path_outside_the_root_is_invalid(self, tree: Filesystem) -> None:
        with pytest.raises(Invalid):
            tree.stat(b"/etc/passwd")
        with pytest.raises(Invalid):
            tree.stat(tree.root + b"2")

    def test_resolve_follows_symlinks_that_stay_beneath(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/a/b/f")
        os.symlink("a", tree.root + b"/relative")
        os.symlink("../relative/b", tree.root + b"/a/up")
        os.symlink(tree.root + b"/a/b", tree.root + b"/absolute")
        for path in (b"/relative/b/f", b"/a/up/f", b"/absolute/f", b"/a/b/f"):
            assert tree.resolve(tree.root + path) == tree.root + b"/a/b/f"
        assert tree.resolve(tree.root + b"/absolute") == tree.root + b"/absolute"
        assert tree.resolve(tree.root) == tree.root

    @pytest.mark.parametrize("target", ["/etc", "../..", "/", "..", "a/../../x", "loop", ".argosy"])
    def test_resolve_refuses_symlinks_that_lead_outside(self, tree: Filesystem, target: str) -> None:
        publish(tree, tree.root + b"/a/f")
        os.symlink(target, tree.root + b"/loop")
        with pytest.raises(Denied):
            tree.resolve(tree.root + b"/loop/passwd")

    def test_resolve_misses_parents_that_are_not_there(self, tree: Filesystem) -> None:
        with pytest.raises(NotFound):
            tree.resolve(tree.root + b"/no/f")
        publish(tree, tree.root + b"/file")
        with pytest.raises(NotFound):
            tree.resolve(tree.root + b"/file/f")

    def test_an_open_file_is_read_exactly(self, tree: Filesystem) -> None:
        content = os.urandom(100_000)
        publish(tree, tree.root + b"/f", content)
        with tree.open(tree.root + b"/f") as file:
            assert file.size == len(content)
            assert file.read(0, len(content)) == content
            assert file.read(99_990, 10) == content[-10:]
            with pytest.raises(Changed):
                file.read(99_990, 11)

    def test_an_open_file_knows_its_links_and_where_its_data_is(self, tree: Filesystem) -> None:
        nasty_tree(tree.root)
        with tree.open(tree.root + b"/links/across") as file:
            assert file.entry.facts.links == 3
            assert file.entry.facts.extents is None
        with tree.open(tree.root + b"/sparse/middle") as file:
            assert file.entry.facts.extents == ((0, MiB), (3 * MiB, MiB))
        with tree.open(tree.root + b"/sparse/all") as file:
            assert file.entry.facts.extents == ()

    @pytest.mark.parametrize("name", [b"pipe", b"null", b"directory", b"link"])
    def test_only_regular_files_are_opened(self, tree: Filesystem, name: bytes) -> None:
        os.mkfifo(tree.root + b"/pipe")
        os.mknod(tree.root + b"/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mkdir(tree.root + b"/directory")
        os.symlink("/etc/passwd", tree.root + b"/link")
        with pytest.raises(Invalid, match="regular"):
            tree.open(tree.root + b"/" + name)

    def test_an_open_file_stays_the_same_whatever_becomes_of_its_name(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path, b"old")
        with tree.open(path) as file:
            os.unlink(path)
            publish(tree, path, b"new")
            assert file.read(0, 3) == b"old"
            assert file.entry.inode != tree.stat(path).inode

    def test_reading_leaves_the_access_time(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        os.utime(path, ns=(5, 10**18))
        with tree.open(path) as file:
            file.read(0, 7)
        assert os.stat(path).st_atime_ns == 5

    def test_version_follows_writes(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        with tree.open(path) as file:
            assert file.version() == (PLAIN.mtime_ns, 7)
            os.truncate(path, 3)
            assert file.version()[0] > PLAIN.mtime_ns
            assert file.version()[1] == 3

    # attributes

    def test_a_file_wears_what_it_was_dressed_in(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/f", attributes=OWN)
        with tree.open(tree.root + b"/f") as file:
            assert unnamed(file.attributes()) == unnamed(OWN)

    def test_owners_have_names_where_the_machine_knows_them(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/f")
        publish(tree, tree.root + b"/g", attributes=Attributes(mode=0o600, uid=987654, gid=987654, mtime_ns=0))
        with tree.open(tree.root + b"/f") as file:
            assert (file.attributes().user, file.attributes().group) == ("root", "root")
        with tree.open(tree.root + b"/g") as file:
            assert (file.attributes().user, file.attributes().group) == ("", "")

    def test_a_file_inherits_nothing_of_where_it_appears(self, tree: Filesystem) -> None:
        for top in (tree.root, tree.root + b"/d"):
            os.makedirs(top, exist_ok=True)
            os.setxattr(top, DEFAULT, DIRECTORY_ACL)
            os.chmod(top, 0o2775)
        publish(tree, tree.root + b"/d/f")
        with tree.open(tree.root + b"/d/f") as file:
            assert unnamed(file.attributes()) == unnamed(PLAIN)

    def test_file_capabilities_are_not_attributes(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        os.setxattr(path, b"security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
        with tree.open(path) as file:
            assert file.attributes().xattrs == ()

    # the pointer

    def test_a_pointer_is_read_as_written_and_can_be_forgotten(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        with tree.open(path) as file:
            assert file.pointer() is None
            written = pointer(file.binding(), version="v" * 255, etag="e" * 255)
            file.point(written)
            file.sync()
            assert file.pointer() == written
            file.forget()
            file.forget()
            assert file.pointer() is None

    def test_a_pointer_changes_neither_the_version_nor_the_attributes(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path, attributes=OWN)
        with tree.open(path) as file:
            before = file.version()
            file.point(pointer(file.binding()))
            assert file.version() == before
            assert unnamed(file.attributes()) == unnamed(OWN)

    def test_a_pointer_written_in_staging_holds_after_publishing(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        with tree.stage(path) as staged:
            staged.dress(PLAIN)
            written = pointer(staged.binding())
            staged.point(written)
            staged.publish(path)
        with tree.open(path) as file:
            assert file.binding() == written.binding
            assert file.pointer() == written

    def test_a_pointer_follows_renames_but_not_copies(self, tree: Filesystem) -> None:
        path, moved, copied = tree.root + b"/f", tree.root + b"/moved", tree.root + b"/copied"
        publish(tree, path)
        publish(tree, copied)
        with tree.open(path) as file:
            written = pointer(file.binding())
            file.point(written)
        os.rename(path, moved)
        os.setxattr(copied, "trusted.argosy", os.getxattr(moved, "trusted.argosy"))
        with tree.open(moved) as file:
            assert file.pointer() == written
        with tree.open(copied) as file:
            assert file.pointer() is None

    def test_an_inode_used_again_has_another_binding(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        bindings = set()
        for _ in range(20):
            publish(tree, path)
            with tree.open(path) as file:
                bindings.add(file.binding())
            os.unlink(path)
        assert len(bindings) == 20
        assert len({binding.filesystem for binding in bindings}) == 1
        assert all(any(binding.filesystem) and binding.born_ns for binding in bindings)

    # the lease

    def test_a_file_nobody_writes_is_unwritten(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        with tree.open(path) as file, file.unwritten() as clean:
            with open(path, "rb") as reader:
                reader.read()
            assert clean()

    def test_a_file_open_for_writing_is_not_unwritten(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        with open(path, "r+b"), tree.open(path) as file, file.unwritten() as clean:
            assert not clean()

    def test_a_writer_breaks_the_lease_and_hardly_waits(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        written = threading.Event()

        def write() -> None:
            with open(path, "r+b") as file:
                file.write(b"x")
            written.set()

        with tree.open(path) as file, file.unwritten() as clean:
            threading.Thread(target=write, daemon=True).start()
            assert written.wait(5), "the writer was kept waiting while the lease was held"
            assert not clean()
        assert not clean()

    # publishing

    def test_nothing_is_visible_before_it_is_published(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        with tree.stage(path) as staged:
            staged.write(0, b"half")
            assert names_below(tree) == [tree.root]
            with pytest.raises(NotFound):
                tree.stat(path)
        assert staging(tree) == []
        staged.discard()

    def test_what_is_passed_on_is_no_longer_in_staging_and_keeps_its_inode(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        with tree.stage(path) as staged:
            staged.write(0, b"content")
            inode = staged.binding().inode
            staged.pass_on(lambda directory, name: os.rename(name, path, src_dir_fd=directory))
        assert content_of(path) == b"content"
        assert os.stat(path).st_ino == inode
        assert staging(tree) == []

    def test_what_cannot_be_passed_on_is_discarded(self, tree: Filesystem) -> None:
        def refuse(_directory: int, _name: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(Exhausted), tree.stage(tree.root + b"/f") as staged:
            staged.pass_on(refuse)
        assert staging(tree) == []

    def test_what_is_never_written_stays_a_hole(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        with tree.stage(path) as staged:
            staged.write(MiB, b"x" * MiB)
            staged.truncate(4 * MiB)
            staged.dress(PLAIN)
            staged.publish(path)
        with tree.open(path) as file:
            assert file.entry.facts.extents == ((MiB, MiB),)
        assert os.stat(path).st_blocks * 512 < 2 * MiB

    def test_publish_leaves_what_holds_the_name(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path, b"first")
        with pytest.raises(Exists, match=r"/f"):
            publish(tree, path, b"second")
        os.symlink("nowhere", tree.root + b"/link")
        with pytest.raises(Exists):
            publish(tree, tree.root + b"/link")
        assert content_of(path) == b"first"
        assert staging(tree) == []

    def test_missing_parents_are_like_the_nearest_until_they_arrive(self, tree: Filesystem) -> None:
        os.mkdir(tree.root + b"/d")
        os.chown(tree.root + b"/d", 1234, 4321)
        os.chmod(tree.root + b"/d", 0o2750)
        publish(tree, tree.root + b"/d/e/f/g")
        for path in (b"/d/e", b"/d/e/f"):
            found = os.stat(tree.root + path)
            assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 4321, 0o2750)
        assert tree.make_directory(tree.root + b"/d/e", DIRECTORY)
        assert not tree.make_directory(tree.root + b"/d/e", PLAIN)
        assert unnamed(tree.attributes(tree.root + b"/d/e")) == unnamed(DIRECTORY)

    def test_missing_parents_give_nobody_more_than_the_nearest(self, tree: Filesystem) -> None:
        """The mode of a directory with an ACL tells the mask where the rights of the group should be."""
        os.setxattr(
            tree.root, DEFAULT, acl((1, 7, NOBODY), (2, 7, 1234), (4, 7, NOBODY), (16, 7, NOBODY), (32, 7, NOBODY))
        )
        os.mkdir(tree.root + b"/d", 0o700)
        os.removexattr(tree.root + b"/d", DEFAULT)
        closed = acl((1, 7, NOBODY), (2, 7, 4321), (4, 0, NOBODY), (16, 7, NOBODY), (32, 0, NOBODY))
        os.setxattr(tree.root + b"/d", ACCESS, closed)
        publish(tree, tree.root + b"/d/e/f")
        assert os.getxattr(tree.root + b"/d/e", ACCESS) == closed
        assert DEFAULT.decode() not in os.listxattr(tree.root + b"/d/e")
        os.mkdir(tree.root + b"/bare", 0o750)
        for name in (ACCESS, DEFAULT):
            os.removexattr(tree.root + b"/bare", name)
        publish(tree, tree.root + b"/bare/e/f")
        assert not {ACCESS.decode(), DEFAULT.decode()} & set(os.listxattr(tree.root + b"/bare/e"))
        for top, _, _ in os.walk(tree.root + b"/.argosy"):
            assert not {ACCESS.decode(), DEFAULT.decode()} & set(os.listxattr(top)), top

    def test_a_missing_parent_waits_for_its_entry_at_its_own_path_only(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/d/f")
        os.rename(tree.root + b"/d", tree.root + b"/e")
        assert not tree.make_directory(tree.root + b"/e", DIRECTORY)
        os.rename(tree.root + b"/e", tree.root + b"/d")
        assert tree.make_directory(tree.root + b"/d", DIRECTORY)

    def test_a_name_too_long_is_invalid(self, tree: Filesystem) -> None:
        with pytest.raises(Invalid, match="255"):
            publish(tree, tree.root + b"/" + b"n" * 256)
        with pytest.raises(Invalid, match="255"):
            publish(tree, tree.root + b"/" + b"n" * 256 + b"/f")
        publish(tree, tree.root + b"/" + b"n" * 255)

    def test_a_directory_being_received_keeps_the_mtime_it_was_given(self, tree: Filesystem) -> None:
        top = tree.root + b"/d"
        tree.make_directory(top, DIRECTORY)
        publish(tree, top + b"/f")
        tree.make_directory(top + b"/e", DIRECTORY)
        tree.make_symlink(top + b"/l", b"f", PLAIN)
        tree.make_link(top + b"/f", top + b"/g", inode=tree.stat(top + b"/f").inode)
        publish(tree, top + b"/x/y/z")
        replace(tree, top + b"/f", b"new", tree.stat(top + b"/f"))
        tree.put_aside(top + b"/l", tree.stat(top + b"/l"))
        assert tree.stat(top).mtime_ns == DIRECTORY.mtime_ns

    def test_many_threads_publishing_leave_the_directory_its_mtime(self, tree: Filesystem) -> None:
        tree.make_directory(tree.root + b"/d", DIRECTORY)
        threads = [threading.Thread(target=publish, args=(tree, tree.root + b"/d/%d" % number)) for number in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(os.listdir(tree.root + b"/d")) == 32
        assert tree.stat(tree.root + b"/d").mtime_ns == DIRECTORY.mtime_ns

    # replacing and putting aside

    def test_replace_keeps_the_old_content_in_the_version_store(self, tree: Filesystem) -> None:
        path = tree.root + b"/d/f"
        publish(tree, path, b"old", OWN)
        replace(tree, path, b"new", tree.stat(path))
        assert content_of(path) == b"new"
        assert versions(tree) == {b"d/f": b"old"}
        assert staging(tree) == []

    def test_replace_and_put_aside_take_symlinks_too(self, tree: Filesystem) -> None:
        path = tree.root + b"/l"
        tree.make_symlink(path, b"one", PLAIN)
        replace(tree, path, b"new", tree.stat(path))
        assert content_of(path) == b"new"
        tree.make_symlink(tree.root + b"/m", b"two", PLAIN)
        tree.put_aside(tree.root + b"/m", tree.stat(tree.root + b"/m"))
        assert versions(tree) == {b"l": b"one", b"m": b"two"}

    @pytest.mark.parametrize("change", ["write", "other", "gone", "directory"])
    @pytest.mark.parametrize("verb", ["replace", "put_aside"])
    def test_what_is_not_what_was_seen_is_left_alone(self, tree: Filesystem, change: str, verb: str) -> None:
        path = tree.root + b"/f"
        publish(tree, path, b"old")
        seen = tree.stat(path)
        interfere(path, change)
        act = tree.put_aside if verb == "put_aside" else lambda path, seen: replace(tree, path, b"new", seen)
        with pytest.raises(Changed, match=r"/f"):
            act(path, seen)
        expected = {"write": b"older", "other": b"other"}.get(change)
        assert (content_of(path) if os.path.isfile(path) else None) == expected
        assert versions(tree) == {}
        assert staging(tree) == []

    def test_put_aside_frees_the_name(self, tree: Filesystem) -> None:
        path = tree.root + b"/d/f"
        publish(tree, path, b"old")
        inode = tree.stat(path).inode
        tree.put_aside(path, tree.stat(path))
        assert not os.path.lexists(path)
        assert versions(tree) == {b"d/f": b"old"}
        assert any(os.stat(os.path.join(d, n)).st_ino == inode for d, _, fs in os.walk(tree.root) for n in fs)

    def test_a_directory_is_neither_replaced_nor_put_aside(self, tree: Filesystem) -> None:
        os.mkdir(tree.root + b"/d")
        with pytest.raises(Invalid):
            replace(tree, tree.root + b"/d", b"x", tree.stat(tree.root + b"/d"))
        with pytest.raises(Invalid):
            tree.put_aside(tree.root + b"/d", tree.stat(tree.root + b"/d"))

    def test_who_writes_to_what_is_replaced_writes_to_the_version(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path, b"old")
        with open(path, "r+b") as writer:
            replace(tree, path, b"new", tree.stat(path))
            writer.write(b"OLD")
        assert content_of(path) == b"new"
        assert versions(tree) == {b"f": b"OLD"}

    # directories, symlinks, links

    def test_a_directory_is_made_with_its_attributes(self, tree: Filesystem) -> None:
        path = tree.root + b"/d"
        assert tree.make_directory(path, DIRECTORY)
        assert unnamed(tree.attributes(path)) == unnamed(DIRECTORY)
        assert staging(tree) == []

    def test_a_directory_that_was_there_keeps_its_own_unless_told_otherwise(self, tree: Filesystem) -> None:
        path = tree.root + b"/d"
        os.mkdir(path, 0o700)
        assert not tree.make_directory(path, DIRECTORY)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        assert tree.make_directory(path, DIRECTORY, overwrite=True)
        assert not tree.make_directory(path, DIRECTORY, overwrite=True)
        assert unnamed(tree.attributes(path)) == unnamed(DIRECTORY)
        assert not tree.make_directory(tree.root, DIRECTORY)
        with pytest.raises(Changed):
            tree.make_directory(path, PLAIN, overwrite=True, inode=tree.stat(path).inode + 1)
        with pytest.raises(Changed):
            tree.make_directory(tree.root + b"/e", PLAIN, inode=1)

    @pytest.mark.parametrize("above", [0o755, 0o1777, 0o777, "bob's"])
    @pytest.mark.parametrize("filled", [True, False])
    def test_a_directory_is_given_to_nobody_who_could_have_moved_it_there(
        self, tree: Filesystem, above: int | str, *, filled: bool
    ) -> None:
        top, path = tree.root + b"/top", tree.root + b"/top/d"
        os.makedirs(path, 0o700)
        if filled:
            os.mkdir(path + b"/f")
        if isinstance(above, int):
            os.chmod(top, above)
        else:
            os.chown(top, 1234, 1234)
        if filled and above in {0o777, "bob's"}:
            with pytest.raises(Denied, match="chown"):
                tree.make_directory(path, DIRECTORY, overwrite=True)
            roots = msgspec.structs.replace(DIRECTORY, uid=0, gid=0, xattrs=())
            with pytest.raises(Denied):
                tree.make_directory(path, roots, overwrite=True)
            assert (os.stat(path).st_uid, stat.S_IMODE(os.stat(path).st_mode)) == (0, 0o700)
        else:
            assert tree.make_directory(path, DIRECTORY, overwrite=True)
            assert unnamed(tree.attributes(path)) == unnamed(DIRECTORY)

    def test_a_directory_knows_of_which_it_is_a_copy(self, tree: Filesystem) -> None:
        source, path = tree.root + b"/source", tree.root + b"/d"
        for each in (source, path):
            os.mkdir(each)
        origin = Origin(task="t", binding=tree.binding(source))
        with pytest.raises(Exists):
            tree.receive_directory(path, DIRECTORY, origin)
        before = tree.stat(path)
        tree.receive_directory(path, DIRECTORY, origin, replacing=before)
        assert (tree.origin(path), tree.origin(source)) == (origin, None)
        assert unnamed(tree.attributes(path)) == unnamed(DIRECTORY)
        (kept,) = tree.kept(Shelf.VERSIONS)
        assert (kept.entry.path, kept.entry.inode) == (path, before.inode)
        publish(tree, path + b"/f")
        tree.receive_directory(path, PLAIN, msgspec.structs.replace(origin, task="u"))
        assert unnamed(tree.attributes(path)) == unnamed(PLAIN)
        with pytest.raises(Exists, match="holds something"):
            tree.receive_directory(path, DIRECTORY, origin, replacing=tree.stat(path))
        with pytest.raises(Changed):
            tree.receive_directory(path, DIRECTORY, origin, replacing=before)
        assert content_of(path + b"/f") == b"content"
        assert staging(tree) == []

    def test_a_directory_knows_for_which_it_stands_under_any_name(self, tree: Filesystem) -> None:
        path, other = tree.root + b"/d", tree.root + b"/e"
        os.mkdir(path)
        assert tree.stands_for(path) is None
        stands, seen = Stands(object=b"1", since_ns=2), tree.stat(path)
        tree.stand_for(path, seen, stands)
        tree.move(path, seen, other)
        os.mkdir(path)
        assert (tree.stands_for(other), tree.stands_for(path)) == (stands, None)
        assert tree.attributes(other).xattrs == ()
        with pytest.raises(Changed):
            tree.stand_for(path, seen, stands)

    @pytest.mark.parametrize("make", ["make_directory", "make_symlink", "make_link", "receive_directory"])
    def test_what_holds_the_name_is_left_as_it_is(self, tree: Filesystem, make: str) -> None:
        path, other = tree.root + b"/f", tree.root + b"/other"
        publish(tree, path, b"old")
        publish(tree, other)
        inode = tree.stat(other).inode
        origin = Origin(task="t", binding=tree.binding(tree.root))
        making: dict[str, Callable[[], object]] = {
            "make_directory": lambda: tree.make_directory(path, DIRECTORY),
            "make_symlink": lambda: tree.make_symlink(path, b"t", PLAIN),
            "make_link": lambda: tree.make_link(other, path, inode=inode),
            "receive_directory": lambda: tree.receive_directory(path, DIRECTORY, origin),
        }
        with pytest.raises(Exists, match=r"/f"):
            making[make]()
        assert content_of(path) == b"old"
        assert staging(tree) == []

    def test_a_symlink_to_a_directory_is_not_a_directory(self, tree: Filesystem) -> None:
        os.mkdir(tree.root + b"/real")
        os.symlink("real", tree.root + b"/d")
        with pytest.raises(Exists):
            tree.make_directory(tree.root + b"/d", DIRECTORY)
        with pytest.raises(Denied):
            publish(tree, tree.root + b"/d/f")
        assert os.listdir(tree.root + b"/real") == []

    def test_a_symlink_is_made_with_owner_and_mtime(self, tree: Filesystem) -> None:
        path = tree.root + b"/l"
        tree.make_symlink(path, b"\xff\n%", OWN)
        assert tree.readlink(path) == b"\xff\n%"
        found = tree.attributes(path)
        assert (found.uid, found.gid, found.mtime_ns, found.xattrs) == (OWN.uid, OWN.gid, OWN.mtime_ns, ())
        with pytest.raises(Invalid):
            tree.readlink(tree.root)

    def test_a_symlink_that_is_there_gets_another_owner_and_mtime(self, tree: Filesystem) -> None:
        path = tree.root + b"/l"
        publish(tree, tree.root + b"/f")
        before = tree.stat(tree.root + b"/f")
        tree.make_symlink(path, b"f", PLAIN)
        seen = tree.stat(path)
        assert tree.dress_symlink(path, seen, OWN)
        found = tree.attributes(path)
        assert (found.uid, found.gid, found.mtime_ns) == (OWN.uid, OWN.gid, OWN.mtime_ns)
        assert (tree.stat(path).inode, tree.readlink(path)) == (seen.inode, b"f")
        assert not tree.dress_symlink(path, tree.stat(path), OWN)
        assert tree.stat(tree.root + b"/f") == before

    def test_a_symlink_that_is_not_what_was_seen_keeps_owner_and_mtime(self, tree: Filesystem) -> None:
        path = tree.root + b"/l"
        tree.make_symlink(path, b"one", PLAIN)
        seen = tree.stat(path)
        os.unlink(path)
        tree.make_symlink(path, b"another", PLAIN)
        with pytest.raises(Changed):
            tree.dress_symlink(path, seen, OWN)
        assert tree.attributes(path).uid == PLAIN.uid

    def test_a_link_is_a_further_name_of_the_same_file(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/f")
        tree.make_link(tree.root + b"/f", tree.root + b"/d/g", inode=tree.stat(tree.root + b"/f").inode)
        assert tree.stat(tree.root + b"/f").inode == tree.stat(tree.root + b"/d/g").inode
        assert tree.stat(tree.root + b"/f").facts.links == 2
        with pytest.raises(NotFound, match="no such"):
            tree.make_link(tree.root + b"/missing", tree.root + b"/h", inode=1)

    def test_what_has_the_name_of_a_file_by_then_is_not_linked(self, tree: Filesystem) -> None:
        path = tree.root + b"/f"
        publish(tree, path)
        inode = tree.stat(path).inode
        os.rename(path, tree.root + b"/old")
        publish(tree, path, b"another")
        with pytest.raises(Changed, match=r"/f"):
            tree.make_link(path, tree.root + b"/g", inode=inode)
        os.unlink(path)
        os.symlink(b"old", path)
        with pytest.raises(ArgosyError):
            tree.make_link(path, tree.root + b"/g", inode=inode)
        assert sorted(os.listdir(tree.root)) == [b".argosy", b"f", b"old"]
        assert staging(tree) == []

    def test_names_can_be_synced(self, tree: Filesystem) -> None:
        publish(tree, tree.root + b"/d/f")
        for path in (b"/d/f", b"/d", b""):
            tree.sync_directory(tree.root + path)

    # leftovers

    def test_sweep_removes_what_was_staged_and_nothing_else(self, tree: Filesystem) -> None:
        tree.sweep()
        publish(tree, tree.root + b"/f", b"old")
        replace(tree, tree.root + b"/f", b"new", tree.stat(tree.root + b"/f"))
        left = tree.stage(tree.root + b"/g")
        left.write(0, b"half")
        tree.sweep()
        assert staging(tree) == []
        assert content_of(tree.root + b"/f") == b"new"
        assert versions(tree) == {b"f": b"old"}
        left.discard()

    # all of it

    def test_a_nasty_tree_is_carried_whole_in_any_order(self, tree: Filesystem, tmp_path: Path) -> None:
        source, target = tree.root + b"/source", tree.root + b"/target"
        nasty_tree(source)
        entries = list(tree.scan(source, on_error=_fail))
        linked: dict[int, bytes] = {}
        for entry in entries[::2] + entries[1::2]:
            carry(tree, entry, target + entry.path[len(source) :], linked)
        assert compare(source, target) == []
        assert staging(tree) == []


def carry(tree: Filesystem, entry: Entry, path: bytes, linked: dict[int, bytes]) -> None:
    """Make at `path` what the entry is."""
    if entry.kind is Kind.DIRECTORY:
        tree.make_directory(path, tree.attributes(entry.path))
    elif entry.kind is Kind.SYMLINK:
        tree.make_symlink(path, tree.readlink(entry.path), tree.attributes(entry.path))
    elif entry.facts.links > 1 and entry.inode in linked:
        tree.make_link(linked[entry.inode], path, inode=tree.stat(linked[entry.inode]).inode)
    else:
        linked[entry.inode] = path
        _carry_file(tree, entry, path)


def _carry_file(tree: Filesystem, entry: Entry, path: bytes) -> None:
    with tree.open(entry.path) as file, tree.stage(path) as staged:
        whole = ((0, file.size),) if file.entry.facts.extents is None else file.entry.facts.extents
        for offset, length in whole:
            staged.write(offset, file.read(offset, length))
        staged.truncate(file.size)
        staged.dress(file.attributes())
        staged.point(pointer(staged.binding()))
        staged.publish(path)


def interfere(path: bytes, change: str) -> None:
    if change == "write":
        with open(path, "ab") as file:
            file.write(b"er")
        return
    os.rename(path, path + b".moved")
    if change == "other":
        with open(path, "wb") as file:
            file.write(b"other")
    elif change == "directory":
        os.mkdir(path)


def _fail(path: bytes, error: ArgosyError) -> None:
    pytest.fail(f"{path!r}: {error}")
