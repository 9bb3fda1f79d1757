"""Whether options of a step or discovery can be what a definition says: values, or fields that will give them."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, get_args

import msgspec

from argosy.core.errors import ArgosyError, Invalid
from argosy.core.options import Option, misfit, misfits, options, parse
from argosy.hub.sites.models import Datastore
from argosy.hub.workflows.faults import Faults
from argosy.hub.workflows.fields import default_of
from argosy.hub.workflows.naming import field_named, fields_within, fill
from argosy.hub.workflows.spellings import Spelled, spelled
from argosy.steps.base import OURS, Signature, signed, step_named

Fields = Mapping[str, Mapping[str, Any] | None]
"""Declared fields by name; None: one that is not well formed."""

_JSON: Final = {"string": "string", "enum[site]": "string", "int": "integer", "list": "array"}
"""What values of a field are in JSON, where they are not known beforehand."""

_DATASTORE: Final = "endpoint"
"""The option by which our steps are told of a datastore."""


def check_step(
    name: str, given: Mapping[str, Any], fields: Fields, *, named: str, place: str, found: Faults, within: bool = False
) -> None:
    """Note what is wrong with a step, at the place `named`, and the options it was given.

    `within`: an option of another step names it.
    """
    try:
        step = step_named(name)
    except Invalid as error:
        found.add(named, error.message)
        return
    try:
        said = spelled(name, given)
    except Invalid as error:
        found.add(place, error.message)
        return
    signed_ones = signatures(step, said.options)
    for option, signature in signed_ones.items():
        _check_signature(signature, fields, place=f"{place}.{said.given(option)}", found=found, within=within)
    check(step, said, fields, noun=f"step {name}", place=place, found=found, apart=signed_ones)
    if name.startswith(OURS):  # what others mean by the word is theirs to check
        _check_datastore(said, fields, place=place, found=found)


def _check_datastore(said: Spelled, fields: Fields, *, place: str, found: Faults) -> None:
    """Note a datastore that there is not, or a field that can name one."""
    value = said.options.get(_DATASTORE)
    field = field_named(value)
    for name in [value] if field is None else known_values(fields.get(field)):
        if isinstance(name, str) and not Datastore.objects.filter(name=name).exists():
            known = ", ".join(Datastore.objects.values_list("name", flat=True)) or "none"
            which = "" if field is None else f"field {field!r} can be that: "
            found.add(f"{place}.{said.given(_DATASTORE)}", f"{which}unknown datastore {name!r}: known are {known}")
            return


def signatures(step: type[Any], given: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the given options by which the step is told of others."""
    known = [option.name for option in options(step) if Signature in (option.type, *get_args(option.type))]
    return {name: given[name] for name in known if isinstance(given.get(name), Mapping)}


def _check_signature(signature: Mapping[str, Any], fields: Fields, *, place: str, found: Faults, within: bool) -> None:
    if within:
        found.add(place, "a step that an option names has no such option itself: leave this out")
        return
    try:
        name, given = signed(signature)
    except Invalid as error:
        found.add(place, error.message)
        return
    at = f"{place}.kwargs" if given and given == signature.get("kwargs") else place
    named = f"{place}.{'name' if signature.get('name') else 'task'}"
    check_step(name, given, fields, named=named, place=at, found=found, within=True)


def check(
    plugin: type[Any],
    said: Spelled,
    fields: Fields,
    *,
    noun: str,
    place: str,
    found: Faults,
    apart: Collection[str] = (),
) -> None:
    """Note what is wrong with the options that were said; what is within those `apart` was looked at."""
    wrong = misfits(plugin, said.meant(), noun=noun)
    known = {option.name: option for option in options(plugin)}
    given = {name: field for name, value in said.options.items() if (field := field_named(value)) is not None}
    for name in given.keys() & known:
        wrong.pop(name, None)
        if why := _misfit(known[name], given[name], fields, partial(said.value, name)):
            wrong[name] = why
    plain = [option for name, option in known.items() if name in said.options and name not in apart]
    inner = [one.name for one in plain if _check_within(one, said, wrong, fields, place=place, found=found)]
    for name, why in wrong.items():
        found.add(f"{place}.{said.given(name)}", why)
    if not wrong and not given and not inner and not apart:
        _check_whole(plugin, said, noun=noun, place=place, found=found)


