"""`rebuild` discovery (`dynamo.tasks.rebuild`)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from argosy.core.entry import Entry, Stored
from argosy.core.errors import ArgosyError, Invalid, NotFound
from argosy.core.faults import ObjectGone
from argosy.core.order import StoreAccess
from argosy.core.paths import display, join, relative
from argosy.core.pointer import Pointer
from argosy.discoveries.base import DISCOVERIES, in_parallel
from argosy.filesystems.base import OnError, Pointed
from argosy.site import UNSEEN, Note, Site
from argosy.stores import keys, metadata
from argosy.stores.base import Object, Store


class _Wanted(NamedTuple):
    """A file, what it says of its object, and how to reach that."""

    path: bytes
    pointer: Pointer
    access: StoreAccess


@DISCOVERIES.register
@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """Fill the site's index anew: find, for every file that points to an object, the key of that object.

    It is looked for where the file's path says, then among all objects of the datastore, which are listed once.
    """

    def find(self, given: Sequence[Entry], site: Site, *, on_error: OnError, after: bytes | None) -> Iterator[Entry]:  # noqa: ARG002 - what was found before is found again at once, in the index
        """Yield the files whose objects were found; the index knows their keys then."""
        missing: dict[bytes, list[_Wanted]] = {}
        for wanted, stored in in_parallel(lambda one: (one, _known(one, site)), _wanted(given, site, on_error)):
            if stored is None:
                files = missing.setdefault(wanted.pointer.uuid, [])
                files += [wanted] if wanted not in files else []  # a file may be met twice
            else:
                yield _remembered(wanted, stored, site)
        yield from _listed(missing, site)
        for wanted in (one for files in missing.values() for one in files):
            on_error(wanted.path, ObjectGone(_lost(wanted)))
        for top in given:
            site.survey(top.path)


def _wanted(given: Iterable[Entry], site: Site, on_error: OnError) -> Iterator[_Wanted]:
    for top in given:
        for found in site.tree(top.path).every_pointer(on_forged=on_error):
            _note(found, site)
            try:
                yield _Wanted(found.path, found.pointer, site.numbered(found.pointer.datastore))
            except ArgosyError as error:
                on_error(found.path, error)


def _known(wanted: _Wanted, site: Site) -> Stored | None:
    """Return the object if it lies where the index or the path says."""
    key = site.key_of(wanted.pointer.uuid)
    store = site.store(wanted.access.name)
    for name in (*([] if key is None else [key]), *_names(wanted, site)):
        with suppress(NotFound):
            found = store.head(name)
            if _is_pinned(found, wanted.pointer):
                return _stored(wanted, found)
    return None


def _names(wanted: _Wanted, site: Site) -> Iterator[str]:
    path, uuid = wanted.path, wanted.pointer.uuid
    with suppress(Invalid):  # it lies where no sitelink leads to the datastore
        link = site.link(path, wanted.access.name)
        if wanted.access.layout == "immutable":
            yield keys.immutable(keys.encode(link.datastore_path.rstrip(b"/")), uuid)
        else:
            key = keys.encode(join(b"/" + link.datastore_path, relative(path, link.site_path)).lstrip(b"/"))
            yield key
            yield keys.instance(key, uuid)
    yield keys.version_key(uuid)


def _listed(missing: dict[bytes, list[_Wanted]], site: Site) -> Iterator[Entry]:
    """Yield the files whose objects are somewhere in their datastores, and take them from those that miss theirs."""
    for access in {one.access.name: one.access for files in missing.values() for one in files}.values():
        store = site.store(access.name)
        names = (found.key for found in store.list("") if keys.may_hold_entry(found.key))
        for found in in_parallel(partial(_head, store), names):
            uuid = metadata.uuid_of(found.metadata) if found is not None else None
            if found is None or uuid not in missing or missing[uuid][0].access.name != access.name:
                continue
            if _is_pinned(found, missing[uuid][0].pointer):
                yield from (_remembered(one, _stored(one, found), site) for one in missing.pop(uuid))


def _head(store: Store, key: str) -> Object | None:
    with suppress(NotFound):
        return store.head(key)
    return None


def _is_pinned(found: Object, pointer: Pointer) -> bool:
    """Say whether it is the very object, or what was kept of it; a copy that somebody made is not."""
    if metadata.uuid_of(found.metadata) != pointer.uuid or found.size != pointer.size:
        return False
    return (found.etag, found.version) == (pointer.etag, pointer.version) or found.key == keys.version_key(pointer.uuid)


def _stored(wanted: _Wanted, found: Object) -> Stored:
    pointer = wanted.pointer
    return Stored(
        datastore=wanted.access.name,
        key=found.key,
        uuid=pointer.uuid,
        etag=pointer.etag,
        version=pointer.version,
        size=pointer.size,
        digest=pointer.digest if any(pointer.digest) else b"",
    )


def _remembered(wanted: _Wanted, stored: Stored, site: Site) -> Entry:
    site.remember(stored, wanted.path)
    return Entry(path=wanted.path, size=stored.size).learned(stored=stored)


def _note(found: Pointed, site: Site) -> None:
    """Remember the inode that has the attribute, whether its object is found or not.

    What was noted of a stub stays: the attribute may be an older one. Of the inode that a copy was made of, which the
    copy's attribute tells of, nothing is known: that may be whole by now, or on a disk that is gone.
    """
    noted, pointer = site.noted(found.binding), found.pointer
    is_stub = pointer.state.is_stub and pointer.binding == found.binding
    if noted is None or (is_stub and not noted.stub):
        site.note(found.binding, Note(pointer.uuid if is_stub else UNSEEN, 0, is_stub, found.handle))
    elif found.handle and not noted.handle:
        site.note(found.binding, noted._replace(handle=found.handle))


def _lost(wanted: _Wanted) -> str:
    return (
        f"{display(wanted.path)}: no object of datastore {wanted.access.name} is the one it points to: "
        "look for it in the backups and versions of the store"
    )
