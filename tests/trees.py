"""Trees that are hard to carry, and what differs between two trees."""

import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass

MiB = 1 << 20
SECOND = 1_000_000_000
YEAR = 365 * 24 * 3600 * SECOND
ACCESS = b"system.posix_acl_access"
DEFAULT = b"system.posix_acl_default"
PRIVATE = b".argosy"
SLACK = 128 << 10
"""By how many bytes two sparse files may differ in what they occupy."""

Path = bytes | str | os.PathLike[str]

NAMES = (
    b" leading and trailing ",
    b"-rf",
    b"--help",
    b"...",
    b".hidden",
    b".argosy-dir",
    b"100%",
    b"%2F%00",
    b"a\\b",
    b"line\nbreak",
    b"tab\tbell\x07escape\x1b[31m",
    b"quote'\"`$(id)",
    b"star*?[x]{y}",
    b"not \xff\xfe utf-8 \xc3",
    b"latin-1 caf\xe9",
    "grüße 世界 🚀".encode(),
    "e\u0301 decomposed".encode(),
    "é composed".encode(),
    "\ufffd replacement".encode(),
    b"\xed\xa0\x80 surrogate",
    b"CASE",
    b"case",
    b"con",
    b"semi;colon:|<>",
    b"a=b&c#d",
    b"n" * 255,
    "ü".encode() * 127,
)


