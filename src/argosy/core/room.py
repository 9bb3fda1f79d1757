"""A room: a package whose modules are plugins, one per file, the file's name being the plugin's name."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar

import msgspec

from argosy.core.errors import Invalid
from argosy.core.options import described
from argosy.core.others import Others

T = TypeVar("T")

_NEAR = 0.8
"""How much alike a name is to one that may have been meant."""


class Room(Generic[T]):
    """The plugins of one package, by name: `prefix` and the name of the file.

    Other distributions add theirs by entry points of the group `package`, known as `custom` and the entry point's name;
    `custom` None: none adds any.
    They keep the contract: a dataclass of JSON options that has the methods of one of the protocols `contract`.
    """

    def __init__(
        self,
        package: str,
        *,
        noun: str,
        prefix: str = "",
        custom: str | None = "",
        contract: tuple[type[Any], ...] = (),
    ) -> None:
        self._package = package
        self._noun = noun
        self._prefix = prefix
        self._custom = custom
        self._contract = contract
        self._others = Others(package, self._check)
        self._known: dict[str, type[T]] = {}

    def register(self, plugin: type[T]) -> type[T]:
        """Make the class known under the name of the file it stands in; use as a decorator.

        A class of another package is known by its entry point, and by nothing else.
        """
        package, _, name = plugin.__module__.rpartition(".")
        if package == self._package:
            self._known[self._prefix + name] = plugin
        return plugin

    def get(self, name: str) -> type[T]:
        """Return the plugin called `name`. Only its own file is imported, so that others may lack what they need.

        Raises:
            Invalid: there is none, and the message lists those there are; or it came with another distribution and
                does not keep the contract.
        """
        if name not in self._known:
            self._import(name)
        if name not in self._known:
            near = _near(name, self.names())
            meant = f"did you mean {near}? " if near else ""
            raise Invalid(f"unknown {self._noun} {name!r}: {meant}known are {', '.join(self.names())}")
        return self._known[name]

    def names(self) -> list[str]:
        """Return the names of all plugins that can be used here now, sorted: some may still be being loaded."""
        self.begin()
        for name in {*map(self._prefix.__add__, self._files()), *self._points()}:
            try:
                self._import(name, among_all=True)
            except (ModuleNotFoundError, Invalid):
                continue
        return sorted(self._known)

    def begin(self) -> None:
        """Begin to load what other distributions bring, so that whoever asks for it first need not wait for it."""
        if self._custom is not None:
            self._others.begin()

    def broken(self) -> dict[str, str]:
        """Return what other distributions bring and cannot be used here, by name, and why."""
        self.begin()
        found: dict[str, str] = {}
        for name in self._points():
            try:
                self._import(name, among_all=True)
            except Invalid as error:
                found[name] = error.message
        return found

    def name_of(self, plugin: type[T]) -> str:
        """Return the name a registered class is known by."""
        return next(name for name, known in self._known.items() if known is plugin)

    def _files(self) -> list[str]:
        modules = pkgutil.iter_modules(importlib.import_module(self._package).__path__)
        return [module.name for module in modules if not module.ispkg]

    def _points(self) -> dict[str, list[EntryPoint]]:
        """Return the entry points by the names that their classes have here."""
        if self._custom is None:
            return {}
        return {self._custom + name: points for name, points in self._others.points().items()}

    def _import(self, name: str, *, among_all: bool = False) -> None:
        if name.startswith(self._prefix) and name.removeprefix(self._prefix) in self._files():
            importlib.import_module(f"{self._package}.{name.removeprefix(self._prefix)}")
        elif name not in self._known and (points := self._points().get(name)) is not None:
            try:
                self._known[name] = self._others.get(points[0].name, points, among_all=among_all)
            except Invalid as error:
                raise Invalid(f"{self._noun} {name} {error.message}") from error

    def _check(self, plugin: Any, where: str) -> None:
        """See to it that a class of another distribution keeps the contract, and that it can be told of."""
        if not (isinstance(plugin, type) and dataclasses.is_dataclass(plugin)):
            raise TypeError(f"{where} is not a dataclass, whose fields are its options")
        if self._contract and not any(_keeps(plugin, kind) for kind in self._contract):
            raise TypeError(f"{where} has none of the methods of {' or '.join(self._promised())}")
        if not isinstance(plugin.__doc__ or "", str):
            raise TypeError(f"the docstring of {where} is no text")
        told = [plugin.__doc__, described(plugin)]
        json.dumps(told, allow_nan=False)  # which a client could not read
        msgspec.json.encode(told)

    def _promised(self) -> list[str]:
        return [f"{kind.__module__}.{kind.__name__}" for kind in self._contract]


def _keeps(plugin: type[Any], kind: type[Any]) -> bool:
    """Say whether a class has all methods of a protocol."""
    promised = [name for name in vars(kind) if not name.startswith("_") and inspect.isfunction(vars(kind)[name])]
    return all(callable(getattr(plugin, name, None)) for name in promised)


def _near(name: str, known: Sequence[str]) -> str:
    """Return the name that was likely meant, "" where none is near: what comes behind the last dot says most."""
    end = name.rpartition(".")[2]
    ends = {each: each.rpartition(".")[2] for each in known}
    longer = [each for each in known if end and ends[each].startswith(end)]
    return next(iter(sorted(longer, key=len) or get_close_matches(name, known, n=1, cutoff=_NEAR)), "")
