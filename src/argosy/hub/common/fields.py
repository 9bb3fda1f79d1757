"""What several APIs have: ids, and paths: text where they are UTF-8, their exact bytes in `NAME_b64` where not."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from argosy.core import paths
from argosy.core.errors import Invalid

MOST_NAMED = 10
"""How many unknown keys a refusal names."""


class IdField(serializers.IntegerField):
    """The id of a row: no database has larger ones."""

    def __init__(self, **more: Any) -> None:
        super().__init__(min_value=-1, max_value=2**63 - 1, **more)


class StrictSerializer(serializers.Serializer[Any]):
    """What is written: a key that it does not know is refused; one that it only shows is ignored."""

    also_known: ClassVar[tuple[str, ...]] = ()
    """Keys that are no fields, and are read all the same."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the values of the fields.

        Raises:
            serializers.ValidationError: a value cannot be, or there is no such key.
        """
        unknown = sorted(set(data) - {*self.fields, *self.also_known}) if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({key: ["Unknown key."] for key in unknown[:MOST_NAMED]})
        return super().to_internal_value(data)


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
