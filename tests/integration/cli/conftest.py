"""One local platform, started and ended by the program itself, and a login to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .kit import Program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Give the program with a platform of two clusters and an organisation, logged in."""
    home = tmp_path_factory.mktemp("cli")
    found = Program(home, home / "config")
    data = str(home / "data")
    up = ["local", "up", "--detach", "--port", "0", "--data", data]
    try:
        found.run(*up, "--cluster", "default", "--cluster", "other", "--org", "team")
        found.run("login", "--local", "--data", data)
        yield found
    finally:
        found.run("local", "down", "--data", data)


@pytest.fixture
def folder(program: Program, tmp_path: Path) -> str:
    """Make a directory of the test's own on the storage and return its URI."""
    uri = f"storage:{tmp_path.name}"
    program.call("storage", "mkdir", uri)
    return uri
