"""`references` discovery (`dynamo.tasks.references`)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from argosy.core.entry import Entry, Stored
from argosy.core.errors import Denied, Unavailable
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.discoveries.base import DISCOVERIES
from argosy.filesystems.base import OnError
from argosy.site import Site


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Find every object that a file of the site points to, in its trees, their trash and their version stores.

    An attempt begins anew, wherever an earlier one came to: a file may have moved to where that had been already.
    """

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:  # noqa: ARG002 - see above
        """Yield an entry for each file that points to an object, and one without a path for each that none came to.

        Raises:
            Denied, Corrupt, Unavailable: what was yielded is not all: something cannot be told, or is not mounted.
        """
        trees = site.trees()
        if foreign := [root.path for root in given if root.path not in {tree.root for tree in trees}]:
            raise Denied(f"root {display(foreign[0])} of site {site.name} is not in the configuration of its agent")
        yield from (_entry(b"", Stored(datastore="", key=key, uuid=uuid, size=0)) for uuid, key in site.unpointed())
        met: set[tuple[bytes, int]] = set()
        for tree in trees:
            for path, pointer in tree.every_pointer(met=lambda *one: met.add(one)):
                yield _entry(path, _pointed(pointer, site))
        if missing := site.stub_filesystems() - met:
            raise Unavailable(_not_met(sorted(missing), site))
        site.trees()


def _not_met(missing: Sequence[tuple[bytes, int]], site: Site) -> str:
    names = ", ".join(f"{UUID(bytes=uuid)}{f' (subvolume {number})' if number else ''}" for uuid, number in missing)
    return (
        f"site {site.name} left stubs on filesystems that are mounted below none of its roots: {names}. Mount them; if "
        "they are gone for good, stop the agent, remove the site's index.db and run `argosy rebuild`"
    )


def _pointed(pointer: Pointer, site: Site) -> Stored:
    return Stored(
        datastore=str(pointer.datastore), key=site.key_of(pointer.uuid) or "", uuid=pointer.uuid, etag=pointer.etag,
        version=pointer.version, size=pointer.size,
    )  # fmt: skip


def _entry(path: bytes, stored: Stored) -> Entry:
    return Entry(path=path).learned(stored=stored)
