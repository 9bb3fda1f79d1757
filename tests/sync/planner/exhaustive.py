"""All trees of up to four nodes, and all single operations on each."""

from collections.abc import Iterator
from itertools import permutations, product
from typing import NamedTuple

from argosy.sync.planner.trees import SIDES, Kind
from tests.sync.planner.disks import UNASKED, Disk
from tests.sync.planner.executor import Pair
from tests.sync.planner.histories import Witness

Shape = tuple["Shape | None", ...]
"""What a directory holds: None for a file, else a directory. Sorted, since only names tell siblings apart."""
Deed = tuple[str, ...]


class Node(NamedTuple):
    path: str
    directory: bool


def shapes(nodes: int) -> Iterator[Shape]:
    """Yield every way in which a directory can hold so many nodes, siblings being the same in any order."""
    seen: set[str] = set()
    for ordered in _shapes(nodes):
        shape = tuple(sorted(ordered, key=repr))
        if repr(shape) not in seen:
            seen.add(repr(shape))
            yield shape


def _shapes(nodes: int) -> Iterator[Shape]:
    if nodes == 0:
        yield ()
        return
    for first in range(1, nodes + 1):
        firsts: list[Shape | None] = [*shapes(first - 1), *([None] if first == 1 else [])]
        for rest in _shapes(nodes - first):
            for each in firsts:
                yield (each, *rest)


def nodes_of(shape: Shape, above: str = "") -> list[Node]:
    """Name the nodes of a tree: by letters, in each directory from the first."""
    found = []
    for name, inside in zip("abcd", shape, strict=False):
        path = f"{above}/{name}" if above else name
        found.append(Node(path, inside is not None))
        found += nodes_of(inside or (), path)
    return found


def deeds(nodes: list[Node]) -> list[Deed]:
    """Return every single operation on a tree: `x` is a name that both sides may choose, `*` one of each side's own."""
    directories = ["", *(node.path for node in nodes if node.directory)]
    files = [node.path for node in nodes if not node.directory]
    found: list[Deed] = [("chmod", node.path) for node in nodes] + [("remove", node.path) for node in nodes]
    found += [(verb, path) for path in files for verb in ("edit", "save", "file to directory", "file to symlink")]
    found += [("directory to file", path) for path in directories[1:]]
    found += [(verb, join(above, "x")) for above in directories for verb in ("create", "same", "mkdir", "symlink")]
    for node in nodes:
        for above in directories:
            if not _within(above, node.path):
                found += [("move", node.path, target) for target in _targets(node, above, nodes)]
    return found


def pairs(shape: Shape) -> Iterator[tuple[Deed, Deed]]:
    """Yield every pair of deeds on a tree that is not the mirror image of another.

    Two siblings that hold the same are told apart by their names alone, and the planner looks at names only to compare
    them: pairs that become one another where such siblings change names are tried once. And so are pairs that become
    one another where the sides change roles: that only changes who wins, which the tables try both ways.
    """
    nodes = nodes_of(shape)
    every = deeds(nodes)
    places = {deed: place for place, deed in enumerate(every)}
    images = [[places[_renamed(deed, names)] for deed in every] for names in _mirrors(shape, "", "")]
    for one in range(len(every)):
        for two in range(one, len(every)):
            if all((one, two) <= tuple(sorted((image[one], image[two]))) for image in images):
                yield every[one], every[two]


def _mirrors(shape: Shape, above: str, image: str) -> Iterator[dict[str, str]]:
    """Yield the ways to give nodes each other's paths such that the tree stays the same."""
    for order in permutations(range(len(shape))):
        if all(shape[place] == shape[each] for place, each in enumerate(order)):
            inside = []
            names = {}
            for place, each in enumerate(order):
                old, new = join(above, "abcd"[place]), join(image, "abcd"[each])
                names[old] = new
                inside.append(list(_mirrors(shape[place] or (), old, new)))
            for parts in product(*inside):
                yield names | {old: new for part in parts for old, new in part.items()}


def _renamed(deed: Deed, names: dict[str, str]) -> Deed:
    verb, *paths = deed
    return (verb, *(_image(path, names) for path in paths))


