"""Which names are the same to a side, and the names of conflict copies."""

import unicodedata
from collections.abc import Callable

from blake3 import blake3

from argosy.sync.planner.options import LONGEST_NAME, Rules

_HEX = 12
_LONGEST_SITE = 64
_LONGEST_ENDING = 32


def normal(name: bytes) -> bytes:
    """Return the name as a side that normalises would compare it; bytes that are no text stay what they are."""
    if name.isascii():
        return name
    text = unicodedata.normalize("NFC", name.decode(errors="surrogateescape"))
    return text.encode(errors="surrogateescape")


def refusal(name: bytes, rules: Rules) -> str:
    """Return why a side cannot have the name, "" where it can."""
    if len(name) > rules.longest:
        return f"its name has {len(name)} bytes, and the filesystem takes {rules.longest}"
    if found := sorted(set(name) & set(rules.forbidden)):
        return f"its name has a {chr(found[0])!r}, which the filesystem does not take"
    if rules.text_only and not _is_text(name):
        return "its name is not UTF-8, and the filesystem takes no other"
    return ""


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def folded(name: bytes, rules: tuple[Rules, Rules]) -> bytes:
    """Return what two names have in common if one of the sides would take them for one."""
    if rules[0].normalising or rules[1].normalising:
        name = normal(name)
    if rules[0].case_insensitive or rules[1].case_insensitive:
        folded = name.decode(errors="surrogateescape").casefold()
        name = folded.encode(errors="surrogateescape")
    return name


def folding(rules: tuple[Rules, Rules]) -> Callable[[bytes], bytes]:
    """Return the function that makes equal what one of the sides would take for one name."""
    if any(each.case_insensitive or each.normalising for each in rules):
        return lambda name: folded(name, rules)
    return bytes


def hexed(content: bytes) -> str:
    """Return the digits of a hash that go into a conflict name."""
    return content.hex()[:_HEX]


def hexed_text(text: bytes) -> str:
    """Return such digits for something that is no file: the target of a symlink, the name of a directory."""
    return hexed(blake3(text).digest())


def conflict_name(name: bytes, site: str, digits: str, *, attempt: int = 1, longest: int = LONGEST_NAME) -> bytes:
    """Return the name of the loser, the same whenever it is asked for; `attempt` counts names that are taken.

    No more than the filesystems of both sides take: what was before the mark is cut, at a whole character.
    """
    stem, ending = _split(name)
    where = _cut(site.replace("/", "-").replace("\0", "-").encode(), _LONGEST_SITE)
    again = b"" if attempt == 1 else b"-%d" % attempt
    mark = b".conflict-" + where + b"-" + digits.encode() + again
    return _cut(stem, longest - len(mark) - len(ending)) + mark + ending


def _split(name: bytes) -> tuple[bytes, bytes]:
    stem, dot, ending = name.rpartition(b".")
    if not stem.strip(b".") or len(ending) > _LONGEST_ENDING:
        return name, b""
    return stem, dot + ending


def _cut(name: bytes, longest: int) -> bytes:
    if len(name) <= longest:
        return name
    end = longest
    while end > longest - 3 and name[end] & 0xC0 == 0x80:
        end -= 1
    return name[: longest if name[end] & 0xC0 == 0x80 else end]
