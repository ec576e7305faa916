"""Google as a bucket provider: against its documented behaviour, and against an emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from neuro_client.buckets.store import BucketStore
from neuro_client.testing.stores import CHECKS as STORE_CHECKS
from neuro_client.testing.stores import Check as StoreCheck
from neuro_client.testing.stores import check_part_again

from . import fake_gcs
from .bench import Bench
from .contract import CHECKS, Check
from .contract_objects import OBJECTS
from .contract_trouble import TROUBLE, check_cut_write, check_no_connection
from .contract_uploads import (
    UPLOADS,
    check_complete_again,
    check_conditional_complete,
    check_replaced_part,
    check_resume,
)
from .fake_gcs import fake_gcs_bench, google_bench
from .google_service import google_service

pytestmark = pytest.mark.thorough

# Conditions of an upload in parts are named when it begins: test_google_uploads has them.
EARLY = check_complete_again, check_conditional_complete
# A session takes each byte once, and holds back what makes no 256 KiB.
ONCE = check_replaced_part, check_no_connection
# fake-gcs-server ends a session that it is asked about.
NOT_ASKED = check_resume, check_cut_write

SERIAL = [check for check in (*UPLOADS, *TROUBLE) if check not in ONCE]
EMULATED = [check for check in (*OBJECTS, *SERIAL) if check not in NOT_ASKED]


def _name(check: Check) -> str:
    return check.__name__.removeprefix("check_")


@asynccontextmanager
async def _bench(*, parallel: bool) -> AsyncIterator[Bench]:
    async with google_service() as service:
        service.parallel = parallel
        async with google_bench(service.url, service.bucket) as bench:
            yield bench


async def _run(check: Check, bench: Bench) -> None:
    if check not in EARLY:
        await check(bench)
        return
    with pytest.raises(pytest.skip.Exception, match="no conditional writes"):
        await check(bench)


@pytest.mark.thorough
@pytest.mark.parametrize("check", CHECKS, ids=_name)
async def test_parallel(check: Check) -> None:
    async with _bench(parallel=True) as bench:
        await _run(check, bench)


@pytest.mark.thorough
@pytest.mark.parametrize("check", SERIAL, ids=_name)
async def test_serial(check: Check) -> None:
    async with _bench(parallel=False) as bench:
        await _run(check, bench)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Run fake-gcs-server for the tests of this file."""
    program = fake_gcs.find()
    if program is None:
        pytest.skip(fake_gcs.ABSENT)
    with fake_gcs.fake_gcs_server(program) as url:
        yield url


@pytest.mark.thorough
@pytest.mark.parametrize("check", EMULATED, ids=_name)
async def test_emulator(server: str, check: Check) -> None:
    async with fake_gcs_bench(server) as bench:
        await _run(check, bench)


@pytest.mark.thorough
@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "serial"])
async def test_store(check: StoreCheck, parallel: bool) -> None:
    if check is check_part_again and not parallel:
        return  # see ONCE
    async with _bench(parallel=parallel) as bench:
        await check(BucketStore(bench.provider))
