"""Small distributions, installed as pip installs them, in a directory that a test puts on the path."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent


def install(
    directory: Path, distribution: str, modules: Mapping[str, str], points: Mapping[str, Mapping[str, str]]
) -> Path:
    """Install a distribution of one package; `points` are entry points by group. Return the directory."""
    package = directory / distribution.replace("-", "_")
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, source in modules.items():
        (package / f"{name}.py").write_text(dedent(source))
    info = directory / f"{package.name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    groups = (
        f"[{group}]\n" + "".join(f"{name} = {package.name}.{target}\n" for name, target in named.items())
        for group, named in points.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    return directory


STAMP = '''
    """Leaves a mark beside files."""

    from dataclasses import dataclass
    from typing import Annotated, Literal

    import msgspec

    from argosy.core.entry import Entry
    from argosy.core.outcome import Outcome
    from argosy.site import Site


    @dataclass(frozen=True, slots=True, kw_only=True)
    class Stamp:
        """Leave a mark beside every file."""

        words: Annotated[list[str], "What to write"]
        times: Annotated[int, "How often", msgspec.Meta(ge=1)] = 1
        ink: Annotated[Literal["black", "blue"], "The colour"] = "black"

        def apply(self, entry: Entry, site: Site) -> Outcome:
            """Write the mark."""
            with open(entry.path + b".stamp", "w") as mark:
                mark.write(" ".join(self.words * self.times))
            return Outcome.processed(entry)
'''

MANIFEST = '''
    """Finds what a list names."""

    from collections.abc import Iterator
    from dataclasses import dataclass
    from typing import Annotated

    import msgspec

    from argosy.core.paths import join


    @dataclass(frozen=True, slots=True, kw_only=True)
    class Manifest:
        """Find the files that a list in each given directory names."""

        name: Annotated[str, "Name of the list"] = "MANIFEST"

        def find(self, given, site, *, on_error, after):
            """Yield the files, in the order of the list."""
            for top in given:
                with open(join(top.path, self.name.encode()), "rb") as lines:
                    for line in lines.read().split():
                        entry = site.tree(top.path).stat(join(top.path, line))
                        yield msgspec.structs.replace(entry, state="listed")
'''


def harbour(directory: Path) -> Path:
    """Install a distribution with a step `stamp` and a discovery `manifest`, and some that keep no contract."""
    broken = {
        "raises": "raise RuntimeError('no harbour here')",
        "plain": "class Plain:\n    def apply(self, entry, site): ...",
        "idle": "from dataclasses import dataclass\n@dataclass\nclass Idle:\n    speed: int = 1",
        "strange": "from dataclasses import dataclass\n@dataclass\nclass Strange:\n    it: complex = 1\n"
        "    def apply(self, entry, site): ...",
    }
    points = {
        "argosy.steps": {
            "stamp": "stamp:Stamp",
            "raises": "raises:Raises",
            "plain": "plain:Plain",
            "idle": "idle:Idle",
            "strange": "strange:Strange",
            "absent": "nowhere:Absent",
        },
        "argosy.discoveries": {"manifest": "manifest:Manifest"},
    }
    return install(directory, "harbour-steps", {"stamp": STAMP, "manifest": MANIFEST, **broken}, points)


TOLD = '''
    """Tells of files."""

    from dataclasses import dataclass
    from typing import Annotated

    from argosy.core.outcome import Outcome


    @dataclass(frozen=True, slots=True, kw_only=True)
    class EmailStaff:
        """Tell people of files."""

        staff_members: Annotated[list[str], "Whom to tell"]
        subject: Annotated[str, "What about"] = ""
        message: Annotated[str, "What to say"] = ""
        from_address: Annotated[str, "Who says it"] = ""

        def apply(self, entry, site):
            """Keep what would be sent beside the file."""
            with open(entry.path + b".mail", "w") as mail:
                mail.write(f"{self.from_address} to {', '.join(self.staff_members)}: {self.subject}")
            return Outcome.processed(entry)


    @dataclass(frozen=True, slots=True, kw_only=True)
    class RunCloudScript:
        """Run a script."""

        timeout: Annotated[int, "Seconds it may take"] = 600

        def apply(self, entry, site):
            """Do nothing."""
            return Outcome.skipped(entry, "there is no script")
'''


def telling(directory: Path) -> Path:
    """Install the steps that the manual's plugins have."""
    points = {"email_staff": "told:EmailStaff", "run_cloud_script": "told:RunCloudScript"}
    return install(directory, "telling-steps", {"told": TOLD}, {"argosy.steps": points})
