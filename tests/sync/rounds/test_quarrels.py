"""What rounds tell of conflicts: how both versions stand when they are met, and what is there of them later."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from argosy.sync.planner.options import Policy
from argosy.sync.planner.trees import Side
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.quarrels import Fate, Met, Watched
from tests.sync.rounds.test_rounds import Pair


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def met(pair: Pair) -> list[Met]:
    return list(pages.read(work.met(pair.folder), Met))


def disputed(pair: Pair) -> Met:
    """Have both sides write a file in a directory that both have, and return what the round told."""
    for top in (pair.one, pair.two):
        (top / "deep").mkdir()
    pair.sync()
    (pair.one / "deep" / "file").write_bytes(b"one")
    (pair.two / "deep" / "file").write_bytes(b"two, which is longer")
    os.utime(pair.one / "deep" / "file", ns=(10**18, 10**18))
    pair.sync()
    (found,) = met(pair)
    return found


def fate(pair: Pair, of: Met, **more: Any) -> Fate | None:
    """Sync, looking what became of a conflict; None: nothing is told of it."""
    assert of.named is not None
    assert of.other is not None
    pair.plan(**more)
    pair.apply()
    watched = Watched(7, of.named.object, of.other.object, of.quarrel.at, of.quarrel.kept)
    pages.write(work.watched(pair.folder), [watched])
    pair.commit()
    if not work.fates(pair.folder).exists():
        return None
    (found,) = pages.read(work.fates(pair.folder), Fate)
    return found


def test_both_versions_are_told_as_each_side_has_them_in_the_end(pair: Pair) -> None:
    found = disputed(pair)
    quarrel, named, other = found.quarrel, found.named, found.other
    assert named is not None
    assert other is not None
    assert (quarrel.dispute, quarrel.winner, quarrel.at) == ("name", Side.TWO, b"deep/file")
    digits = blake3(b"one").hexdigest()[:12]
    assert quarrel.kept == b"deep/file.conflict-one-" + digits.encode()
    assert named.content == blake3(b"two, which is longer").digest()
    assert (other.content, other.size, other.mtime_ns) == (blake3(b"one").digest(), 3, 10**18)
    for version, path in ((named, quarrel.at), (other, quarrel.kept)):
        assert len(version.object) == 32
        for seen, side in zip(version.on, (pair.one, pair.two), strict=True):
            stat = (side / os.fsdecode(path)).stat()
            assert seen is not None
            assert (seen.inode, seen.mtime_ns, seen.size) == (stat.st_ino, stat.st_mtime_ns, stat.st_size)
    assert fate(pair, found) is None
    assert met(pair) == []


def test_versions_are_followed_by_what_they_are_wherever_they_are_moved(pair: Pair) -> None:
    found = disputed(pair)
    (pair.one / "deep").rename(pair.one / "deeper")
    told = fate(pair, found)
    assert told is not None
    assert told.named is not None
    assert told.copy is not None
    assert (told.named.path, told.copy.path) == (b"deeper/file", found.quarrel.kept.replace(b"deep/", b"deeper/"))
    assert (told.named.version.object, told.copy.version.object) == (
        found.named and found.named.object,
        found.other and found.other.object,
    )


def test_a_copy_that_was_removed_is_gone_and_another_file_of_that_name_is_not_taken_for_it(pair: Pair) -> None:
    found = disputed(pair)
    copy = os.fsdecode(found.quarrel.kept)
    (pair.two / copy).unlink()
    told = fate(pair, found)
    assert told is not None
    assert (told.copy, told.coming) == (None, False)
    (pair.two / copy).write_bytes(b"something else")
    told = fate(pair, found)
    assert told is not None
    assert told.copy is None


def test_without_the_base_versions_are_found_by_their_paths(pair: Pair) -> None:
    found = disputed(pair)
    Path(pair.base[0]).unlink()
    told = fate(pair, found)
    assert told is not None
    assert told.copy is not None
    assert told.copy.path == found.quarrel.kept
    assert told.copy.version.object != (found.other and found.other.object)


def test_a_copy_that_could_not_be_brought_yet_is_coming(pair: Pair) -> None:
    for top, text in ((pair.one, b"one"), (pair.two, b"two, and later")):
        (top / "file").write_bytes(text)
    os.utime(pair.one / "file", ns=(10**18, 10**18))
    pair.lost = {(Side.ONE, b"file")}
    pair.sync()
    (found,) = met(pair)
    assert found.other is not None
    assert found.other.object == ""
    assert [seen is not None for seen in found.other.on] == [True, False]
    (pair.two / "more").write_bytes(b"so that the base changes")
    pair.lost |= {(Side.ONE, found.quarrel.kept)}
    told = fate(pair, found)
    assert told is not None
    assert (told.copy, told.coming) == (None, True)
    pair.lost = set()
    told = fate(pair, found)
    assert told is not None
    assert told.copy is not None
    assert told.copy.version.content == blake3(b"one").digest()
    assert pair.looks()[0] == pair.looks()[1]


def test_of_a_one_way_sync_the_version_that_was_replaced_is_told_and_is_in_no_sight(pair: Pair) -> None:
    for text in (b"first", b"one, which is newer"):
        (pair.one / "file").write_bytes(text)
        pair.sync(one_way=True)
        (pair.two / "file").write_bytes(b"changed at two")
        os.utime(pair.two / "file", ns=(1, 1))
    (pair.one / "file").write_bytes(b"one, once more")
    pair.sync(one_way=True)
    (found,) = met(pair)
    assert (found.quarrel.kept, found.quarrel.winner) == (b"", Side.ONE)
    assert found.named is not None
    assert found.other is not None
    assert found.named.content == blake3(b"one, once more").digest()
    assert found.other.size == len(b"changed at two")


def kept_by_one_way(pair: Pair, **asked: Any) -> Met:
    """Have a one-way sync keep both versions, the destination's beside the source's; return what it told."""
    (pair.one / "deep").mkdir()
    (pair.one / "deep" / "file").write_bytes(b"first")
    pair.sync(**asked)
    (pair.one / "deep" / "file").write_bytes(b"one, changed")
    (pair.two / "deep" / "file").write_bytes(b"changed at two")
    pair.sync(**asked)
    (found,) = met(pair)
    return found


def test_a_copy_that_only_the_destination_has_is_followed_though_the_base_stays_as_it_is(pair: Pair) -> None:
    asked: dict[str, Any] = {"one_way": True, "policy": Policy.KEEP_BOTH}
    found = kept_by_one_way(pair, **asked)
    copy = pair.two / os.fsdecode(found.quarrel.kept)
    assert copy.read_bytes() == b"changed at two"
    assert found.other is not None
    assert found.other.object == ""
    told = fate(pair, found, **asked)
    assert told is None or told.coming, "it is there still"
    (pair.one / "more").write_bytes(b"so that the base changes")
    told = fate(pair, found, **asked)
    assert told is not None
    assert told.coming
    copy.unlink()
    told = fate(pair, found, **asked)
    assert told is not None
    assert (told.copy, told.coming) == (None, False)
    assert told.named is not None
    assert told.named.version.content == blake3(b"one, changed").digest()


def test_a_copy_that_nobody_can_look_for_is_not_taken_for_one_that_is_gone(pair: Pair) -> None:
    asked: dict[str, Any] = {"one_way": True, "policy": Policy.KEEP_BOTH}
    found = kept_by_one_way(pair, **asked)
    subprocess.run(["mount", "-t", "tmpfs", "none", pair.two / "deep"], check=True)
    try:
        told = fate(pair, found, **asked)
        assert told is None or told.coming
        (pair.one / "more").write_bytes(b"so that the base changes")
        told = fate(pair, found, **asked)
        assert told is None or told.coming
    finally:
        subprocess.run(["umount", pair.two / "deep"], check=True)
