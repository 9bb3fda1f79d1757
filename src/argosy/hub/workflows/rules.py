"""Rules: which entries go through which chain of steps."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from argosy.core.entry import Entry
from argosy.core.errors import Invalid
from argosy.hub.sites.models import Site
from argosy.hub.sites.queries import site_named
from argosy.hub.workflows.fitting import expect_fit, signatures
from argosy.hub.workflows.naming import field_named, fill, filled
from argosy.hub.workflows.spellings import spelled
from argosy.steps.base import signed, step_named

TYPES = ("file", "directory", "symlink", "all")
COMPARES: Final = "dynamo.tasks.check_sync_state"
"""The step that compares with another site: the `site` of its action, where it does not run itself."""
_LOOKS: Final = "dynamo.tasks.stat_paths"
"""What looks at the entries there right before."""


_WORDS: Final = {"all", "default"}
"""States of rules that are no states of paths."""


def word_of_rules(state: str) -> str:
    """Return the word that rules have for states and that this is or looks like, "" for a state."""
    meant = state.strip().lower()
    return meant if meant in _WORDS else ""


def unfound(state: str) -> str:
    """Return why nothing that is found can have the state, "" where it can."""
    if not state:
        return "'' is not text: leave the state out where there is none"
    word = word_of_rules(state)
    return f"{state!r} is found by nothing: {word} is a word of rules, so leave it out or name a state" if word else ""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One link of a chain: a step, its options, and the site it runs at."""

    step: str
    site: int
    """Its id, which a renamed site keeps."""
    options: dict[str, Any] = {}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of a state and a type, narrowed by globs that match whole paths, go through the chain."""

    state: str
    type: str
    chain: tuple[Link, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether it is for entries that no other rule matched."""
        return self.state == "default"

    def matches(self, entry: Entry) -> bool:
        """Say whether the entry goes through the chain; a default rule leaves state and type alone."""
        return self.is_default or (self.state in {"all", entry.state} and self.type in {"all", entry.kind.value})

    def selects(self, path: bytes) -> bool:
        """Say whether the globs let the path through: any include, or none given, and no exclude."""
        if not self.include and not self.exclude:
            return True
        text = path.decode("utf-8", "surrogateescape")  # so that ? is a character; each byte that is none is one
        wanted = not self.include or any(fnmatchcase(text, glob) for glob in self.include)
        return wanted and not any(fnmatchcase(text, glob) for glob in self.exclude)


class Patterns(msgspec.Struct, frozen=True, kw_only=True):
    """Globs of a site, and those of a submission, which replace the rules' own."""

    site_include: tuple[str, ...] = ()
    site_exclude: tuple[str, ...] = ()
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls,
        site: Site,
        *,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] | None = None,
        ignore_site_includes: bool = False,
        ignore_site_excludes: bool = False,
    ) -> "Patterns":
        """Return those of a submission to a site."""
        return cls(
            site_include=() if ignore_site_includes else tuple(site.include or ()),
            site_exclude=() if ignore_site_excludes else tuple(site.exclude or ()),
            include=None if include is None else tuple(include),
            exclude=None if exclude is None else tuple(exclude),
        )


def chosen(rules: Sequence[Rule], entry: Entry) -> list[int]:
    """Return the places of the rules whose chains the entry goes through; default rules only where no other is."""
    fitting = [place for place, rule in enumerate(rules) if rule.matches(entry) and rule.selects(entry.path)]
    ordinary = [place for place in fitting if not rules[place].is_default]
    return ordinary or fitting


def planned(
    definitions: Sequence[Mapping[str, Any]], values: Mapping[str, Any], *, home: Site, patterns: Patterns
) -> list[Rule]:
    """Return the rules of a run of a well-formed definition: field values in place, every link with its site.

    That is `home` where none is named.

    Raises:
        Invalid: an option does not take the value that its field has, or the field names no site.
    """
    return [
        _rule(definition, f"filter_rules[{number}]", values, home, patterns)
        for number, definition in enumerate(definitions)
    ]


def _rule(definition: Mapping[str, Any], place: str, values: Mapping[str, Any], home: Site, patterns: Patterns) -> Rule:
    chain = definition["action"]
    actions = chain if isinstance(chain, list) else [chain]
    own_include, own_exclude = definition.get("include") or (), definition.get("exclude") or ()
    include = own_include if patterns.include is None else patterns.include
    exclude = own_exclude if patterns.exclude is None else patterns.exclude
    site_include = () if definition.get("ignore_site_includes") else patterns.site_include
    site_exclude = () if definition.get("ignore_site_excludes") else patterns.site_exclude
    return Rule(
        state=definition["state"],
        type=definition["type"],
        chain=tuple(_chain(actions, place, values, home)),
        include=(*include, *site_include),
        exclude=(*exclude, *site_exclude),
    )


def _chain(actions: Sequence[Mapping[str, Any]], place: str, values: Mapping[str, Any], home: Site) -> Iterator[Link]:
    """Yield the links of a rule: one for each action, and before one that compares a look at the other site."""
    for n, action in enumerate(actions):
        at = f"{place}.action[{n}]"
        if action["name"] == COMPARES:
            yield from _comparing(action, actions[n + 1 :], at, values, home)
        else:
            yield _link(action, at, values, home)


def _comparing(
    action: Mapping[str, Any], later: Sequence[Mapping[str, Any]], place: str, values: Mapping[str, Any], home: Site
) -> Iterator[Link]:
    """Yield a look at the site that is compared with, and the comparison, at `home`."""
    there = _compared(action, later, place, values, home)
    yield Link(step=_LOOKS, site=there.pk, options={"beside": True})
    own = _link({key: value for key, value in action.items() if key != "site"}, place, values, home)
    yield msgspec.structs.replace(own, options={**own.options, "site": there.name})


def _compared(
    action: Mapping[str, Any], later: Sequence[Mapping[str, Any]], place: str, values: Mapping[str, Any], home: Site
) -> Site:
    """Return the site that an action compares with: its own `site`, or the next other one that the chain goes to."""
    given = action.get("site")
    named = [each["site"] for each in later if each.get("site") is not None] if given is None else [given]
    found = [_site(each, values, f"{place}.site") for each in named]
    there = next((each for each in found if each.pk != home.pk), None)
    if there is None:
        raise Invalid(f"{place}: {COMPARES} compares with another site than {home.name}: give that as `site`")
    return there


def _link(action: Mapping[str, Any], place: str, values: Mapping[str, Any], home: Site) -> Link:
    asked = dict(action)
    name, site = asked.pop("name"), asked.pop("site", None)
    options = _options(name, asked, values, place)
    return Link(step=name, site=home.pk if site is None else _site(site, values, f"{place}.site").pk, options=options)


def _site(given: str, values: Mapping[str, Any], place: str) -> Site:
    """Return the site that an action names, be it by a field: where that names none, `home` is not meant."""
    try:
        return site_named(fill(given, values))
    except Invalid as error:
        said = "" if (field := field_named(given)) is None else f", from field {field!r}"
        raise Invalid(f"{place}{said}: {error.message}") from error


def _options(name: str, given: Mapping[str, Any], values: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the options of a step, and of steps that they name, with the values they have here."""
    step = step_named(name)
    apart = signatures(step, given)
    meant = spelled(name, filled({key: value for key, value in given.items() if key not in apart}, values)).meant()
    for option, signature in apart.items():
        named, theirs = signed(signature)
        meant[option] = {"name": named, "kwargs": _options(named, theirs, values, f"{place}.{option}")}
    expect_fit(step, spelled(name, given), meant, noun=f"{place}: step {name}")
    return meant
