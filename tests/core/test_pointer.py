import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import Corrupt, Unsupported
from argosy.core.pointer import Binding, Pointer, StubState

U64 = st.integers(0, 2**64 - 1)
I64 = st.integers(-(2**63), 2**63 - 1)
BYTES16 = st.binary(min_size=16, max_size=16)
POINTER = st.builds(
    Pointer,
    state=st.sampled_from(StubState),
    clean=st.booleans(),
    operation=BYTES16,
    datastore=st.integers(0, 2**32 - 1),
    uuid=BYTES16,
    size=U64,
    mtime_ns=st.integers(-(2**66), 2**66),
    digest=st.binary(min_size=32, max_size=32),
    binding=st.builds(Binding, filesystem=BYTES16, subvolume=U64, inode=U64, born_ns=I64),
    etag=st.text(max_size=40),
    version=st.text(max_size=40) | st.text(min_size=200, max_size=1024),
    kept=st.just(0) | U64,
)


@given(POINTER)
def test_a_pointer_survives_the_inode(pointer: Pointer) -> None:
    assert Pointer.decode(pointer.encode()) == pointer


@given(POINTER, st.data())
def test_a_cut_or_lengthened_pointer_is_refused(pointer: Pointer, data: st.DataObject) -> None:
    value = pointer.encode()
    with pytest.raises(Corrupt):
        Pointer.decode(value[: data.draw(st.integers(0, len(value) - 1))])
    with pytest.raises(Corrupt):
        Pointer.decode(value + b"x")


@given(POINTER)
def test_a_pointer_without_a_kept_head_is_as_it_was_before_there_were_any(pointer: Pointer) -> None:
    whole = msgspec.structs.replace(pointer, kept=0)
    value = whole.encode()
    assert value[2] == whole.clean
    words = [word.encode() for word in (whole.etag, whole.version)]
    assert len(value) == 133 + sum(len(word) + 2 * (len(word) >= 255) for word in words)
    assert Pointer.decode(value) == whole


def test_a_pointer_written_before_heads_were_kept_can_still_be_read() -> None:
    value = bytes.fromhex(
        "010400" + "0f" * 16 + "00000007" + "0a" * 16 + "0000000000100000" + "fffffffffffffffe" + "3b9ac9ff"
        + "0d" * 32 + "0b" * 16 + "0000000000000005" + "0000000000000101" + "0000000000000009" + "0322652203763132"
    )  # fmt: skip
    pointer = Pointer.decode(value)
    assert (pointer.state, pointer.clean, pointer.datastore, pointer.size) == (StubState.STUB, False, 7, 1 << 20)
    assert (pointer.mtime_ns, pointer.etag, pointer.version) == (-1_000_000_001, '"e"', "v12")
    assert (pointer.kept, pointer.binding.inode, pointer.binding.born_ns) == (0, 257, 9)
    assert pointer.encode() == value


def test_a_pointer_of_a_newer_version_is_left_alone() -> None:
    with pytest.raises(Unsupported):
        Pointer.decode(b"\x02" + bytes(300))


def test_a_pointer_of_a_common_object_stays_below_200_bytes() -> None:
    binding = Binding(filesystem=bytes(16), subvolume=0, inode=1, born_ns=0)
    pointer = Pointer(
        state=StubState.PREMIGRATED, datastore=1, uuid=bytes(16), size=1, mtime_ns=1, digest=bytes(32),
        binding=binding, etag="0" * 34,
    )  # fmt: skip
    assert len(pointer.encode()) < 200


def test_bindings_are_equal_or_unlike_and_never_both() -> None:
    fields = {"filesystem": b"f" * 16, "subvolume": 0, "inode": 1, "born_ns": 2}
    one, same, other = Binding(**fields), Binding(**fields), Binding(**fields | {"inode": 3})
    assert [one == same, one != same, one == other, one != other] == [True, False, False, True]