def acl(*entries: tuple[int, int, int]) -> bytes:
    """Return an ACL as its attribute holds it, from (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


ACL = acl((1, 6, 2**32 - 1), (2, 4, 1234), (4, 4, 2**32 - 1), (8, 6, 4321), (16, 6, 2**32 - 1), (32, 0, 2**32 - 1))
"""user::rw- user:1234:r-- group::r-- group:4321:rw- mask::rw- other::---"""
DIRECTORY_ACL = acl((1, 7, 2**32 - 1), (2, 5, 1234), (4, 5, 2**32 - 1), (16, 5, 2**32 - 1), (32, 0, 2**32 - 1))


def nasty_tree(root: Path) -> None:
    """Build a tree with everything in it that a transfer may stumble over. Needs root."""
    top = os.fsencode(root)
    os.makedirs(top, exist_ok=True)
    _sizes(_directory(top, b"sizes"))
    _sparse(_directory(top, b"sparse"))
    _names(_directory(top, b"names"))
    _deep(_directory(top, b"deep"))
    _modes(_directory(top, b"modes"))
    _times(_directory(top, b"times"))
    _attributes(_directory(top, b"attributes"))
    _symlinks(top, _directory(top, b"symlinks"))
    _links(_directory(top, b"links"))
    _order(top)
    _date_directories(top)


def _directory(above: bytes, name: bytes) -> bytes:
    path = above + b"/" + name
    os.mkdir(path, 0o755)
    return path


def _file(above: bytes, name: bytes, content: bytes = b"content\n", *, mode: int = 0o644) -> bytes:
    path = above + b"/" + name
    with open(path, "xb") as file:
        file.write(content)
    os.chmod(path, mode)
    return path


def _pattern(size: int, seed: int = 1) -> bytes:
    return bytes((i * 31 + seed) & 0xFF for i in range(251)) * (size // 251) + b"x" * (size % 251)


def _sizes(top: bytes) -> None:
    for size in (0, 1, 4095, 4096, 4097, 65536, MiB):
        _file(top, b"%d" % size, _pattern(size, size))
    _directory(top, b"empty")
    _directory(_directory(_directory(top, b"nothing"), b"but"), b"directories")


def _sparse(top: bytes) -> None:
    layouts = {
        b"head": (4 * MiB, ((3 * MiB, MiB),)),
        b"middle": (4 * MiB, ((0, MiB), (3 * MiB, MiB))),
        b"tail": (4 * MiB, ((0, MiB),)),
        b"all": (4 * MiB, ()),
        b"many": (8 * MiB, tuple((i * 256 << 10, 64 << 10) for i in range(32))),
        b"odd": (4 * MiB + 17, ((MiB + 5, 70_001), (3 * MiB, MiB + 17))),
    }
    for name, (size, extents) in layouts.items():
        with open(top + b"/" + name, "xb") as file:
            for offset, length in extents:
                file.seek(offset)
                file.write(_pattern(length, offset))
            file.truncate(size)


def _names(top: bytes) -> None:
    directories = _directory(top, b"directories")
    for number, name in enumerate(NAMES):
        _file(top, name, b"%d" % number)
        _file(_directory(directories, name), b"inside " + name[:200], b"%d" % number)


def _deep(top: bytes) -> None:
    path = top
    for level in range(9):
        path = _directory(path, b"%d-" % level + b"d" * 150)
    _file(path, b"at the bottom")
    _directory(path, b"empty at the bottom")


def _modes(top: bytes) -> None:
    for mode in (0o0000, 0o0400, 0o0444, 0o0600, 0o0777, 0o2755, 0o4755, 0o6711):
        os.chown(_file(top, b"file-%04o" % mode), 1000 + mode, 2000 + mode)
        os.chmod(top + b"/file-%04o" % mode, mode)
    for mode in (0o0000, 0o0500, 0o0700, 0o1777, 0o2775, 0o3770):
        path = _directory(top, b"dir-%04o" % mode)
        _file(path, b"inside")
        os.chown(path, 3000 + mode, 4000 + mode)
        os.chmod(path, mode)


def _times(top: bytes) -> None:
    instants = {
        b"epoch": 0,
        b"just before": -1,
        b"1931": -39 * YEAR + 123_456_789,
        b"nanoseconds": 50 * YEAR + 1,
        b"all nanoseconds": 50 * YEAR + 999_999_999,
        b"2400": 430 * YEAR + 987_654_321,
    }
    for name, instant in instants.items():
        os.utime(_file(top, name), ns=(instant, instant))


def _attributes(top: bytes) -> None:
    values = {
        b"user.empty": b"",
        b"user.binary": bytes(range(256)),
        b"user.text": "grüße".encode(),
        "user.näme with spaces".encode(): b"1",
        b"user." + b"n" * 200: b"2",
    }
    carrying = [_file(top, b"file"), _directory(top, b"directory"), _file(top, b"read-only", mode=0o444)]
    for path in carrying:
        for name, value in values.items():
            os.setxattr(path, name, value)
    os.setxattr(_file(top, b"large"), b"user.large", _pattern(3000))
    os.setxattr(_file(top, b"acl"), ACCESS, ACL)
    os.setxattr(_file(top, b"acl and mode", mode=0o4750), ACCESS, ACL)
    path = _directory(top, b"acl directory")
    os.setxattr(path, DEFAULT, DIRECTORY_ACL)
    os.setxattr(path, ACCESS, DIRECTORY_ACL)
    _file(path, b"inherits", mode=0o640)
    os.removexattr(_file(path, b"inherits nothing", mode=0o640), ACCESS)
    _directory(path, b"inherits too")


def _symlinks(root: bytes, top: bytes) -> None:
    _file(top, b"target")
    _directory(top, b"directory")
    targets = {
        b"relative": b"target",
        b"up": b"../sizes/1",
        b"absolute": root + b"/symlinks/target",
        b"outside": b"/etc/passwd",
        b"dangling": b"no/such/thing",
        b"to directory": b"directory",
        b"to itself": b"to itself",
        b"odd bytes": b"\xff\n%\\ -x ",
        b"long": b"l" * 255 + b"/" + b"m" * 255 + b"/" + b"n" * 255,
    }
    for number, (name, target) in enumerate(targets.items()):
        path = top + b"/" + name
        os.symlink(target, path)
        os.chown(path, 5000 + number, 6000 + number, follow_symlinks=False)
        os.utime(path, ns=(number * YEAR + 7, number * YEAR + 7), follow_symlinks=False)


def _links(top: bytes) -> None:
    one = _file(top, b"one", _pattern(100_000))
    os.link(one, top + b"/another name")
    across = _file(_directory(top, b"first"), b"across", b"across")
    os.link(across, _directory(top, b"second") + b"/across")
    os.link(across, top + b"/across")
    os.link(_file(top, b"empty", b""), top + b"/empty too")


def _order(top: bytes) -> None:
    """Names that a walk meets in another order than a sort of whole paths does."""
    for name in (b"order", b"order-", b"order.", b"order0", b"order\x01"):
        _file(_directory(top, name), b"inside")
    _file(top, b"order.txt")


def _date_directories(top: bytes) -> None:
    for number, (directory, _, _) in enumerate(os.walk(top, topdown=False)):
        instant = 30 * YEAR + number * 1_000_000_007
        os.utime(directory, ns=(instant, instant))


@dataclass(frozen=True, slots=True)
class Seen:
    """All of an entry that a transfer is to carry."""

    kind: str
    mode: int
    owner: tuple[int, int]
    mtime_ns: int
    xattrs: dict[bytes, bytes]
    size: int
    allocated: int
    content: bytes
    inode: tuple[int, int]
    links: int


_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}


def look(path: bytes) -> Seen:
    """Return all of the entry."""
    found = os.lstat(path)
    kind = _KINDS.get(stat.S_IFMT(found.st_mode), "other")
    return Seen(
        kind=kind,
        mode=found.st_mode & 0o7777,
        owner=(found.st_uid, found.st_gid),
        mtime_ns=found.st_mtime_ns,
        xattrs={} if kind == "symlink" else _xattrs(path),
        size=found.st_size if kind != "directory" else 0,
        allocated=found.st_blocks * 512,
        content=_content(path, kind),
        inode=(found.st_dev, found.st_ino),
        links=found.st_nlink,
    )


def _xattrs(path: bytes) -> dict[bytes, bytes]:
    names = [os.fsencode(name) for name in os.listxattr(path, follow_symlinks=False)]
    carried = [name for name in names if name in {ACCESS, DEFAULT} or name.startswith(b"user.")]
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in carried
        if name != b"user.argosy" and not name.startswith(b"user.argosy.")
    }


def _content(path: bytes, kind: str) -> bytes:
    if kind == "symlink":
        return os.readlink(path)
    if kind == "file":
        with open(path, "rb") as file:
            return file.read()
    return b""


def paths(top: bytes) -> Iterator[bytes]:
    """Yield what is below `top`, relative to it, without Argosy's own."""
    for directory, names, files in os.walk(top):
        if directory == top and PRIVATE in names:
            names.remove(PRIVATE)
        for name in (*names, *files):
            yield os.path.relpath(os.path.join(directory, name), top)


