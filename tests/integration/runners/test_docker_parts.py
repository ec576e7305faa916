"""The parts of the Docker runner that need no engine."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from neuro_client.local.runners import RunnerError, RunSpec
from neuro_client.local.runners.docker_config import container_config, epoch
from neuro_client.local.runners.docker_gateway import gateway
from neuro_client.local.runners.docker_log import Records, _position

STAMP = b"2026-01-02T03:04:05.678901"
LONG = 16 << 10


def stamped(text: bytes) -> bytes:
    """Write a message as the engine does, to the nanosecond."""
    return STAMP + b"234Z " + text


def framed(stream: int, text: bytes) -> bytes:
    message = stamped(text)
    return struct.pack(">BxxxL", stream, len(message)) + message


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


CUTS = st.lists(st.integers(0, 10**6), max_size=8)
FRAMES = b"".join(
    (
        framed(1, b"out\n"),
        framed(2, b"err\n"),
        framed(3, b"a trouble of the engine's\n"),
        framed(1, b"a" * LONG),
        framed(1, b"b\n"),
        framed(1, b"\n"),
        framed(1, b"open"),
    )
)
RECORDS = [b"oF out", b"eF err", b"oP " + b"a" * LONG, b"oF b", b"oF ", b"oP open"]
LINES = (
    stamped(b"out\r\n")
    + stamped(b"a" * LONG)
    + stamped(b"a" * LONG)
    + stamped(b"b\r\n")
    + stamped(b"c" * LONG)
    + stamped(b"\n")
    + stamped(b"open")
)
LINE_RECORDS = [
    b"oF out\r",
    b"oP " + b"a" * LONG,
    b"oP " + b"a" * LONG,
    b"oF b\r",
    b"oP " + b"c" * LONG,
    b"oF ",
    b"oP open",
]


@pytest.mark.parametrize(
    ("tty", "data", "wanted"), [(False, FRAMES, RECORDS), (True, LINES, LINE_RECORDS)]
)
@given(cuts=CUTS, skip=st.integers(0, 6))
def test_output_in_any_pieces(
    tty: bool, data: bytes, wanted: list[bytes], cuts: list[int], skip: int
) -> None:
    records = Records(tty, skip)
    found = b"".join(records.feed(piece) for piece in pieces(data, cuts)) + records.end()
    assert found == b"".join(STAMP + b"Z " + text + b"\n" for text in wanted[skip:])


def record(second: int, text: bytes) -> bytes:
    return b"2026-01-02T03:04:%02d.678901Z oF %s\n" % (second, text)


@pytest.mark.parametrize(
    ("torn", "lines", "since", "skip"),
    [
        (b"", [1, 5, 6, 7, 7], 6, 3),
        (b"2026-01-02T03:04:08.1", [1, 5, 6, 7, 7], 6, 3),
        (b"", [7], 6, 1),
        (b"", [6, 6, 5, 6, 7], 6, 4),  # two streams out of order
    ],
)
def test_a_copy_goes_on_where_it_stopped(
    tmp_path: Path, torn: bytes, lines: list[int], since: int, skip: int
) -> None:
    log = tmp_path / "log"
    early = b"".join(record(0, b"%d" % number * 1000) for number in range(1500))
    whole = early + b"".join(record(second, b"x" * 1000) for second in lines)
    log.write_bytes(whole + torn)
    start = epoch(f"2026-01-02T03:04:{since:02}.678901Z")
    assert start is not None
    assert _position(log) == (f"{int(start)}.678901", skip)
    assert log.read_bytes() == whole


def test_an_emptied_log_does_not_come_back(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert _position(log) == ("", 0)
    log.touch()
    since, skip = _position(log)
    assert float(since) == pytest.approx(log.stat().st_mtime, abs=1e-3)
    assert skip == 0


def test_words_of_the_command_go_where_they_belong() -> None:
    def config(entrypoint: int, *argv: str) -> tuple[object, object]:
        spec = RunSpec("job-x", 0, argv, {}, 0.5, 2**26, entrypoint=entrypoint)
        found = container_config(spec, limits_swap=True)
        assert found["HostConfig"]["NanoCpus"] == 500_000_000
        assert found["HostConfig"]["MemorySwap"] == 2**26
        return found.get("Entrypoint"), found.get("Cmd")

    assert config(0) == (None, None)
    assert config(0, "a", "b") == (None, ["a", "b"])
    assert config(1, "a", "b") == (["a"], ["b"])
    assert config(2, "a", "b") == (["a", "b"], None)


def test_a_variable_that_no_engine_takes() -> None:
    spec = RunSpec("job-x", 0, (), {"WORD": "caf\udce9"}, 0.5, 2**26)
    with pytest.raises(RunnerError, match="WORD is not UTF-8") as caught:
        container_config(spec, limits_swap=False)
    assert "caf" not in str(caught.value)


async def test_the_way_to_the_platform() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"first|" + await reader.read())  # to the end of that direction alone
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        platform = URL(f"http://127.0.0.1:{port}")
        async with gateway(platform, "127.0.0.2") as way_in:
            assert way_in.is_open
            assert way_in.inside(platform / "x") == URL(f"http://127.0.0.2:{port}/x")
            elsewhere = URL("http://example.org/x")
            assert way_in.inside(elsewhere) == elsewhere
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.2", port)
                data = bytes(range(256)) * 5_000
                writer.write(data)
                writer.write_eof()
                assert await reader.read() == b"first|" + data
                writer.close()
                await writer.wait_closed()
            idle, left_open = await asyncio.open_connection("127.0.0.2", port)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", port)
        # Leaving breaks what is still open.
        with contextlib.suppress(ConnectionError):
            assert await idle.read() == b""
        left_open.transport.abort()
        # The port of the platform may be taken there.
        async with await asyncio.start_server(answer, "127.0.0.2", port):
            async with gateway(platform, "127.0.0.2") as way_in:
                assert way_in.inside(platform).port != port


async def test_no_way_to_the_platform() -> None:
    loopback, remote = URL("http://127.0.0.1:1"), URL("https://0.0.0.0:1")
    async with gateway(loopback, None) as way_in:
        assert not way_in.is_open
        assert way_in.inside(loopback) == loopback
    async with gateway(loopback, "203.0.113.7") as way_in:  # an engine on another host
        assert not way_in.is_open
    async with gateway(remote, "127.0.0.2") as way_in:
        assert way_in.inside(remote / "x") == URL("https://127.0.0.2:1/x")
