"""Whether a definition can run: its rules, their actions, the fields and the discovery."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from argosy.core.errors import Invalid
from argosy.hub.sites.queries import site_named
from argosy.hub.workflows import declared, fitting, offered
from argosy.hub.workflows.faults import Faults
from argosy.hub.workflows.fields import unstorable
from argosy.hub.workflows.fitting import Fields
from argosy.hub.workflows.naming import field_named
from argosy.hub.workflows.rules import COMPARES, TYPES, word_of_rules
from argosy.hub.workflows.spellings import Spelled

_NEEDED: Final = ("state", "type", "action")
_FLAGS: Final = ("ignore_site_includes", "ignore_site_excludes")
_KNOWN: Final = {*_NEEDED, *_FLAGS, "include", "exclude", "description"}
_NAMES_SITES: Final = {"enum[site]", "string", "choices"}
"""Types of fields that can name a site."""
ITSELF: Final = {"rebuild"}
"""Discoveries that do the work themselves, and need no rules."""


def faults(definition: Mapping[str, Any]) -> Faults:
    """Return what is wrong with the rules, fields, discovery and discovery options of a definition."""
    found = Faults()
    for key in ("filter_rules", "fields", "discovery_options"):
        for place, why in unstorable(definition[key], key):
            found.add(place, why)
    fields = declared.check(definition["fields"], found)
    _check_rules(definition, fields, found)
    _check_discovery(definition, fields, found)
    return found


def _check_rules(definition: Mapping[str, Any], fields: Fields, found: Faults) -> None:
    rules = definition["filter_rules"]
    if rules == [] and definition["discovery"] not in ITSELF:
        found.add("filter_rules", "there is no rule, so nothing would be done: add one")
    special: set[str] = set()
    for place, rule in found.items(rules, "filter_rules", "rule"):
        _check_rule(rule, place, fields, found)
        special |= {kind for kind in ("all", "default") if rule.get("state") == rule.get("type") == kind}
    if len(special) > 1:
        found.add("filter_rules", "rules for all and default rules cannot be mixed: give the others states or types")


def _check_rule(rule: Mapping[str, Any], place: str, fields: Fields, found: Faults) -> None:
    found.keys(rule, place, needed=_NEEDED, known=_KNOWN)
    if found.text(rule, "state", place):
        _check_state(rule["state"], place, found)
    if "type" in rule:
        _check_type(rule, place, found)
    for key in ("include", "exclude"):
        _check_globs(rule.get(key), f"{place}.{key}", found)
    for key in _FLAGS:
        if not isinstance(rule.get(key, False), bool):
            found.add(f"{place}.{key}", f"{rule[key]!r} is not true or false")
    if not isinstance(rule.get("description", ""), str):
        found.add(f"{place}.description", "a description is text")
    if "action" in rule:
        _check_chain(rule["action"], f"{place}.action", fields, found)


def _check_state(state: str, place: str, found: Faults) -> None:
    """Note a state that looks like one of those that mean something, and would be one that nothing finds."""
    meant = word_of_rules(state)
    if meant and state != meant:
        found.add(f"{place}.state", f"{state!r} is found by nothing: write {meant!r}")


def _check_type(rule: Mapping[str, Any], place: str, found: Faults) -> None:
    state, kind = rule.get("state"), rule["type"]
    if state == "default" and kind != "default":
        found.add(f"{place}.type", "a rule with state default has type default")
    elif kind == "default" and state != "default":
        found.add(f"{place}.type", "type default goes with state default")
    elif kind != "default" and kind not in TYPES:
        found.add(f"{place}.type", f"{kind!r} is no type: types are {', '.join(TYPES)}, and default with state default")


def _check_globs(globs: Any, place: str, found: Faults) -> None:
    if globs is not None and not (isinstance(globs, list) and all(isinstance(glob, str) and glob for glob in globs)):
        found.add(place, "this is a list of patterns, each a text")


def _check_chain(chain: Any, place: str, fields: Fields, found: Faults) -> None:
    if isinstance(chain, Mapping):
        _check_action(chain, place, fields, found)
        _check_compared([(place, chain)], found)
        return
    if chain == []:
        found.add(place, "there is no action, so nothing would be done: add one")
    actions = list(found.items(chain, place, "action"))
    for at, action in actions:
        _check_action(action, at, fields, found)
    _check_compared(actions, found)


def _check_compared(actions: Sequence[tuple[str, Mapping[str, Any]]], found: Faults) -> None:
    """Note an action that compares with another site where neither it nor one behind it names any."""
    for n, (at, action) in enumerate(actions):
        named = any(each.get("site") is not None for _, each in actions[n:])
        if action.get("name") == COMPARES and not named:
            found.add(at, f"{COMPARES} compares with another site: give that as `site`")


def _check_action(action: Mapping[str, Any], place: str, fields: Fields, found: Faults) -> None:
    if not found.keys(action, place, needed=("name",), known=action) or not found.text(action, "name", place):
        return
    _check_site(action.get("site"), f"{place}.site", fields, found)
    options = {key: value for key, value in action.items() if key not in {"name", "site"}}
    fitting.check_step(action["name"], options, fields, named=f"{place}.name", place=place, found=found)


def _check_site(site: Any, place: str, fields: Fields, found: Faults) -> None:
    """Note a site that there is not, or a field that cannot name one."""
    if site is None:
        return
    if (name := field_named(site)) is None:
        try:
            site_named(site)
        except Invalid as error:
            found.add(place, error.message)
    elif name not in fields:
        found.add(place, fitting.undeclared(name, fields))
    elif (field := fields[name]) is not None and field["type"] not in _NAMES_SITES:
        found.add(place, f"field {name!r} is of type {field['type']}, and names no site: make it enum[site]")
    elif field is not None and (none := [one for one in fitting.known_values(field) if not isinstance(one, str)]):
        leads = "an action without `site` runs at the site of the job" if none == [None] else "name sites alone"
        found.add(place, f"field {name!r} can be {json.dumps(none[0])}, which names no site: {leads}")
    elif field is not None and (why := _named_by_none(fitting.known_values(field))):
        found.add(place, f"field {name!r} can be that: {why}")


def _named_by_none(names: Sequence[str]) -> str:
    """Return why one of the names is that of no site, "" where all are."""
    try:
        for name in names:
            site_named(name)
    except Invalid as error:
        return error.message
    return ""


def _check_discovery(definition: Mapping[str, Any], fields: Fields, found: Faults) -> None:
    name, options = definition["discovery"], definition["discovery_options"]
    if not isinstance(options, Mapping):
        found.add("discovery_options", "this is an object: the names of options and their values")
        return
    if name is None:
        return
    try:
        plugin = offered.discovery(name)
    except Invalid as error:
        found.add("discovery", f"{error.message}, and null for none")
        return
    said = Spelled(name, options)
    fitting.check(plugin, said, fields, noun=f"discovery {name}", place="discovery_options", found=found)
