"""Following a stream: whatever breaks, the lines come once each and in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.concurrency import ScopedIterator, scoped_iterator
from neuro_client.errors import AuthenticationError, TransportError
from neuro_client.retry import RetryPolicy
from neuro_client.streaming.follow import Position, Repeats, follow
from neuro_client.streaming.lines import Line, StampedLines, stamp_to_datetime

MANY = RetryPolicy(attempts=10_000)
SECOND = 10**9


@attrs.define
class Server:
    """A log server: gives lines at or after a time, cut and chunked as a script says."""

    log: list[tuple[int, bytes]]
    script: list[tuple[int, int, bool]]
    """For each connection: bytes sent, chunk size, whether it ends with an error."""
    coarse: bool = False
    opened: int = 0
    finished_after: int = 0

    def content(self, since: int) -> bytes:
        if self.coarse:
            since = since // SECOND * SECOND
        lines = [line for stamp, line in self.log if stamp >= since]
        return b"".join(lines)

    @scoped_iterator
    async def open_at(self, position: Position[int] | None) -> AsyncIterator[Line[int]]:
        since = 0
        if position is not None:
            moment = stamp_to_datetime(position.key)
            since = int(moment.timestamp()) * SECOND + moment.microsecond * 1000
        data = self.content(since)
        size, chunk, broken = len(data), 4096, False
        if self.opened < len(self.script):
            size, chunk, broken = self.script[self.opened]
        self.opened += 1
        decoder = StampedLines()
        for start in range(0, min(size, len(data)), chunk):
            for line in decoder.feed(data[start : min(start + chunk, size)]):
                yield line
        if broken:
            raise TransportError("cut")
        if rest := decoder.flush():
            yield rest

    async def finished(self) -> bool:
        return self.opened > max(len(self.script), self.finished_after)


async def no_sleep(_: float) -> None:
    """Return at once."""


async def collect(server: Server) -> list[str]:
    async with follow(
        server.open_at, finished=server.finished, retry=MANY, sleep=no_sleep
    ) as lines:
        return [line.text async for line in lines]


def stamped(stamp: int, text: str) -> bytes:
    moment = stamp_to_datetime(stamp).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{stamp % SECOND:09d}Z {text}\n".encode()


# Few stamps and few texts: equal stamps, and equal lines with equal stamps, must be common.
logs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 3), st.sampled_from(["", "a", "b", "é" * 7])),
    max_size=25,
).map(
    lambda items: sorted(
        ((SECOND * 1000 + seconds * SECOND // 2 + nano, text) for seconds, nano, text in items),
        key=lambda item: item[0],
    )
)
scripts = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 70), st.booleans()), max_size=6)


@given(logs, scripts, st.booleans(), st.booleans())
async def test_any_cuts_give_every_line_once(
    log: list[tuple[int, str]],
    script: list[tuple[int, int, bool]],
    coarse: bool,
    unfinished: bool,
) -> None:
    sent = [(stamp, stamped(stamp, text)) for stamp, text in log]
    if unfinished and sent:
        sent[-1] = (sent[-1][0], sent[-1][1].removesuffix(b"\n"))
    server = Server(sent, script, coarse)
    assert await collect(server) == [text for _, text in log]


async def test_an_unfinished_line_is_held_back_until_the_end() -> None:
    whole = stamped(SECOND, "whole")
    server = Server([(SECOND, whole)], [(len(whole) - 3, 10, False)])
    seen: list[bool] = []

    async def finished() -> bool:
        seen.append(True)
        return server.opened > 1

    async with follow(server.open_at, finished=finished, retry=MANY, sleep=no_sleep) as lines:
        assert [(line.text, line.complete) async for line in lines] == [("whole", True)]
    assert len(seen) == 2


async def test_only_a_connection_opened_after_the_end_is_the_last() -> None:
    # A server that restarts may close in order in the middle of the log.
    log = [(SECOND * n, stamped(SECOND * n, str(n))) for n in range(1, 5)]
    server = Server(log, [(60, 9, False)])

    async def finished() -> bool:
        return True

    async with follow(server.open_at, finished=finished, retry=MANY, sleep=no_sleep) as lines:
        assert [line.text async for line in lines] == ["1", "2", "3", "4"]


async def test_without_a_question_the_first_orderly_end_is_the_end() -> None:
    log = [(SECOND, stamped(SECOND, "one").rstrip())]
    server = Server(log, [(5, 5, True)])
    async with follow(server.open_at, finished=None, retry=MANY, sleep=no_sleep) as lines:
        assert [line.text async for line in lines] == ["one"]
    assert server.opened == 2


def failing(errors: list[Exception]) -> Callable[[object], ScopedIterator[Line[int]]]:
    @scoped_iterator
    async def open_at(_: object) -> AsyncIterator[Line[int]]:
        if errors:
            raise errors.pop(0)
        yield Line(1, "line")

    return open_at


async def ended() -> bool:
    return True


async def test_failures_in_a_row_end_with_the_last_one() -> None:
    errors: list[Exception] = [TransportError(str(n)) for n in range(9)]
    policy = RetryPolicy(attempts=3, base=1.0, random=lambda: 1.0)
    slept: list[float] = []

    async def sleep(pause: float) -> None:
        slept.append(pause)

    async with follow(failing(errors), finished=ended, retry=policy, sleep=sleep) as lines:
        with pytest.raises(TransportError, match="2"):
            await anext(lines)
    assert slept == [1.0, 2.0]


async def test_lines_start_the_count_of_failures_anew() -> None:
    log = [(SECOND * n, stamped(SECOND * n, str(n))) for n in range(1, 9)]
    size = len(log[0][1])
    # Each connection gives one more line than the one before started with, then breaks.
    server = Server(log, [(size, 50, True), *[(2 * size, 50, True)] * 7])
    policy = RetryPolicy(attempts=2)
    async with follow(
        server.open_at, finished=server.finished, retry=policy, sleep=no_sleep
    ) as lines:
        assert [line.text async for line in lines] == [str(n) for n in range(1, 9)]


async def test_an_error_that_stays_is_raised_at_once() -> None:
    async with follow(
        failing([AuthenticationError("no")]), finished=ended, retry=MANY, sleep=no_sleep
    ) as lines:
        with pytest.raises(AuthenticationError):
            await anext(lines)


async def test_orderly_ends_without_lines_are_waited_out_ever_longer() -> None:
    server = Server([], [], finished_after=40)
    slept: list[float] = []

    async def sleep(pause: float) -> None:
        slept.append(pause)

    policy = RetryPolicy(attempts=2, base=0.1, cap=1.0, random=lambda: 1.0)
    async with follow(server.open_at, finished=server.finished, retry=policy, sleep=sleep) as lines:
        assert [line async for line in lines] == []
    assert slept[:5] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert len(slept) == 41


async def test_the_connection_is_closed_where_the_reader_stops() -> None:
    closed: list[bool] = []

    @scoped_iterator
    async def open_at(_: object) -> AsyncIterator[Line[int]]:
        try:
            yield Line(1, "one")
            yield Line(2, "two")
        finally:
            closed.append(True)

    async with follow(open_at, finished=ended, retry=MANY) as lines:
        assert (await anext(lines)).text == "one"
    assert closed == [True]


def test_a_line_without_a_key_moves_nothing_and_is_never_dropped() -> None:
    line: Line[int] = Line(None, "loose")
    position = Position(5, 2)
    assert Position.after(position, line) == position
    assert not Repeats(position).drops(line)


def test_a_clock_set_back_repeats_nothing() -> None:
    position: Position[int] | None = None
    for key in (5, 6, 4, 6):
        position = Position.after(position, Line(key, ""))
    assert position == Position(6, 2)
    repeats = Repeats(position)
    keys = (5, 6, 4, 6, 6)
    assert [repeats.drops(Line(key, "")) for key in keys] == [True, True, True, True, False]
