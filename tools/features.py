"""The behaviours Argosy has set out to show (docs/features.yaml), and which of them the tests prove.

As a pytest plugin: checks the `feature` marks and writes down which were proved. As a program: prints that by area.
"""

import json
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
LIST = Path("docs/features.yaml")
RESULTS = Path("build/features.json")
MOST = 3
"""Ids one test may carry: a test that claims more proves none of them well."""
_PROPERTY = "feature"


@dataclass(frozen=True, slots=True)
class Feature:
    """One behaviour; `superseded` names the decision that put another in its place."""

    id: str
    area: str
    text: str
    superseded: str = ""


def read(root: Path) -> dict[str, Feature]:
    """Return the features by id, in the order of the list."""
    rows = yaml.load((root / LIST).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return {row["id"]: Feature(row["id"], row["area"], row["feature"], row.get("superseded", "")) for row in rows}


def faults(marks: dict[str, list[str]], known: dict[str, Feature]) -> Iterator[str]:
    """Yield what is wrong with the marks of each test."""
    for test, ids in marks.items():
        if len(ids) > MOST:
            yield f"{test} is marked with {len(ids)} features: at most {MOST}, mark only what it really proves"
        for unknown in (id_ for id_ in ids if id_ not in known):
            yield f"{test} is marked with {unknown!r}: docs/features.yaml has no such id"
        for old in (known[id_] for id_ in ids if id_ in known and known[id_].superseded):
            yield f"{test} is marked with {old.id}, which {old.superseded} supersedes: mark something else"


class Recorder:
    """Watches one test run."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known = read(root)
        self._marks: dict[str, list[str]] = {}
        self._passed: set[str] = set()
        self._failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Have the reports of each test tell its marks, whichever process runs it; refuse the run if one is wrong."""
        for item in items:
            item.user_properties += [(_PROPERTY, id_) for id_ in _ids(item)]
        if wrong := list(faults({item.nodeid: _ids(item) for item in items}, self._known)):
            raise pytest.UsageError(*wrong)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test passed when its call passed and neither set-up nor tear-down failed."""
        self._marks[report.nodeid] = [str(id_) for name, id_ in report.user_properties if name == _PROPERTY]
        if report.failed:
            self._failed.add(report.nodeid)
        elif report.passed and report.when == "call":
            self._passed.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write down what this run proved: the process that started the others knows it."""
        if hasattr(session.config, "workerinput"):
            return
        target = self._root / RESULTS
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps(self._results(), indent=1) + "\n", encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say in one line what this run proved."""
        done, superseded, left = _counts(self._known.values(), set(self._results()["proved"]))
        terminalreporter.write_line(f"features: {done} proved, {superseded} superseded, {left} open")

    def _results(self) -> dict[str, Any]:
        passed = self._passed - self._failed
        doubtful = {id_ for test in self._failed for id_ in self._marks.get(test, ())}
        proved = {id_ for test in passed for id_ in self._marks.get(test, ())} - doubtful
        return {
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "passed": len(passed),
            "failed": len(self._failed),
            "proved": sorted(proved),
        }


def _ids(item: pytest.Item) -> list[str]:
    return [id_ for mark in item.iter_markers("feature") for id_ in mark.args]


def pytest_configure(config: pytest.Config) -> None:
    """Watch this run, unless it only looks at what tests there are."""
    if not config.option.collectonly:
        config.pluginmanager.register(Recorder(config.rootpath), "argosy-features")


def report(known: dict[str, Feature], results: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the report: each area, then all of it."""
    proved = set(results["proved"])
    yield f"By the tests that ended {results['ended']}: {results['passed']} passed, {results['failed']} failed."
    yield ""
    yield f"{'area':36} {'proved':>7} {'superseded':>11} {'open':>6}"
    for area in dict.fromkeys(feature.area for feature in known.values()):
        yield _row(area, [feature for feature in known.values() if feature.area == area], proved)
    yield _row("all", known.values(), proved)


def _row(name: str, features: Collection[Feature], proved: set[str]) -> str:
    return "{:36} {:7} {:11} {:6}".format(name, *_counts(features, proved))


def _counts(features: Collection[Feature], proved: set[str]) -> tuple[int, int, int]:
    done = sum(feature.id in proved for feature in features)
    superseded = sum(bool(feature.superseded) for feature in features)
    return done, superseded, len(features) - done - superseded


def main() -> int:
    """Print the report of the last run."""
    if not (ROOT / RESULTS).exists():
        sys.stderr.write("No test run is on record: run `make test` first.\n")
        return 1
    for line in report(read(ROOT), json.loads((ROOT / RESULTS).read_text(encoding="utf-8"))):
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
