"""Which directory lies at the top of a fileset: by its marker, by what the agent remembers, by what lies above."""

import secrets
from collections.abc import Callable, Mapping

import msgspec

from argosy.agent.records import Record, Records
from argosy.core.errors import ArgosyError, NotFound, Unsupported
from argosy.core.faults import FilesetRefused, RootUnserved
from argosy.core.fileset import Fileset, Registered, State
from argosy.core.paths import below, display
from argosy.core.pointer import Binding
from argosy.filesystems._posix.fileset import Mark, Top
from argosy.filesystems.base import SNAPSHOTS
from argosy.filesystems.posix import Posix

TreeAt = Callable[[bytes], Posix]
"""Return the tree that holds a path, as it is served now, or raise why none is."""


class Amiss(FilesetRefused):
    """What lies at the top of a fileset is not what was registered."""

    def __init__(self, state: State, message: str) -> None:
        super().__init__(message)
        self.state: State = state


class Tops:
    """The tops of a site's filesets."""

    def __init__(self, records: Records, tree_at: TreeAt, own: Mapping[str, Registered]) -> None:
        """`own`: the filesets that the configuration has, by name."""
        self._records = records
        self._tree_at = tree_at
        self._own = own
        self.registered = own
        """All filesets, by name."""

    def checked(self, one: Registered) -> Fileset:
        """Return the fileset if its top is what was registered; one that was never served gets its marker.

        Raises:
            Amiss: it is not, or cannot be told.
            ArgosyError: its directory cannot be read.
        """
        top = self._top(one)
        if top.mark is None:
            self._refuse_bare(one, top)
            self._refuse_nested(one)
            self._give(one, top)
            top = self._top(one)
        self._refuse_strange(one, top)
        self._refuse_taken(one, top)
        self._refuse_other(one, top)
        self._refuse_nested(one)
        assert top.mark is not None
        self._remember(one, top, top.mark)
        found = Fileset(
            name=one.name, path=one.path, root=self._tree_at(one.path).root, id=top.mark.id, number=top.mark.number,
            binding=top.binding, others=self._others(top.mark.id), snapshots=one.snapshots,
            trash_days=one.trash_days,
        )  # fmt: skip
        _refuse_unfit(found)
        return found

    def adopt(self, one: Registered) -> None:
        """Take what lies at the top for the fileset from now on; id and number stay.

        Raises:
            Amiss: nothing lies there, or the top of another of the site's filesets, or it lies in one.
            ArgosyError: its directory cannot be read or written.
        """
        top = self._top(one)
        self._refuse_taken(one, top)
        self._refuse_nested(one)
        self._give(one, top)

    def _top(self, one: Registered) -> Top:
        try:
            return self._tree_at(one.path).fileset_at(one.path)
        except NotFound:
            raise Amiss("missing", f"{display(one.path)} is not there: {self._whereabouts(one)}") from None

    def _whereabouts(self, one: Registered) -> str:
        """Say what to do about a top that is missing, and where it is, if the kernel tells."""
        record = self._records.named(one.name)
        if record is None:
            return "make the directory"
        path = self._tree_at(one.path).fileset_now(record.handle, record.binding) if record.handle else None
        if path is None:
            return f"mount its disk; if it is lost, make the directory and `argosy fileset check {one.name} --adopt`"
        holder = next((other for other in self.registered.values() if below(path, other.path)), None)
        if holder is not None:
            return f"it lies at {display(path)} now, in fileset {holder.name}: move it back"
        return f"it lies at {display(path)} now: move it back, or register it there"

    def _refuse_bare(self, one: Registered, top: Top) -> None:
        """A directory that should have a marker and has none is given one by a person only."""
        record = self._records.named(one.name)
        if record is None:
            return
        if not _same_place(record.binding, top.binding):
            raise Amiss("unmounted", f"{display(one.path)} lies on another filesystem than before: mount its disk")
        adopt = f"`argosy fileset check {one.name} --adopt`"
        raise Amiss("unmarked", f"{display(one.path)} has lost its marker, or is another directory: see, then {adopt}")

    def _refuse_strange(self, one: Registered, top: Top) -> None:
        if top.mark is None or top.mark.binding == top.binding:
            return
        adopt = f"if it is to be the fileset, `argosy fileset check {one.name} --adopt`"
        raise Amiss("copy", f"{display(one.path)} is a copy of the directory that had its marker: {adopt}")

    def _refuse_taken(self, one: Registered, top: Top) -> None:
        """Refuse what is, by a marker that is its own, another of the site's filesets."""
        known = self._records.get(top.mark.id) if top.mark is not None else None
        if top.mark is None or known is None or top.mark.binding != top.binding:
            return
        if known.name != one.name and known.name in self.registered:
            moved = f"put the right directory back, or register {known.name} there"
            raise Amiss("other", f"{display(one.path)} is the top of fileset {known.name}: {moved}")

    def _refuse_other(self, one: Registered, top: Top) -> None:
        """Refuse what has a marker of its own and is not what went by the name before."""
        ids = self._records.ids_of(one.name)
        if top.mark is None or not ids:
            return
        known = self._records.get(top.mark.id)
        if known is None or known.name != one.name:
            what = "is the top of another fileset"
        elif known.binding != top.binding:
            what = "was this fileset once, and another directory has been since"
        else:
            return
        adopt = f"if it is to be this one from now on, `argosy fileset check {one.name} --adopt`"
        raise Amiss("other", f"{display(one.path)} {what}: {adopt}")

    def _refuse_nested(self, one: Registered) -> None:
        """Refuse what lies in another fileset, by what was registered or by where somebody has moved it since."""
        self._refuse_named_in(one)
        tree = self._tree_at(one.path)
        above = one.path
        while above != tree.root:
            above = above.rpartition(b"/")[0] or b"/"
            mark = _own_mark(tree, above)
            if mark is not None and not self._is_retired(mark.id):
                known = self._records.get(mark.id)
                name = known.name if known is not None else "of another agent"
                raise Amiss("nested", f"{display(one.path)} lies in {display(above)}, fileset {name}: move it out")

    def _refuse_named_in(self, one: Registered) -> None:
        """The hub does not know the configuration that this agent was started with: what that says counts."""
        for other in () if one.name in self._own else self._own.values():
            if below(one.path, other.path) or below(other.path, one.path):
                raise Amiss(
                    "nested", f"{display(one.path)} is, holds or lies in {display(other.path)}, fileset {other.name}"
                )

    def _is_retired(self, ident: str) -> bool:
        """Say whether it was a fileset here and is none any more."""
        known = self._records.get(ident)
        return known is not None and known.name not in self.registered

    def _give(self, one: Registered, top: Top) -> None:
        """Give the directory the marker of the fileset, a new one where it never had one."""
        record = self._records.named(one.name)
        ident = next(iter(self._records.ids_of(one.name)), "") or secrets.token_hex(16)
        mark = Mark(ident, record.number if record is not None else self._fresh_number(), top.binding)
        self._tree_at(one.path).mark_fileset(one.path, mark)
        self._remember(one, top, mark)

    def _remember(self, one: Registered, top: Top, mark: Mark) -> None:
        record = Record(name=one.name, path=one.path, number=mark.number, binding=top.binding, handle=top.handle)
        self._records.keep(mark.id, record)

    def _fresh_number(self) -> int:
        """Return a number that no fileset has, as far as records and markers tell."""
        known = [record.number for _, record in self._records.all()]
        return 1 + max([*known, *(self._marked_number(one) for one in self.registered.values())], default=0)

    def _marked_number(self, one: Registered) -> int:
        try:
            mark = _own_mark(self._tree_at(one.path), one.path)
        except ArgosyError:
            return 0
        return mark.number if mark is not None else 0

    def _others(self, ident: str) -> tuple[Binding, ...]:
        known = self._records.all()
        return tuple(record.binding for other, record in known if other != ident and record.name in self.registered)


def _own_mark(tree: Posix, path: bytes) -> Mark | None:
    """Return the marker of a directory if it is its own; one that cannot be told is none."""
    try:
        top = tree.fileset_at(path)
    except ArgosyError:
        return None
    return top.mark if top.mark is not None and top.mark.binding == top.binding else None


def _same_place(one: Binding, other: Binding) -> bool:
    aligned = msgspec.structs.replace(other, inode=one.inode, born_ns=one.born_ns)
    return one == aligned


def _refuse_unfit(found: Fileset) -> None:
    """Refuse what cannot be held still as it is registered."""
    try:
        SNAPSHOTS.get(found.snapshots)(fileset=found).check()  # type: ignore[call-arg]
    except Unsupported as error:
        raise Amiss("unfit", error.message) from error


def state_of(error: ArgosyError) -> State:
    """Return in which state a fileset is whose top could not be told for that."""
    if isinstance(error, Amiss):
        return error.state
    return "unmounted" if isinstance(error, RootUnserved) else "unreadable"
