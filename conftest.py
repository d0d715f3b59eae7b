"""A fixture for all tests; pytest --shuffle=SEED runs files and the tests in each file in a random order.

Without it they run as they are written.
"""

from collections.abc import Iterator

import pytest
import torch
from shuffle import shuffled


@pytest.fixture
def one_thread() -> Iterator[None]:
    """One CPU thread for each test: quickest for nets this small, and the same sums whoever runs beside us."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", type=int, metavar="SEED", help="the seed of the order of files and tests")


def pytest_sessionstart(session: pytest.Session) -> None:
    seed, reporter = session.config.option.shuffle, session.config.pluginmanager.get_plugin("terminalreporter")
    if seed is not None and reporter is not None:  # a worker of pytest-xdist has none
        reporter.write_line(f"shuffled: --shuffle={seed}")


@pytest.hookimpl(tryfirst=True)  # pytest then groups what shares a parametrised fixture
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.shuffle is not None:
        items[:] = shuffled(items, config.option.shuffle)
