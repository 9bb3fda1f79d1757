"""`versions` discovery (`dynamo.tasks.versions`)."""

from dataclasses import dataclass
from typing import ClassVar

from argosy.discoveries.base import DISCOVERIES
from argosy.discoveries.trash import Trash
from argosy.filesystems.base import Shelf


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Versions(Trash):
    """Find what lies in the version store and was at the given paths, or beneath them; in all as `trash` does."""

    shelf: ClassVar[Shelf] = Shelf.VERSIONS
