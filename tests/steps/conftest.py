from pathlib import Path

import pytest

from tests.sites import Side


@pytest.fixture
def london(tmp_path: Path) -> Side:
    return Side(tmp_path, "london")


@pytest.fixture
def dublin(tmp_path: Path, london: Side) -> Side:
    return Side(tmp_path, "dublin")
