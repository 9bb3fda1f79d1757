"""Nobody gets rights by bytes of his own, or by what he wrote into a bucket; and no write goes unseen meanwhile."""

import mmap
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.core.entry import Attributes, Entry, Kind
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from argosy.filesystems._posix.file import OpenFile
from argosy.filesystems.posix import Posix
from argosy.hsm.file.state import State
from argosy.hsm.object.content import Bytes
from argosy.stores import metadata
from tests.sites import Side, carried
from tests.steps.stubs import CONTENT, attribute, good, made, premigrated, recall, state, stub
from tests.steps.test_premigrate import premigrate, store
from tests.trees import ACCESS, ACL

SEAL = b"a secret of the datastore's"
USER = 65534
EVIL = b"bytes of the user's"


@pytest.fixture
def london(tmp_path: Path) -> Side:
    return sealed(Side(tmp_path, "london"))


@pytest.fixture
def dublin(tmp_path: Path, london: Side) -> Side:
    return sealed(Side(tmp_path, "dublin"))


def sealed(side: Side) -> Side:
    side.access = msgspec.structs.replace(side.access, seal=SEAL)
    return side


def program(site: Side, name: str = "program") -> Path:
    """One of root's that runs as root."""
    file = made(site, name)
    file.chmod(0o4755)
    return file


def usurped(file: Path, content: bytes = CONTENT) -> Path:
    """The same, made by a user in its place."""
    file.unlink(missing_ok=True)
    file.write_bytes(content)
    os.chown(file, USER, USER)
    file.chmod(0o755)
    return file


def rights(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)


def align(site: Side, path: Path, **options: object) -> Outcome:
    (outcome,) = site.do("ngenea_sync_metadata", site.entry(path), **options)
    return outcome


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """A file that somebody opened for writing, closed, and still has in his memory."""
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
    with memory:
        yield memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Haunted(Posix):
    """A tree in which somebody does something to a file the moment it is locked."""

    ghost: Callable[[Path], object]

    @contextmanager
    def locked(self, path: bytes) -> Iterator[int]:
        with Posix.locked(self, path) as inode:
            self.ghost(Path(os.fsdecode(path)))
            yield inode


def haunt(site: Side, ghost: Callable[[Path], object]) -> None:
    tree = site.place.trees[0]
    site.serve(Haunted(root=tree.root, key=tree.key, ghost=ghost))


def without_a_trace(path: Path) -> None:
    """Write, and have the times as they were."""
    found = path.stat()
    with path.open("r+b") as file:
        file.write(EVIL)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


# Programs.


def test_a_file_that_a_user_has_mapped_does_not_become_roots_program(london: Side) -> None:
    file = program(london)
    premigrate(london, file)
    with mapped(usurped(file)) as memory:
        outcome = align(london, file)
        memory[: len(EVIL)] = EVIL
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "busy")
    assert rights(file) == (USER, 0o755)
    usurped(file)
    good([align(london, file)])
    assert (rights(file), file.read_bytes()) == ((0, 0o4755), CONTENT)


def test_bytes_are_compared_when_nobody_else_has_the_file_any_more(london: Side) -> None:
    file = program(london)
    premigrate(london, file)
    usurped(file)
    haunt(london, without_a_trace)
    outcome = align(london, file)
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "changed")
    assert rights(file) == (USER, 0o755)


def test_without_a_comparison_no_owner_acl_or_set_uid_is_given(london: Side) -> None:
    file = program(london)
    file.chmod(0o6755)
    os.setxattr(file, ACCESS, ACL)
    premigrate(london, file)
    usurped(file, CONTENT[::-1]).chmod(0o600)
    good([align(london, file, skip_hash=True)])
    assert rights(file)[0] == USER
    assert not rights(file)[1] & 0o6000
    assert ACCESS not in os.listxattr(file)
    os.chown(file, 0, 0)
    file.chmod(0o4700)
    good([align(london, file, skip_hash=True)])
    assert rights(file)[1] & 0o6000 == 0o4000


@pytest.mark.parametrize("step", ["ngenea_sync_metadata", "recall"])
def test_a_file_that_is_given_to_the_default_owner_does_not_run_as_he(london: Side, step: str) -> None:
    store(london).put("projects/f", Bytes(CONTENT), metadata={})
    file = london.tree / "f"
    good(london.do("reverse_stub", Entry(path=bytes(file)), hydrate=step != "recall"))
    os.chown(file, USER, USER)
    file.chmod(0o4755)
    good(london.do(step, london.entry(file), default_uid="0"))
    assert rights(file) == (0, 0o755)


