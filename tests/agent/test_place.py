"""What an agent's own configuration allows, whatever the hub asks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argosy.agent.place import Place, _key
from argosy.core.config import SiteConfig
from argosy.core.entry import Attributes
from argosy.core.errors import Denied, Unavailable
from argosy.core.order import StoreAccess
from argosy.filesystems._posix.identity import Identity, seal_of
from argosy.filesystems.posix import Posix
from argosy.hsm.object.content import Bytes
from argosy.site import Note
from argosy.stores.base import Store
from argosy.stores.posix import PosixStore
from tests.filesystems.nobody import NOBODY, as_nobody
from tests.loop import mounted, unmounted

DRESS = Attributes(mode=0o755, uid=0, gid=0, mtime_ns=1)


def access(path: Path, *, kind: str = "POSIX") -> StoreAccess:
    return StoreAccess(id=1, name="cloud", type=kind, settings={"path": str(path)})


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A site with the roots `a` and `b`, of which only `a` exists, and one shelf."""
    (tmp_path / "a").mkdir()
    config = SiteConfig(name="london", roots=(str(tmp_path / "a"), str(tmp_path / "b")))
    place = Place(config, tmp_path / "agent", shelves=[str(tmp_path / "shelf")])
    place.start()
    yield place
    place.close()


def test_a_directory_of_the_configuration_is_a_datastore(place: Place, tmp_path: Path) -> None:
    store = place.store(access(tmp_path / "shelf"))
    assert place.store(access(tmp_path / "shelf")) is store


@pytest.mark.parametrize("kind", ["POSIX", "posix", "Posix"])
@pytest.mark.parametrize("path", ["/etc", "{shelf}/below", "{shelf}/../other", "{shelf}/"])
def test_any_other_directory_is_refused_each_time(place: Place, tmp_path: Path, path: str, kind: str) -> None:
    asked = StoreAccess(id=1, name="cloud", type=kind, settings={"path": path.format(shelf=tmp_path / "shelf")})
    for _ in range(2):
        with pytest.raises(Denied, match="is not among the POSIX datastores of this agent's"):
            place.store(asked)


def test_a_root_that_cannot_be_served_says_so_and_the_others_work(place: Place, tmp_path: Path) -> None:
    assert place.tree(bytes(tmp_path / "a" / "f")).root == bytes(tmp_path / "a")
    with pytest.raises(Unavailable, match=f"root {tmp_path}/b of site london is not served: "):
        place.tree(bytes(tmp_path / "b" / "f"))
    (tmp_path / "b").mkdir()
    place.start()
    assert place.tree(bytes(tmp_path / "b" / "f")).root == bytes(tmp_path / "b")


def served(top: Path, *roots: str) -> Place:
    """A site with roots below `top`, as an agent that starts finds them."""
    place = Place(SiteConfig(name="london", roots=tuple(str(top / root) for root in roots)), top / "agent")
    place.start()
    place.close()
    return place


def why_not(place: Place, root: Path) -> str:
    return place.unserved.get(bytes(root), "")


@pytest.fixture
def a(tmp_path: Path) -> Path:
    """A root that was served once."""
    root = tmp_path / "a"
    root.mkdir()
    assert served(tmp_path, "a").unserved == {}
    return root


def test_an_empty_mount_point_is_not_the_root_that_was_served(a: Path, tmp_path: Path) -> None:
    disk = a.rename(tmp_path / "disk")
    a.mkdir()
    reason = why_not(served(tmp_path, "a"), a)
    assert "mount its disk" in reason
    assert list(a.iterdir()) == []
    a.rmdir()
    disk.rename(a)
    assert served(tmp_path, "a").unserved == {}


def test_a_root_that_is_replaced_on_purpose_is_served_once_the_old_one_is_forgotten(a: Path, tmp_path: Path) -> None:
    shutil.rmtree(a)
    a.mkdir()
    file = why_not(served(tmp_path, "a"), a).split("remove ")[1]
    Path(file).unlink()
    assert served(tmp_path, "a").unserved == {}


