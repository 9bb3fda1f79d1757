"""Workflows, as the hub shows them, and what they would do."""

from typing import Any

import msgspec


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow definition, under the keys it is written with."""

    id: int
    name: str
    label: str = ""
    icon_classes: list[str] = []
    filter_rules: list[dict[str, Any]] = []
    fields: list[dict[str, Any]] = []
    discovery: str | None = None
    discovery_options: dict[str, Any] = {}
    enabled: bool = True
    visible: bool = True
    schedule_only: bool = False
    allow_missing_paths: bool = False
    shipped: bool = False
    """Whether it comes with Argosy."""
    changed: list[str] = []
    """The keys in which it is not as it came."""


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A step or discovery that workflows may name; `options` is JSON Schema, `trouble` why it cannot be used."""

    name: str
    description: str = ""
    options: dict[str, Any] = {}
    trouble: str = ""


class TriedStep(msgspec.Struct, frozen=True, kw_only=True):
    """One link of a chain."""

    name: str
    site: str
    options: dict[str, Any] = {}


class TriedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule by its place, and its chain."""

    rule: int
    steps: list[TriedStep] = []


class TriedPath(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A path and the rules that match it."""

    path: str
    path_b64: str | None = None
    state: str = ""
    type: str
    rules: list[int]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What a workflow would do with paths."""

    discovery: str | None = None
    discovery_options: dict[str, Any] = {}
    rules: list[TriedRule] = []
    paths: list[TriedPath] = []
