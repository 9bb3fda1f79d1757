"""Filesets held still: subvolumes of btrfs, and GPFS by its commands, which are played by scripts here."""

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from argosy.core.errors import Unavailable, Unsupported
from argosy.core.fileset import Fileset
from argosy.filesystems._posix.entry import binding_of
from argosy.filesystems.base import SNAPSHOTS, Snapshots
from argosy.filesystems.btrfs import Btrfs
from argosy.filesystems.gpfs import Gpfs
from argosy.filesystems.index import Index
from tests.contracts.snapshots import SnapshotsContract
from tests.loop import LoopMount

Write = Callable[[str, str], None]

PLAYED = """#!/bin/sh
# Plays $0 for one independent fileset, "projects", linked at $TOP; notes what it was asked.
name=$(basename $0); echo "$name $*" >> $TOP.asked; shelf=$TOP/.snapshots
[ -f $TOP.broken ] && { echo "$name: The file system manager is gone." >&2; exit 1; }
case $name in
mmlsfileset)
  echo "mmlsfileset::HEADER:version:reserved:reserved:filesystemName:filesetName:id:rootInode:status:path:parentId:created:isInodeSpaceOwner:"
  echo "mmlsfileset::0:1:::gpfs0:root:0:3:Linked:%2Fgpfs:--:Mon:1:"
  echo "mmlsfileset::0:1:::gpfs0:projects:1:131075:Linked:$(echo $TOP | sed 's,/,%2F,g'):0:Mon:$OWNER:" ;;
mmlssnapshot)
  [ "$(ls $shelf 2>/dev/null)" ] || { echo "No snapshots in file system gpfs0"; exit 0; }
  echo "mmlssnapshot::HEADER:version:reserved:reserved:filesystemName:directory:snapID:status:created:quotas:data:metadata:fileset:snapType:"
  for each in $shelf/*; do echo "mmlssnapshot::0:1:::gpfs0:$(basename $each):7:Valid:Mon::0:0:projects::"; done ;;
mmcrsnapshot) mkdir -p $TOP.new && cp -a $TOP/. $TOP.new && rm -rf $TOP.new/.snapshots && mkdir -p $shelf && mv $TOP.new $shelf/$2 ;;
mmdelsnapshot) rm -r $shelf/$2 ;;
esac
"""  # noqa: E501 - lines as the commands print them


def fileset_at(top: Path, root: Path, kind: str = "btrfs") -> Fileset:
    descriptor = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    binding = binding_of(descriptor)
    os.close(descriptor)
    told = {"name": "projects", "id": "ab" * 16, "number": 1, "binding": binding, "snapshots": kind}
    return Fileset(path=bytes(top), root=bytes(root), **told)  # type: ignore[arg-type]


@pytest.fixture
def write(fileset: Fileset) -> Write:
    return lambda name, text: Path(os.fsdecode(fileset.path), name).write_text(text) and None


def test_every_kind_has_the_name_that_filesets_have_it_under() -> None:
    assert [SNAPSHOTS.name_of(kind) for kind in (Index, Btrfs, Gpfs)] == ["index", "btrfs", "gpfs"]
    assert SNAPSHOTS.names() == ["btrfs", "gpfs", "index"]


class TestBtrfs(SnapshotsContract):
    @pytest.fixture
    def fileset(self, loop_mount: LoopMount, request: pytest.FixtureRequest) -> Fileset:
        root = loop_mount("btrfs") / f"snapshots-{request.node.name}"
        root.mkdir()
        subprocess.run(["btrfs", "-q", "subvolume", "create", str(root / "projects")], check=True)
        return fileset_at(root / "projects", root)

    @pytest.fixture
    def snapshots(self, fileset: Fileset) -> Snapshots:
        return Btrfs(fileset=fileset)

    def test_nothing_can_be_written_into_what_is_held_still(self, snapshots: Snapshots) -> None:
        snapshots.create("one")
        with snapshots.opened("one") as top, pytest.raises(OSError, match="Read-only"):
            os.mkdir("d", dir_fd=top)

    def test_an_inode_has_the_number_it_has_in_the_fileset(
        self, snapshots: Snapshots, fileset: Fileset, write: Write
    ) -> None:
        write("a", "a")
        snapshots.create("one")
        with snapshots.opened("one") as top:
            assert os.stat("a", dir_fd=top).st_ino == Path(os.fsdecode(fileset.path), "a").stat().st_ino

    def test_a_directory_that_is_no_subvolume_is_refused_with_what_to_do(self, loop_mount: LoopMount) -> None:
        for kind in ("btrfs", "ext4"):
            root = loop_mount(kind) / "plain"
            (root / "projects").mkdir(parents=True)
            plain = Btrfs(fileset=fileset_at(root / "projects", root))
            for refused in (plain.check, partial(plain.create, "one")):
                with pytest.raises(Unsupported, match="btrfs subvolume create"):
                    refused()


class TestGpfs(SnapshotsContract):
    @pytest.fixture
    def fileset(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fileset:
        top = tmp_path / "projects"
        top.mkdir()
        commands = tmp_path / "bin"
        commands.mkdir()
        for name in ("mmcrsnapshot", "mmdelsnapshot", "mmlssnapshot", "mmlsfileset"):
            (commands / name).write_text(PLAYED)
            (commands / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
        monkeypatch.setenv("TOP", str(top))
        monkeypatch.setenv("OWNER", "1")
        return fileset_at(top, tmp_path, "gpfs")

    @pytest.fixture
    def snapshots(self, fileset: Fileset) -> Snapshots:
        return Gpfs(fileset=fileset)

    def test_the_commands_are_asked_as_documented(self, snapshots: Snapshots, tmp_path: Path) -> None:
        snapshots.create("one")
        snapshots.delete("one")
        asked = [line.split() for line in (tmp_path / "projects.asked").read_text().splitlines()]
        (made,) = [words for words in asked if words[0] == "mmcrsnapshot"]
        (gone,) = [words for words in asked if words[0] == "mmdelsnapshot"]
        device = made[1]
        assert made == ["mmcrsnapshot", device, "one", "-j", "projects"]
        assert gone == ["mmdelsnapshot", device, "one", "-j", "projects"]
        assert ["mmlsfileset", device, "-L", "-Y"] in asked
        assert ["mmlssnapshot", device, "-j", "projects", "-Y"] in asked

    def test_a_dependent_fileset_is_refused_with_what_to_do(
        self, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OWNER", "0")
        with pytest.raises(Unsupported, match="mmcrfileset --inode-space new"):
            snapshots.create("one")

    def test_what_a_command_says_when_it_fails_is_said(self, snapshots: Snapshots, tmp_path: Path) -> None:
        (tmp_path / "projects.broken").touch()
        with pytest.raises(Unavailable, match="file system manager is gone"):
            snapshots.create("one")

    def test_without_the_commands_it_says_where_they_should_be(
        self, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(Unsupported, match="mmlsfileset is not installed"):
            snapshots.create("one")
        with pytest.raises(Unsupported, match="mmcrsnapshot is not installed"):
            snapshots.check()
