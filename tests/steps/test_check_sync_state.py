"""`check_sync_state`: what is sent of what another site has as well."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from tests.sites import Side
from tests.trees import ACL

OLD, NEW = 10**18, 10**18 + 1


def written(path: Path, content: str, *, mtime_ns: int = OLD) -> Path:
    path.write_text(content)
    path.chmod(0o640)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def both(london: Side, dublin: Side, name: str = "a") -> tuple[Path, Path]:
    return london.tree / name, dublin.tree / name


def checked(london: Side, dublin: Side, name: str = "a", **options: Any) -> Outcome:
    """Compare as the hub has it done: looked at in dublin, compared in london."""
    here, there = (bytes(path) for path in both(london, dublin, name))
    (found,) = london.do("stat_paths", Entry(path=here))
    (looked,) = dublin.do("stat_paths", msgspec.structs.replace(found.entry, path=there), beside=True)
    assert looked.state is FileState.SKIPPED, "a look is no work"
    (outcome,) = london.do("check_sync_state", msgspec.structs.replace(looked.entry, path=here), **options)
    assert outcome.entry.facts.elsewhere is None
    assert outcome.entry.facts.attributes == found.entry.facts.attributes, "nothing of dublin's goes on"
    return outcome


@pytest.mark.parametrize(
    ("preference", "older_here", "older_there"),
    [("newest", False, True), ("local", True, True), ("ignore", False, False), ("keep_both", True, True)],
)
@pytest.mark.feature("HUB-STEP-027", "HUB-STEP-028")
def test_of_two_that_differ_the_preference_says_whether_this_one_goes_on(
    london: Side, dublin: Side, preference: str, older_here: bool, older_there: bool
) -> None:
    here, there = both(london, dublin)
    for times, goes_on in (((OLD, NEW), older_here), ((NEW, OLD), older_there)):
        written(here, "london's", mtime_ns=times[0])
        written(there, "dublin's", mtime_ns=times[1])
        outcome = checked(london, dublin, sync_preference=preference)
        assert outcome.goes_on is goes_on
        assert outcome.state is (FileState.PROCESSED if goes_on else FileState.SKIPPED)


def test_by_default_what_the_other_site_has_stays_and_that_is_told(london: Side, dublin: Side) -> None:
    here, there = both(london, dublin)
    written(here, "london's", mtime_ns=NEW)
    assert checked(london, dublin).goes_on, "there is nothing there"
    written(there, "dublin's")
    outcome = checked(london, dublin)
    assert (outcome.goes_on, outcome.reason) == (False, "what dublin has stays: sync_preference is ignore")


@pytest.mark.parametrize("preference", ["newest", "local", "ignore"])
@pytest.mark.feature("HUB-STEP-028")
def test_what_is_alike_needs_nothing_and_ends_as_skipped_or_as_aborted(
    london: Side, dublin: Side, preference: str
) -> None:
    for path in both(london, dublin):
        written(path, "the same")
    outcome = checked(london, dublin, sync_preference=preference)
    assert (outcome.state, outcome.goes_on) == (FileState.SKIPPED, False)
    assert outcome.reason == "is the same at dublin"
    outcome = checked(london, dublin, sync_preference=preference, abort_outdated=True)
    assert (outcome.state, outcome.reason) == (FileState.ABORTED, "is the same at dublin")


def test_of_equal_age_this_one_goes_on_and_other_attributes_count(london: Side, dublin: Side) -> None:
    here, there = both(london, dublin)
    written(here, "one")
    written(there, "two!")
    assert checked(london, dublin, sync_preference="newest").goes_on
    written(there, "one")
    there.chmod(0o600)
    assert checked(london, dublin, sync_preference="newest").goes_on


def test_contents_are_compared_by_their_digests_where_both_are_known(london: Side, dublin: Side) -> None:
    here, there = both(london, dublin)
    for path, content in ((here, "one"), (there, "two")):
        written(path, content)
    assert not checked(london, dublin, sync_preference="newest").goes_on, "nobody read them"
    (sent,) = london.do("migrate", Entry(path=bytes(here)), premigrate=True)
    assert sent.state is FileState.PROCESSED
    (other,) = dublin.do("migrate", Entry(path=bytes(there)), premigrate=True)
    assert other.state is FileState.PROCESSED
    for path in (here, there):
        os.utime(path, ns=(OLD, OLD))
    assert checked(london, dublin, sync_preference="newest").goes_on


def test_a_stub_there_is_the_same_as_the_file_that_it_stands_for(london: Side, dublin: Side) -> None:
    here, there = both(london, dublin)
    written(here, "x" * 9000)
    (sent,) = london.do("migrate", Entry(path=bytes(here)), premigrate=True)
    arriving = msgspec.structs.replace(sent.entry, path=bytes(there))
    (made,) = dublin.do("reverse_stub", arriving)
    assert made.state is FileState.PROCESSED
    assert not checked(london, dublin, sync_preference="newest").goes_on
    written(here, "y" * 9000, mtime_ns=NEW)
    assert checked(london, dublin, sync_preference="newest").goes_on


@pytest.mark.feature("HUB-STEP-029")
def test_directories_are_compared_by_their_attributes_and_by_acls_where_that_is_wished(
    london: Side, dublin: Side
) -> None:
    here, there = both(london, dublin, "d")
    for path, time in ((here, OLD), (there, NEW)):
        path.mkdir()
        path.chmod(0o750)
        os.utime(path, ns=(time, time))
    assert not checked(london, dublin, "d", sync_preference="newest").goes_on, "the time is of what is in them"
    os.setxattr(there, "system.posix_acl_default", ACL)
    assert not checked(london, dublin, "d", sync_preference="newest").goes_on
    assert checked(london, dublin, "d", sync_preference="newest", hash_includes_acl=True).goes_on
    os.removexattr(there, "system.posix_acl_default")
    there.chmod(0o700)
    assert checked(london, dublin, "d", sync_preference="newest").goes_on
    assert not checked(london, dublin, "d", sync_preference="ignore").goes_on


def test_symlinks_are_compared_by_what_they_name_and_are_older_than_any_file(london: Side, dublin: Side) -> None:
    here, there = both(london, dublin)
    here.symlink_to("x")
    there.symlink_to("x")
    assert not checked(london, dublin, sync_preference="newest").goes_on
    there.unlink()
    there.symlink_to("y")
    assert checked(london, dublin, sync_preference="newest").goes_on
    there.unlink()
    written(there, "a file")
    assert not checked(london, dublin, sync_preference="newest").goes_on


def test_what_is_gone_by_then_is_aborted(london: Side, dublin: Side) -> None:
    here, there = both(london, dublin)
    written(here, "one")
    (found,) = london.do("stat_paths", Entry(path=bytes(here)))
    (looked,) = dublin.do("stat_paths", msgspec.structs.replace(found.entry, path=bytes(there)), beside=True)
    here.unlink()
    (outcome,) = london.do("check_sync_state", msgspec.structs.replace(looked.entry, path=bytes(here)))
    assert (outcome.state, outcome.error) == (FileState.ABORTED, "changed")


def test_where_nobody_looked_at_another_site_the_remedy_is_told(london: Side) -> None:
    written(london.tree / "a", "one")
    (outcome,) = london.do("check_sync_state", Entry(path=bytes(london.tree / "a")))
    assert outcome.state is FileState.FAILED
    assert "give the action its `site`" in outcome.reason


def test_a_plan_says_whether_it_would_go_on_and_ends_where_it_would(london: Side, dublin: Side) -> None:
    here, there = both(london, dublin)
    for path in (here, there):
        written(path, "the same")
    (looked,) = dublin.planned("stat_paths", Entry(path=bytes(there)), beside=True)
    entry = msgspec.structs.replace(looked.entry, path=bytes(here))
    (planned,) = london.planned("check_sync_state", entry)
    assert (planned.goes_on, planned.reason) == (False, "is the same at dublin")
    (planned,) = london.planned("check_sync_state", entry, abort_outdated=True)
    assert planned.state is FileState.ABORTED
    here.chmod(0o600)
    (planned,) = london.planned("check_sync_state", entry, sync_preference="local")
    assert (planned.goes_on, planned.reason) == (True, "would go on: it is to be sent")