def _check_within(
    option: Option, said: Spelled, wrong: dict[str, str], fields: Fields, *, place: str, found: Faults
) -> bool:
    """Say whether an option names fields within a list or an object, and note those that cannot be there.

    What is `wrong` with such an option is what is with the values that its fields are known to have.
    """
    value = said.options[option.name]
    named = list(fields_within(value, f"{place}.{said.given(option.name)}", fields))
    if named:
        wrong.pop(option.name, None)
    for at, name in named:
        if name not in fields:
            found.add(at, undeclared(name, fields))
    values = {name: known_values(fields.get(name)) for _, name in named}
    if named and all(values.values()) and (why := _misfit_of_some(option, value, values)):
        wrong[option.name] = why
    return bool(named)


def _misfit_of_some(option: Option, value: Any, known: Mapping[str, list[Any]]) -> str:
    """Return why one of the values that the fields within an option are known to have does not fit, "" if all do."""
    first = {name: values[0] for name, values in known.items()}
    for name, values in known.items():
        for one in values:
            if said := misfit(option, fill(value, first | {name: one}, within=True)):
                return f"with field {name!r} as {one!r}: {said}"
    return ""


def _check_whole(plugin: type[Any], said: Spelled, *, noun: str, place: str, found: Faults) -> None:
    """Note what is wrong with values that fit one by one."""
    try:
        parse(plugin, said.meant(), noun=noun)
    except ArgosyError as error:  # which it raised, it may be
        found.add(place, error.message)


def expect_fit(plugin: type[Any], said: Spelled, meant: Mapping[str, Any], *, noun: str) -> None:
    """See to it that a plugin takes options as they are meant, fields in place.

    Raises:
        Invalid: it does not; the message names the option, and the field that it has its value from.
    """
    for option in options(plugin):
        value = said.options.get(option.name)
        whole = field_named(value)
        fields = [name for _, name in fields_within(value, "", {})] if whole is None else [whole]
        if fields and option.name in meant and (why := misfit(option, meant[option.name])):
            raise Invalid(f"{noun}: {said.given(option.name)}, from field {', '.join(map(repr, fields))}: {why}")
    try:
        parse(plugin, meant, noun=noun)
    except Invalid:
        raise
    except ArgosyError as error:
        raise Invalid(f"{noun}: {error.message}") from error


def undeclared(name: str, fields: Fields) -> str:
    """Return how one says that a field is not declared."""
    return f"the workflow declares no field {name!r}: it has {', '.join(sorted(fields)) or 'none'}"


def _misfit(option: Option, name: str, fields: Fields, meant: Callable[[Any], Any]) -> str:
    """Return why the values that the field can have cannot all be the option's, "" where they can."""
    if name not in fields:
        return undeclared(name, fields)
    field = fields[name]
    if field is None:
        return ""
    for value in known_values(field):
        if value is None and not option.required:
            continue  # it is not set then
        if said := misfit(option, meant(value)):
            return f"field {name!r} can be {value!r}: {said}"
    kind = _JSON.get(field["type"])
    if kind is not None and not _takes(option, kind):
        return f"field {name!r} is of type {field['type']}, which the option does not take"
    return ""


def known_values(field: Mapping[str, Any] | None) -> list[Any]:
    """Return values of the field that are known beforehand; none of one that is not declared, or not well."""
    if field is None:
        return []
    default = [default_of(field)] if "default" in field else []
    if field["type"] == "choices":
        return [*(choice["value"] for choice in field["choices"]), *default]
    return [True, False, *default] if field["type"] == "bool" else default


def _takes(option: Option, kind: str) -> bool:
    """Say whether some values of a kind can be the option's."""
    schema = msgspec.json.schema(option.type)
    kinds = {name for one in schema.get("anyOf", [schema]) for name in _kinds(one)}
    return not kinds or kind in kinds or (kind == "integer" and "number" in kinds)


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    if "enum" in schema:
        return ["string" if isinstance(value, str) else "integer" for value in schema["enum"] if value is not None]
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)
