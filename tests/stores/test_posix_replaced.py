"""Whatever comes to lie at the path of a POSIX store while it is at work, that store is read and written, or none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from argosy.agent.shelves import Shelves
from argosy.core.errors import Unavailable
from argosy.stores.base import Absent, Unchanged
from argosy.stores.posix import PosixStore
from tests.contracts.store import put, read
from tests.stores.replaced import Calls, away, bring_back, fill, memory, remove, replace, within

__all__ = ["memory"]

DATA = b"the bytes of an object"
VERBS: dict[str, Callable[[PosixStore], object]] = {
    "put": lambda store: put(store, "d/new", DATA, Absent()),
    "put below a file": lambda store: put(store, "a/new", DATA, Absent()),
    "put over": lambda store: put(store, "a", DATA, Unchanged(store.head("a").etag)),
    "copy": lambda store: store.copy("a", "d/copied", etag=store.head("a").etag),
    "delete": lambda store: store.delete("e/b", etag=store.head("e/b").etag),
    "sweep": lambda store: store.sweep(),
    "probe": lambda store: store.probe(),
}
READS: dict[str, Callable[[PosixStore], object]] = {
    "head": lambda store: store.head("a").size,
    "get": lambda store: read(store, "e/b"),
    "list": lambda store: [found.key for found in store.list("")],
}


Make = Callable[[object], tuple[PosixStore, Path]]


@pytest.fixture
def pattern(memory: Path) -> Path:
    """A store with two objects, and what an agent knows of it."""
    top = memory / "pattern"
    (top / "store").mkdir(parents=True)
    (top / "known").mkdir()
    store = PosixStore(path=str(top / "store"))
    put(store, "a", b"first")
    put(store, "e/b", b"second")
    (top / "known" / "cloud").write_text(store.identify())
    return top


@pytest.fixture
def known(pattern: Path, memory: Path) -> Make:
    """Make a store that an agent knows; what it is called."""

    def make(name: object) -> tuple[PosixStore, Path]:
        shutil.copytree(pattern, memory / str(name))
        path = memory / str(name) / "store"
        store = PosixStore(path=str(path))
        assert Shelves(path.with_name("known")).admit("cloud", store)
        return store, path

    return make


def objects(path: Path) -> dict[str, bytes | None]:
    return {name: held for name, held in within(path).items() if not name.startswith(".argosy") and held is not None}


def refusal(verb: Callable[[PosixStore], object], store: PosixStore) -> Unavailable | None:
    try:
        verb(store)
    except Unavailable as error:
        return error
    return None


def calls_of(verb: Callable[[PosixStore], object], known: Make) -> tuple[int, dict[str, bytes | None]]:
    """Return how many calls to the kernel it takes, and what objects there are afterwards."""
    store, path = known("count")
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        verb(store)
    return len(calls.made), objects(path)


@pytest.mark.parametrize(
    ("verb", "by"), [*(("put", by) for by in ("empty", "store")), *((verb, "theirs") for verb in VERBS)]
)
def test_what_is_written_is_in_the_store_or_nowhere(known: Make, tmp_path: Path, verb: str, by: str) -> None:
    many, after = calls_of(VERBS[verb], known)
    (tmp_path / "stranger").mkdir()
    fill(tmp_path / "stranger", by)
    done = 0
    for at in range(1, many + 1):
        store, path = known(at)
        before = objects(path)
        with pytest.MonkeyPatch.context() as patch:
            Calls(patch, {at: lambda path=path: replace(path, by)})  # type: ignore[misc]
            error = refusal(VERBS[verb], store)
        assert error is None or "mount its disk" in error.message, at
        done += error is None
        same = {name for name in within(path) if name != ".argosy/store/id"}
        assert same == {name for name in within(tmp_path / "stranger") if name != ".argosy/store/id"}, at
        assert objects(path) == objects(tmp_path / "stranger"), at
        assert objects(away(path)) in (before, after), at
        bring_back(path)
        assert read(store, "a") in {b"first", DATA}
    assert done or verb == "probe"  # which asks several times


@pytest.mark.parametrize(("verb", "by"), [(verb, by) for verb in READS for by in ("empty", "theirs")])
def test_what_is_read_is_the_stores(known: Make, verb: str, by: str) -> None:
    many, _ = calls_of(READS[verb], known)
    told: list[object] = []
    for at in range(1, many + 1):
        store, path = known(at)
        with pytest.MonkeyPatch.context() as patch:
            Calls(patch, {at: lambda path=path: replace(path, by)})  # type: ignore[misc]
            error = refusal(lambda store: told.append(READS[verb](store)), store)
        assert error is None or "mount its disk" in error.message, at
    assert told == [{"head": 5, "get": b"second", "list": ["a", "e/b"]}[verb]] * len(told) != []


@pytest.mark.parametrize("verb", VERBS | READS)
def test_a_directory_that_is_removed_meanwhile_is_no_lack_of_an_object(known: Make, verb: str) -> None:
    act = (VERBS | READS)[verb]
    many, _ = calls_of(act, known)
    for at in range(1, many + 1):
        store, path = known(at)
        with pytest.MonkeyPatch.context() as patch:
            Calls(patch, {at: lambda path=path: remove(path)})  # type: ignore[misc]
            refusal(act, store)
        assert within(path) == {}, at


@pytest.mark.parametrize("verb", VERBS | READS)
def test_a_directory_without_its_id_is_not_used(known: Make, verb: str) -> None:
    store, path = known("store")
    lost = path / ".argosy" / "store" / "id"
    ident = lost.read_text()
    lost.unlink()
    before = within(path)
    with pytest.raises(Unavailable, match=f"{path} has no id, .* write {ident} into {lost}"):
        (VERBS | READS)[verb](store)
    assert within(path) == before
    lost.write_text(ident + "\n")
    (VERBS | READS)[verb](store)
