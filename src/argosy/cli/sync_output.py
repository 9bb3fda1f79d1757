"""How `argosy sync plan` prints: line by line, however many there are."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import typer

from argosy.cli.output import Format, amount, print_json, shown, shown_path
from argosy.core.paths import to_json
from argosy.core.syncing import LONGEST_NAME, Circumstances
from argosy.sync.planner.plans import Act, Held, Operation
from argosy.sync.planner.trees import Entry, Kind, Metadata

if TYPE_CHECKING:
    from argosy.sync.preview.previewing import Preview

_WORDS: Final = {
    Act.PARK: "park",
    Act.TRASH: "trash",
    Act.CREATE: "create",
    Act.UNPARK: "unpark",
    Act.REPLACE: "replace",
    Act.METADATA: "metadata",
    Act.MTIME: "mtime",
}


def told(found: "Preview", sites: tuple[str, str], output: Format) -> int:
    """Print what a sync would do; return the exit status."""
    if output is Format.JSON:
        for line in _lines(found, sites):
            print_json(line)
    else:
        _Text(found, sites).tell()
    return _status(found)


def _status(found: "Preview") -> int:
    """Return 1 where nothing would be done, 3 where not all would be well, else 0."""
    plan = found.plan
    if plan.refusals:
        return 1
    stays = any(not each.skipped for each in plan.held)
    return 3 if stays or found.unread or found.maybe or plan.unknown or any(each.unknown for each in plan.left) else 0


def _maybe(found: "Preview") -> Iterator[tuple[bytes, int]]:
    """Yield path and size of files that may be alike, or not."""
    import pyarrow.parquet as pq

    if found.maybe is not None:
        for batch in pq.ParquetFile(found.maybe).iter_batches(columns=["path", "size"]):
            yield from zip(batch["path"].to_pylist(), batch["size"].to_pylist(), strict=True)


def _lines(found: "Preview", sites: tuple[str, str]) -> Iterator[dict[str, Any]]:
    """Yield what is printed as JSON; `what` says what each line is."""
    plan = found.plan
    yield from ({"what": "refused", "reason": reason} for reason in plan.refusals)
    yield from (_operation(each, sites) for each in plan.operations)
    for conflict in plan.conflicts:
        kept = to_json(conflict.kept, "kept") if conflict.kept else {}
        told = {"dispute": conflict.dispute.value, "winner": sites[conflict.winner], "reason": conflict.why}
        yield {"what": "conflict", **to_json(conflict.path), **kept, **told}
    for held in plan.held:
        yield {
            "what": "skipped" if held.skipped else "held",
            "site": sites[held.side],
            **to_json(held.path),
            **(to_json(held.elsewhere, "elsewhere") if held.elsewhere else {}),
            "reason": held.why,
        }
    for left in plan.left:
        yield {
            "what": "unknown" if left.unknown else "left",
            "site": sites[left.side],
            **to_json(left.path),
            "reason": left.why,
        }
    for each in found.unread:
        yield {"what": "read", "site": sites[each.side], **to_json(each.path), "size": each.size}
    for path, size in _maybe(found):
        yield {"what": "compare", **to_json(path), "size": size}
    yield from ({"what": "unread", "reason": reason} for reason in found.unreadable)
    yield _summary(found, sites)


def _operation(each: Operation, sites: tuple[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "what": "operation",
        "number": each.number,
        "site": sites[each.side],
        "act": _WORDS[each.act],
    }
    said |= {"kind": each.kind.name.lower(), **to_json(each.path), **to_json(each.target, "target")}
    said |= {"bytes": each.bytes, "after": each.after, "reason": each.reason}
    if each.expects is not None:
        said["expects"] = _seen(each.expects)
    if each.source is not None:
        said["source"] = {"site": sites[each.source[0]], **to_json(each.source_at), **_seen(each.source[1])}
    if each.linked:
        said |= to_json(each.linked_at, "linked")
    return said | _wanted(each)


def _seen(entry: Entry) -> dict[str, Any]:
    """Return by what is told whether a thing is still what the scan saw."""
    return {"inode": entry.binding.inode, **dict(zip(entry.version._fields, entry.version, strict=True))}


def _wanted(each: Operation) -> dict[str, Any]:
    """Return what the thing is to be afterwards, as far as the operation changes that."""
    said: dict[str, Any] = {}
    if each.act in (Act.CREATE, Act.REPLACE):
        if each.kind is Kind.FILE:
            said["size"] = each.size
            said["hash"] = each.content.hex() if each.content is not None else None
        elif each.kind is Kind.SYMLINK and each.content is not None:
            said |= to_json(each.content, "content")
    if each.metadata is not None:
        mode, uid, gid, attributes = each.metadata
        said |= {"mode": f"{mode:04o}", "uid": uid, "gid": gid}
        said["attributes"] = attributes.hex() if attributes is not None else None
    if each.mtime_ns is not None:
        said["mtime_ns"] = each.mtime_ns
    if each.shelf is not None:
        said["shelf"] = each.shelf.value
    return said


def _summary(found: "Preview", sites: tuple[str, str]) -> dict[str, Any]:
    plan = found.plan
    return {
        "what": "summary",
        "names": dict(zip(sites, found.rows, strict=True)),
        "alike": found.alike,
        "operations": len(plan.operations),
        "bytes": plan.bytes,
        "conflicts": len(plan.conflicts),
        "held": sum(not each.skipped for each in plan.held),
        "skipped": sum(each.skipped for each in plan.held),
        "drift": plan.drift,
        "circumstances": {site: _circumstances(told) for site, told in zip(sites, found.told, strict=True)},
        "unknown": sum(each.unknown for each in plan.left),
        "to_compare": sum(1 for _ in _maybe(found)),
        "to_read": len(found.unread),
        "refused": bool(plan.refusals),
    }


def _circumstances(told: Circumstances) -> dict[str, Any]:
    said = {each: getattr(told, each) for each in told.__struct_fields__}
    return said | {"forbidden": told.forbidden.decode()}


class _Text:
    """For people: a line each, in columns whose widths are known beforehand."""

    def __init__(self, found: "Preview", sites: tuple[str, str]) -> None:
        self._found = found
        self._plan = found.plan
        self._sites = sites
        self._width = max(map(len, sites))

    def tell(self) -> None:
        """Print it all, and first why there is nothing to be done."""
        for reason in self._plan.refusals:
            typer.echo(shown(f"Refused: {reason}"))
        self._names()
        self._operations()
        self._conflicts()
        for held in self._plan.held:
            word = "skip" if held.skipped else "hold"
            self._say(word, self._sites[held.side], f"{_path(held.path)} ({held.why}{self._elsewhere(held)})")
        for left in self._plan.left:
            word = "unknown" if left.unknown else "leave"
            self._say(word, self._sites[left.side], f"{_path(left.path)} ({left.why})")
        self._to_compare()
        for reason in self._found.unreadable:
            typer.echo(shown(f"Not read: {reason}"))
        self._sum()

    def _elsewhere(self, held: Held) -> str:
        return f"; on {self._sites[held.side.other]} it is {_path(held.elsewhere)}" if held.elsewhere else ""

    def _operations(self) -> None:
        for each in self._plan.operations:
            where = _path(each.path) if each.path == each.target else f"{_path(each.path)} -> {_path(each.target)}"
            size = amount(each.bytes) if each.bytes else ""
            details = "".join(f"; {each}" for each in _details(each, self._sites))
            self._say(_WORDS[each.act], self._sites[each.side], f"{where} ({each.reason}{details})", size)

    def _conflicts(self) -> None:
        for each in self._plan.conflicts:
            kept = f", the other stays as {_path(each.kept)}" if each.kept else ""
            told = f"{_path(each.path)} ({each.dispute.value}: {each.why}{kept})"
            self._say("conflict", self._sites[each.winner], told)

    def _to_compare(self) -> None:
        for each in self._found.unread:
            told = f"{_path(each.path)} (its content decides what is done with it)"
            self._say("read", self._sites[each.side], told, amount(each.size))
        for path, size in _maybe(self._found):
            self._say("compare", "both", f"{_path(path)} (of one size, and alike or not)", amount(size))

    def _say(self, word: str, site: str, rest: str, size: str = "") -> None:
        typer.echo(shown(f"{site:{self._width}}  {word:8}  {size:>10}  {rest}"))

    def _sum(self) -> None:
        said = _summary(self._found, self._sites)
        parts = [f"operations: {said['operations']}, {amount(said['bytes'])} to carry over"]
        words = ("alike", "conflicts", "held", "skipped", "drift", "unknown", "to_compare", "to_read")
        parts += [f"{word.replace('_', ' ')}: {said[word]}" for word in words if said[word]]
        typer.echo("; ".join(parts))

    def _names(self) -> None:
        """Say what is unusual with names, once for each side."""
        for site, told in zip(self._sites, self._found.told, strict=True):
            unusual = ", ".join(_unusual(told))
            if unusual:
                self._say("names", site, unusual)


def _unusual(told: Circumstances) -> Iterator[str]:
    """Yield what a side makes of names that others do not."""
    if told.case_insensitive:
        yield "do not differ by case alone"
    if told.normalising:
        yield "do not differ by how a letter is composed alone"
    if not told.hard_links:
        yield "of one file are not several"
    if told.forbidden:
        yield f"have none of {told.forbidden.decode()}"
    if told.text_only:
        yield "are UTF-8"
    if told.longest_name < LONGEST_NAME:
        yield f"have {told.longest_name} bytes at most"


def _details(each: Operation, sites: tuple[str, str]) -> Iterator[str]:
    """Yield what one must know to do it, beside its path and reason."""
    if each.source is None:
        return
    side, entry = each.source
    if each.linked:
        yield f"another name of {_path(each.linked_at)}"
    elif each.act in (Act.CREATE, Act.REPLACE) and (each.source_at != each.target or side is each.side):
        yield f"from {_path(each.source_at)} on {sites[side]}"
    has = entry if each.act in (Act.CREATE, Act.REPLACE) else each.expects
    if each.metadata is not None and (has is None or has.metadata != each.metadata):
        yield from _metadata(each.metadata, has and has.metadata, f"{_path(each.source_at)} on {sites[side]}")
    new_time = each.act is Act.MTIME or has is None or has.version.mtime_ns != each.mtime_ns
    if each.mtime_ns is not None and new_time:
        yield f"time {_time(each.mtime_ns)}"


def _metadata(wanted: Metadata, has: Metadata | None, source: str) -> Iterator[str]:
    if has is None or has.mode != wanted.mode:
        yield f"mode {wanted.mode:04o}"
    if has is None or (has.uid, has.gid) != (wanted.uid, wanted.gid):
        yield f"owner {wanted.uid}:{wanted.gid}"
    if has is None or has.attributes != wanted.attributes:
        yield "no xattrs and no ACL" if wanted.attributes is None else f"xattrs and ACL of {source}"


def _time(ns: int) -> str:
    """Return a time in UTC, to the nanosecond: what is printed can be set."""
    seconds, rest = divmod(ns, 10**9)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09}Z"
    except (OverflowError, ValueError, OSError):  # beyond the years that have a name
        return f"@{seconds}.{rest:09}"


def _path(path: bytes) -> str:
    return shown_path(path) or "."
