"""Make a whole entry at this site of what a store holds, out of sight until it is complete."""

from collections.abc import Iterator
from dataclasses import dataclass

import blake3

from argosy.core.entry import Attributes, Entry, Kind, Stored
from argosy.core.errors import Busy, Changed, Corrupt, Exists, Invalid, NotFound
from argosy.core.failpoints import failpoint
from argosy.core.outcome import Outcome
from argosy.core.paths import below, display
from argosy.filesystems.base import Filesystem, Staged
from argosy.hsm.content import digest_of
from argosy.hsm.premigrate import pointer_to, unchanged
from argosy.site import Site
from argosy.stores import keys
from argosy.stores.base import Store

DIFFERS = "exists and differs; use overwrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydration:
    """How entries are made of what a store holds."""

    overwrite: bool = False

    def prepare(self, entry: Entry, site: Site) -> "Fetched | Outcome":
        """Fetch one entry into staging; directories, symlinks and further names of a file are made at once.

        Raises:
            Exists: something that differs holds the name and `overwrite` is not set; it is left as it is.
            NotFound: the object is gone from the store.
            Corrupt: the bytes are not those that were stored; nothing is visible.
        """
        tree = site.tree(entry.path)
        site.check_lease()
        if entry.kind is Kind.DIRECTORY:
            return self._directory(entry, tree)
        if entry.kind is Kind.SYMLINK:
            return self._symlink(entry, tree)
        stored = _stored(entry)
        if entry.facts.links > 1:
            with site.locked(b"object:" + stored.uuid):
                return self._linked(entry, stored, site, tree)
        return self._file(entry, stored, site, tree)

    def _directory(self, entry: Entry, tree: Filesystem) -> Outcome:
        made = tree.make_directory(entry.path, _attributes(entry), overwrite=self.overwrite)
        tree.sync_directory(entry.path)
        return Outcome.processed(entry) if made else Outcome.skipped(entry, "already there")

    def _symlink(self, entry: Entry, tree: Filesystem) -> Outcome:
        link_target = entry.facts.target
        if link_target is None:
            raise Invalid(f"{display(entry.path)}: nothing says where the symlink points; send it from its site")
        present = _present(tree, entry.path)
        if present is not None:
            if present.kind is Kind.SYMLINK and tree.readlink(entry.path) == link_target:
                return Outcome.skipped(entry, "already there")
            self._may_replace(present)
        tree.make_symlink(entry.path, link_target, _attributes(entry), replacing=present)
        return Outcome.processed(entry)

    def _may_replace(self, present: Entry) -> None:
        if not self.overwrite or present.kind is Kind.DIRECTORY:
            raise _in_the_way(present)

    def _file(self, entry: Entry, stored: Stored, site: Site, tree: Filesystem) -> "Fetched | Outcome":
        present = _present(tree, entry.path)
        if present is not None:
            if present.kind is Kind.FILE and _same_content(tree, entry.path, stored):
                return self._already(entry, present, site, tree)
            self._may_replace(present)
        site.check_lease()
        staged = tree.stage(entry.path)
        try:
            _fill(staged, entry, stored, site)
        except BaseException:
            staged.discard()
            raise
        return Fetched(entry, stored, site, tree, staged, present)

    def _already(self, entry: Entry, present: Entry, site: Site, tree: Filesystem) -> Outcome:
        site.remember(_stored(entry), entry.path)
        site.check_lease()
        if self.overwrite and tree.dress(entry.path, present, _attributes(entry)):
            return Outcome.processed(entry)
        return Outcome.skipped(entry, "already there")

    def _linked(self, entry: Entry, stored: Stored, site: Site, tree: Filesystem) -> Outcome:
        """Make a file of several names: the first of them is fetched, the others are links to it.

        Under the object's lock from beginning to end, and known to the index before it has its name, so that two
        names never become two files, whenever we are killed.
        """
        twin = site.path_of(stored.uuid)
        if twin is not None and twin != entry.path and below(twin, tree.root) and _holds(tree, twin, stored):
            site.check_lease()
            return self._link(entry, twin, tree)
        fetched = self._file(entry, stored, site, tree)
        if isinstance(fetched, Outcome):
            return fetched
        try:
            fetched.sync()
            site.remember(stored, entry.path, at_once=True)
            named = fetched.commit()
            named.settle()
        finally:
            fetched.close()
        return named.outcome

    def _link(self, entry: Entry, twin: bytes, tree: Filesystem) -> Outcome:
        present = _present(tree, entry.path)
        if present is not None:
            if present.inode == tree.stat(twin).inode:
                return Outcome.skipped(entry, "already there")
            self._may_replace(present)
        tree.make_link(twin, entry.path, replacing=present)
        tree.sync_directory(entry.path)
        return Outcome.processed(entry)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is whole in staging and has no name yet."""

    entry: Entry
    stored: Stored
    site: Site
    tree: Filesystem
    staged: Staged
    present: Entry | None

    def sync(self) -> None:
        """Make bytes and attributes durable before anybody can see them."""
        self.staged.sync()

    def commit(self) -> "Named":
        """Give the file its name; what had it before is in the version store first."""
        self.site.check_lease()
        if self.present is None:
            try:
                self.staged.publish(self.entry.path)
            except Exists as error:
                raise Changed(f"{display(self.entry.path)} appeared while it was fetched; it was left alone") from error
        else:
            self._replace(self.present)
        self.site.remember(self.stored, self.entry.path)
        return Named(Outcome.processed(self.entry, moved=self.stored.size), self.tree)

    def _replace(self, present: Entry) -> None:
        """Take the place of what is there, unless somebody has it open for writing: his next bytes would be missed."""
        if present.kind is Kind.FILE:
            with self.tree.open(self.entry.path) as file:
                if file.is_being_written():
                    raise Busy(f"{display(self.entry.path)} is open for writing; it was left alone")
        self.staged.replace(self.entry.path, present)

    def close(self) -> None:
        """Discard what was not published."""
        self.staged.discard()


@dataclass(frozen=True, slots=True)
class Named:
    """A file that is whole at its path, though a power cut might still take the name away."""

    outcome: Outcome
    tree: Filesystem

    def settle(self) -> None:
        """Make the name durable."""
        self.tree.sync_directory(self.outcome.entry.path)

    def close(self) -> None:
        """Hold nothing."""


def _fill(staged: Staged, entry: Entry, stored: Stored, site: Site) -> None:
    attributes = _attributes(entry)
    hasher = blake3.blake3()
    offset = 0
    for chunk in _bytes_of(site.store(stored.datastore), stored):
        hasher.update(chunk)
        for start, part in _data_only(offset, chunk, entry.facts.extents):
            staged.write(start, part)
        failpoint("hsm:partial_write")
        offset += len(chunk)
    failpoint("hsm:fetch")
    if offset != stored.size or hasher.digest() != stored.digest:
        raise Corrupt(
            f"object {stored.key} of datastore {stored.datastore} is not what was stored: "
            f"{offset} of {stored.size} bytes came, or their hash differs"
        )
    failpoint("hsm:hash_check")
    staged.truncate(stored.size)
    staged.dress(attributes)
    staged.point(
        pointer_to(stored, site.access(stored.datastore).id, attributes.mtime_ns, staged.binding(), clean=True)
    )
    failpoint("hsm:unmark")


def _bytes_of(store: Store, stored: Stored) -> Iterator[bytes]:
    """Yield the exact bytes that were stored: under their key, or, where others took it since, under their uuid."""
    chunks = store.get(stored.key, etag=stored.etag, version=stored.version)
    try:
        first = next(chunks, b"")
    except (NotFound, Changed):
        yield from store.get(keys.version_key(stored.uuid))
        return
    yield first
    yield from chunks


def _data_only(offset: int, chunk: bytes, extents: tuple[tuple[int, int], ...] | None) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of the chunk that are data in a sparse file; all of it where the file is not sparse.

    What should be a hole and is not all zeros is yielded as well: extents save space and never cost a byte.
    """
    if extents is None:
        yield offset, chunk
        return
    done, end = offset, offset + len(chunk)
    for start, length in [*extents, (end, 0)]:
        low, high = min(max(start, done), end), min(max(start + length, done), end)
        hole = chunk[done - offset : low - offset]
        if hole.count(0) != len(hole):
            yield done, hole
        if low < high:
            yield low, chunk[low - offset : high - offset]
        done = max(done, high)


