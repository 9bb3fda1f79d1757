"""Where it is told of a path that it did not go well, found without unpacking what is told of all others."""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

from argosy.core.states import FileState
from argosy.hub.jobs.blobs import Carried, Noted
from argosy.hub.jobs.models import Failure, Result
from argosy.hub.jobs.rows import Table

UNWELL = (FileState.FAILED, FileState.ABORTED)
_FAILURES = Table(Failure)


class Failures:
    """The paths of results that are about to be written, which have no keys yet."""

    def __init__(self) -> None:
        self._of: list[tuple[Result, frozenset[bytes]]] = []

    def note(self, result: Result, noted: Sequence[Noted]) -> None:
        """Remember the paths of a result, where they did not go well: there, and where the entries were found."""
        if result.state in UNWELL:
            paths = (path for each in noted for path in (each.outcome.entry.path, each.source) if path)
            self._of.append((result, frozenset(paths)))

    def note_all(self, result: Result, carried: Iterable[Carried]) -> None:
        """Do so where all entries of a task ended alike."""
        paths = (path for item in carried for path in (item.entry.path, item.source) if path)
        self._of.append((result, frozenset(paths)))

    def write(self) -> None:
        """Write them, once, now that the results have keys."""
        _FAILURES.add(list(self._rows()))
        self._of.clear()

    def _rows(self) -> Iterator[Failure]:
        for result, paths in self._of:
            for path in paths:
                yield Failure(task_id=result.task_id, result=result.pk, path=hash_of(path))


def hash_of(path: bytes) -> int:
    """Return the number under which a path is found; others may share it."""
    return int.from_bytes(blake2b(path, digest_size=8).digest(), "big", signed=True)


def results_of(path: bytes, most: int) -> list[int]:
    """Return the keys of results that tell of the path, perhaps, that it did not go well: the latest first."""
    rows = Failure.objects.filter(path=hash_of(path)).order_by("-result")
    return list(rows.values_list("result", flat=True)[:most])
