"""Shards of a data set on their way through the bucket to the workers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuro_client.threads import run_blocking
from neuro_client.workspaces import Configs, ShardMap, hash_shards, shard
from neuro_client.workspaces.shard_map import MAP_NAME, loads

from .world import World, opened

pytestmark = pytest.mark.thorough

# Each worker answers with the mean of its numbers; weighted by how many, that is the mean of all.
MODEL = """
import pathlib


class Model:
    def __init__(self):
        self.weights = {"mean": 0.0}

    def state_dict(self):
        return dict(self.weights)

    def load_state_dict(self, weights):
        self.weights = dict(weights)


def fl_train(model, env, output_dir, logger=None):
    found = [path for path in sorted(pathlib.Path("/app/payload").rglob("*.txt"))]
    numbers = [float(path.read_text()) for path in found]
    logger.info("read %s", " ".join(path.parent.name + "/" + path.name for path in found))
    return {"weights": {"mean": sum(numbers) / len(numbers)}, "samples": len(numbers)}
"""
NUMBERS = {"even": (0, 2, 4, 6), "odd": (1, 3, 5), "large": (101,)}


def _write(folder: Path) -> None:
    for kind, numbers in NUMBERS.items():
        (folder / kind).mkdir(parents=True)
        for number in numbers:
            (folder / kind / f"{number:03}.txt").write_text(str(number))


async def _submit(world: World) -> tuple[str, list[str]]:
    """Submit what is in ``split``; return the task and the names of the shards that were sent."""
    task = await world.workspaces.submit(
        "Split",
        {"model_def.py": MODEL},
        Configs("Split", num_rounds=1),
        shards=world.folder / "split",
        exist_ok=True,
    )
    assert task.plan is not None
    sent = [file.key.rpartition("/")[2] for file in task.plan.uploads if "/shards/" in file.key]
    return task.id, sent


async def test_every_file_reaches_one_worker_and_only_changed_shards_are_sent(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    await run_blocking(_write, data)
    made = await shard(data, 3, destination=tmp_path / "split", stratified=True)
    async with opened(tmp_path) as world:
        id, sent = await _submit(world)
        assert sent == ["shard_0.zip", "shard_1.zip", "shard_2.zip", MAP_NAME]
        await world.workspaces.wait(id, timeout=60)
        results = world.workspaces.results("split")
        checkpoint = json.loads(await results.read("model_out/checkpoint.json"))
        every = [number for numbers in NUMBERS.values() for number in numbers]
        assert checkpoint["mean"] == pytest.approx(sum(every) / len(every))
        stored = await world.workspaces.storage.get_bytes(f"jobs/split/shards/{MAP_NAME}")
        assert loads(stored).same_shards(made)
        assert loads(stored).same_shards(await hash_shards(tmp_path / "split"))

        await run_blocking((data / "odd" / "003.txt").write_text, "7")
        again = await shard(data, 3, destination=tmp_path / "split", stratified=True)
        id, sent = await _submit(world)
        assert sent == [*_changed(made, again), MAP_NAME]
        assert len(sent) == 2
        await world.workspaces.wait(id, timeout=60)


def _changed(before: ShardMap, after: ShardMap) -> list[str]:
    pairs = zip(before.shards, after.shards, strict=True)
    return [new.name for old, new in pairs if old.sha256 != new.sha256]