def _stored(entry: Entry) -> Stored:
    if entry.facts.stored is None:
        raise Invalid(f"{display(entry.path)}: nothing says where its bytes are; send it from its site")
    return entry.facts.stored


def _attributes(entry: Entry) -> Attributes:
    if entry.facts.attributes is None:
        raise Invalid(f"{display(entry.path)}: nothing says what its attributes are; send it from its site")
    return entry.facts.attributes


def _present(tree: Filesystem, path: bytes) -> Entry | None:
    try:
        return tree.stat(path)
    except NotFound:
        return None


def _in_the_way(present: Entry) -> Exists:
    if present.kind is Kind.DIRECTORY:
        return Exists(f"{display(present.path)} exists and is a directory; move it away")
    return Exists(f"{display(present.path)} {DIFFERS}")


def _same_content(tree: Filesystem, path: bytes, stored: Stored) -> bool:
    with tree.open(path) as file:
        if file.size != stored.size:
            return False
        pointer = file.pointer()
        if pointer is not None and pointer.clean and unchanged(file, pointer):
            return pointer.digest == stored.digest
        return digest_of(file) == stored.digest


def _holds(tree: Filesystem, path: bytes, stored: Stored) -> bool:
    """Say whether the file at `path` is still the one made of the object, unchanged since."""
    present = _present(tree, path)
    if present is None or present.kind is not Kind.FILE:
        return False
    with tree.open(path) as file:
        pointer = file.pointer()
        return pointer is not None and pointer.uuid == stored.uuid and unchanged(file, pointer)
