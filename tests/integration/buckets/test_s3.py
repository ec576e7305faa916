"""The S3 provider against our endpoint, against moto, and against Garage where it is built."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from neuro_client.buckets.provider import ListsInOrder, ReadsWhole
from neuro_client.buckets.store import store_of
from neuro_client.errors import PreconditionFailedError, ResourceNotFound
from neuro_client.testing.stores import CHECKS as STORE_CHECKS
from neuro_client.testing.stores import Check as StoreCheck
from neuro_client.transfer.keys import before
from neuro_client.transfer.store import FlatStore

from .bench import Bench, content
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


@pytest.fixture(
    params=["own", "own_garage", pytest.param("moto", marks=pytest.mark.thorough), "garage"]
)
async def bench(request: pytest.FixtureRequest, check: Check) -> AsyncIterator[Bench]:
    if request.param == "moto" and check.__name__ in ONE_LINE:
        pytest.skip("moto takes no line end in a key")
    open_bench: Open = request.getfixturevalue(request.param)
    async with open_bench() as found:
        yield found


async def check_whole_read(bench: Bench) -> None:
    """A short object is read in one call: pinned, checked, and told from a missing one."""
    provider = bench.provider
    assert isinstance(provider, ReadsWhole)
    for data in (b"", content(70_000)):
        await provider.put("file", data)
        etag = (await provider.head("file")).etag
        assert await provider.read("file", if_match=etag) == data
    await provider.put("file", b"other")
    with pytest.raises(PreconditionFailedError):
        await provider.read("file", if_match=etag)
    assert await provider.read("file") == b"other"
    with pytest.raises(ResourceNotFound):
        await provider.read("missing")


async def check_pages(bench: Bench) -> None:
    """Pages come in the order of the keys, from any key on."""
    provider = bench.provider
    assert isinstance(provider, ListsInOrder)
    keys = ["p/", "p/a", "p/a b", "p/a.b", "p/a/b", "p/a0", "p/é", "p/🙂"]
    for key in (*keys, "q"):
        await provider.put(key, b"x" if not key.endswith("/") else b"")
    for number, after in enumerate(["", *keys]):
        found, more = await provider.page("p/", after)
        assert ([item.key for item in found], more) == (keys[number:], False)
    found, _ = await provider.page("p/", before("p/a.b"))
    assert [item.key for item in found][-5:] == keys[3:]
    with pytest.raises(ResourceNotFound):
        assert isinstance(bench.absent, ListsInOrder)
        await bench.absent.page("p/", "")


ALL = [*CHECKS, check_whole_read, check_pages]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.__name__)
async def test_contract(check: Check, bench: Bench) -> None:
    await check(bench)


@pytest.mark.thorough
@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
async def test_store(check: StoreCheck, bench: Bench) -> None:
    store = store_of(bench.provider)
    assert isinstance(store, FlatStore)
    await check(store)