def test_what_arrives_does_not_make_a_program_of_what_a_user_has_mapped(london: Side, dublin: Side) -> None:
    entries = carried(premigrate(london, program(london)), london, dublin)
    there = usurped(dublin.tree / "program")
    with mapped(there):
        (outcome,) = dublin.do("reverse_stub", *entries, hydrate=True, overwrite=True)
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "busy")
    assert rights(there) == (USER, 0o755)
    good(dublin.do("reverse_stub", *entries, hydrate=True, overwrite=True))
    assert rights(there) == (0, 0o4755)


@pytest.mark.parametrize("written", [False, True])
def test_a_stub_becomes_roots_program_only_where_all_it_has_is_the_objects(
    london: Side, dublin: Side, *, written: bool
) -> None:
    entries = carried(premigrate(london, program(london)), london, dublin)
    there = stub(dublin, "other", stub_size=8192)
    there = there.rename(dublin.tree / "program")
    usurp = there.stat()
    os.chown(there, USER, USER)
    with mapped(there) as memory:
        (outcome,) = dublin.do("reverse_stub", *entries)
        if written:
            memory[: len(EVIL)] = EVIL
    os.utime(there, ns=(usurp.st_atime_ns, usurp.st_mtime_ns))
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "busy")
    (outcome,) = dublin.do("reverse_stub", *entries)
    assert outcome.state is (FileState.ABORTED if written else FileState.PROCESSED)
    assert rights(there)[0] == (USER if written else 0)


def test_a_stub_with_a_head_becomes_a_program_where_its_bytes_moved_to_another_object(
    london: Side, dublin: Side
) -> None:
    there = stub(dublin, "other", stub_size=8192).rename(dublin.tree / "program")
    os.chown(there, USER, USER)
    entries = carried(premigrate(london, program(london)), london, dublin)
    store(dublin).delete("projects/other")
    good(dublin.do("reverse_stub", *entries))
    assert (rights(there), state(dublin, there)) == ((0, 0o4755), State.STUB)
    assert recall(dublin, there) == CONTENT


# What stands in a bucket without the datastore's seal.


def put(site: Side, key: str, path: bytes, kind: Kind) -> None:
    everybodys = Attributes(mode=0o777, uid=USER, gid=USER, mtime_ns=10**18, xattrs=((os.fsencode(ACCESS), ACL),))
    content = Bytes(CONTENT if kind is Kind.FILE else b"")
    digest = content.digest if kind is Kind.FILE else b""
    said, _ = metadata.describe(uuid=os.urandom(16), digest=digest, path=path, kind=kind, attributes=everybodys)
    store(site).put(key, content, metadata=said)


def bobs(path: Path, mode: int) -> Path:
    os.chown(path, 1001, 1001)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("step", ["ngenea_sync_metadata", "reverse_stub"])
def test_a_bucket_does_not_open_a_directory_to_others(london: Side, step: str) -> None:
    top = london.tree / "bob"
    top.mkdir()
    bobs(top, 0o700)
    put(london, "projects/bob/.argosy-dir", b"projects/bob", Kind.DIRECTORY)
    options = {"overwrite": True} if step == "reverse_stub" else {}
    good(london.do(step, Entry(path=bytes(top)), **options))
    assert rights(top) == (1001, 0o700)
    assert ACCESS not in os.listxattr(top)
    assert top.stat().st_mtime_ns == 10**18
    (again,) = london.do(step, Entry(path=bytes(top)), **options)
    assert again.state is FileState.SKIPPED


@pytest.mark.parametrize("step", ["ngenea_sync_metadata", "reverse_stub"])
@pytest.mark.parametrize("hollow", [False, True])
def test_a_bucket_does_not_open_a_file_to_others(london: Side, step: str, *, hollow: bool) -> None:
    file = bobs(stub(london, "f") if hollow else made(london, "f"), 0o600)
    put(london, "projects/f", b"projects/f", Kind.FILE)
    options = {"overwrite": True, "hydrate": not hollow} if step == "reverse_stub" else {}
    outcomes = london.do(step, Entry(path=bytes(file)), **options)
    assert outcomes[0].state.goes_on, outcomes
    assert rights(file) == (1001, 0o600)
    assert ACCESS not in os.listxattr(file)


