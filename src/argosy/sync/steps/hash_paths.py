"""`dynamo.tasks.hash_paths`."""

from dataclasses import dataclass
from typing import Final

from argosy.core.entry import Entry
from argosy.core.errors import Changed, Unsupported
from argosy.core.moments import moment
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.filesystems.base import File
from argosy.hsm.file.state import State, look
from argosy.hsm.object.content import digest_of
from argosy.site import Site
from argosy.sync.steps.base import SYNCS

_WHOLE: Final = {State.RESIDENT, State.PREMIGRATED, State.DIRTY}


@SYNCS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class HashPaths:
    """Say what files hold, because what a sync does hangs on it; nothing is changed."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Return the entry with the BLAKE3 of its content, which is that of the version the scan saw.

        Raises:
            Changed: it is another version by now.
            Unsupported: it is a stub of which nobody knows for certain what it stands for.
        """
        with site.tree(entry.path).open(entry.path) as file:
            _expect(entry, file)
            found = _digest(file, site)
            file.look()
            _expect(entry, file)
        return Outcome.processed(entry.learned(digest=found))


def _expect(entry: Entry, file: File) -> None:
    now = file.entry
    seen = (entry.inode, entry.size, entry.mtime_ns, entry.ctime_ns)
    if (now.inode, now.size, moment(now.mtime_ns), now.ctime_ns) != seen:
        raise Changed(f"{display(entry.path)}: changed since it was scanned: the next run looks at it again")


def _digest(file: File, site: Site) -> bytes:
    state, pointer = look(file, site)
    if state in _WHOLE:
        return digest_of(file)
    if state is State.STUB and pointer is not None and any(pointer.digest):
        return pointer.digest
    raise Unsupported(f"{display(file.entry.path)}: is {state.value}, and what it holds is not certain: recall it")
