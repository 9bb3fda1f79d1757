"""Options of a plugin, declared once as annotated dataclass fields and read many ways."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from argosy.core.errors import ArgosyError, Invalid
from argosy.core.others import words_of
from argosy.core.ready import ready

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, its type, what it is for, and its default where it has one.

    `hint` is the type as it was declared, with the limits of its values.
    """

    name: str
    type: Any
    hint: Any
    help: str
    required: bool
    default: Any


def options(plugin: type[Any]) -> list[Option]:
    """Return the options of a plugin, in the order they are declared."""
    hints = get_type_hints(plugin, include_extras=True)
    return [_option(field, hints[field.name]) for field in dataclasses.fields(plugin) if field.init]


def parse(plugin: type[T], values: Mapping[str, Any], *, noun: str) -> T:
    """Return the plugin made from values as they came in JSON.

    Raises:
        Invalid: an option is unknown, missing or of the wrong type; the message names `noun` and the option.
    """
    known = {option.name for option in options(plugin)}
    if unknown := sorted(set(values) - known):
        raise Invalid(_unknown(unknown[0], known, noun))
    return _converted(dict(values), plugin, said=f"{noun}: ")


def _converted(value: Any, kind: type[T], *, said: str = "") -> T:
    """Return the value as one of the kind.

    Raises:
        Invalid: it cannot be; or a class of somebody else's, which checks values as it likes, broke on it. The message
            begins with `said`.
        ArgosyError: what a class raised that knows what that is.
    """
    try:
        return msgspec.convert(value, ready(kind))
    except msgspec.ValidationError as error:
        raise Invalid(f"{said}{error}") from error
    except ArgosyError:
        raise
    except BaseException as error:
        raise Invalid(f"{said}{words_of(error)}") from error


def misfits(plugin: type[Any], values: Mapping[str, Any], *, noun: str) -> dict[str, str]:
    """Return what is wrong with values as they came in JSON, by the name of the option; nothing where they fit."""
    known = {option.name: option for option in options(plugin)}
    wrong = {name: _unknown(name, known, noun) for name in values if name not in known}
    for option in known.values():
        if option.name in values:
            said = misfit(option, values[option.name])
        else:
            said = f"{noun} needs it: it has no default" if option.required else ""
        wrong |= {option.name: said} if said else {}
    return wrong


def _unknown(name: str, known: Collection[str], noun: str) -> str:
    return f"{noun} has no option {name!r}: it knows {', '.join(sorted(known)) or 'none'}"


def misfit(option: Option, value: Any) -> str:
    """Return why a value cannot be the option's, "" where it can."""
    try:
        _converted(value, option.hint)
    except ArgosyError as error:
        return f"{error.message}{_choices(option)}"
    return ""


def _choices(option: Option) -> str:
    kinds = [option.type, *get_args(option.type)]
    choices = [str(value) for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    return f": one of {', '.join(choices)}" if choices else ""


def schema(plugin: type[Any]) -> dict[str, Any]:
    """Return the options as JSON Schema (an object)."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [option.name for option in options(plugin) if option.required],
        "properties": {
            option.name: msgspec.json.schema(option.hint) | {"description": option.help} for option in options(plugin)
        },
    }


def described(plugin: type[Any]) -> dict[str, Any]:
    """Return the options as JSON Schema with their defaults; of nested types of its own only that they are there."""
    told = schema(plugin)
    for option in options(plugin):
        kind = told["properties"][option.name]
        known = {"description": option.help} if "$ref" in str(kind) else kind
        default = {} if option.required else {"default": msgspec.to_builtins(option.default)}
        told["properties"][option.name] = known | default
    return told


def _option(field: "dataclasses.Field[Any]", hint: Any) -> Option:
    annotated = get_origin(hint) is Annotated
    kind, *said = get_args(hint) if annotated else (hint,)
    text = next((one for one in said if isinstance(one, str)), "")
    required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    default = None if required else default
    return Option(field.name, kind, hint, text, required, default)
