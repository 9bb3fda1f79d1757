"""What every test has; fixtures of one subject stand beside its tests."""

import os
import traceback
from collections.abc import Generator, Iterator

import pytest

from tests import sites

pytest_plugins = ["pytester", "tools.features", "tests.servers", "tests.postgresql"]
pytest.register_assert_rewrite("tests.contracts")

LONG = ("tests/flows/", "tests/verbs/")
"""Where files of tests take minutes: begun last, they would have the other processors wait for them."""
AMONG_OTHERS = "PYTEST_XDIST_WORKER" in os.environ
"""This process runs tests for one that tells of them."""


@pytest.fixture(autouse=True)
def sites_are_closed() -> Iterator[None]:
    """Close the sites that the test made."""
    yield
    sites.close_all()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what takes long begin first."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Run the test; a child that it forked and that comes out of it must not go on as a second pytest."""
    process = os.getpid()
    try:
        return (yield)
    finally:
        if os.getpid() != process:
            traceback.print_exc()
            os._exit(70)


class _Teller:
    """Tells a failure when it is there: a run of many processes that is stopped would take all it knew along."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Have failures told as they come, by the process that people look at."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and not AMONG_OTHERS:
        config.pluginmanager.register(_Teller(terminal), "failures-as-they-come")
