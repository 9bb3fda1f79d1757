"""Sets of very many numbers of inodes, which lie close together mostly."""

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Final

_TOGETHER: Final = 8
"""2 ** this many are kept as one number."""


class Numbers:
    """Numbers of 0 or more, each within a group: a filesystem, say. Some 3 bytes each where they lie close together."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: defaultdict[Hashable, dict[int, int]] = defaultdict(dict)

    def add(self, group: Hashable, number: int) -> None:
        """Take in one; one that is in already stays."""
        found, near = self._found[group], number >> _TOGETHER
        found[near] = found.get(near, 0) | 1 << (number & (1 << _TOGETHER) - 1)

    def update(self, others: "Numbers") -> None:
        """Take in all of the others."""
        for group, near, many in others.together():
            self._found[group][near] = self._found[group].get(near, 0) | many

    def together(self) -> Iterator[tuple[Hashable, int, int]]:
        """Yield them as they are kept, with their groups."""
        for group, found in self._found.items():
            for near, many in found.items():
                yield group, near, many

    def holds(self, group: Hashable, number: int) -> bool:
        """Say whether it is in."""
        found = self._found.get(group)
        return found is not None and bool(found.get(number >> _TOGETHER, 0) >> (number & (1 << _TOGETHER) - 1) & 1)
