"""Rows that the API and the configuration file share: what may be changed where, and what a name may be."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models

from argosy.core.errors import Exists, Invalid
from argosy.hub.common.errors import Conflict
from argosy.hub.sites.models import Declared

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def check_name(name: str, *, noun: str) -> None:
    """Return if the name can be one.

    Raises:
        Invalid: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise Invalid(f"{noun} {name!r}: use 1 to 63 letters, digits, . _ -, the first a letter or digit")


def refuse_declared(row: Declared, values: Mapping[str, Any]) -> None:
    """Return where the configuration file sets none of the values.

    Raises:
        Conflict: it sets one.
    """
    for key in values:
        if key in row.file_keys:
            raise Conflict(f"{row.file_name} sets {key} of {row}: change it there")


def refuse_taken(row: models.Model, others: models.QuerySet[Any], shown: str) -> None:
    """Return where there is no other such row.

    Raises:
        Exists: there is one.
    """
    if others.exclude(pk=row.pk).exists():
        raise Exists(f"{type(row).__name__.lower()} {shown} exists already")


def mark(row: Declared, keys: Sequence[str], file: str) -> None:
    """Record which keys of the row the configuration file sets."""
    row.file_keys = list(keys)
    row.file_name = file
    row.save(update_fields=["file_keys", "file_name"])
