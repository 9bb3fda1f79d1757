"""What every test has; fixtures of one subject stand beside its tests."""

import pytest

pytest_plugins = ["pytester", "tools.features", "tests.servers"]
pytest.register_assert_rewrite("tests.contracts")