def test_another_tree_is_not_the_root_that_was_served(a: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    assert served(tmp_path, "a", "b").unserved == {}
    a.rename(tmp_path / "c")
    (tmp_path / "b").rename(a)
    (tmp_path / "c").rename(tmp_path / "b")
    place = served(tmp_path, "a", "b")
    assert ["another tree" in why_not(place, tmp_path / name) for name in "ab"] == [True, True]


def test_a_copy_of_a_root_is_not_served_beside_it(a: Path, tmp_path: Path) -> None:
    shutil.copytree(a, tmp_path / "b")
    assert f"copy of root {a}" in why_not(served(tmp_path, "a", "b"), tmp_path / "b")


def test_a_root_may_get_another_path(a: Path, tmp_path: Path) -> None:
    b = a.rename(tmp_path / "b")
    place = Place(SiteConfig(name="london", roots=(str(b),)), tmp_path / "agent")
    place.start()
    assert [tree.root for tree in place.every_tree()] == [bytes(b)]
    place.close()


def test_an_agent_that_lost_its_directory_takes_the_roots_as_they_are(a: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "agent")
    assert served(tmp_path, "a").unserved == {}
    shutil.rmtree(a)
    a.mkdir()
    assert "mount its disk" in why_not(served(tmp_path, "a"), a)


def test_not_all_trees_are_there_without_one_that_was_served_once(a: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(Unavailable, match=f"root {a}, which was served once, is no longer in the configuration"):
        served(tmp_path, "b").every_tree()


def test_not_all_trees_are_there_once_a_disk_went_away(a: Path, tmp_path: Path) -> None:
    place = Place(SiteConfig(name="london", roots=(str(a),)), tmp_path / "agent")
    place.start()
    assert len(place.every_tree()) == 1
    disk = a.rename(tmp_path / "disk")
    a.mkdir()
    with pytest.raises(Unavailable, match="mount its disk"):
        place.every_tree()
    a.rmdir()
    disk.rename(a)
    assert len(place.every_tree()) == 1
    place.close()


def test_nothing_is_written_where_the_disk_of_a_served_root_was(a: Path, tmp_path: Path) -> None:
    place = Place(SiteConfig(name="london", roots=(str(a),)), tmp_path / "agent")
    place.start()
    tree = place.tree(bytes(a / "f"))
    disk = a.rename(tmp_path / "disk")
    a.mkdir()
    verbs = (
        lambda: tree.make_directory(bytes(a / "d"), DRESS),
        lambda: tree.stage(bytes(a / "f")),
        lambda: tree.identify(Identity()),
        tree.sweep,
        lambda: list(tree.every_pointer()),
    )
    for verb in verbs:
        with pytest.raises(Unavailable, match="mount its disk"):
            verb()
    with pytest.raises(Unavailable, match="mount its disk"):
        place.tree(bytes(a / "f"))
    assert list(a.iterdir()) == []
    assert bytes(a) in place.unserved
    a.rmdir()
    disk.rename(a)
    tree = place.tree(bytes(a / "f"))
    assert tree.make_directory(bytes(a / "d"), DRESS)
    assert place.unserved == {}
    place.close()


def test_a_disk_that_comes_back_while_the_agent_runs_keeps_what_is_under_way(a: Path, tmp_path: Path) -> None:
    place = Place(SiteConfig(name="london", roots=(str(a),)), tmp_path / "agent")
    place.start()
    staged = place.tree(bytes(a / "f")).stage(bytes(a / "f"))
    disk = a.rename(tmp_path / "disk")
    a.mkdir()
    place.start()
    a.rmdir()
    disk.rename(a)
    place.start()
    assert list((a / ".argosy" / "staging").iterdir())
    staged.discard()
    place.close()


def test_who_serves_a_root_first_names_it(a: Path) -> None:
    tree = Posix(root=bytes(a))
    before = tree.identity()
    tree.identify(Identity())
    assert tree.identity() == before
    assert [path.name for path in (a / ".argosy").iterdir() if path.is_file()] == ["identity"]


def test_a_root_with_attributes_of_a_privileged_agent_is_not_served_by_another() -> None:
    top = Path(tempfile.mkdtemp(prefix="argosy-place-"))
    (top / "agent").mkdir()
    (top / "a").mkdir()
    Posix(root=bytes(top / "a")).identify(Identity(privileged=True))
    for path in (top, *top.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    try:
        as_nobody(lambda: _expect_refused(top))
    finally:
        shutil.rmtree(top)


def _expect_refused(top: Path) -> None:
    place = Place(SiteConfig(name="london", roots=(str(top / "a"),)), top / "agent")
    place.start()
    with pytest.raises(Unavailable, match="CAP_SYS_ADMIN"):
        place.tree(bytes(top / "a"))
    place.close()


def test_a_root_with_attributes_that_another_key_sealed_is_not_served(a: Path, tmp_path: Path) -> None:
    tree = Posix(root=bytes(a))
    before = tree.identity()
    assert before is not None
    key = (tmp_path / "agent" / "attribute.key").read_bytes()
    for seal, reason in ((seal_of(b"another key"), "sealed attributes with another key"), (seal_of(key), "")):
        tree.identify(Identity(id=before.id, seal=seal), replacing=True)
        assert reason in why_not(served(tmp_path, "a"), a)
    assert served(tmp_path, "a").unserved == {}


def test_an_agent_without_privileges_notes_its_key() -> None:
    top = Path(tempfile.mkdtemp(prefix="argosy-place-"))
    (top / "a").mkdir()
    for path in (top, top / "a"):
        os.chown(path, NOBODY, NOBODY)
    try:
        as_nobody(lambda: _expect_key_noted(top))
    finally:
        shutil.rmtree(top)


def _expect_key_noted(top: Path) -> None:
    assert served(top, "a").unserved == {}
    (top / "agent" / "attribute.key").unlink()
    assert "another key" in why_not(served(top, "a"), top / "a")
    shutil.rmtree(top / "agent")
    assert "another key" in why_not(served(top, "a"), top / "a")


def test_whoever_needs_the_key_of_attributes_first_all_get_the_same(tmp_path: Path) -> None:
    for number in range(20):
        directory = tmp_path / f"{number}"
        directory.mkdir()
        with ThreadPoolExecutor(8) as pool:
            (key,) = set(pool.map(lambda _, where=directory: _key(where), range(16)))
        assert len(key) == 32
        assert [path.name for path in directory.iterdir()] == ["attribute.key"]


def test_an_empty_mount_point_is_not_the_datastore_that_was_used(place: Place, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    put(place.store(access(shelf)), "a")
    disk = shelf.rename(tmp_path / "disk")
    shelf.mkdir()
    with pytest.raises(Unavailable, match="mount its disk") as refused:
        place.store(access(shelf))
    assert list(shelf.iterdir()) == []
    shelf.rmdir()
    disk.rename(shelf)
    assert place.store(access(shelf)).head("a").size == 1
    shelf.rename(disk)
    shelf.mkdir()
    Path(refused.value.message.split("remove ")[1]).unlink()
    put(place.store(access(shelf)), "b")


def test_a_datastore_is_known_to_an_agent_that_was_restarted(place: Place, tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    put(place.store(access(shelf)), "a")
    place.close()
    shelf.rename(tmp_path / "disk")
    (shelf / ".argosy" / "store").mkdir(parents=True)
    (shelf / ".argosy" / "store" / "id").write_text("another")
    again = Place(SiteConfig(name="london", roots=()), tmp_path / "agent", shelves=[str(shelf)])
    with pytest.raises(Unavailable, match="is not the directory that datastore cloud was before"):
        again.store(access(shelf))
    again.close()


def test_all_agents_call_a_datastore_the_same(tmp_path: Path) -> None:
    store = PosixStore(path=str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        (ident,) = set(pool.map(lambda _: PosixStore(path=str(tmp_path)).identify(), range(16)))
    assert ident == store.identity()
    assert [found.key for found in store.list("")] == []


def put(store: Store, key: str) -> None:
    store.put(key, Bytes(b"x"), metadata={})


def test_what_was_on_the_disk_of_a_forgotten_root_is_forgotten_with_it(a: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    disk = mounted("ext4", tmp_path / "disk")
    both = Place(SiteConfig(name="london", roots=(str(a), str(disk))), tmp_path / "agent")
    try:
        both.start()
        for root in (a, disk):
            (root / "f").touch()
            with both.tree(bytes(root)).open(bytes(root / "f")) as file:
                both.index.note(file.binding(), Note(bytes(16), 0, stub=True))
        assert len(both.index.stub_places()) == 2
        both.close()
    finally:
        unmounted(disk)
    place = Place(SiteConfig(name="london", roots=(str(a),)), tmp_path / "agent")
    place.start()
    with pytest.raises(Unavailable, match=f"argosy site forget-root london {disk}"):
        place.every_tree()
    place.forget({"/another", str(a)})
    assert len(place.index.stub_places()) == 2
    place.forget({str(disk)})
    assert len(place.index.stub_places()) == 1
    assert [tree.root for tree in place.every_tree()] == [bytes(a)]
    place.close()
