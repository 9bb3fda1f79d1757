"""`filter_snapshot_results`: what changed since the snapshot is left for the next run."""

from pathlib import Path

import msgspec

from argosy.core.entry import Entry
from argosy.core.outcome import Outcome
from argosy.core.states import FileState
from tests.sites import Side


def found(london: Side, path: Path, state: str) -> Entry:
    (outcome,) = london.do("stat_paths", Entry(path=bytes(path), state=state))
    return outcome.entry


def filtered(london: Side, entry: Entry) -> Outcome:
    (outcome,) = london.do("filter_snapshot_results", entry)
    (planned,) = london.planned("filter_snapshot_results", entry)
    assert planned.goes_on is outcome.goes_on
    return outcome


def test_what_is_as_it_was_found_goes_on(london: Side) -> None:
    file, directory, link = (london.tree / name for name in ("file", "directory", "link"))
    file.write_text("one")
    directory.mkdir()
    link.symlink_to("file")
    entries = [found(london, path, "created") for path in (file, directory, link)]
    (directory / "later").touch()
    assert all(filtered(london, entry).state is FileState.PROCESSED for entry in entries)
    assert filtered(london, Entry(path=bytes(london.tree / "gone"), state="deleted")).goes_on


def test_what_changed_meanwhile_ends_as_skipped_with_what_became_of_it(london: Side) -> None:
    file = london.tree / "file"
    file.write_text("one")
    entry = found(london, file, "updated")
    file.write_text("longer")
    outcome = filtered(london, entry)
    assert (outcome.state, outcome.goes_on) == (FileState.SKIPPED, False)
    assert outcome.reason == "was written to: the next run of snapdiff finds that"
    file.unlink()
    assert filtered(london, entry).reason.startswith("is gone")
    file.mkdir()
    assert filtered(london, entry).reason.startswith("something else is there")
    deleted = msgspec.structs.replace(entry, state="deleted")
    assert filtered(london, deleted).reason.startswith("was deleted, and something is there again")
