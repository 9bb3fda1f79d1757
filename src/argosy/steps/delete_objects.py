"""`dynamo.tasks.delete_objects`."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from argosy.core.entry import Entry, Stored
from argosy.core.errors import Changed, Corrupt, Denied, Invalid, NotFound, Unavailable, Unsupported
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.hsm.object.target import uuid_of
from argosy.site import Site
from argosy.steps.base import HUBS
from argosy.steps.doom_objects import expect_own, mark, said
from argosy.stores import keys, metadata
from argosy.stores.base import Object, Store

_REPLACED: Final = "it was replaced since"
_ANOTHERS: Final = "it does not bear the seal of this hub"


@HUBS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObjects:
    """Remove objects of which the hub found that nothing refers to them. What others put there is never removed.

    Nor is what does not bear the mark of the run that removes it: something may have come to refer to that.
    """

    mark: Annotated[str, "What the marks of the run say"] = ""
    take_over: Annotated[bool, "Remove also what bears the seal of another hub, or of a key that was lost"] = False

    ASKED: ClassVar[str] = "asked"
    """State of entries whose removal somebody asked for."""
    SPARED: ClassVar[str] = "spared"
    """State of entries that something turned out to refer to: they are marked no more, and stay."""

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Remove the object of the entry, if it still is what was found, and then the mark that it was to go."""
        expect_own(site)
        stored = entry.facts.stored
        if stored is None:
            raise Invalid("an object is to be removed, and it is not said which")
        store = site.store(stored.datastore)
        marked = mark(store, stored)
        if entry.state == self.SPARED:
            outcome = Outcome.skipped(entry, "something refers to it")
        elif marked is None or said(marked) != self.mark:
            return Outcome.skipped(entry, "it bears no mark of the run that is to remove it")
        elif isinstance(found := self._found(store, stored, site), str):
            outcome = Outcome.skipped(entry, found)
        else:
            outcome = self._removed(entry, found, store, site)
        site.check_lease()
        if marked is not None:
            _unmark(store, marked)
        return outcome

    def _found(self, store: Store, stored: Stored, site: Site) -> Object | str:
        """Return the object, or why it is not to be removed."""
        found = _as_it_was(store, stored)
        if isinstance(found, str) or self.take_over:
            return found
        return _ANOTHERS if _is_anothers(store, found, site.access(stored.datastore).seal) else found

    def _removed(self, entry: Entry, found: Object, store: Store, site: Site) -> Outcome:
        sidecar = _lonely_sidecar(store, found)
        site.check_lease()
        try:
            _delete(store, found)
        except Changed:
            return Outcome.skipped(entry, _REPLACED)
        failpoint("hsm:remote_delete" if entry.state == self.ASKED else "hsm:gc")
        if sidecar is not None:
            store.delete(sidecar.key, etag=sidecar.etag)
        return Outcome.processed(entry)


def _delete(store: Store, found: Object) -> None:
    """Remove the object. The store has just answered: that it does not remove this one says nothing of others.

    Raises:
        Changed: there is another in its place.
        Denied: it does not.
    """
    try:
        store.delete(found.key, etag=found.etag)
    except Unavailable as error:
        raise Denied(f"object {found.key} cannot be removed: {error.message}") from error


def _unmark(store: Store, marked: Object) -> None:
    with suppress(Changed):  # a later run marked the object: that mark is not ours
        store.delete(marked.key, etag=marked.etag)


def _as_it_was(store: Store, stored: Stored) -> Object | str:
    """Return the object that was found, or why it is not to be removed."""
    try:
        found = store.head(stored.key)
    except NotFound:
        return "it is gone already"
    if metadata.uuid_of(found.metadata) is None:
        return "Argosy did not put it there"
    same = uuid_of(found) == stored.uuid and stored.etag in {"", found.etag}
    return found if same else _REPLACED


def _is_anothers(store: Store, found: Object, seal: bytes) -> bool:
    """Say whether it may be that another hub keeps the object: of what cannot be read, that is not known."""
    try:
        described = metadata.described(found.metadata, metadata.fetch_sidecar(store, found.metadata))
    except (Corrupt, NotFound, Unsupported):
        return bool(seal)
    return described is None or metadata.is_anothers(found.metadata, described, seal)


def _lonely_sidecar(store: Store, found: Object) -> Object | None:
    """Return the sidecar that no other copy of the object needs, if there is one."""
    uuid = metadata.sidecar_of(found.metadata)
    if uuid is None:
        return None
    try:
        said = metadata.described(found.metadata, metadata.fetch_sidecar(store, found.metadata))
    except (Corrupt, NotFound):
        return None
    assert said is not None
    key = keys.encode(said.path)
    copies = {key, keys.instance(key, uuid), keys.version_key(uuid)} - {found.key}
    return None if any(_has(store, copy, uuid) for copy in copies) else store.head(keys.sidecar(uuid))


def _has(store: Store, key: str, uuid: bytes) -> bool:
    try:
        return metadata.uuid_of(store.head(key).metadata) == uuid
    except NotFound:
        return False
