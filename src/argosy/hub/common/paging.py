"""Pages of lists: count, next, previous, results."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from django.core.paginator import InvalidPage, Paginator
from rest_framework.exceptions import NotFound
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from argosy.hub.common.asked import asked_of

T = TypeVar("T")
SMALLEST, LARGEST = 20, 100


if TYPE_CHECKING:
    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator


class Whole(AnyPaginator):
    """All there is on one page, however long."""

    def __init__(self, listed: Any, per_page: int) -> None:
        super().__init__(listed, per_page)
        self.per_page = max(1, self.count)


class Pages(PageNumberPagination):
    """`page_size` is 20 to 100: what is smaller, or no number, means 20, what is larger 100, and 0 all on one page."""

    page_size = SMALLEST
    page_size_query_param = "page_size"
    page_size_query_description = "20 to 100; below or empty: 20; above: 100; 0: everything on one page."

    def get_page_size(self, request: Request) -> int:
        """Return how many results this request gets at most."""
        asked = _number(request.query_params.get("page_size", ""))
        self.django_paginator_class = Whole if asked == 0 else Paginator
        return min(max(asked or 0, SMALLEST), LARGEST)

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any] | None:
        """Return the results on the page.

        Raises:
            serializers.ValidationError: a parameter is not known.
            NotFound: there is no such page.
        """
        if view is not None:
            asked_of(view)
        return super().paginate_queryset(queryset, request, view)

    def get_page_number(self, request: Request, paginator: AnyPaginator) -> int | str:
        """Return which page is asked for.

        Raises:
            NotFound: there is no such page.
        """
        asked = super().get_page_number(request, paginator)
        try:
            return paginator.validate_number(asked)
        except InvalidPage as error:
            raise NotFound(f"there is no page {asked!s:.20}: the last one is {paginator.num_pages}") from error


class Slices(Sequence[T], Generic[T]):
    """A list that is read only where somebody looks: subclasses count it, and read a part of it."""

    @abstractmethod
    def count(self, _value: Any = None) -> int:
        """Return how many there are."""

    @abstractmethod
    def read(self, start: int, stop: int) -> list[T]:
        """Return those from `start` up to `stop`."""

    def __len__(self) -> int:
        return self.count()

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return self.read(start, stop)
        return self.read(index, index + 1)[0]

    def __iter__(self) -> Iterator[T]:
        return iter(self.read(0, len(self)))


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
