"""What holds for the files of this repository, whatever they say."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools.features import RESULTS, read, report

ROOT = Path(__file__).parent.parent
LOCKS = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

REGISTRIES = re.compile(r"pythonhosted\.org|pypi\.org|npmjs\.(org|com)|deb\.debian\.org|crates\.io|proxy\.golang\.org")
MACHINES = re.compile(rf"{re.escape(str(ROOT))}/|(?<![\w./-])/(work/(main|shared)|opt/wheels|root/\.\w|home/\w+/)")
SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[\w+/=]{40}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_\w{36}|\bxox[abp]-\w{10}"
    r"|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}"
)
WORKSHOP = re.compile(r"(?i)\bco-authored-by\b|\blanguage model\b|\bthis session\b|\bthe brief\b|\.\./shared/\w")
PAGE = re.compile(r"(?<![\w/.-])docs/[\w/.-]+\.(?:md|yaml)\b")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    paths = [ROOT / os.fsdecode(name) for name in listed.split(b"\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def places_of(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        if path == Path(__file__):
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in pattern.finditer(text)]
    return found


class TestFiles:
    def test_no_file_names_a_package_registry(self):
        assert places_of(REGISTRIES) == []

    def test_no_file_holds_a_path_of_the_machine_it_was_written_on(self):
        assert places_of(MACHINES) == []

    def test_no_file_holds_a_secret(self):
        assert places_of(SECRETS) == []

    def test_no_file_speaks_of_how_it_came_to_be_written(self):
        assert places_of(WORKSHOP) == []

    def test_every_link_of_a_page_leads_to_a_file_of_the_repository(self):
        pages = [path for path in tracked() if path.suffix == ".md"]
        links = [(page, link) for page in pages for link in LINK.findall(page.read_text())]
        targets = {(page, link): (page.parent / link).resolve() for page, link in links}
        assert links
        assert [key for key, target in targets.items() if not (target.exists() and target.is_relative_to(ROOT))] == []

    def test_every_page_that_a_file_names_is_there(self):
        pages = {place.partition(": ")[2]: place for place in places_of(PAGE)}
        assert pages
        assert [place for page, place in pages.items() if not (ROOT / page).exists()] == []

    def test_the_readme_names_the_two_commands_that_do_all_the_setting_up(self):
        quick_start = (ROOT / "README.md").read_text().partition("## Quick start")[2].partition("\n## ")[0]
        assert re.search(r"^make run\b", quick_start, re.MULTILINE)
        assert re.search(r"^make test\b", quick_start, re.MULTILINE)

    def test_the_pipeline_runs_the_test_command_of_the_readme_last(self):
        assert (ROOT / ".ci" / "run").read_text().split("\n")[-2] == "make test"
        assert os.access(ROOT / ".ci" / "run", os.X_OK)

    def test_every_change_says_what_kind_it_is(self):
        names = [path.name for path in (ROOT / "changes").iterdir() if path.name != "README.md"]
        assert [
            name for name in names if not re.fullmatch(r"[\w-]+\.(added|changed|fixed|removed|security)\.md", name)
        ] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
class TestLocks:
    def test_every_package_of_a_lock_has_its_version_and_its_hashes(self, lock):
        packages = re.split(r"\n(?=[A-Za-z])", lock.read_text())[1:]
        assert packages
        assert [
            text for text in packages if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ (; .+ )?\\\n +--hash=", text)
        ] == []

    def test_a_lock_says_nothing_of_where_packages_come_from(self, lock):
        assert re.findall(r"^ *(-i\b|--(?!hash)\S+|https?://\S+|file:\S+)", lock.read_text(), re.MULTILINE) == []
        assert "://" not in lock.read_text()


def versions(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==(\S+)", lock.read_text(), re.MULTILINE))


def test_both_locks_hold_the_same_versions():
    running, everything = map(versions, LOCKS)
    assert running.items() <= everything.items()


def test_the_locks_hold_every_package_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def names(*groups: list[str]) -> set[str]:
        found = {re.split(r"[<>=\[;! ]", line)[0].lower().replace("_", "-") for group in groups for line in group}
        return found - {"argosy"}

    running, everything = map(versions, LOCKS)
    assert names(project["dependencies"], extras["hub"], extras["s3"], extras["build"]) <= running.keys()
    assert names(project["dependencies"], *extras.values()) <= everything.keys()


class TestDecisions:
    HEAD = re.compile(
        r"# (\d{4})\. [^\n]+[^.\n]\n\nDate: \d{4}-\d\d-\d\d\nStatus: (accepted|superseded by \d{4})\n\n"
        r"(Supersedes [^#]+\n\n)?## Question\n.+\n## Decision\n.+\n## Why\n",
        re.DOTALL,
    )

    @pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.name)
    def test_every_decision_has_the_same_head(self, record):
        head = self.HEAD.match(record.read_text())
        assert head
        assert record.name.startswith(head[1] + "-")

    def test_decisions_are_numbered_without_gaps(self):
        assert [int(record.name[:4]) for record in DECISIONS] == list(range(1, len(DECISIONS) + 1))

    def test_a_superseded_feature_and_its_decision_name_each_other(self):
        superseded = {feature.id: feature.superseded for feature in read(ROOT).values() if feature.superseded}
        named = {
            (id_, str(record.relative_to(ROOT)))
            for record in DECISIONS
            for id_ in re.findall(r"[A-Z]+-[A-Z]+-\d{3}", record.read_text())
        }
        assert superseded.items() == named


class TestFeatures:
    LIST = """
        - {id: A-B-001, area: 'sails', feature: 'It sails.'}
        - {id: A-B-002, area: 'sails', feature: 'It rows.'}
        - {id: A-B-003, area: 'sails', feature: 'It flies.'}
        - {id: A-B-004, area: 'oars', feature: 'It dives.'}
        - {id: A-B-005, area: 'oars', feature: 'It sinks.', superseded: docs/decisions/0001-no.md}
    """

    @pytest.fixture
    def run(self, pytester, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        docs = pytester.mkdir("docs")
        (docs / "features.yaml").write_text(self.LIST)
        pytester.makeini("[pytest]\nmarkers = feature(id, ...)\n")

        def run(*tests: str) -> pytest.RunResult:
            pytester.makepyfile("import pytest\nfeature = pytest.mark.feature\n" + "\n".join(tests))
            return pytester.runpytest_subprocess("-p", "tools.features", "-p", "no:cacheprovider")

        return run

    def results(self, pytester) -> dict[str, Any]:
        return json.loads((pytester.path / RESULTS).read_text())

    def test_only_marks_of_tests_that_passed_count(self, run, pytester):
        run(
            "@feature('A-B-001')\ndef test_a(): pass",
            "@feature('A-B-002')\ndef test_b(): assert False",
            "@feature('A-B-003')\ndef test_c(): pytest.skip()",
            "@pytest.fixture\ndef broken():\n    yield\n    assert False",
            "@feature('A-B-004')\ndef test_d(broken): pass",
        )
        assert self.results(pytester)["proved"] == ["A-B-001"]

    def test_a_feature_that_one_test_proves_and_another_fails_is_not_proved(self, run, pytester):
        run("@feature('A-B-001')\n@pytest.mark.parametrize('x', [0, 1])\ndef test_a(x): assert x")
        assert self.results(pytester)["proved"] == []

    def test_the_report_counts_by_area(self, run, pytester):
        run("@feature('A-B-001', 'A-B-004')\ndef test_a(): pass")
        rows = [line.split() for line in list(report(read(pytester.path), self.results(pytester)))[3:]]
        counts = {area: [int(word) for word in words] for area, *words in rows}
        assert counts == {"sails": [1, 0, 2], "oars": [1, 1, 0], "all": [2, 1, 2]}

    @pytest.mark.parametrize(
        ("marks", "complaint"),
        [
            ("'A-B-001', 'A-B-002', 'A-B-003', 'A-B-004'", "*marked with 4 features: at most 3*"),
            ("'A-B-999'", "*docs/features.yaml has no such id*"),
            ("'A-B-005'", "*docs/decisions/0001-no.md supersedes*"),
        ],
    )
    def test_a_wrong_mark_stops_the_run_before_any_test(self, run, marks, complaint):
        result = run(f"@feature({marks})\ndef test_a(): pass")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([complaint])


class TestImports:
    """import-linter on a copy of the package with one wrong import."""

    LAYERS = "Rooms import downward only, and every room has its place"
    APPS = "Apps of the hub import downward only, and the families never import each other"
    DJANGO = "Only the hub, and the module that embeds it, know Django"
    CORE = "The vocabulary needs the standard library and the codecs of its values, no more"

    @pytest.mark.parametrize(
        ("module", "line", "contract"),
        [
            ("core/entry.py", "import argosy.stores.base", LAYERS),
            ("stores/base.py", "import argosy.filesystems.base", LAYERS),
            ("agent/hub.py", "import argosy.hub", LAYERS),
            ("lowland/__init__.py", "", LAYERS),
            ("hub/common/wrong.py", "import argosy.hub.jobs", APPS),
            ("agent/hub.py", "import django", DJANGO),
            ("core/entry.py", "import httpx", CORE),
        ],
    )
    def test_an_import_in_the_wrong_direction_breaks_its_contract(self, tmp_path, module, line, contract):
        shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "tools", tmp_path / "tools")
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        target = tmp_path / "src" / "argosy" / module
        target.parent.mkdir(exist_ok=True)
        with target.open("a") as file:
            file.write(f"\n{line}\n")
        linted = subprocess.run(
            [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"{contract} BROKEN" in re.sub(r"\s+", " ", linted.stdout)
        assert linted.returncode == 1