# Directories that somebody moved under a name to which more is given.


@pytest.fixture
def swapped(london: Side) -> Path:
    """A directory of root's in the home of a user, who has given it the name of one of his own that was stored."""
    home = london.tree / "home"
    (home / "d").mkdir(parents=True)
    (home / "root").mkdir()
    (home / "root/secret").write_text("root's")
    for path in (home, home / "d"):
        os.chown(path, USER, USER)
    (home / "d").chmod(0o777)
    good(london.do("migrate", london.entry(home / "d"), premigrate=True))
    (home / "root").chmod(0o700)
    (home / "d").rmdir()
    (home / "root").rename(home / "d")
    return home / "d"


@pytest.mark.parametrize("step", ["ngenea_sync_metadata", "reverse_stub"])
def test_a_directory_that_a_user_moved_under_the_name_of_his_own_does_not_become_his(
    london: Side, swapped: Path, step: str
) -> None:
    options = {"overwrite": True} if step == "reverse_stub" else {}
    (outcome,) = london.do(step, Entry(path=bytes(swapped)), **options)
    assert outcome.error == "denied"
    assert "chown" in outcome.reason
    assert rights(swapped) == (0, 0o700)


def test_the_directory_that_is_given_away_is_the_one_that_was_looked_at(
    london: Side, swapped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody can have moved there is given, and not another that has its name by then."""
    home = swapped.parent
    os.chown(home, 0, 0)
    (home / "own").mkdir()
    os.chown(home / "own", USER, USER)
    real = Posix.make_directory

    def late(*arguments: Any, **options: Any) -> bool:
        swapped.rename(home / "root")
        (home / "own").rename(swapped)
        return real(*arguments, **options)

    monkeypatch.setattr(Posix, "make_directory", late)
    assert align(london, swapped).error == "changed"
    assert rights(swapped) == (USER, 0o755)


# Writes while attributes are given.


class Restless(OpenFile):
    """A file that somebody writes to the moment its attributes are read, or given."""

    at = ""

    def attributes(self) -> Attributes:
        self._write("attributes")
        return super().attributes()

    def dress(self, attributes: Attributes) -> None:
        self._write("dress")
        super().dress(attributes)

    def _write(self, at: str) -> None:
        if at == Restless.at:
            Restless.at = ""
            with open(self._path, "r+b") as file:
                file.write(EVIL)


class Shaken(Posix):
    """A tree of such files."""

    def open(self, path: bytes, *, inode: int | None = None, writing: bool = False) -> OpenFile:
        return Restless.open(self._root, path, self._seal, inode=inode, writing=writing)


@pytest.mark.parametrize("at", ["attributes", "dress"])
def test_what_is_written_while_attributes_are_given_is_sent_the_next_time(
    london: Side, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    file = premigrated(london, "f")
    file.chmod(0o600)
    monkeypatch.setattr(Restless, "at", at)
    tree = london.place.trees[0]
    london.serve(Shaken(root=tree.root, key=tree.key))
    outcome = align(london, file)
    assert outcome.state is (FileState.ABORTED if at == "attributes" else FileState.PROCESSED)
    (sent,) = premigrate(london, file)
    assert sent.entry.facts.stored is not None
    assert b"".join(store(london).get(sent.entry.facts.stored.key)).startswith(EVIL)


def test_a_file_that_was_written_to_is_not_clean_because_it_got_its_old_mtime(london: Side) -> None:
    file = premigrated(london, "f")
    with file.open("r+b") as opened:
        opened.write(EVIL)
    assert state(london, file) is State.DIRTY
    good([align(london, file, skip_hash=True)])
    (sent,) = premigrate(london, file)
    assert sent.entry.facts.stored is not None
    assert b"".join(store(london).get(sent.entry.facts.stored.key)).startswith(EVIL)


# Programs with capabilities.


def test_a_file_with_capabilities_stays_premigrated_and_says_why(london: Side) -> None:
    file = made(london, "f")
    raw = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(file, "security.capability", raw)
    (outcome,) = london.do("migrate", london.entry(file))
    assert outcome.state is FileState.PROCESSED
    assert "capabilities" in outcome.reason
    assert attribute(file) is not None
    assert state(london, file) is State.PREMIGRATED
    assert os.getxattr(file, "security.capability") == raw
