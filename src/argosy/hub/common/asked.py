"""What a request asks for in its address: a parameter that is not known is refused, never passed over."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.views import APIView

from argosy.hub.common.fields import MOST_NAMED

PAGES = ("page", "page_size")
"""Parameters of every list."""


class Query(serializers.Serializer[Any]):
    """Parameters of an address. A view says in `asks` which ones it takes; a list without that takes those of pages."""

    also_known: ClassVar[tuple[str, ...]] = PAGES
    """Parameters that are no fields, for others read them."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the values of the fields.

        Raises:
            serializers.ValidationError: a value cannot be, or there is no such parameter.
        """
        known = {*self.fields, *self.also_known}
        if unknown := sorted(set(data) - known):
            refusal = f"Unknown parameter: known are {', '.join(sorted(known))}."
            raise serializers.ValidationError({name: [refusal] for name in unknown[:MOST_NAMED]})
        if twice := [name for name, field in self.fields.items() if _single(field) and len(data.getlist(name)) > 1]:
            raise serializers.ValidationError({name: ["Give it once."] for name in twice})
        return super().to_internal_value(data)


def _single(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    return not isinstance(field, serializers.ListField)


def asked_of(view: APIView) -> dict[str, Any]:
    """Return what the request of the view asks for.

    Raises:
        serializers.ValidationError: the view takes no such parameter, or not with such a value.
    """
    asks: type[Query] = getattr(view, "asks", Query)
    asked = asks(data=view.request.query_params)
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)
