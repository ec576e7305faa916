"""A process that is killed while it makes shards; the same call then puts things right."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neuro_client.workspaces import hash_shards, shard
from neuro_client.workspaces.shard_map import MAP_NAME

pytestmark = pytest.mark.thorough

# Dies before the n-th change of a name: there are as many as shards, one for the map, one for each
# shard that is too many, and what the staging directory costs.
PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from neuro_client.workspaces import shard

left = int(sys.argv[1])

def dying(function):
    def call(*arguments, **options):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

for name in ("replace", "unlink", "rmdir", "mkdir"):
    setattr(os, name, dying(getattr(os, name)))
asyncio.run(shard(Path(sys.argv[2]), 2, destination=Path(sys.argv[3])))
"""


def _killed(at: int, data: Path, out: Path) -> bool:
    """Run the program; tell whether it was killed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(at), str(data), str(out)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def _data(folder: Path) -> Path:
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text(str(number) * number)
    return folder


async def test_a_kill_before_any_change_of_a_name(tmp_path: Path) -> None:
    data = await asyncio.to_thread(_data, tmp_path / "data")
    out = tmp_path / "out"
    expected = await shard(data, 2, destination=tmp_path / "expected")
    await shard(data, 3, destination=out)
    at = 0
    killed = True
    while killed:
        at += 1
        killed = await asyncio.to_thread(_killed, at, data, out)
        made = await shard(data, 2, destination=out)
        assert made.same_shards(expected)
        assert (await hash_shards(out)).same_shards(expected)
        names = await asyncio.to_thread(lambda: sorted(path.name for path in out.iterdir()))
        assert names == ["shard_0.zip", "shard_1.zip", MAP_NAME]
        await shard(data, 3, destination=out)
    # The staging directory made and removed, one shard too many, the map and two shards renamed.
    assert at > 6
