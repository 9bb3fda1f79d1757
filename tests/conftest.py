"""What every test has; fixtures of one subject stand beside its tests."""

from collections.abc import Iterator

import pytest

from tests import sites

pytest_plugins = ["pytester", "tools.features", "tests.servers"]
pytest.register_assert_rewrite("tests.contracts")


@pytest.fixture(autouse=True)
def sites_are_closed() -> Iterator[None]:
    """Close the sites that the test made."""
    yield
    sites.close_all()
