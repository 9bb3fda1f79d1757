"""Give an object the key of the path that its entry has now.

A key is part of what an object says of itself, so that the object is made anew: with a uuid of its own and the new
path. It is sealed where the old one was, or where the file here has told what it says: else whoever can write into the
bucket would have us vouch for what he wrote. Whatever still refers to the old one finds it, until nothing does.
"""

from dataclasses import replace

import msgspec

from argosy.core.entry import Attributes, Entry, Facts, Kind, Stored
from argosy.core.errors import Changed, Corrupt, Invalid, NotFound
from argosy.core.foreseen import Cost
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.core.pointer import Pointer
from argosy.filesystems.base import File
from argosy.hsm.file.local import present
from argosy.hsm.file.state import State, look
from argosy.hsm.object.content import hashed
from argosy.hsm.object.described import marked, said_by, stored_at
from argosy.hsm.object.located import located
from argosy.hsm.object.stored import expect, pinned
from argosy.hsm.object.target import Target, target
from argosy.hsm.object.trust import Owners, believed, foreign, is_believed
from argosy.hsm.object.upload import Content, Upload
from argosy.hsm.repair.recovery import recover
from argosy.site import Note, Site
from argosy.stores import keys
from argosy.stores.base import Store

_SETTLED = {State.PREMIGRATED, State.DIRTY, State.STUB}
_DONE = "was moved already"
_NAMELESS = "objects are called by their uuids there, whatever their paths"
_POINTS_NOWHERE = {State.RESIDENT, State.UNBOUND, State.LOST}


