"""A hub for syncs, as agents see it: what it is told it keeps in a directory, so that killed agents do not take it."""

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from argosy.core.syncing import PAGE, SIDE, Applied, Circumstances, Piece, Wanted
from argosy.sync.executor.outcomes import Outcome
from argosy.sync.planner.plans import Operation
from tests.sites import NoHub


class SyncHub(NoHub):
    """Answers for every task it was told of, until it takes one back."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        directory.mkdir()
        self._directory = directory
        self.refuse_at = ""
        """The call at which tasks are taken back."""
        self.circumstances = Circumstances()
        """What a side said of itself last."""
        self.spoiled = b""
        """What is answered in the place of operations."""
        self.watch: Callable[[str], None] = lambda _call: None
        """Called before every answer."""

    def index(self, task: str) -> Path:
        return self._directory / f"{task}.index"

    def give(self, task: str, operations: Iterable[Operation]) -> None:
        """Have these be the operations of a task."""
        every = list(operations)
        for first in range(0, len(every), PAGE):
            page = every[first : first + PAGE]
            self._operations(task, first // PAGE).write_bytes(msgspec.msgpack.encode(page))

    def told(self, task: str) -> list[Outcome]:
        """Return what became of the operations of a task, as far as it was told."""
        pages = sorted(self._directory.glob(f"{task}.applied.*"), key=lambda path: int(path.suffix[1:]))
        return [one for page in pages for one in msgspec.msgpack.decode(page.read_bytes(), type=list[Outcome])]

    def piece(self, piece: Piece) -> bool:
        if piece.name == SIDE:
            self.circumstances = msgspec.json.decode(piece.data, type=Circumstances)
            return True
        self.watch("piece")
        if self.refuse_at == "piece":
            return False
        with self.index(piece.task).open("r+b" if piece.offset else "wb") as file:
            file.seek(piece.offset)
            file.write(piece.data)
        return True

    def operations(self, wanted: Wanted) -> bytes | None:
        self.watch("operations")
        if self.refuse_at == "operations":
            return None
        if self.spoiled:
            return self.spoiled
        number = 0
        while (page := self._operations(wanted.task, number)).exists():
            said = page.read_bytes()
            if msgspec.msgpack.decode(said, type=list[Operation])[-1].number > wanted.after:
                return said
            number += 1
        return b""

    def applied(self, told: Applied) -> bool:
        self.watch("applied")
        if self.refuse_at == "applied":
            return False
        (self._directory / f"{told.task}.applied.{told.sequence}").write_bytes(told.done)
        return True

    def _operations(self, task: str, number: int) -> Path:
        return self._directory / f"{task}.operations.{number}"
