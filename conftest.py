"""pytest --shuffle=SEED runs files and the tests in each file in a random order; without it, as they are written."""

import pytest
from shuffle import shuffled


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
