"""Files that are compared with their MD5 while they arrive in any order."""

from __future__ import annotations

import hashlib
import itertools
import random
from pathlib import Path

import pytest

from neuro_client.artifacts.verified import VerifiedStore, file_md5, plain_md5
from neuro_client.errors import ChecksumMismatchError
from neuro_client.transfer import Body, Part

DATA = random.Random(1).randbytes(100_000)
SUM = hashlib.md5(DATA).hexdigest()


def files(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_only_plain_checksums_are_compared() -> None:
    assert plain_md5(SUM.upper()) == SUM
    for text in ("", f"{SUM}-2", SUM[:-1], "XUFAKrxLKna5cZ2REBfFkg=="):
        assert plain_md5(text) is None


@pytest.mark.parametrize("seed", range(4))
async def test_parts_may_come_in_any_order_and_after_a_break(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cuts = sorted({0, len(DATA), *(chance.randrange(len(DATA)) for _ in range(9))})
    ranges = list(itertools.pairwise(cuts))
    chance.shuffle(ranges)
    store = VerifiedStore(tmp_path, lambda _: SUM)
    upload = await store.begin("a", len(DATA))
    done: list[Part] = []
    for number, (start, stop) in enumerate(ranges):
        if number == 4:  # another process goes on
            store = VerifiedStore(tmp_path, lambda _: SUM)
            done = list(await store.parts(upload, done))
            assert len(done) == 4
        body = Body.of(DATA[start:stop])
        done.append(await store.put_part(upload, number + 1, start, body))
    await store.complete(upload, done)
    assert (tmp_path / "a").read_bytes() == DATA
    assert await file_md5(tmp_path / "a", len(DATA)) == SUM


async def test_a_wrong_file_does_not_get_its_name(tmp_path: Path) -> None:
    store = VerifiedStore(tmp_path, lambda _: SUM)
    with pytest.raises(ChecksumMismatchError, match=SUM):
        await store.put("a", DATA[:-1])
    upload = await store.begin("a", len(DATA))
    await store.put_part(upload, 1, 0, Body.of(DATA[:-1] + b"x"))
    with pytest.raises(ChecksumMismatchError):
        await store.complete(upload, [])
    await store.abort(upload)
    assert files(tmp_path) == ["home"]
    await store.put("a", DATA)
    unknown = VerifiedStore(tmp_path, lambda _: None)
    await unknown.put("b", b"anything")
    assert await file_md5(tmp_path / "b", 3) is None
    assert await file_md5(tmp_path / "none", 3) is None