def compare(a: Path, b: Path, *, top: bool = True) -> list[str]:
    """Return what differs between two trees, a line for each difference; `top`: whether they themselves count."""
    one, other = os.fsencode(a), os.fsencode(b)
    mine, theirs = set(paths(one)), set(paths(other))
    lines = [f"{path!r}: only in {one!r}" for path in sorted(mine - theirs)]
    lines += [f"{path!r}: only in {other!r}" for path in sorted(theirs - mine)]
    both = sorted(mine & theirs) + ([b"."] if top else [])
    pairs = {path: (look(os.path.join(one, path)), look(os.path.join(other, path))) for path in both}
    for path, (left, right) in pairs.items():
        lines += [f"{path!r}: {what}" for what in _differences(left, right)]
    return lines + _link_differences({path: pair for path, pair in pairs.items() if pair[0].kind == pair[1].kind})


def _differences(left: Seen, right: Seen) -> Iterator[str]:
    if left.kind != right.kind:
        yield f"{left.kind} became {right.kind}"
        return
    if left.content != right.content or left.size != right.size:
        yield f"{'target' if left.kind == 'symlink' else 'content'} differs ({left.size} and {right.size} bytes)"
    if left.mode != right.mode and left.kind != "symlink":
        yield f"mode {left.mode:04o} became {right.mode:04o}"
    if left.owner != right.owner:
        yield f"owner {left.owner} became {right.owner}"
    if left.mtime_ns != right.mtime_ns:
        yield f"mtime {left.mtime_ns} became {right.mtime_ns}"
    for name in sorted(left.xattrs.keys() | right.xattrs.keys()):
        if left.xattrs.get(name) != right.xattrs.get(name):
            yield f"xattr {name!r} {left.xattrs.get(name)!r} became {right.xattrs.get(name)!r}"
    if left.allocated < left.size - SLACK and abs(left.allocated - right.allocated) > SLACK:
        yield f"sparse: {left.allocated} bytes allocated became {right.allocated}"


def _link_differences(pairs: dict[bytes, tuple[Seen, Seen]]) -> list[str]:
    ours = _groups({path: left for path, (left, _) in pairs.items()})
    others = _groups({path: right for path, (_, right) in pairs.items()})
    lines = [f"names of one file no longer are: {sorted(group)!r}" for group in sorted(ours - others, key=sorted)]
    return lines + [f"names of one file that were not: {sorted(g)!r}" for g in sorted(others - ours, key=sorted)]


def _groups(seen: dict[bytes, Seen]) -> set[frozenset[bytes]]:
    groups: dict[tuple[int, int], set[bytes]] = {}
    for path, entry in seen.items():
        if entry.kind != "directory" and entry.links > 1:
            groups.setdefault(entry.inode, set()).add(path)
    return {frozenset(group) for group in groups.values() if len(group) > 1}
