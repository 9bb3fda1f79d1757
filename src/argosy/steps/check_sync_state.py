"""`dynamo.tasks.check_sync_state`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from argosy.core.entry import Attributes, Elsewhere, Entry, Kind
from argosy.core.errors import Changed, Invalid, NotFound
from argosy.core.foreseen import Leaves
from argosy.core.outcome import Outcome, Planned
from argosy.core.paths import display
from argosy.hsm.file.local import known_digest
from argosy.hsm.object.trust import same_but_names
from argosy.site import Site
from argosy.steps.base import STEPS


@STEPS.register
@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSyncState:
    """Let those entries go on that are to be sent: another site has none, or one that differs and is not preferred.

    The others end there as skipped. The hub has `stat_paths` look at them at the other site right before.
    """

    sync_preference: Annotated[
        Literal["newest", "local", "ignore", "keep_both"],
        "Which of two that differ goes on: one not older than the other site's (newest), any (local, keep_both), or "
        "none: the other site's stays (ignore)",
    ] = "ignore"
    site: Annotated[
        str | None, "Site to compare with; where it is left out, the next other site that the chain goes to"
    ] = None
    abort_outdated: Annotated[bool, "What needs nothing ends as aborted, not skipped"] = False
    hash_includes_acl: Annotated[bool, "Compare the ACLs of directories as well"] = False

    def apply(self, entry: Entry, site: Site) -> Outcome:
        """Compare one entry, as it is now, with what was seen at the other site."""
        now, why = self._judged(entry, site)
        if not why:
            return Outcome.processed(now)
        if self.abort_outdated:
            return Outcome.of_error(now, Changed(why))
        return Outcome.needless(now, why)

    def plan(self, entry: Entry, site: Site) -> Planned:
        """Say whether one entry would go on."""
        now, why = self._judged(entry, site)
        if why and self.abort_outdated:
            raise Changed(why)
        if why:
            return msgspec.structs.replace(Planned.nothing(now, why), ends=True)
        return Planned(entry=now, says="would go on: it is to be sent", leaves=Leaves.AS_IT_WAS)

    def _judged(self, entry: Entry, site: Site) -> tuple[Entry, str]:
        """Return the entry as it is, and why it needs nothing; "" where it is to go on."""
        there = entry.facts.elsewhere
        if there is None:
            raise Invalid(f"{display(entry.path)}: nobody looked at another site: give the action its `site`")
        found = _found(entry, site)
        now = found.entry.learned(elsewhere=None)
        if there.kind is None:
            return now, ""
        if self._are_alike(found, there):
            return now, f"is the same at {there.site}"
        return now, self._preferred(now, there)

    def _are_alike(self, here: "_Found", there: Elsewhere) -> bool:
        if there.attributes is None or here.entry.kind is not there.kind:
            return False
        if there.kind is Kind.DIRECTORY:
            both = here.attributes, there.attributes
            ours, theirs = (_of_directory(each, with_acls=self.hash_includes_acl) for each in both)
            return ours == theirs
        if there.kind is Kind.SYMLINK:
            return here.target == there.target and _owners(here.attributes) == _owners(there.attributes)
        return _has_same_content(here, there) and same_but_names(here.attributes, there.attributes)

    def _preferred(self, here: Entry, there: Elsewhere) -> str:
        """Return why what the other site has is to stay, "" where it is not."""
        if self.sync_preference == "ignore":
            return f"what {there.site} has stays: sync_preference is ignore"
        if self.sync_preference == "newest" and _is_older(here, there):
            return f"{there.site} has a newer one"
        return ""


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it is here now."""

    entry: Entry
    attributes: Attributes
    target: bytes | None = None
    digest: bytes = b""


def _found(entry: Entry, site: Site) -> _Found:
    """Look at an entry.

    Raises:
        Changed: it is gone.
    """
    tree, path = site.tree(entry.path), entry.path
    try:
        seen = tree.stat(path)
        now = msgspec.structs.replace(seen, path=path, state=entry.state, source=entry.source, facts=entry.facts)
        if now.kind is not Kind.FILE:
            target = tree.readlink(path) if now.kind is Kind.SYMLINK else None
            return _Found(entry=now, attributes=tree.attributes(path), target=target)
        with tree.open(path) as file:
            return _Found(entry=now, attributes=file.attributes(), digest=known_digest(file, site))
    except NotFound as error:
        raise Changed(f"{display(path)}: is gone since it was found: there is nothing to send") from error


def _has_same_content(here: _Found, there: Elsewhere) -> bool:
    """Say whether two files hold the same: by their digests where those are known, else by size and time."""
    if here.entry.size != there.size:
        return False
    if here.digest and there.digest:
        return here.digest == there.digest
    return here.entry.mtime_ns == there.mtime_ns


def _of_directory(attributes: Attributes, *, with_acls: bool) -> Attributes:
    """Return what counts of a directory: its time is of what was last done in it."""
    xattrs = tuple(each for each in attributes.xattrs if with_acls or each not in attributes.acls)
    return msgspec.structs.replace(attributes, user="", group="", mtime_ns=0, xattrs=xattrs)


def _owners(attributes: Attributes) -> tuple[int, int]:
    return attributes.uid, attributes.gid


def _is_older(here: Entry, there: Elsewhere) -> bool:
    """Say whether what is here is older; a symlink is older than any file, and of directories nobody knows."""
    if here.kind is Kind.FILE and there.kind is Kind.FILE:
        return here.mtime_ns < there.mtime_ns
    return here.kind is Kind.SYMLINK and there.kind is Kind.FILE
