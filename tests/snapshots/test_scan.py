import os
import subprocess
import time

import blake3
import msgspec
import pyarrow as pa
import pytest

from argosy.core.errors import Corrupt, NotFound, Unsupported
from argosy.core.pointer import Binding, Pointer, StubState
from argosy.linux import tree
from argosy.snapshots import index
from argosy.snapshots.attributes import digest
from argosy.snapshots.index import IndexFile, IndexWriter
from argosy.snapshots.schema import ROW_GROUP, SCHEMA, VERSION
from tests.snapshots.trees import ABOUT, by_path, rows_of, scanned


@pytest.fixture(params=["compiled", "slow"])
def either(request, monkeypatch):
    """With the C library, and without."""
    if request.param == "slow":
        monkeypatch.setattr(tree, "LIBRARY", None)


@pytest.fixture
def top(tmp_path):
    top = tmp_path / "tree"
    top.mkdir()
    return top


def binding(row):
    return Binding(filesystem=bytes.fromhex(ABOUT.filesystem), subvolume=0, inode=row["inode"], born_ns=row["born_ns"])


def indexed(index, rows):
    """Write the rows as an index file, as if it had been begun an hour later than they say."""
    with IndexWriter(os.fsencode(index)) as writer:
        writer.add(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
        return writer.finish(msgspec.structs.replace(ABOUT, began_ns=time.time_ns() + 3600 * 10**9))


class TestAnIndex:
    def test_it_says_of_every_entry_what_stat_says(self, either, top, tmp_path):
        (top / "file").write_bytes(b"12345")
        (top / "file").chmod(0o4711)
        os.chown(top / "file", 1234, 4321)
        os.utime(top / "file", ns=(5, -1_500_000_000))
        os.link(top / "file", top / "again")
        (top / "link").symlink_to("nowhere")
        os.mkfifo(top / "pipe")
        about = scanned(top, tmp_path / "index")
        found = by_path(tmp_path / "index")
        assert list(found) == [b"", b"again", b"file", b"link", b"pipe"]
        for path, row in found.items():
            told = os.lstat(os.fsencode(top) + b"/" + path)
            assert (row["inode"], row["ctime_ns"], row["mtime_ns"]) == (told.st_ino, told.st_ctime_ns, told.st_mtime_ns)
            assert (row["mode"], row["uid"], row["gid"]) == (told.st_mode & 0o7777, told.st_uid, told.st_gid)
            assert (row["links"], row["unknown"], row["hash"]) == (told.st_nlink, 0, None)
        assert [row["size"] for row in found.values()] == [0, 5, 5, 7, 0]
        assert [row["kind"] for row in found.values()] == [2, 1, 1, 3, 4]
        assert found[b"link"]["target"] == b"nowhere"
        assert found[b"file"]["target"] is None
        assert found[b"file"]["inode"] == found[b"again"]["inode"]
        assert (about.complete, about.rows) == (True, 5)
        assert about.began_ns <= about.ended_ns
        assert IndexFile(os.fsencode(tmp_path / "index")).about == about

    def test_what_is_attached_is_told_by_a_digest_that_the_order_and_our_own_do_not_change(self, either, top, tmp_path):
        for name, xattrs in (("one", ("a", "b")), ("two", ("b", "a")), ("other", ("a",)), ("none", ())):
            (top / name).touch()
            for xattr in xattrs:
                os.setxattr(top / name, f"user.{xattr}".encode(), b"value")
        os.setxattr(top / "two", b"user.argosy.made", b"ours")
        os.setxattr(top / "none", b"trusted.argosy", b"not a pointer")
        (top / "folder").mkdir()
        subprocess.run(["setfacl", "-d", "-m", "u:1234:r", str(top / "folder")], check=True)
        scanned(top, tmp_path / "index")
        told = {path: row["attributes"] for path, row in by_path(tmp_path / "index").items()}
        assert told[b"one"] == told[b"two"] == digest([(b"user.b", b"value"), (b"user.a", b"value")])
        assert told[b"other"] not in {None, told[b"one"]}
        assert told[b"none"] is told[b""] is None
        assert told[b"folder"] == digest(
            [(b"system.posix_acl_default", os.getxattr(top / "folder", "system.posix_acl_default"))]
        )

    def test_what_is_attached_or_taken_away_after_an_earlier_scan_is_seen_in_the_next(self, either, top, tmp_path):
        for name in ("gets", "loses", "keeps", "bare"):
            (top / name).touch()
        for name in ("loses", "keeps"):
            os.setxattr(top / name, b"user.label", b"value")
        scanned(top, tmp_path / "first")
        indexed(tmp_path / "known", rows_of(tmp_path / "first"))
        os.setxattr(top / "gets", b"user.label", b"value")
        os.removexattr(top / "loses", b"user.label")
        scanned(top, tmp_path / "second", earlier=IndexFile(os.fsencode(tmp_path / "known")))
        scanned(top, tmp_path / "anew")
        found, anew = by_path(tmp_path / "second"), by_path(tmp_path / "anew")
        assert found == anew
        assert {path for path, row in found.items() if row["attributes"]} == {b"gets", b"keeps"}

    def test_a_clean_stub_tells_its_hash_and_a_copy_of_one_does_not(self, either, top, tmp_path):
        hashed = blake3.blake3(b"content").digest()
        for name in ("stub", "copy", "written", "dirty"):
            (top / name).write_bytes(b"content")
        scanned(top, tmp_path / "index")
        found = by_path(tmp_path / "index")
        for name in ("stub", "copy", "written", "dirty"):
            row = found[b"stub" if name == "copy" else name.encode()]
            pointer = Pointer(
                state=StubState.STUB, clean=name != "dirty", datastore=1, uuid=bytes(16), size=row["size"],
                mtime_ns=row["mtime_ns"], digest=hashed, binding=binding(row),
            )  # fmt: skip
            os.setxattr(top / name, b"trusted.argosy", pointer.encode())
        (top / "written").write_bytes(b"more than that")
        scanned(top, tmp_path / "index")
        told = {path: row["hash"] for path, row in by_path(tmp_path / "index").items() if row["hash"]}
        assert told == {b"stub": hashed}

    def test_hashes_come_from_an_earlier_index_for_what_has_not_changed(self, either, top, tmp_path):
        for name in ("same", "written", "touched", "moved"):
            (top / name).write_bytes(name.encode())
        scanned(top, tmp_path / "first")
        rows = rows_of(tmp_path / "first")
        for row in rows[1:]:
            row["hash"] = blake3.blake3(row["name"]).digest()
        indexed(tmp_path / "known", rows)
        (top / "written").write_bytes(b"another")
        os.utime(top / "touched")
        (top / "folder").mkdir()
        os.link(top / "same", tmp_path / "linked")  # another ctime
        (tmp_path / "linked").unlink()
        scanned(top, tmp_path / "second", earlier=IndexFile(os.fsencode(tmp_path / "known")))
        told = {path for path, row in by_path(tmp_path / "second").items() if row["hash"]}
        assert told == {b"moved"}
        assert by_path(tmp_path / "second")[b"moved"]["hash"] == blake3.blake3(b"moved").digest()

    def test_a_hash_of_a_file_that_had_just_changed_when_it_was_scanned_is_not_believed(self, top, tmp_path):
        (top / "file").touch()
        scanned(top, tmp_path / "first")
        rows = rows_of(tmp_path / "first")
        rows[1]["hash"] = bytes(32)
        indexed(tmp_path / "known", rows)
        known = IndexFile(os.fsencode(tmp_path / "known"))
        scanned(top, tmp_path / "second", earlier=known)
        assert rows_of(tmp_path / "second")[1]["hash"] == bytes(32)
        known.about = msgspec.structs.replace(known.about, began_ns=rows[1]["ctime_ns"] + 1)
        scanned(top, tmp_path / "third", earlier=known)
        assert rows_of(tmp_path / "third")[1]["hash"] is None

    def test_rows_of_many_blocks_are_written_in_order_and_in_row_groups_of_one_size(self, top, tmp_path):
        made = 130_000
        for folder in range(13):
            (top / f"{folder:02}").mkdir()
            with_names = os.open(top / f"{folder:02}", os.O_RDONLY)
            os.mknod("first", dir_fd=with_names)
            for number in range(made // 13 - 1):
                os.link("first", f"{number:06}", src_dir_fd=with_names, dst_dir_fd=with_names)
            os.close(with_names)
        about = scanned(top, tmp_path / "index")
        assert about.rows == made + 14
        batches = list(IndexFile(os.fsencode(tmp_path / "index")).batches(["name", "kind"]))
        assert [batch.num_rows for batch in batches] == [ROW_GROUP, made + 14 - ROW_GROUP]
        names = [name for batch in batches for name in batch["name"].to_pylist()]
        each = [b"%06d" % number for number in range(made // 13 - 1)] + [b"first"]
        assert names == [b"", *(name for folder in range(13) for name in (b"%02d" % folder, *each))]


class TestAnIndexFile:
    def test_one_that_is_replaced_is_the_old_one_until_the_new_one_is_whole(self, top, tmp_path):
        scanned(top, tmp_path / "index")
        before = (tmp_path / "index").read_bytes()
        (top / "new").touch()

        def interrupted(rows):
            assert (tmp_path / "index").read_bytes() == before
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            scanned(top, tmp_path / "index", told=interrupted)
        assert (tmp_path / "index").read_bytes() == before
        assert {path.name for path in tmp_path.iterdir()} == {"index", "tree"}

    def test_one_that_is_missing_cut_or_something_else_is_told_as_such(self, top, tmp_path):
        with pytest.raises(NotFound):
            IndexFile(os.fsencode(tmp_path / "index"))
        scanned(top, tmp_path / "index")
        whole = (tmp_path / "index").read_bytes()
        (tmp_path / "index").write_bytes(whole[:-10])
        with pytest.raises(Corrupt):
            IndexFile(os.fsencode(tmp_path / "index"))

    def test_one_of_another_version_is_told_as_such(self, top, tmp_path, monkeypatch):
        for version, remedy in ((VERSION + 1, "update Argosy"), (VERSION - 1, "begins anew")):
            with monkeypatch.context() as patch:
                patch.setattr(index, "VERSION", version)
                scanned(top, tmp_path / "index")
            with pytest.raises(Unsupported, match=remedy):
                IndexFile(os.fsencode(tmp_path / "index"))
