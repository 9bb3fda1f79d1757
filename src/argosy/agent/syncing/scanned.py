"""What is carried to another site for a sync is what the scan saw, never a mixture of that and something newer."""

import msgspec

from argosy.agent.place import OrderSite
from argosy.core.entry import Entry, Kind, Stored
from argosy.core.errors import Changed, NotFound
from argosy.core.failpoints import failpoint
from argosy.core.faults import BehindSymlink
from argosy.core.moments import moment
from argosy.core.outcome import Outcome
from argosy.core.paths import display
from argosy.core.syncing import STAGE


def is_scanned(entry: Entry, step: str) -> bool:
    """Say whether the entry, at the site of the step, is one that a scan saw there."""
    return entry.facts.operation >= 0 and step != STAGE


def expect_scanned(entry: Entry, site: OrderSite) -> None:
    """Return where what is at the path is what the scan saw.

    Raises:
        Changed: it is not: nothing is to be sent.
    """
    try:
        now = site.tree(entry.path).stat(entry.path)
    except (NotFound, BehindSymlink) as error:
        raise Changed(f"{display(entry.path)}: is gone since it was scanned") from error
    _compare(entry, now)
    failpoint("sync:before_upload")


def as_scanned(entry: Entry, outcome: Outcome, site: OrderSite) -> Outcome:
    """Return what became of an entry, which is still for its operation.

    It has the ctime that the file has now, where since the scan only its copy was noted on it.

    Raises:
        Changed: another version was sent.
    """
    if not outcome.state.goes_on:
        return outcome
    _compare(entry, outcome.entry)
    sent = outcome.entry.learned(operation=entry.facts.operation, digest=entry.facts.digest)
    if entry.kind is Kind.FILE and sent.facts.stored is not None:
        sent = msgspec.structs.replace(sent, ctime_ns=_ctime_ns(entry, sent.facts.stored, site))
        failpoint("sync:after_upload")
    return msgspec.structs.replace(outcome, entry=sent)


def _ctime_ns(entry: Entry, stored: Stored, site: OrderSite) -> int:
    with site.tree(entry.path).open(entry.path, inode=entry.inode) as file:
        note = site.noted(file.binding())
    if note is None or note.uuid != stored.uuid:
        return entry.ctime_ns
    return max(note.ctime_ns, entry.ctime_ns)


def _compare(seen: Entry, now: Entry) -> None:
    same = (now.kind, now.inode) == (seen.kind, seen.inode)
    if same and seen.kind is Kind.FILE:
        same = (now.size, moment(now.mtime_ns)) == (seen.size, moment(seen.mtime_ns))
    if not same:
        raise Changed(f"{display(seen.path)}: is not what was scanned any more: the next run sends it")
