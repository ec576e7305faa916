"""Loaders of PyTorch read the local cluster, with and without worker processes."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from neuro_client.aistore import AIStore
from neuro_client.local import LocalPlatform

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-torch" / "bin" / "python"
READY = PYTHON.parents[1] / ".ready"
SHARDS, SAMPLES = 4, 5
KEYS = {f"{shard}-{number}" for shard in range(SHARDS) for number in range(SAMPLES)}

pytestmark = pytest.mark.skipif(not READY.exists(), reason="PyTorch is not installed: make torch")


def shard(number: int) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for place in range(SAMPLES):
            for ending, text in (("cls", str(place)), ("txt", f"text {number}")):
                info = tarfile.TarInfo(f"{number}-{place}.{ending}")
                info.size = len(text)
                tar.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


async def run(url: str) -> dict[str, Any]:
    """Run the training program and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        ROOT / "tests" / "e2e" / "torch_reader.py",
        url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, said = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, said.decode()
    assert "Exception" not in said.decode(), said.decode()
    found: dict[str, Any] = json.loads(printed)
    return found


async def fill(url: str) -> None:
    async with AIStore.connect(url) as ais:
        bucket = await ais.bucket("train").create()
        for number in range(SHARDS):
            await bucket.object(f"shards/{number}.tar").put(shard(number))


@pytest.mark.timeout(240)
async def test_loaders_read_each_sample_once(tmp_path: Path) -> None:
    async with LocalPlatform(data=tmp_path / "platform", port=0) as platform:
        url = platform.ready["aistore"]["url"]
        await fill(url)
        found = await run(url)

    order = found["plain"]["keys"]
    assert set(order) == KEYS and len(order) == len(KEYS)
    assert found["plain"]["first"]["cls"] == ["0", "1", "2"]
    assert len(set(found["plain"]["first"]["txt"])) == 1
    assert found["pickled"] == order and found["iterable"]

    for epochs in found["workers"].values():
        for keys in epochs:
            assert set(keys) == KEYS and len(keys) == len(KEYS)
        # Workers that stay see another epoch, and the same order for the same one.
        assert epochs[0] == epochs[2] != epochs[1]
    assert found["workers"]["fork"] == found["workers"]["spawn"]

    half, alone = found["ranks"]
    assert len(half) == SHARDS // 2 * SAMPLES and set(half) < KEYS
    assert alone == order

    assert found["early"]["first"] == [order[0]] * 2
    assert (found["early"]["threads"], found["early"]["children"]) == ([], 0)
    assert found["failing"] == ["ErrBckNotFound", "ErrBckNotFound"]