class Relocation:
    """One object on its way to another key."""

    def __init__(self, entry: Entry, site: Site, *, endpoint: str | None) -> None:
        """`entry.source` is where the entry was, `entry.path` where it is.

        Raises:
            Invalid: nothing says where the entry was; or no sitelink covers one of the paths.
        """
        if entry.source is None:
            raise Invalid(f"{display(entry.path)}: nothing says where it was; give its path together with `source`")
        self._entry = entry
        self._site = site
        self._endpoint = endpoint
        self._before = target(site, entry.source, endpoint=endpoint)
        self._now = target(site, entry.path, endpoint=endpoint)

    def move(self) -> Outcome:
        """Move the object; the file at the new path points to it, durably, if it pointed to the old one.

        Raises:
            NotFound: there is no object, neither under the old name nor under the new.
            Corrupt: the object's bytes are not those that were stored; everything stays as it was.
            Changed: the file was left between two states: `migrate` or `recall` finish what was begun.
        """
        path = self._entry.path
        if self._now.access.layout != "native":
            return Outcome.skipped(self._entry, _NAMELESS)
        tree = self._site.tree(path)
        there = present(tree, path)
        if there is not None and there.kind is Kind.FILE:
            with tree.locked(path) as inode, tree.open(path, inode=inode) as file:
                if look(file, self._site).state is State.DISPUTED:  # killed before the index knew, among others
                    recover(file, self._site)
                pointer = self._recorded(file)
                if pointer is not None:
                    return self._with_its_file(file, pointer)
        return self._alone()

    def foreseen(self) -> Planned:
        """Say what `move` would do; nothing is done.

        Raises:
            NotFound, Changed: as `move`.
        """
        if self._now.access.layout != "native":
            return Planned.nothing(self._entry, _NAMELESS)
        tree, path = self._site.tree(self._entry.path), self._entry.path
        there = present(tree, path)
        if there is not None and there.kind is Kind.FILE:
            with tree.open(path) as file:
                pointer = self._recorded(file)
            if pointer is not None:
                old = self._located(pointer)
                return self._foreseen_of(old, moved=self._is_moved(old))
        try:
            found, _ = marked(self._before, self._entry.source or b"")
        except NotFound as error:
            return self._foreseen_of(self._expect_moved(error), moved=True)
        return self._foreseen_of(stored_at(self._before, found), moved=False)

    def _foreseen_of(self, old: Stored, *, moved: bool) -> Planned:
        if moved:
            return Planned.nothing(self._entry.learned(stored=old), _DONE, requests=1)
        expect(old, self._site)
        new = Stored(datastore=self._now.access.name, key=self._now.key(b""), uuid=b"", size=old.size)
        says = "would copy its object to the key of its new path; the old one goes once nothing refers to it"
        return Planned(entry=self._entry.learned(stored=new), says=says, cost=Cost(bytes=old.size, requests=4))

    def _recorded(self, file: File) -> Pointer | None:
        seen = look(file, self._site)
        if seen.state in _POINTS_NOWHERE or seen.pointer is None:
            return None
        if seen.state not in _SETTLED:
            raise Changed(f"{display(self._entry.path)} is {seen.state}: run migrate or recall on it, then again")
        return seen.pointer if self._endpoint is None or seen.pointer.datastore == self._now.access.id else None

    def _with_its_file(self, file: File, pointer: Pointer) -> Outcome:
        old = self._located(pointer)
        if self._is_moved(old):
            return Outcome.skipped(self._entry.learned(stored=old), _DONE)
        facts, ours = self._facts_of(file, pointer, old)
        new = self._made(old, Kind.FILE, facts, seal=ours)
        self._site.check_lease()
        moved = msgspec.structs.replace(
            pointer, datastore=self._now.access.id, uuid=new.uuid, etag=new.etag, version=new.version, digest=new.digest
        )
        file.point(moved)
        file.sync()
        self._site.note(file.binding(), Note(new.uuid, 0, stub=pointer.state.is_stub))
        return self._done(old, new)

    def _is_moved(self, old: Stored) -> bool:
        key = self._now.key(old.uuid)
        return old.datastore == self._now.access.name and old.key in {key, keys.instance(key, old.uuid)}

    def _located(self, pointer: Pointer) -> Stored:
        try:
            return located(pointer, self._entry.source or b"", self._site)
        except NotFound:
            return located(pointer, self._entry.path, self._site)

    def _facts_of(self, file: File, pointer: Pointer, old: Stored) -> tuple[Facts, bool]:
        """Return what is to be kept with the object: as the file is now, unless its bytes are other ones.

        And whether we vouch for it.
        """
        if (pointer.mtime_ns, pointer.size) == file.version():
            return Facts(attributes=file.attributes(), links=file.entry.facts.links), True
        return self._said(old, Kind.FILE)

    def _alone(self) -> Outcome:
        """Move what lies under the old name: nothing here points to it."""
        try:
            found, kind = marked(self._before, self._entry.source or b"")
        except NotFound as error:
            return Outcome.skipped(self._entry.learned(stored=self._expect_moved(error)), _DONE)
        old = stored_at(self._before, found)
        said = said_by(self._before.store, found)
        facts, sealed = self._said(old, kind)
        new = self._made(old, kind if said is None else said.kind, facts, seal=sealed)
        return self._done(old, new)

    def _expect_moved(self, error: NotFound) -> Stored:
        """Return what lies under the new name, since nothing does under the old one."""
        try:
            found, _ = marked(self._now, self._entry.path)
        except NotFound:
            raise error from None
        return stored_at(self._now, found)

    def _said(self, old: Stored, kind: Kind) -> tuple[Facts, bool]:
        """Return what the object itself says, as far as it is believed, and whether its seal makes it so."""
        found = expect(old, self._site)
        said = said_by(self._site.store(old.datastore), found)
        if said is None:
            return Facts(attributes=foreign(found, kind, Owners())), False
        attributes: Attributes = believed(self._before, found, said, Owners())
        sealed = is_believed(self._before, found, said)
        return Facts(attributes=attributes, target=said.target, links=said.links if sealed else 1), sealed

    def _made(self, old: Stored, kind: Kind, facts: Facts, *, seal: bool) -> Stored:
        source = hashed(_Bytes(self._site.store(old.datastore), old))
        if old.digest and source.digest != old.digest:
            raise Corrupt(f"object {old.key} of datastore {old.datastore} is not what was stored: it was left alone")
        digest = source.digest if kind is Kind.FILE else b""
        content = Content(source=source, kind=kind, digest=digest, facts=facts)
        place = self._now if seal else _without_seal(self._now)
        key_of = place.marker if kind is Kind.DIRECTORY else place.key
        new, _ = Upload(site=self._site, target=place, overwrite=False).place(key_of, content)
        return new

    def _done(self, old: Stored, new: Stored) -> Outcome:
        self._site.remember(new, self._entry.path, at_once=True)
        done = Outcome.processed(self._entry.learned(stored=new), moved=new.size)
        return done if old == new else msgspec.structs.replace(done, unneeded=(old,))


def _without_seal(place: Target) -> Target:
    return replace(place, access=msgspec.structs.replace(place.access, seal=b""))


class _Bytes:
    """The bytes of an object, as a source."""

    def __init__(self, store: Store, stored: Stored) -> None:
        self._store = store
        self._stored = stored
        self.size = stored.size

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes from `offset`.

        Raises:
            Corrupt: there are fewer.
        """
        data = b"".join(pinned(self._store, self._stored, offset=offset, length=length))
        if len(data) != length:
            raise Corrupt(f"object {self._stored.key} of datastore {self._stored.datastore} is shorter than it was")
        return data
