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
        besides: tuple[type[Any], ...] = (),
    ) -> None:
        """`besides`: protocols that a class may keep as well, and is called by where it does."""
        self._package = package
        self._noun = noun
        self._prefix = prefix
        self._custom = custom
        self._contract = contract
        self._besides = besides
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
        for name, points in self._points().items():
            if self._is_ours(name):
                found[name] = f"{self._noun} {name} {self._others.passed_over(points)}"
                continue
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

    def _is_ours(self, name: str) -> bool:
        return name.startswith(self._prefix) and name.removeprefix(self._prefix) in self._files()

    def _points(self) -> dict[str, list[EntryPoint]]:
        """Return the entry points by the names that their classes have here."""
        if self._custom is None:
            return {}
        return {self._custom + name: points for name, points in self._others.points().items()}

    def _import(self, name: str, *, among_all: bool = False) -> None:
        if self._is_ours(name):
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
        for kind in (*self._contract, *self._besides):
            if _keeps(plugin, kind):
                _check_calls(plugin, kind, where)
        if not isinstance(plugin.__doc__ or "", str):
            raise TypeError(f"the docstring of {where} is no text")
        told = [plugin.__doc__, described(plugin)]
        json.dumps(told, allow_nan=False)  # which a client could not read
        msgspec.json.encode(told)

    def _promised(self) -> list[str]:
        return [f"{kind.__module__}.{kind.__name__}" for kind in self._contract]


def _keeps(plugin: type[Any], kind: type[Any]) -> bool:
    """Say whether a class has all methods of a protocol."""
    return all(callable(getattr(plugin, name, None)) for name in _methods(kind))


def _methods(kind: type[Any]) -> list[str]:
    return [name for name in vars(kind) if not name.startswith("_") and inspect.isfunction(vars(kind)[name])]


def _check_calls(plugin: type[Any], kind: type[Any], where: str) -> None:
    """See to it that the methods of a protocol can be called as it says: what is no function is taken at its word."""
    for name in _methods(kind):
        method, promised = inspect.getattr_static(plugin, name), inspect.signature(vars(kind)[name])
        if not inspect.isfunction(method):
            continue
        named = {each.name: None for each in promised.parameters.values() if each.kind is each.KEYWORD_ONLY}
        has = inspect.signature(method, follow_wrapped=False)  # a wrapper is what is called
        try:
            has.bind(*[None] * (len(promised.parameters) - len(named)), **named)
        except TypeError as error:
            wanted = ", ".join(_told(promised))
            raise TypeError(f"{name} of {where} is to be called as {name}({wanted}): {error}") from error


def _told(promised: inspect.Signature) -> list[str]:
    """Return the parameters of a method without types and `self`, `*` before those that are given by name."""
    names = [f"{'*, ' * (one.kind is one.KEYWORD_ONLY)}{one.name}" for one in promised.parameters.values()]
    first = next((n for n, name in enumerate(names) if name.startswith("*")), len(names))
    return [*names[1 : first + 1], *(name.removeprefix("*, ") for name in names[first + 1 :])]


def _near(name: str, known: Sequence[str]) -> str:
    """Return the name that was likely meant, "" where none is near: what comes behind the last dot says most."""
    end = name.rpartition(".")[2]
    ends = {each: each.rpartition(".")[2] for each in known}
    longer = [each for each in known if end and ends[each].startswith(end)]
    return next(iter(sorted(longer, key=len) or get_close_matches(name, known, n=1, cutoff=_NEAR)), "")
