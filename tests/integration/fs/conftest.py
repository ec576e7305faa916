"""A local platform as a process of its own, and the file systems over a login to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.asyn import get_loop, sync

from neuro_client.aistore import AIStore
from neuro_client.config.services import AIStoreSettings, Services
from neuro_client.fs import AIStoreFileSystem, BlobFileSystem, StorageFileSystem, StoreFileSystem

from ..cli.kit import Program


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Start a platform, log in to it, and make the bucket ``data``."""
    get_loop()  # fsspec's own thread stays to the end of the process
    home = tmp_path_factory.mktemp("fs")
    found = Program(home, home / "config")
    data = str(home / "data")
    try:
        found.run("local", "up", "--detach", "--port", "0", "--data", data, "--org", "team")
        found.run("login", "--local", "--data", data)
        found.run("bucket", "create", "data")
        settings = Services.read(found.config).settings(AIStoreSettings)
        asyncio.run(_make_bucket(settings))
        yield found
    finally:
        found.run("local", "down", "--data", data)


async def _make_bucket(settings: AIStoreSettings) -> None:
    async with AIStore.from_settings(settings) as ais:
        await ais.bucket("data").create()


@pytest.fixture
def closed_at_the_end() -> Iterator[None]:
    """Close every file system that fsspec made in the test and keeps for the next call."""
    yield
    for kind in (AIStoreFileSystem, BlobFileSystem, StorageFileSystem):
        made: list[StoreFileSystem[Any]] = list(kind._cache.values())
        kind.clear_instance_cache()
        for one in made:
            if not one.asynchronous:
                sync(one.loop, one.aclose)


@pytest.fixture
def blob_fs(program: Program, closed_at_the_end: None) -> Any:
    """Give ``blob://``, as its users get it."""
    return fsspec.filesystem("blob", config=program.config)


@pytest.fixture
def storage_fs(program: Program, closed_at_the_end: None) -> Any:
    """Give ``storage://``, as its users get it."""
    return fsspec.filesystem("storage", config=program.config)


@pytest.fixture
def ais_fs(program: Program, closed_at_the_end: None) -> Any:
    """Give ``ais://``, as its users get it."""
    return fsspec.filesystem("ais", config=program.config)


@pytest.fixture(params=["ais", "blob", "storage"])
def place(request: pytest.FixtureRequest, program: Program, tmp_path: Path) -> tuple[Any, str]:
    """Give one file system after the other, with a path of the test's own in it."""
    fs = request.getfixturevalue(f"{request.param}_fs")
    root = (
        f"data/{tmp_path.name}" if request.param == "ais" else f"default/user/data/{tmp_path.name}"
    )
    if request.param == "storage":
        fs.makedirs(root)
    return fs, root
