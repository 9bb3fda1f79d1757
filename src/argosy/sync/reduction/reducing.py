"""What changed on either side since the base, with what a plan needs beside it, as the planner's trees."""

from argosy.snapshots.schema import About
from argosy.sync.planner.options import Rules
from argosy.sync.planner.trees import Binding, Totals, Tree, Trees
from argosy.sync.reduction import objects, queries
from argosy.sync.reduction.base import Base, Place
from argosy.sync.reduction.engine import USUAL, Engine, Room, engine
from argosy.sync.reduction.siblings import tell_equal_names
from argosy.sync.reduction.sides import Scanned, place_of

PLAIN = (Rules(), Rules())


def reduce(
    base: Base, sides: tuple[Scanned, Scanned], *, rules: tuple[Rules, Rules] = PLAIN, room: Room = USUAL
) -> Trees:
    """Return the trees of which the planner makes the plan that it would make of everything.

    What is the same in the base and on both sides is left out, as far as `planner.trees` allows. DuckDB keeps to its
    room; objects are made of the rest.

    Raises:
        NotFound, Corrupt, Unsupported: an index file is missing, broken or of a newer Argosy.
    """
    abouts = (sides[0].about, sides[1].about)
    places = (place_of(abouts[0]), place_of(abouts[1]))
    with engine(room) as db:
        db.view("base", base.chunks)
        for name, side in zip(queries.SIDES, sides, strict=True):
            db.view(name, [side.index], side.without)
        _pick(db, base, places, rules)
        trees = [_tree(db, *each) for each in zip(queries.SIDES, sides, abouts, strict=True)]
        return Trees(
            base=objects.known(db.table(queries.KNOWN), base.sides),
            sides=(trees[0][0], trees[1][0]),
            totals=Totals(base.rows, base.roots, (trees[0][1], trees[1][1])),
            spots=base.spots(),
        )


def _pick(db: Engine, base: Base, places: tuple[Place, Place], rules: tuple[Rules, Rules]) -> None:
    """Fill the tables of what is told, until nothing that is told needs anything else."""
    for side, place, before in zip(queries.SIDES, places, base.sides, strict=True):
        db.run(queries.apart(side, comparable=place == before))
    db.run(*queries.ROWS, *queries.NODES)
    if all(each.hard_links for each in rules):
        db.run(*queries.LINKED)
    while True:
        db.run(*queries.ABOVE)
        while db.number(queries.NEW_DIRECTORIES):
            db.run(*queries.DIRECTORIES)
        db.run(*queries.COPIES)
        tell_equal_names(db, rules)
        db.run(*queries.BIND)
        if db.number(queries.NOT_LOOKED_FOR):
            db.run(*queries.BASE_NAMES, *queries.names_of("one"), *queries.names_of("two"))
        elif not db.number(queries.NEW_DIRECTORIES):
            return


def _tree(db: Engine, name: str, side: Scanned, about: About) -> tuple[Tree, int]:
    """Return what is told of a side, and how many names lie at its top."""
    place = place_of(about)
    top, names, unlisted = _top(db, name, place)
    told = db.table(queries.entries(name))
    rest = objects.Rest(db.table(queries.rest(name)), place)
    tree = Tree(
        top=top,
        entries=objects.entries(told, place),
        unsyncable=rest.unsyncable,
        boundaries=rest.boundaries,
        unknown=rest.unknown,
        unlisted=objects.unlisted(told, place) | ({top} if unlisted else set()),
        complete=about.complete,
        marked=side.marked,
    )
    return tree, names


def _top(db: Engine, name: str, place: Place) -> tuple[Binding, int, bool]:
    [(inode, born_ns, unknown, names)] = db.con.execute(queries.top(name)).fetchall()
    return place.binding(inode, born_ns), names, unknown == 2
