"""A room: a package whose modules are plugins, one per file, the file's name being the plugin's name."""

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from argosy.core.errors import Invalid

T = TypeVar("T")


class Room(Generic[T]):
    """The plugins of one package, by name. Other distributions add theirs by entry points of the group `package`."""

    def __init__(self, package: str, *, noun: str, prefix: str = "") -> None:
        self._package = package
        self._noun = noun
        self._prefix = prefix
        self._known: dict[str, type[T]] = {}

    def register(self, plugin: type[T]) -> type[T]:
        """Make the class known under the name of the file it stands in; use as a decorator."""
        self._known[self._prefix + plugin.__module__.rpartition(".")[2]] = plugin
        return plugin

    def get(self, name: str) -> type[T]:
        """Return the plugin called `name`. Only its own file is imported, so that others may lack what they need.

        Raises:
            Invalid: there is none; the message lists those there are.
        """
        if name not in self._known and name.startswith(self._prefix):
            self._import(name.removeprefix(self._prefix))
        if name not in self._known:
            raise Invalid(f"unknown {self._noun} {name!r}: known are {', '.join(self.names())}")
        return self._known[name]

    def names(self) -> list[str]:
        """Return the names of all plugins whose requirements are installed, sorted."""
        for name in [*self._files(), *(point.name for point in entry_points(group=self._package))]:
            try:
                self._import(name)
            except ModuleNotFoundError:
                continue
        return sorted(self._known)

    def name_of(self, plugin: type[T]) -> str:
        """Return the name a registered class is known by."""
        return next(name for name, known in self._known.items() if known is plugin)

    def _files(self) -> list[str]:
        modules = pkgutil.iter_modules(importlib.import_module(self._package).__path__)
        return [module.name for module in modules if not module.ispkg]

    def _import(self, name: str) -> None:
        if name in self._files():
            importlib.import_module(f"{self._package}.{name}")
        for point in entry_points(group=self._package, name=name):
            self._known.setdefault(self._prefix + name, point.load())
