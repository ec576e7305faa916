"""Checks that hold for every test: nothing is left behind, the loop is never blocked."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster
from hypothesis import settings

from neuro_client.testing.leaks import check_tasks, no_leaked_descriptors

# The same examples in every run, and none that a busy machine makes too slow.
settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep every test away from the user's own login, data and settings."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "NEUROMATION_CONFIG", "NEURO_PASSED_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    """Fail a test whose event loop makes a blocking call."""
    guard = BlockBuster(scanned_modules=["neuro_client"])
    # The platform under test runs in the same process; opening its database is guarded by its own
    # threads, and reading source lines for a traceback is nobody's hot path.
    for function in ("os.stat", "io.BufferedReader.read"):
        guard.functions[function].can_block_in("linecache.py", {"checkcache", "updatecache"})
    guard.activate()
    yield
    guard.deactivate()


@pytest.fixture(autouse=True)
def no_descriptor_left() -> Iterator[None]:
    """Fail a test that leaves files or sockets open."""
    with no_leaked_descriptors():
        yield


@pytest.fixture
async def no_task_left() -> AsyncIterator[None]:
    """Fail a test that leaves tasks running."""
    asyncio.get_running_loop().set_debug(True)
    yield
    await check_tasks()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Check the tasks of every asynchronous test, and start no loop for the others."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            item.fixturenames.insert(0, "no_task_left")


EXPECTED_SKIPS = Path(__file__).parent / "expected_skips.txt"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Fail a run of CI that skips a test for a reason nobody has agreed to."""
    agreed = {
        line.strip()
        for line in EXPECTED_SKIPS.read_text("utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    }
    skipped = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    reasons = {reason.removeprefix("Skipped: ") for reason in skipped}
    for reason in sorted(reasons - agreed):
        terminalreporter.write_line(f"not in {EXPECTED_SKIPS.name}: {reason}", red=True)
        if os.environ.get("CI") and terminalreporter._session is not None:
            terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
