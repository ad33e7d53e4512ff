"""What all tests share: the options of the crash tests and a real server."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.dealing import ByPlace
from tests.harness import Server
from tools import compile as compiled

_ROOT_ONLY = "needs_root"

# No test is a timed one: a machine that stands still for a moment fails none.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that `make soak` and a repetition of a failure use."""
    parser.addoption("--rounds", type=int, default=30, help="rounds of each crash test")
    parser.addoption("--seed", type=int, default=None, help="the seed that a failure printed")


def pytest_configure(config: pytest.Config) -> None:
    """Name our marker; test no other code than what stands in the sources."""
    if compiled.stale():
        pytest.exit("the compiled modules are older than their sources: run make setup", 2)
    text = f"{_ROOT_ONLY}: reads other processes' memory or mounts; left out for other users"
    config.addinivalue_line("markers", text)


@pytest.hookimpl(optionalhook=True)  # where one process runs all nobody asks
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:
    """Who deals the tests out."""
    return ByPlace(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what this user's run has left out: with several processes no count tells of it."""
    if os.geteuid() != 0:
        terminalreporter.write_line("left out: the tests that only root can run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only root can do."""
    if os.geteuid() == 0:
        return
    left_out = [item for item in items if item.get_closest_marker(_ROOT_ONLY)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a crash test does what it does."""
    return int(request.config.getoption("--rounds"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """What a test of chance draws from; shown with a failure, and given back by --seed."""
    given = request.config.getoption("--seed")
    drawn = secrets.randbelow(2**32) if given is None else int(given)
    print(f"--seed={drawn}")  # noqa: T201 - pytest shows it with a failure
    return drawn


@pytest.fixture(scope="session")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An unsealed server with KV at secret/, for tests that leave no trace in each other's way."""
    with Server(tmp_path_factory.mktemp("shared")) as server:
        server.initialise()
        server.mount()
        yield server


@pytest.fixture
def new_node(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own that was never initialised."""
    with Server(tmp_path) as server:
        yield server


@pytest.fixture
def node(new_node: Server) -> Server:
    """A server of the test's own, unsealed, with KV at secret/."""
    new_node.initialise()
    new_node.mount()
    return new_node
