import re
import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from argosy.stores import keys

UUID = uuid.UUID("0123456789abcdef0123456789abcdef").bytes
SPECIAL = [
    b"/",
    b"//",
    b".",
    b"..",
    b"%",
    b"%2F",
    b"\\",
    b".argosy",
    b".argosy-dir",
    b"a",
    b"\xff",
    "é".encode(),
    b"\n",
]
paths = st.one_of(
    st.binary(min_size=1, max_size=60).map(lambda path: path.replace(b"\0", b"0")),
    st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=8).map(b"".join),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40).map(str.encode),
)


@given(paths)
@example(b"a//b")
@example(b"/")
@example(b"./")
@example(b".argosy/staging/x")
@example(b"a/.argosy-dir")
def test_a_path_comes_back_from_its_key(path: bytes) -> None:
    assert keys.decode(keys.encode(path)) == path


@given(paths, paths)
def test_paths_that_differ_have_keys_that_differ(one: bytes, other: bytes) -> None:
    assert (keys.encode(one) == keys.encode(other)) == (one == other)


@given(paths)
def test_a_key_is_one_that_every_store_can_hold(path: bytes) -> None:
    key = keys.encode(path)
    assert not keys.is_private(key)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\\\ufffe\uffff]", key)
    assert not {"", ".", "..", keys.MARKER}.intersection(key.split("/"))
    assert key.split("/")[0] != ".argosy"


@given(st.text(max_size=40))
def test_of_a_foreign_key_nothing_is_made_up(key: str) -> None:
    path = keys.decode(key)
    assert path is None or keys.encode(path) == key


@pytest.mark.parametrize(
    "path",
    [
        b"x" * 256,
        b"d/" * 600 + b"f",
        "é".encode() * 128,
        b"\xff" * 100,
    ],
)
def test_a_path_too_long_for_a_key_gets_a_private_one_of_its_own(path: bytes) -> None:
    key = keys.encode(path)
    assert keys.is_private(key)
    assert key.startswith(".argosy/long/")
    assert keys.decode(key) is None
    assert keys.encode(path[:-1] + b"z") != key


@given(st.binary(min_size=200, max_size=300).map(lambda path: path.replace(b"\0", b"0")), st.integers(0, 1100))
def test_every_key_that_is_made_fits(tail: bytes, length: int) -> None:
    key = keys.encode((b"dir/" * 300)[:length] + tail)
    for made in (key, keys.directory_marker(key), keys.instance(key, UUID), keys.immutable(key, UUID)):
        assert len(made.encode()) <= 1024
        assert all(len(name.encode()) <= 255 for name in made.split("/"))


def test_a_plain_name_is_its_own_key() -> None:
    for name in ("projects/alpha/Ålesund (final).mov", "a b/c+d=e&f", ".hidden", "..a", "日本/語"):
        assert keys.encode(name.encode()) == name


def test_a_marker_is_nobodys_file() -> None:
    assert keys.directory_marker("a/b") == "a/b/.argosy-dir"
    assert keys.decode("a/b/.argosy-dir") is None
    assert keys.encode(b"a/b/.argosy-dir") == "a/b/%2Eargosy-dir"


def test_what_is_ours_lies_in_the_private_folder() -> None:
    assert keys.version_key(UUID) == ".argosy/versions/01234567-89ab-cdef-0123-456789abcdef"
    assert keys.sidecar(UUID) == ".argosy/meta/01234567-89ab-cdef-0123-456789abcdef"
    assert keys.is_private(keys.version_key(UUID))
    assert keys.decode(keys.version_key(UUID)) is None


def test_an_instance_stands_beside_its_key() -> None:
    assert keys.instance("a/b.txt", UUID) == "a/b.txt.01234567-89ab-cdef-0123-456789abcdef"
    assert keys.immutable("p", UUID) == "p/01234567-89ab-cdef-0123-456789abcdef"
    assert keys.immutable("", UUID) == "01234567-89ab-cdef-0123-456789abcdef"
