"""Cancel every call at every await: nothing is left behind, and the same call works afterwards."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Collection
from pathlib import Path

import pytest
from aiohttp import ClientSession, TraceConfig

from neuro_client import get
from neuro_client.testing.leaks import open_descriptors
from neuro_client.transfer.journal import folder as journals
from neuro_client.transport import DEFAULT_TIMEOUT

from .bench import Bench, open_bench
from .cancellable import CALLS, Cancellable
from .leftovers import until
from .luck import FULL, luck
from .stepping import Outcome, stepped

CASE_TIME = 30.0
SHARE = 6
"""At how many suspensions of each call the default run cancels it."""


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path) as found:
        yield found


class Sessions:
    """Learn through a trace which HTTP sessions a client uses."""

    def __init__(self) -> None:
        self._seen: set[ClientSession] = set()
        self.trace = TraceConfig()
        self.trace.on_request_start.append(self._note)

    async def _note(self, session: ClientSession, *_: object) -> None:
        self._seen.add(session)

    def idle(self) -> bool:
        """Tell whether no connection is in use; the library has no public word for it."""
        connectors = [session.connector for session in self._seen]
        return not any(connector and connector._acquired for connector in connectors)


def _open_files(*folders: Path) -> set[str]:
    return {
        target
        for target in open_descriptors().values()
        if any(target.startswith(f"{folder}/") for folder in folders)
    }


async def _cancelled(case: Cancellable, at: Collection[int]) -> Outcome:
    """Run one case, cancelled at the suspensions ``at``; return how the call ended."""
    bench = case.bench
    sessions = Sessions()
    await case.prepare()
    async with get(path=bench.config, trace_configs=[sessions.trace]) as client:
        outcome = await stepped(lambda: case.act(client, DEFAULT_TIMEOUT), at)
        assert not outcome.tasks, f"tasks outlived the call: {outcome.tasks}"
        assert sessions.idle(), "a connection is still in use"
        files = await asyncio.to_thread(_open_files, case.folder, journals())
        assert not files, f"open files: {files}"
        if outcome.cancelled:
            await case.check_cancelled()
            await case.again(client)
        else:
            await case.check(None)
    await until(
        lambda: not any(proxy.active for proxy in bench.proxies), "connections are left open"
    )
    return outcome


def _points(name: str, steps: int, share: int) -> list[tuple[int, ...]]:
    """Choose where to cancel; every third time once more, while the call tidies up."""
    chance = luck(name)
    numbers = range(1, steps + 1)
    chosen = numbers if FULL else sorted(chance.sample(numbers, min(share, steps)))
    return [
        (number, number + chance.randrange(1, 4)) if index % 3 == 2 else (number,)
        for index, number in enumerate(chosen)
    ]


@pytest.mark.slow
@pytest.mark.timeout(600 if FULL else 60)
@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.name)
async def test_cancelled_anywhere(
    bench: Bench, kind: type[Cancellable], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cancelled_anywhere(bench, kind, tmp_path, monkeypatch)


async def cancelled_anywhere(
    bench: Bench,
    kind: type[Cancellable],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    share: int = SHARE,
) -> None:
    """Cancel one call anywhere: at all of its suspensions, or a share of the default run."""
    steps = (await _cancelled(kind(bench, 0), ())).steps
    assert steps >= kind.awaits, "awaits are missed, or the call has become shorter"
    failures, cancelled = [], 0
    points = _points(kind.name, steps, share)
    for number, at in enumerate(points, 1):
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / f"state-{number}"))
        try:
            async with asyncio.timeout(CASE_TIME):
                cancelled += (await _cancelled(kind(bench, number), at)).cancelled
        except Exception:
            failures.append(f"cancelled at {at} of {steps}:\n{traceback.format_exc()}")
    assert not failures, f"{len(failures)} of {len(points)} cases:\n" + "\n".join(failures)
    assert cancelled
