import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core.errors import Invalid
from argosy.core.paths import absolute, below, display, from_json, join, relative, to_json

NAME = st.binary(min_size=1, max_size=12).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in {b".", b".."}
)
PATH = st.lists(NAME, min_size=1, max_size=4).map(lambda names: b"/" + b"/".join(names))


@given(st.binary(max_size=40))
def test_a_path_of_any_bytes_survives_json(path: bytes) -> None:
    sent = to_json(path)
    assert from_json(sent["path"], sent.get("path_b64")) == path


def test_bytes_are_sent_only_where_text_cannot_carry_them() -> None:
    assert to_json("é".encode()) == {"path": "é"}
    assert to_json(b"\xff") == {"path": "\ufffd", "path_b64": "/w=="}


@given(PATH)
def test_an_absolute_path_is_left_as_it_is(path: bytes) -> None:
    assert absolute(path) == path


def test_doubled_and_trailing_slashes_go() -> None:
    assert absolute(b"//srv///london//") == b"/srv/london"
    assert absolute(b"/") == b"/"


@pytest.mark.parametrize("path", [b"relative", b"", b"/a/../b", b"/a/./b", b"/a\0b"])
def test_a_path_that_could_mean_another_is_refused_by_name(path: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        absolute(path)
    assert repr(display(path)) in refused.value.message


def test_broken_base64_and_lone_surrogates_are_refused() -> None:
    with pytest.raises(Invalid, match="base64"):
        from_json("x", "!!")
    with pytest.raises(Invalid, match="surrogates"):
        from_json("\udcff")
    with pytest.raises(Invalid, match="missing"):
        from_json(None)


@given(PATH, PATH)
def test_below_compares_whole_names(top: bytes, rest: bytes) -> None:
    assert below(top + rest, top)
    assert not below(top + b"x" + rest, top)
    assert join(top, relative(top + rest, top)) == top + rest


def test_everything_lies_below_the_root_of_all() -> None:
    assert below(b"/a", b"/")
    assert relative(b"/a", b"/") == b"a"
    assert join(b"/", b"a") == b"/a"
    assert join(b"/", b"") == b"/"
