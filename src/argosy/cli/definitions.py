"""Definitions of workflows in files."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import yaml

from argosy.core import once
from argosy.core.errors import Invalid, NotFound

ENDINGS = (".json", ".yaml", ".yml")


def is_file(text: str) -> bool:
    """Say whether somebody means a file, not the name of a workflow."""
    return text == "-" or "/" in text or text.endswith(ENDINGS)


def read(file: str) -> dict[str, Any]:
    """Return the one definition that a file holds, or standard input for `-`.

    Raises:
        Invalid: it holds none, or more than one, or is neither JSON nor YAML.
        NotFound: it cannot be read.
    """
    name = "standard input" if file == "-" else file
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFound(f"{name} cannot be read: {error.strerror}") from error
    found = msgspec.to_builtins(_decoded(content, name))
    if isinstance(found, list):
        raise Invalid(f"{name} holds {len(found)} definitions: give one at a time")
    if not isinstance(found, dict):
        raise Invalid(f"{name} holds no definition: it is an object with name, label, filter_rules and fields")
    return found


def _decoded(content: bytes, name: str) -> Any:
    lines = [line for line in content.splitlines() if line.strip()]
    try:
        several = [msgspec.json.decode(line) for line in lines]
    except msgspec.DecodeError:
        several = []
    if len(several) > 1:
        return several
    try:
        msgspec.json.decode(content)
    except msgspec.DecodeError as as_json:
        try:
            return _yaml(content)
        except (yaml.YAMLError, msgspec.DecodeError) as as_yaml:
            why = _why(as_yaml)
            raise Invalid(f"{name} is neither JSON ({as_json}) nor YAML of one definition ({why})") from as_yaml
    return once.loads(content.decode())


def _why(error: Exception) -> str:
    """Return on one line what is wrong with a YAML text, and where."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', None) or 'not understood'}"


def _yaml(content: bytes) -> Any:
    """Return the value of a YAML text.

    Raises:
        Invalid: a mapping gives a key twice; the message begins with the place of the second one.
        yaml.YAMLError, msgspec.DecodeError: it is no YAML, or none of values that JSON has.
    """
    nodes, met = [("", yaml.compose(content, Loader=yaml.CSafeLoader))], set[int]()
    while nodes:
        place, node = nodes.pop()
        if id(node) in met:  # an alias can stand for what it lies in
            continue
        met.add(id(node))
        if isinstance(node, yaml.MappingNode):
            nodes += _parts(place, node)
        elif isinstance(node, yaml.SequenceNode):
            nodes += [(f"{place}[{number}]", item) for number, item in enumerate(node.value)]
    return msgspec.yaml.decode(content)


def _parts(place: str, node: yaml.MappingNode) -> list[tuple[str, yaml.Node]]:
    parts: dict[str, yaml.Node] = {}
    for key, item in node.value:
        at = once.beneath(place, str(key.value))
        if at in parts:
            raise Invalid(f"{at}: this key is given twice: leave one out")
        parts[at] = item
    return list(parts.items())
