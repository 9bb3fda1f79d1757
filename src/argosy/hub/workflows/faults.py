"""What is wrong with a definition, by its place in the JSON: `filter_rules[1].action[0].lock_level`."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from argosy.core.errors import Invalid


class Faults:
    """Collects what is wrong, each with its place."""

    def __init__(self) -> None:
        self.by_place: dict[str, list[str]] = {}
        self.count = 0
        """How many there are: of one place there may be several."""

    def add(self, place: str, said: str) -> None:
        """Note that something is wrong at the place."""
        self.by_place.setdefault(place, []).append(said)
        self.count += 1

    def sentence(self) -> str:
        """Return all of it as one sentence."""
        return "; ".join(f"{place}: {said}" for place, all_said in self.by_place.items() for said in all_said)

    def refuse(self, of: str) -> None:
        """Return where nothing is wrong.

        Raises:
            Invalid: something is; the message begins with `of`.
        """
        if self.by_place:
            raise Invalid(f"{of}: {self.sentence()}")

    def items(self, value: Any, place: str, noun: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the objects of a list with their places; note what is no list, and what in it is no object."""
        if not isinstance(value, list):
            self.add(place, f"this is a list of {noun}s")
            return
        for number, item in enumerate(value):
            if isinstance(item, Mapping):
                yield f"{place}[{number}]", item
            else:
                self.add(f"{place}[{number}]", f"each {noun} is an object, not {item!r}")

    def keys(self, item: Mapping[str, Any], place: str, *, needed: Collection[str], known: Collection[str]) -> bool:
        """Note keys that are missing or that nobody knows; say whether all that are needed are there."""
        for key in sorted(item.keys() - known):
            self.add(f"{place}.{key}", f"unknown key: known are {', '.join(sorted(known))}")
        missing = [key for key in needed if key not in item]
        for key in missing:
            self.add(f"{place}.{key}", "this is missing")
        return not missing

    def text(self, item: Mapping[str, Any], key: str, place: str) -> bool:
        """Note a value that is not text, or is empty; say whether it is well."""
        if isinstance(item.get(key), str) and item[key]:
            return True
        if key in item:
            self.add(f"{place}.{key}", f"{item[key]!r} is not text")
        return False
