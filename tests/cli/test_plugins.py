"""Options of steps, as people read them."""

from typing import Annotated, Any, Literal

import msgspec
import pytest

from argosy.cli.plugins import kind


@pytest.mark.parametrize(
    ("hint", "told"),
    [
        (int, "integer"),
        (Annotated[int, msgspec.Meta(ge=0)], "integer >= 0"),
        (Annotated[float, msgspec.Meta(gt=0, le=1)], "number > 0 and <= 1"),
        (
            Annotated[int, msgspec.Meta(ge=4096, multiple_of=512)] | None,
            "integer >= 4096 and a multiple of 512 or null",
        ),
        (Annotated[str, msgspec.Meta(min_length=1, pattern="^a")], "string length >= 1 and like ^a"),
        (Annotated[list[str], msgspec.Meta(max_length=3)], "array length <= 3"),
        (Literal["a", "b"], "a, b"),
        (Any, "any"),
    ],
)
def test_a_kind_of_value_is_told_with_its_limits(hint: Any, told: str) -> None:
    assert kind(msgspec.json.schema(hint)) == told