def _image(path: str, names: dict[str, str]) -> str:
    if path in names or not path:
        return names.get(path, "")
    above, _, name = path.rpartition("/")
    return join(_image(above, names), name)


def _targets(node: Node, above: str, nodes: list[Node]) -> Iterator[str]:
    """Yield the names that a node can be moved to in a directory: free ones and, if it is none, those of files."""
    yield join(above, "x")
    yield join(above, "*")
    for each in nodes:
        if (
            each.path.rpartition("/")[0] == above
            and each.path != node.path
            and not each.directory
            and not node.directory
        ):
            yield each.path


def join(above: str, name: str) -> str:
    return f"{above}/{name}" if above else name


def _within(path: str, directory: str) -> bool:
    return (path + "/").startswith(directory + "/")


def do(disk: Disk, deed: Deed, side: int) -> None:
    """Have the users of one side do it."""
    verb, path = deed[0], deed[1].encode()
    text = b"%d of %d" % (side, side)
    if verb == "move":
        disk.move(path, deed[2].replace("*", f"n{side}").encode())
    elif verb in {"edit", "save"}:
        getattr(disk, verb)(path, text)
    elif verb == "chmod":
        disk.chmod(path, 0o700 + side)
    elif verb == "mkdir":
        disk.mkdir(path)
    elif verb in {"create", "same"}:
        disk.create(path, b"same" if verb == "same" else text)
    elif verb == "symlink":
        disk.symlink(path, text)
    else:
        disk.remove(path)
        kinds = {"directory": Kind.DIRECTORY, "symlink": Kind.SYMLINK, "file": Kind.FILE}
        kind = kinds.get(verb.rpartition(" ")[2])
        if verb != "remove" and kind is not None:
            disk.create(path, b"" if kind is Kind.DIRECTORY else text, kind)


def pair_of(nodes: list[Node]) -> Pair:
    """Return two sides that agree on a tree."""
    pair = Pair()
    pair.options = type(pair.options)(guards=UNASKED)
    for node in nodes:
        path = node.path.encode()
        if node.directory:
            pair.disks[0].mkdir(path)
        else:
            pair.disks[0].create(path, path)
    pair.sync()
    return pair


def check(agreed: Pair, one: Deed, two: Deed) -> None:
    """Have one deed done on each side, sync, and see that every invariant holds."""
    pair = agreed.copy()
    for side, deed in zip(SIDES, (one, two), strict=True):
        do(pair.disks[side], deed, side + 1)
    witness = Witness(pair)
    made = pair.sync()
    witness.everything_was_done()
    witness.nothing_is_lost()
    witness.what_was_new_is_visible()
    witness.both_are_equal()
    witness.what_is_gone_stays_gone()
    witness.bytes_cross_once(made)
    witness.the_base_is_what_both_have()
    witness.the_next_run_does_nothing()


def hidings(nodes: list[Node]) -> Iterator[Deed]:
    """Yield every way to move a node into a directory, an old one or a new one, into which then nobody can look."""
    directories = [node.path for node in nodes if node.directory]
    for number, node in enumerate(nodes):
        for above in [*directories, "new"]:
            if not _within(above, node.path) and node.path.rpartition("/")[0] != above:
                yield (("unlisted", "covered")[number % 2], node.path, above)


def check_hidden(agreed: Pair, hidden: Deed, deed: Deed) -> None:
    """Hide something on one side, have a deed done on the other, sync, look again, and sync."""
    pair = agreed.copy()
    one, two = pair.disks
    how, path, above = hidden
    if above == "new":
        one.mkdir(b"new")
    one.move(path.encode(), above.encode() + b"/hidden")
    getattr(one, how).add(one.at(above.encode()).inode)
    do(two, deed, 2)
    witness = Witness(pair)
    for _ in range(2):
        made = pair.sync()
        witness.everything_was_done()
        witness.nothing_is_lost()
        witness.nothing_hidden_is_touched()
        witness.nothing_hidden_is_gone(made)
    one.show_all()
    witness = Witness(pair)
    pair.sync()
    witness.everything_was_done()
    witness.nothing_is_lost()
    witness.both_are_equal()
    witness.the_base_is_what_both_have()
    witness.the_next_run_does_nothing()
