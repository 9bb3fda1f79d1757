"""Reads and adds whole rows by SQL that is made once: making it anew costs ten times what running it costs."""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import Field, Model

M = TypeVar("M", bound=Model)

AT_ONCE = 900
"""Values of one statement, which databases limit."""


def marks(values: Collection[Any]) -> str:
    """Return a placeholder for each value, in parentheses."""
    return f"({', '.join(['%s'] * len(values))})"


def kept(text: str) -> str:
    """Return the text as the database keeps it: with something to be seen in the place of what PostgreSQL refuses."""
    return text.replace("\0", "\ufffd") if "\0" in text and connection.vendor == "postgresql" else text


class Table(threading.local, Generic[M]):
    """The table of a model. Every thread has a connection of its own, and with it its own way to convert values."""

    def __init__(self, model: type[M]) -> None:
        meta = model._meta  # noqa: SLF001 - public, whatever its name looks like
        self._model = model
        self._fields = {field.name: field for field in meta.concrete_fields}
        self._names = [field.attname for field in meta.concrete_fields]
        self._given = [field for field in meta.concrete_fields if not field.primary_key]
        self._converters = [
            (place, converter)
            for place, field in enumerate(meta.concrete_fields)
            for converter in _converters(field, meta.db_table)
        ]
        every, given = _columns(meta.concrete_fields), _columns(self._given)
        self._select = f'SELECT {every} FROM "{meta.db_table}"'  # noqa: S608 - the names are the model's
        self._insert = f'INSERT INTO "{meta.db_table}" ({given}) VALUES'

    def having(self, column: str, values: Collection[Any], *, lock: bool = False) -> list[M]:
        """Return the rows with one of the values in the column, oldest first; locked, if asked, where databases can."""
        if not values:
            return []
        field = self._fields[column]
        locking = " FOR UPDATE" if lock and connection.features.has_select_for_update else ""
        sql = f'{self._select} WHERE "{field.column}" IN {marks(values)} ORDER BY id{locking}'
        with connection.cursor() as cursor:
            cursor.execute(sql, [field.get_db_prep_value(value, connection) for value in values])
            return [self._row(list(found)) for found in cursor.fetchall()]

    def add(self, rows: Sequence[M]) -> None:
        """Insert the rows; afterwards they know their keys."""
        step = AT_ONCE // len(self._given)
        for start in range(0, len(rows), step):
            self._add(rows[start : start + step])

    def _add(self, rows: Sequence[M]) -> None:
        sql = f"{self._insert} {', '.join([marks(self._given)] * len(rows))} RETURNING id"
        values = [
            field.get_db_prep_save(getattr(row, field.attname), connection) for row in rows for field in self._given
        ]
        values = [kept(value) if isinstance(value, str) else value for value in values]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
                row.pk = key

    def _row(self, values: list[Any]) -> M:
        for place, converter in self._converters:
            if values[place] is not None:
                values[place] = converter(values[place])
        return self._model.from_db(connection.alias, self._names, values)


def _columns(fields: Iterable["Field[Any, Any]"]) -> str:
    return ", ".join(f'"{field.column}"' for field in fields)


def _converters(field: "Field[Any, Any]", table: str) -> list[Callable[[Any], Any]]:
    """Return what makes of a value of the database, which is not null, one of the model."""
    column = field.get_col(table)
    converters = [*connection.ops.get_db_converters(column), *field.get_db_converters(connection)]
    return [partial(converter, expression=column, connection=connection) for converter in converters]
