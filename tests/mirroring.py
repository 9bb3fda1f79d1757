"""The mirror of the manual, made of rules by state, and somebody who makes work for it."""

import os
import random
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

NAMES = "abcd"
SEND = [
    {"name": "dynamo.tasks.remove_location_xattrs_for_moved"},
    {"name": "dynamo.tasks.migrate", "premigrate": True, "overwrite": True},
    {"name": "dynamo.tasks.reverse_stub", "site": "dublin", "hydrate": True, "overwrite": True},
]


def rule(state: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"state": state, "type": "all", "action": list(steps)}


MIRROR = {
    "name": "mirror",
    "label": "Mirror",
    "discovery": "snapdiff",
    "fields": [],
    "filter_rules": [
        rule("created", *SEND),
        rule("updated", *SEND),
        rule("moved", {"name": "dynamo.tasks.move_paths_on_gpfs", "site": "dublin"}),
        rule("deleted", {"name": "dynamo.tasks.delete_paths_from_gpfs", "site": "dublin", "recursive": True}),
    ],
}


def looked(top: Path) -> dict[str, object]:
    """Return what is below a top: bytes of files, targets of symlinks, and directories."""
    found: dict[str, object] = {}
    for where, directories, files in os.walk(top):
        for name in (*directories, *files):
            path = Path(where) / name
            content = os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes()
            found[str(path.relative_to(top))] = content
    return found


def modes(top: Path) -> dict[str, int]:
    """Return who may do what with the files below a top."""
    files = (path for path in top.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(top)): path.stat().st_mode for path in files}


class Person:
    """Somebody who works in a tree of few names, so that all of them are used again and again."""

    def __init__(self, top: Path, chance: random.Random) -> None:
        self.top = top
        self.chance = chance
        self.told: list[str] = []
        self.number = 0
        self.deeds: list[Callable[[], str]] = [
            self.write, self.write, self.make, self.remove, self.rename, self.rename, self.rename, self.swap,
            self.link, self.symlink, self.save, self.make_anew, self.rotate, self.turn_over, self.save_from,
            self.into_itself, self.save_in_renamed, self.chmod,
        ]  # fmt: skip

    def work(self, deeds: int) -> None:
        for _ in range(deeds):
            deed = self.chance.choice(self.deeds)
            try:
                self.told.append(f"{deed.__name__} {deed()}")
            except (OSError, ValueError) as error:  # or there were too few to choose from
                self.told.append(f"{deed.__name__} not: {error}")

    def any(self) -> Path:
        """A name that may be taken or not, in a directory that is there."""
        tops = [self.top, *sorted(path for path in self.top.rglob("*") if path.is_dir() and not path.is_symlink())]
        return self.chance.choice([top for top in tops if len(top.parts) < len(self.top.parts) + 4]) / self.name()

    def name(self) -> str:
        return self.chance.choice(NAMES)

    def there(self, kind: Callable[[Path], bool] = lambda _: True) -> Path:
        found = sorted(path for path in self.top.rglob("*") if kind(path))
        if not found:
            raise FileNotFoundError("nothing of the kind")
        return self.chance.choice(found)

    def content(self) -> str:
        self.number += 1
        return f"content {self.number}" * self.chance.choice((1, 1, 500))

    def write(self) -> str:
        path = self.any()
        if not path.is_symlink():
            path.write_text(self.content())
        return str(path)

    def make(self) -> str:
        path = self.any()
        path.mkdir()
        return str(path)

    def remove(self) -> str:
        path = self.there()
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return str(path)

    def rename(self) -> str:
        source, path = self.there(), self.any()
        self._clear(path, but=source)
        source.rename(path)
        return f"{source} {path}"

    def _clear(self, path: Path, *, but: Path) -> None:
        """Have the name free for what is moved there; nothing is moved into itself, or over what it lies in."""
        if path == but or but in path.parents or path in but.parents:
            raise FileExistsError(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def swap(self) -> str:
        one, other = self.there(), self.there()
        if one == other or one in other.parents or other in one.parents:
            raise FileExistsError(one)
        aside = self.top / "aside"
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
        return f"{one} {other}"

    def link(self) -> str:
        source, path = self.there(lambda one: one.is_file() and not one.is_symlink()), self.any()
        path.hardlink_to(source)
        return f"{source} {path}"

    def symlink(self) -> str:
        path = self.any()
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(path)
        path.unlink(missing_ok=True)
        path.symlink_to(self.name())
        return str(path)

    def save(self) -> str:
        path = self.there(lambda one: one.is_file() and not one.is_symlink())
        new = path.with_name("new")
        new.write_text(self.content())
        new.rename(path)
        return str(path)

    def make_anew(self) -> str:
        """Move a directory away and make another in its place, with some of the same names."""
        old = self.there(lambda one: one.is_dir() and not one.is_symlink())
        to = self.any()
        self._clear(to, but=old)
        old.rename(to)
        old.mkdir()
        for path in sorted(to.iterdir()):
            way = self.chance.randint(0, 3)
            if way == 0 and path.is_file():
                (old / path.name).write_text(self.content())
            elif way == 1:
                path.rename(old / path.name)
            elif way == 2 and path.is_file():
                path.unlink()
                (old / path.name).write_text(self.content())
        return f"{old} {to}"

    def rotate(self) -> str:
        """Shift all names of a directory by one, as logs are."""
        where = self.any().parent
        for name, following in reversed(list(pairwise(NAMES))):
            if (where / name).exists() and not (where / following).exists():
                (where / name).rename(where / following)
        return str(where)

    def save_from(self) -> str:
        """Take something out of a directory, and remove that."""
        source, path = self.there(lambda one: one.parent != self.top), self.any()
        directory = source.parent
        self._clear(path, but=source)
        source.rename(path)
        if directory not in path.parents:
            shutil.rmtree(directory)
        return f"{source} {path}"

    def turn_over(self) -> str:
        """Have a directory lie in what lay in it."""
        inner = self.there(lambda one: one.is_dir() and not one.is_symlink() and one.parent != self.top)
        outer, aside = inner.parent, self.top / "aside"
        inner.rename(aside)
        outer.rename(aside / inner.name) if not (aside / inner.name).exists() else shutil.rmtree(outer)
        aside.rename(outer)
        return str(inner)

    def save_in_renamed(self) -> str:
        """Rename a directory, and something in it over something else in it."""
        old, new = self.there(lambda one: one.is_dir() and not one.is_symlink()), self.any()
        self._clear(new, but=old)
        old.rename(new)
        one, other = self.chance.sample(
            sorted(path for path in new.iterdir() if path.is_symlink() or path.is_file()), 2
        )
        one.rename(other)
        return f"{old} {new}, {one.name} {other.name}"

    def chmod(self) -> str:
        path = self.there(lambda one: one.is_file() and not one.is_symlink())
        mode = self.chance.choice((0o600, 0o640, 0o644, 0o755))
        path.chmod(mode)
        return f"{path} {mode:o}"

    def into_itself(self) -> str:
        """Have a directory lie in one of its name."""
        old, aside = self.there(lambda one: one.is_dir() and not one.is_symlink()), self.top / "aside"
        old.rename(aside)
        old.mkdir()
        aside.rename(old / self.name())
        return str(old)
