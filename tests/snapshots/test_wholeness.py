"""Files of which a bit is another than when they were written: the right answer, or an error that says which file."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from argosy.core.errors import ArgosyError, Corrupt
from argosy.snapshots.differences import differences, unseen
from argosy.snapshots.index import IndexFile
from argosy.snapshots.schema import WRITTEN
from argosy.snapshots.wholeness import UNWRITTEN
from argosy.sync.reduction import base
from argosy.sync.reduction.base import Base, BaseWriter
from tests.snapshots.indexes import between, directory, file, symlink, told, unknown, write
from tests.sync.reduction.worlds import PLACES, World

FLIPS = 200
OLD = {"d": directory(10), "a": file(1), "gone": file(2), "p": unknown()} | {f"d/{n}": file(20 + n) for n in range(40)}
NEW = OLD | {"a": file(1, size=2), "made": file(3)}
del NEW["gone"]


def flipped(path: Path, number: int) -> None:
    """Turn one bit of the file over."""
    whole = bytearray(path.read_bytes())
    whole[number // 8] ^= 1 << number % 8
    path.write_bytes(whole)


def bits_of(path: Path) -> list[int]:
    """Return some bits of a file, always the same."""
    return random.Random(1).sample(range(path.stat().st_size * 8), FLIPS)


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_bit_that_flipped_in_an_index_is_told_with_the_path_and_the_remedy(tmp_path: Path, which: str) -> None:
    old, new = write(tmp_path / "old", OLD), write(tmp_path / "new", NEW)
    right = told(differences(old, new))
    assert [one[0] for one in right] == ["deleted", "updated", "created"]
    damaged = tmp_path / which
    for bit in bits_of(damaged):
        flipped(damaged, bit)
        with pytest.raises(ArgosyError, match=rf"^{damaged}: .*remove it"):
            told(differences(old, new))
        with pytest.raises(ArgosyError, match=rf"^{damaged}: "):
            list(unseen(damaged))
        with pytest.raises(ArgosyError, match=rf"^{damaged}: "):
            told(differences(None, damaged))
        flipped(damaged, bit)
    assert told(differences(old, new)) == right


def test_a_file_of_any_length_but_its_own_is_not_whole(tmp_path: Path) -> None:
    index = write(tmp_path / "index", OLD)
    whole = index.read_bytes()
    for content in (b"", whole[:7], whole[:-1], whole[1:], whole + b"x", whole + whole, bytes(len(whole))):
        index.write_bytes(content)
        with pytest.raises(Corrupt, match="remove it"):
            IndexFile(bytes(index))


def test_a_bit_that_flipped_in_a_base_is_told(tmp_path: Path) -> None:
    (chunk,), _, _ = World(1).write(tmp_path)
    for bit in bits_of(chunk):
        flipped(chunk, bit)
        with pytest.raises(ArgosyError, match=rf"^{chunk}: "):
            Base.open([chunk])
        flipped(chunk, bit)
    Base.open([chunk])


FORGED = [f'"digest":"{UNWRITTEN}"', f'{{"v":2,"digest":"{UNWRITTEN}"}}', f'"digest":"{"a" * 64}"']


@pytest.mark.parametrize("forged", FORGED)
def test_a_name_or_target_that_looks_like_a_digest_is_one_like_others(tmp_path: Path, forged: str) -> None:
    new = {forged: file(1), "l": symlink(2, forged.encode()), f"{forged}x": directory(3)}
    assert set(told(between(tmp_path, {}, new))) == {("created", path) for path in new}
    assert forged.encode() not in _footer(tmp_path / "new")


@pytest.mark.parametrize("forged", FORGED)
def test_names_that_look_like_a_digest_do_not_matter_where_the_footer_says_them(tmp_path: Path, forged: str) -> None:
    path = tmp_path / "index"
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(WRITTEN, "write_statistics", True)
        write(path, {forged: file(1)})
    assert forged.encode() in _footer(path)
    assert IndexFile(bytes(path)).about.rows == 2


@pytest.mark.parametrize("forged", FORGED)
def test_a_base_may_hold_such_names(tmp_path: Path, forged: str) -> None:
    with BaseWriter(tmp_path / "chunk", base.About(pair="p", generation=1, sides=PLACES)) as writer:
        writer.add(_row_of_base(forged.encode()), 1)
        writer.finish()
    assert forged.encode() not in _footer(tmp_path / "chunk")
    assert Base.open([tmp_path / "chunk"]).rows == 1


def _row_of_base(name: bytes) -> pa.Table:
    row = {field.name: 1 for field in base.SCHEMA}
    row |= {"id": bytes(16), "parent": bytes(16), "name": name, "content": name, "attributes": None}
    return pa.table({field.name: pa.array([row[field.name]], _storage(field.type)) for field in base.SCHEMA})


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _footer(path: Path) -> bytes:
    whole = path.read_bytes()
    return whole[-8 - int.from_bytes(whole[-8:-4], "little") :]
