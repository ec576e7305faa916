"""Every journey × every trouble at every step: a right and complete end, or the right error."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from neuro_client.transport import DEFAULT_TIMEOUT

from .bench import Bench, open_bench
from .journeys import JOURNEYS, Journey
from .luck import FULL, luck
from .trouble import TROUBLES, Trouble, is_helpful, requests_counted

CELL_TIME = 30.0
SHARE = 2
"""How many cells of each journey the default run draws."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as found:
        yield found


async def _steps(bench: Bench, kind: type[Journey], least: int) -> int:
    """Count the requests of a clean run; a journey that polls has *least*."""
    case = kind(bench, 0)
    await case.prepare()
    with requests_counted(bench) as seen:
        async with bench.client() as client:
            await case.act(client, DEFAULT_TIMEOUT)
    await case.check(None)
    assert len(seen) >= least, f"the journey has become shorter: {seen}"
    return least if kind.polls else len(seen)


async def _cell(case: Journey, trouble: Trouble, step: int) -> bool:
    """Run one case; tells whether the trouble met it."""
    bench = case.bench
    await case.prepare()
    failure: Exception | None = None
    async with bench.client(trouble.timeout) as client:
        with trouble.at(step, bench) as met:
            try:
                await case.act(client, trouble.timeout)
            except Exception as error:
                failure = error
    if failure is not None:
        promised = trouble.repeated and case.repeats
        if not met or promised or not isinstance(failure, trouble.errors):
            raise failure
        assert is_helpful(failure, bench.platform), repr(failure)
    await case.check(failure)
    return bool(met)


async def _drained(bench: Bench) -> None:
    """Wait until the closed client's connections are gone from the proxy."""
    while any(proxy.active for proxy in bench.proxies):  # noqa: ASYNC110 - the proxy gives no events
        await asyncio.sleep(0.001)


@pytest.mark.slow
@pytest.mark.timeout(600 if FULL else 60)
@pytest.mark.parametrize("kind", JOURNEYS, ids=lambda kind: kind.name)
async def test_journey(bench: Bench, kind: type[Journey]) -> None:
    await travel(bench, kind)


async def travel(
    bench: Bench,
    kind: type[Journey],
    *,
    least: int | None = None,
    share: int | None = None if FULL else SHARE,
) -> None:
    """Go one journey of *least* so many steps through troubles: a share of them, or all."""
    steps = await _steps(bench, kind, kind.steps if least is None else least)
    cells = [(trouble, step) for trouble in TROUBLES for step in range(1, steps + 1)]
    if share is not None:
        cells = luck(kind.name).sample(cells, min(share, len(cells)))
    failures, met = [], 0
    for number, (trouble, step) in enumerate(cells, 1):
        try:
            async with asyncio.timeout(CELL_TIME):
                met += await _cell(kind(bench, number), trouble, step)
                await _drained(bench)
        except Exception:
            failures.append(f"{trouble.name} at step {step}:\n{traceback.format_exc()}")
    assert not failures, f"{len(failures)} of {len(cells)} cells:\n" + "\n".join(failures)
    assert met
