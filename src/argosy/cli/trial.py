"""What `argosy workflow test` does: has the site look at paths, and the hub say which rules would match."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
import typer

from argosy.cli.definitions import is_file, read
from argosy.cli.output import Format, cause, print_json, shown
from argosy.cli.watching import absolute, ended
from argosy.client import Client, JobFile
from argosy.client.workflows import Tried, TriedPath, TriedRule
from argosy.core import paths as path_rules
from argosy.core.errors import Invalid

_AT_ONCE = 1000
"""Paths of one question to the hub."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked: `more` are keys of the question as the hub knows them."""

    workflow: str
    site: str
    paths: Sequence[str]
    state: str
    fields: Sequence[str]
    more: Mapping[str, Any]


def try_paths(client: Client, asked: Asked, output: Format) -> int:
    """Print which rules would match the paths, and what is beneath them; return the exit status.

    Raises:
        Invalid: the definition, a field or a path is not well.
    """
    definition = (
        read(asked.workflow) if is_file(asked.workflow) else msgspec.to_builtins(client.workflow(asked.workflow))
    )
    given = [absolute(path) for path in asked.paths]
    question = {
        "workflow": definition if is_file(asked.workflow) else definition["name"],
        "site": asked.site,
        "fields": field_values(definition, asked.fields),
        **asked.more,
    }
    plain = [{**path_rules.to_json(path), "state": asked.state} for path in given]
    first = client.try_workflow({**question, "paths": plain})
    if output is Format.TEXT:
        for rule in first.rules:
            typer.echo(shown(f"rule {rule.rule}: {_chain(rule)}"))
    walks = _walks(first, asked)
    missing = bool(first.discovery_options.get("skip_missing"))
    files = _looked_at(client, asked.site, given, recursive=walks)
    good, bad = 0, 0
    while some := list(islice(files, _AT_ONCE)):
        there = [file for file in some if missing or file.state == "processed"]
        if there:
            found = client.try_workflow({**question, "paths": [_entry(file, asked.state) for file in there]})
            _tell(found, output)
        good += len(there)
        bad += len(some) - len(there)
        for file in some:
            if file not in there:
                typer.echo(f"{shown(file.path)}: {cause(file.path, file.reason or '')}", err=True)
    return (3 if good else 1) if bad else 0


def _walks(first: Tried, asked: Asked) -> bool:
    """Say whether what is beneath the paths is tried too; what is found in other ways is not found here.

    Raises:
        Invalid: a run would not take the state.
    """
    if first.discovery is not None and asked.state:
        raise Invalid(f"--state is for paths taken as they are; discovery {first.discovery} finds others: leave it out")
    walks = first.discovery == "recursive"
    if first.discovery is not None and not walks:
        typer.echo(f"discovery {first.discovery} is not run here: the paths are tried as they are given", err=True)
    return walks


def _looked_at(client: Client, site: str, given: Sequence[bytes], *, recursive: bool) -> Iterator[JobFile]:
    """Yield all that the site finds, whatever it leaves out as a rule: the hub says that; it changes nothing."""
    everything = {"ignore_site_includes": True, "ignore_site_excludes": True}
    discovery = "recursive" if recursive else None
    number = client.submit("stat", site=site, given=given, discovery=discovery, patterns=everything)
    ended(client, number)
    return client.files(number)


def _entry(file: JobFile, state: str) -> dict[str, str]:
    kind = file.type if file.type in {"directory", "symlink"} else "file"
    return {**path_rules.to_json(file.bytes), "type": kind, "state": state}


def _tell(found: Tried, output: Format) -> None:
    for path in found.paths:
        if output is Format.JSON:
            rules = [rule for rule in found.rules if rule.rule in path.rules]
            print_json(msgspec.to_builtins(path) | {"rules": rules})
        else:
            typer.echo(f"{_matched(path):12}  {path.type:9}  {shown(path.path)}")


def _matched(path: TriedPath) -> str:
    return f"rule {', '.join(map(str, path.rules))}" if path.rules else "none"


def _chain(rule: TriedRule) -> str:
    links = []
    for step in rule.steps:
        options = [f"{name}={msgspec.json.encode(value).decode()}" for name, value in step.options.items()]
        links.append(" ".join([step.name, *options, "at", step.site]))
    return ", then ".join(links)


def submitted(
    client: Client,
    workflow: str,
    given: Sequence[str],
    *,
    site: str,
    fields: Sequence[str],
    state: str = "",
    discovery: str = "",
    patterns: Mapping[str, Any],
    dry_run: bool = False,
) -> int:
    """Run a workflow over paths as they were typed; return the number of the job.

    `discovery`: "" for the workflow's own, `none` for the paths as they are.

    Raises:
        NotFound: there is no such workflow.
        Invalid: a field or a path is not well.
    """
    definition = client.workflow(workflow)
    return client.submit(
        definition.name,
        site=site,
        given=[absolute(path) for path in given],
        state=state,
        discovery=None if discovery == "none" else discovery,
        fields=field_values(msgspec.to_builtins(definition), fields),
        patterns=patterns,
        dry_run=dry_run,
    )


def field_values(definition: Mapping[str, Any], given: Sequence[str]) -> dict[str, Any]:
    """Return values of `NAME=VALUE` texts as the types of the fields have them.

    Raises:
        Invalid: a text is no such pair, or its value is none of the field's.
    """
    declared = definition.get("fields")
    kinds = {field.get("name"): field for field in declared if isinstance(field, dict)} if declared else {}
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign:
            raise Invalid(f"--field {text!r} is no pair: give NAME=VALUE")
        found[name] = _value(kinds.get(name, {}), name, value)
    return found


def _value(field: Mapping[str, Any], name: str, text: str) -> Any:
    if field.get("type") == "choices":
        return next((one["value"] for one in field["choices"] if str(one["value"]) == text), text)
    if field.get("type") not in {"bool", "int", "list"}:
        return text
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise Invalid(f"--field {name}: {text!r} is not {field['type']}, as JSON has it") from error
