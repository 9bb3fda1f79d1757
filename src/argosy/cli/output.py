"""How commands print: for people, or JSON and nothing else."""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer


class Format(StrEnum):
    """For whom."""

    TEXT = "text"
    JSON = "json"


_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that steer a terminal or cannot be told from their looks."""

OUTPUT = Annotated[Format, typer.Option("--output", "-o", help="For people (text) or programs (json).")]


def shown(text: str) -> str:
    """Return the text with control and format characters, line ends among them, escaped: it steers no terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(sign) if unicodedata.category(sign) in _UNSHOWN else sign for sign in text)


def shown_path(path: bytes) -> str:
    r"""Return the path as no other is shown: bytes that are no text, or steer terminals, as `\xNN`, and `\` twice."""
    signs = path.decode("utf-8", "surrogateescape").replace("\\", "\\\\")
    return "".join(_in_bytes(sign) if unicodedata.category(sign) in _UNSHOWN else sign for sign in signs)


def cause(path: str, reason: str) -> str:
    """Return the reason, ready to be shown beside the path, which it need not name again."""
    for prefix in (f"{path}: ", f"{path} "):
        if reason.startswith(prefix):
            return shown(reason.removeprefix(prefix))
    return shown(reason)


def print_json(value: Any) -> None:
    """Print the value as one line of JSON."""
    typer.echo(msgspec.json.encode(value))


def print_lines(values: Iterable[Any]) -> None:
    """Print a list, each value as one line of JSON: a program can begin with the first before the last is there."""
    for value in values:
        print_json(value)


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns; the last is as long as it needs."""
    table = [list(header), *([("-" if cell is None else shown(str(cell))) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header) - 1)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[-1]]).rstrip())


def amount(count: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} PiB"


def span(seconds: float) -> str:
    """Return a time as people read it: below ten seconds with a decimal."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(time: str | None) -> str | None:
    """Return a time of the hub to the second, as people read it."""
    return time and datetime.fromisoformat(time).isoformat(" ", "seconds")


def _in_bytes(sign: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in sign.encode("utf-8", "surrogateescape"))


def _escaped(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
