from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from neuro_client.testing.stores import CHECKS, Check, check_store
from neuro_client.transfer import LocalStore, MemoryStore, ObjectStore


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_memory_store(check: Check) -> None:
    await check(MemoryStore())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_local_store(check: Check, tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    await check(LocalStore(root))


async def test_the_suite_finds_a_store_that_loses_content() -> None:
    class Lossy(MemoryStore):
        async def put(self, key: str, body: bytes) -> None:
            await super().put(key, body[:-1])

    @asynccontextmanager
    async def lossy() -> AsyncIterator[ObjectStore]:
        yield Lossy()

    with pytest.raises(AssertionError, match="get must return what put wrote"):
        await check_store(lossy)
