"""Small objects are written several at a time, and each is accepted or refused on its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from neuro_client.local.services.s3.cached import read_cached
from neuro_client.local.services.s3.lanes import Lane

from .files import named_files, stored_files
from .test_uploads import etag
from .wire import BUCKET, Wire


async def _put(
    wire: Wire, key: str, body: bytes = b"data", headers: Mapping[str, str] | None = None
) -> str:
    answer = await wire.call("PUT", f"/{BUCKET}/{key}", headers or {}, body)
    return "" if answer.status == 200 else answer.code


@pytest.mark.thorough
async def test_refused_writes_take_no_others_with_them(wire: Wire, tmp_path: Path) -> None:
    async def write(number: int) -> str:
        body = b"%d" % number * 100
        match number % 4:
            case 0:
                return await _put(wire, f"new-{number}", body)
            case 1:
                return await _put(wire, "once", body, {"if-none-match": "*"})
            case 2:
                return await _put(wire, "bad", body, {"content-md5": "A" * 22 + "=="})
            case _:
                return await _put(wire, "shared", body)

    found = await asyncio.gather(*(write(number) for number in range(40)))
    assert set(found[::4] + found[3::4]) == {""}
    assert sorted(found[1::4]) == [""] + ["PreconditionFailed"] * 9
    assert set(found[2::4]) == {"BadDigest"}
    for number in range(0, 40, 4):
        assert await wire.read(f"new-{number}") == b"%d" % number * 100
    assert await wire.read("once") == b"%d" % (1 + 4 * found[1::4].index("")) * 100
    assert (await wire.get("bad")).status == 404
    shared = await wire.get("shared")
    assert shared.headers["ETag"] == etag(shared.body)
    files = stored_files(tmp_path / "data")
    assert files == named_files(tmp_path / "data")
    assert len(files) == 12  # ten new ones, "once" and "shared"


async def test_a_full_bucket_takes_what_still_fits(wire: Wire) -> None:
    await wire.platform.s3.set_quotas(BUCKET, None, 5)
    found = await asyncio.gather(*(_put(wire, f"key-{number}") for number in range(20)))
    assert sorted(found) == [""] * 5 + ["QuotaExceeded"] * 15
    assert (await wire.platform.s3.usage(BUCKET)).objects == 5


async def test_a_lane_gives_each_piece_its_own_result() -> None:
    sizes = []

    def work(pieces: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(pieces))
        return [ValueError(piece) if piece % 3 == 0 else piece * 2 for piece in pieces]

    lane = Lane("test", work)
    try:
        found = await asyncio.gather(*map(lane.do, range(50)), return_exceptions=True)
    finally:
        lane.close()
    assert sum(sizes) == 50
    for piece, result in enumerate(found):
        if piece % 3 == 0:
            assert isinstance(result, ValueError)
            assert result.args == (piece,)
        else:
            assert result == piece * 2


async def test_a_lane_goes_on_after_work_that_failed_as_a_whole() -> None:
    def work(pieces: Sequence[str]) -> list[str | Exception]:
        if "bad" in pieces:
            raise OSError("no disk")
        return list(pieces)

    lane = Lane("test", work)
    try:
        with pytest.raises(OSError, match="no disk"):
            await lane.do("bad")
        assert await lane.do("good") == "good"
    finally:
        lane.close()


async def test_cancelled_work_is_done_before_the_cancelling_goes_on() -> None:
    begun, may_end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    done: list[str] = []

    def work(pieces: Sequence[str]) -> list[str | Exception]:
        loop.call_soon_threadsafe(begun.set)
        may_end.wait()
        done.extend(pieces)
        return list(pieces)

    lane = Lane("test", work)
    try:
        task = asyncio.create_task(lane.do("piece"))
        await begun.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
        may_end.set()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert done == ["piece"]
    finally:
        may_end.set()
        lane.close()


def test_what_is_in_memory_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    assert read_cached(str(file), 7) in (b"content", None)  # not every system can tell
    assert read_cached(str(file), 8) is None
    assert read_cached(str(tmp_path / "missing"), 7) is None


def test_systems_that_cannot_tell_find_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    monkeypatch.setattr("neuro_client.local.services.s3.cached._syscall", None)
    assert read_cached(str(file), 7) is None
