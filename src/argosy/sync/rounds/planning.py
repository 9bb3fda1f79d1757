"""From the base and two index files to the plan of a round, written to its folder."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pyarrow.parquet as pq

from argosy.core.errors import Corrupt, NotFound
from argosy.sync.planner.agreeing import spots
from argosy.sync.planner.options import Options
from argosy.sync.planner.planning import plan
from argosy.sync.planner.plans import Conflict, Held, Need
from argosy.sync.planner.plans import Plan as Made
from argosy.sync.planner.trees import SIDES, Binding, Side, Spot, Trees
from argosy.sync.reduction.base import Base, Dark
from argosy.sync.reduction.engine import Room
from argosy.sync.reduction.hashes import with_hashes
from argosy.sync.reduction.reducing import reduce
from argosy.sync.reduction.sides import Scanned, place_of
from argosy.sync.reduction.union import Union, unite
from argosy.sync.rounds import pages, work
from argosy.sync.rounds.agreement import Agreement
from argosy.sync.rounds.circumstances import rules_of, told_of
from argosy.sync.rounds.fates import foreseen
from argosy.sync.rounds.work import Answer, Needed, Plan, Quarrel, Stays, Told
from argosy.sync.transfers import transfers

_BATCH: Final = 4096
_MS: Final = 1_000_000
_NAMES: Final = ("one", "two")
_Hashes = Mapping[tuple[Side, bytes], bytes]


class _Begun(NamedTuple):
    """What a plan is made of."""

    base: Base
    sides: tuple[Scanned, Scanned]
    fresh: bool


def make(asked: Plan) -> Answer:
    """Write the plan, or what must be hashed before there can be one.

    Raises:
        NotFound, Corrupt, Unsupported: an index file is missing or broken; or that or the base is of a newer Argosy.
        Exhausted: there is no room to compare the trees.
    """
    folder = Path(asked.folder)
    told = _told(folder)
    begun, missing = _begin(folder, asked, told)
    if begun is None:
        return _needs(folder, missing)
    one, two = (told_of(folder, side) for side in SIDES)
    options = Options(
        policy=asked.policy,
        one_way=asked.one_way,
        confirmed=asked.confirmed,
        sites=asked.sites,
        clock_offsets_ns=(one.clock_off_ns, two.clock_off_ns),
        rules=(rules_of(one), rules_of(two)),
        guards=asked.guards,
    )
    trees = reduce(begun.base, begun.sides, rules=options.rules, room=_room(folder))
    trees, made, missing = _planned(trees, options, told)
    if made is None:
        return _needs(folder, missing)
    clocks = (-(-one.clock_off_ns // _MS), -(-two.clock_off_ns // _MS))
    lost = begun.fresh and bool(asked.base)
    return msgspec.structs.replace(_written(folder, trees, made, begun), lost=lost, clocks=clocks)


def _room(folder: Path) -> Room:
    return Room(temporary=folder)


def _told(folder: Path) -> dict[tuple[Side, bytes], bytes]:
    path = work.told(folder)
    return {(each.side, each.path): each.digest for each in pages.read(path, Told)} if path.exists() else {}


def _needs(folder: Path, missing: Sequence[Needed]) -> Answer:
    return Answer(needs=pages.write(work.needs(folder), missing))


def _begin(folder: Path, asked: Plan, told: _Hashes) -> tuple[_Begun | None, list[Needed]]:
    """Return base and sides; of a first sync what both have alike is the base, for which files may have to be read."""
    one, two = (Scanned(index=work.index(folder, side)) for side in SIDES)
    base = _recorded(asked)
    abouts = (one.about, two.about)
    pair = " ".join(about.fileset for about in abouts)
    if base is not None and base.pair == pair and base.sides == tuple(map(place_of, abouts)):
        return _Begun(base, (one, two), fresh=False), []
    found = unite((one, two), folder, policy=asked.policy, room=_room(folder))
    missing = [each for each in _open(found) if (each.side, each.path) not in told]
    if missing:
        return None, missing
    if found.files:
        found = _united_again(folder, asked, found, told)
    return _Begun(found.base, found.sides, fresh=True), []


def _recorded(asked: Plan) -> Base | None:
    """Return the base that is recorded; one that was lost is none, and then nothing counts as removed by anybody."""
    if not asked.base:
        return None
    try:
        return Base.open([Path(chunk) for chunk in asked.base])
    except (NotFound, Corrupt):
        return None


def _open(found: Union) -> Iterator[Needed]:
    """Yield the files that must be read to tell what both sides have alike."""
    for batch in pq.ParquetFile(found.open).iter_batches(_BATCH) if found.files else ():
        for each in batch.to_pylist():
            for side, name in zip(SIDES, _NAMES, strict=True):
                if not each[f"{name}_known"]:
                    times = each[f"{name}_mtime_ns"], each[f"{name}_ctime_ns"]
                    yield Needed(side, each["path"], each[f"{name}_inode"], each["size"], *times)


def _united_again(folder: Path, asked: Plan, found: Union, told: _Hashes) -> Union:
    for side in SIDES:
        hashed = folder / f"{_NAMES[side]}.hashed"
        with_hashes(work.index(folder, side), _rows(found.open, side, told), hashed)
    one, two = (Scanned(index=folder / f"{name}.hashed") for name in _NAMES)
    return unite((one, two), folder, policy=asked.policy, room=_room(folder))


def _rows(files: Path, side: Side, told: _Hashes) -> Iterator[tuple[int, bytes]]:
    for batch in pq.ParquetFile(files).iter_batches(_BATCH):
        for each in batch.to_pylist():
            digest = told.get((side, each["path"]), b"")
            if not each[f"{_NAMES[side]}_known"] and digest:
                yield each[f"{_NAMES[side]}_row"], digest


def _planned(trees: Trees, options: Options, told: _Hashes) -> tuple[Trees, Made | None, list[Needed]]:
    hashes: dict[tuple[Side, Binding], bytes] = {}
    unread: set[tuple[Side, Binding]] = set()
    while True:
        trees = msgspec.structs.replace(trees, hashes=hashes, unread=frozenset(unread))
        made = plan(trees, options)
        if not made.needs:
            return trees, made, []
        missing = [need for need in made.needs if (need.side, need.path) not in told]
        if missing:
            return trees, None, list(_as_needed(trees, missing))
        for need in made.needs:
            digest = told[need.side, need.path]
            if digest:
                hashes = {**hashes, (need.side, need.binding): digest}
            else:
                unread.add((need.side, need.binding))


def _as_needed(trees: Trees, needs: Iterable[Need]) -> Iterator[Needed]:
    versions = {(side, entry.binding): entry.version for side in SIDES for entry in trees.sides[side].entries}
    for need in needs:
        yield Needed(need.side, need.path, need.binding.inode, *versions[need.side, need.binding])


def _written(folder: Path, trees: Trees, made: Made, begun: _Begun) -> Answer:
    if made.refusals:
        return Answer(refusals=made.refusals, alarms=made.alarms)
    counts = [_write_operations(folder, made, side) for side in SIDES]
    _write_agreement(folder, trees, made, begun)
    held = [_stays(number, each) for number, each in enumerate(made.held)]
    quarrels = list(map(_quarrel, made.conflicts))
    pages.write(work.met(folder), foreseen(quarrels, made.matched))
    return Answer(
        operations=(counts[0], counts[1]),
        transfers=pages.write(work.transfers(folder), transfers(made, trees)),
        bytes=made.bytes,
        stays=pages.write(work.stays(folder), held, lambda each: each.number),
        left=len(made.left),
        unknown=sum(each.unknown for each in made.left),
        conflicts=pages.write(work.conflicts(folder), quarrels),
        drift=made.drift,
    )


def _write_operations(folder: Path, made: Made, side: Side) -> int:
    own = (each for each in made.operations if each.side is side)
    return pages.write(work.operations(folder, side), own, lambda each: each.number)


def _stays(number: int, held: Held) -> Stays:
    return Stays(number, held.side, held.path, held.why, held.skipped, held.elsewhere)


def _quarrel(each: Conflict) -> Quarrel:
    return Quarrel(
        dispute=each.dispute.value,
        path=each.path,
        winner=each.winner,
        kept=each.kept,
        at=each.at,
        object=each.object,
        named=each.named,
        copy=each.copy,
        why=each.why,
    )


def _write_agreement(folder: Path, trees: Trees, made: Made, begun: _Begun) -> None:
    dark = spots(trees, made)
    agreement = Agreement(
        pair=begun.base.pair,
        chunks=tuple(map(str, begun.base.chunks)),
        fresh=begun.fresh,
        sides=begun.base.sides,
        dark_before=begun.base.dark,
        dark=(_dark(dark[0]), _dark(dark[1])),
        tops=(trees.sides[0].top, trees.sides[1].top),
        base=list(trees.base),
        matched=made.matched,
        unknown=sorted(made.unknown),
        hashes=[(side, binding, digest) for (side, binding), digest in trees.hashes.items()],
    )
    pages.write_one(work.agreement(folder), agreement)


def _dark(found: Iterable[Spot]) -> tuple[Dark, ...]:
    return tuple(sorted((Dark(each.directory.inode, each.directory.born_ns, each.name) for each in found), key=repr))
