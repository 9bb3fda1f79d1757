"""What several APIs have: ids, and paths: text where they are UTF-8, their exact bytes in `NAME_b64` where not."""

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn, cast

from django.db import models
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from argosy.core import paths
from argosy.core.errors import Invalid

MOST_NAMED = 10
"""How many unknown keys a refusal names."""
_WHOLE = "non_field_errors"


class IdField(serializers.IntegerField):
    """The id of a row: no database has larger ones."""

    def __init__(self, **more: Any) -> None:
        super().__init__(min_value=-1, max_value=2**63 - 1, **more)


class Text(serializers.CharField):
    """Text as it was sent: a blank at the end of a path, a pattern or a secret belongs to it."""

    def __init__(self, **more: Any) -> None:
        super().__init__(trim_whitespace=False, **more)


class Choice(serializers.ChoiceField):
    """One of several words; a refusal names them."""

    def fail(self, key: str, **more: Any) -> NoReturn:
        """Refuse what is none of them.

        Raises:
            serializers.ValidationError: always.
        """
        if key == "invalid_choice":
            known = ", ".join(map(str, self.choices))
            raise serializers.ValidationError(f'"{more["input"]}" is not a valid choice: known are {known}.', code=key)
        super().fail(key, **more)


class Named(serializers.SlugRelatedField[Any]):
    """Something by its name; a refusal of one that is not there names those that are."""

    def __init__(self, **more: Any) -> None:
        super().__init__(slug_field="name", **more)

    def fail(self, key: str, **more: Any) -> NoReturn:
        """Refuse what is the name of none.

        Raises:
            serializers.ValidationError: always.
        """
        if key == "does_not_exist":
            rows = cast("QuerySet[Any]", self.get_queryset())
            known = ", ".join(rows.order_by("name").values_list("name", flat=True)) or "none"
            said = f"unknown {self.field_name} {more['value']!r}: known are {known}"
            raise serializers.ValidationError(said, code=key)
        super().fail(key, **more)


class StrictSerializer(serializers.Serializer[Any]):
    """What is written: a key that it does not know is refused; one that it only shows is ignored.

    Nothing is taken for text or for true or false that is not, and all that is wrong is said at once.
    """

    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: Text,
        models.TextField: Text,
    }
    also_known: ClassVar[tuple[str, ...]] = ()
    """Keys that are no fields, and are read all the same."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the values of the fields.

        Raises:
            serializers.ValidationError: a value cannot be, or there is no such key.
        """
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        unknown = sorted(set(data) - {*self.fields, *self.also_known})
        written = sorted(name for name, field in self.fields.items() if not field.read_only)
        refusal = f"Unknown key: known are {', '.join(written) or 'none'}."
        wrong: dict[str, Any] = {key: [refusal] for key in unknown[:MOST_NAMED]}
        for name, field in self.fields.items():
            if name in data and not field.read_only and (said := _mistyped(field, data[name])):
                wrong[name] = said
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            others: dict[str, Any] = error.detail if isinstance(error.detail, dict) else {_WHOLE: error.detail}
            raise serializers.ValidationError({**others, **wrong}) from error
        if wrong:
            raise serializers.ValidationError(wrong)
        return values


def expect_nothing(request: Request) -> None:
    """See to it that nothing is said where nothing is read.

    Raises:
        serializers.ValidationError: there is a body, and it says something.
    """
    StrictSerializer(data=request.data).is_valid(raise_exception=True)


def _mistyped(field: serializers.Field[Any, Any, Any, Any], value: Any) -> list[str] | dict[int, Any]:
    """Return why the value is not of the type that the field has in JSON; nothing where it is, or is null."""
    if value is None:
        return []
    text = isinstance(field, serializers.CharField) and not isinstance(value, str)
    if text or (isinstance(field, serializers.BooleanField) and not isinstance(value, bool)):
        return [str(field.error_messages["invalid"])]
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        found = ((number, _mistyped(field.child, item)) for number, item in enumerate(value))
        return {number: said for number, said in found if said}
    return []


def read_path(data: Any, key: str) -> bytes:
    """Return the bytes of the path under `key`, or `key`_b64 where that is given.

    Raises:
        serializers.ValidationError: there is no path, or it is neither text nor base64.
    """
    text, b64 = data.get(key), data.get(f"{key}_b64")
    if not all(value is None or isinstance(value, str) for value in (text, b64)):
        raise serializers.ValidationError({key: ["A path is a string."]})
    try:
        return paths.from_json(text, b64)
    except Invalid as error:
        raise serializers.ValidationError({key: [error.message]}) from error
