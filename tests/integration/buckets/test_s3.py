"""The S3 provider against our endpoint, against moto, and against Garage where it is built."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from neuro_client.buckets.store import BucketStore
from neuro_client.testing.stores import CHECKS as STORE_CHECKS
from neuro_client.testing.stores import Check as StoreCheck

from .bench import Bench
from .contract import CHECKS, Check
from .garage import ABSENT, find, garage_bench, garage_node
from .moto import moto_bench, moto_server
from .own import own_bench

# moto knows no keys with a line end in them: its routes are patterns of one line.
ONE_LINE = {"check_names"}

Open = Callable[[], AbstractAsyncContextManager[Bench]]


@pytest.fixture(scope="module")
def moto() -> Iterator[Open]:
    with moto_server() as url:
        yield lambda: moto_bench(url)


@pytest.fixture(scope="module")
def garage() -> Iterator[Open]:
    program = find()
    if program is None:
        pytest.skip(ABSENT)
    with garage_node(program) as node:
        yield lambda: garage_bench(node)


@pytest.fixture
def own(tmp_path: Path) -> Open:
    return lambda: own_bench(tmp_path / "platform", "aws")


@pytest.fixture
def own_garage(tmp_path: Path) -> Open:
    return lambda: own_bench(tmp_path / "platform", "garage")


@pytest.fixture(params=["own", "own_garage", "moto", "garage"])
async def bench(request: pytest.FixtureRequest, check: Check) -> AsyncIterator[Bench]:
    if request.param == "moto" and check.__name__ in ONE_LINE:
        pytest.skip("moto takes no line end in a key")
    open_bench: Open = request.getfixturevalue(request.param)
    async with open_bench() as found:
        yield found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check: Check, bench: Bench) -> None:
    await check(bench)


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
async def test_store(check: StoreCheck, bench: Bench) -> None:
    await check(BucketStore(bench.provider))
