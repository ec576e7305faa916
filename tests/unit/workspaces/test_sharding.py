"""Shards: the same bytes for the same files, whole or not at all, and of the data set only."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.errors import SourceChangedError, TransferError
from neuro_client.workspaces import shard_map
from neuro_client.workspaces.shard_plan import Source, find_sources, split
from neuro_client.workspaces.sharding import shard
from tests.adversity.stepping import stepped

FILES = {
    "cats/1.txt": b"meow",
    "cats/2.txt": b"",
    "dogs/1.txt": b"woof" * 1000,
    "dogs/deep/2.txt": b"wuff",
    "notes-é.txt": b"a note",
}


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return _write(tmp_path / "dataset", FILES)


def _write(root: Path, files: Mapping[str, bytes]) -> Path:
    for key, content in files.items():
        path = root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _unpacked(folder: Path) -> list[tuple[str, bytes]]:
    found = []
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            found += [(name, archive.read(name)) for name in archive.namelist()]
    return sorted(found)


async def test_shards_hold_every_file_once_and_the_map_tells_the_truth(
    dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    made = await shard(dataset, 3, destination=out)
    assert sorted(_contents(out)) == [*(f"shard_{i}.zip" for i in range(3)), "sharding_map.json"]
    assert _unpacked(out) == sorted(FILES.items())
    for entry in made.shards:
        content = (out / entry.name).read_bytes()
        assert (entry.size, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert sum(entry.files or 0 for entry in made.shards) == len(FILES)
    assert shard_map.loads((out / "sharding_map.json").read_bytes()) == made
    assert (await shard_map.hash_shards(out)).same_shards(made)


async def test_the_bytes_depend_on_the_files_only(tmp_path: Path) -> None:
    """The golden hash holds on every machine and every release of Python."""
    first = _write(tmp_path / "a", FILES)
    second = _write(tmp_path / "b", dict(reversed(FILES.items())))
    os.utime(second / "cats/1.txt", (1, 1))
    (second / "cats/1.txt").chmod(0o600)
    one = await shard(first, 1, destination=tmp_path / "one")
    two = await shard(second, 1, destination=tmp_path / "two")
    golden = "0b3d6c727986821476581238ad9ef9f6f964eab9115077a107a04d2226a1322e"
    assert [entry.sha256 for entry in one.shards] == [golden]
    assert one.same_shards(two)


async def test_compressed_shards_are_smaller_and_hold_the_same(
    dataset: Path, tmp_path: Path
) -> None:
    plain = await shard(dataset, 1, destination=tmp_path / "plain")
    small = await shard(dataset, 1, destination=tmp_path / "small", compress=True)
    assert small.total_bytes < plain.total_bytes
    assert _unpacked(tmp_path / "small") == _unpacked(tmp_path / "plain")


@given(st.dictionaries(st.sampled_from("abcd"), st.integers(0, 23)), st.integers(1, 7))
def test_stratified_shards_have_their_share_of_each_sub_directory(
    counts: dict[str, int], n: int
) -> None:
    keys = [f"{name}/{i:02}" for name, count in counts.items() for i in range(count)]
    sources = [Source(key, 1, "") for key in sorted([*keys, *"xyzuvwt"])]
    shards = split(sources, n, stratified=True)
    assert sorted(source.key for part in shards for source in part) == sorted(
        source.key for source in sources
    )
    total = [len(part) for part in shards]
    assert max(total) - min(total) <= 1
    for stratum in [*counts, ""]:
        found = [
            Counter(source.key.rpartition("/")[0] for source in part)[stratum] for part in shards
        ]
        assert max(found) - min(found) <= 1


@given(st.lists(st.integers(0, 1000), min_size=5), st.integers(1, 5))
def test_other_shards_are_about_the_same_size(sizes: list[int], n: int) -> None:
    sources = [Source(f"{i:04}", size, "") for i, size in enumerate(sizes)]
    shards = split(sources, n, stratified=False)
    assert sum(len(part) for part in shards) == len(sizes)
    assert all(shards)
    totals = [sum(source.size for source in part) for part in shards]
    assert max(totals) - min(totals) <= max(sizes)


async def test_a_second_call_replaces_what_the_first_made(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    await shard(dataset, 4, destination=out)
    (out / "readme.md").write_text("mine")
    made = await shard(dataset, 2, destination=out, stratified=True)
    assert sorted(_contents(out)) == ["readme.md", "shard_0.zip", "shard_1.zip", shard_map.MAP_NAME]
    assert (await shard_map.hash_shards(out)).same_shards(made)


@pytest.mark.parametrize(
    ("present", "told"),
    [
        ({"mine.ZIP": b"zip"}, "mine.ZIP"),
        ({"shard_0.zip": b"of somebody else"}, "shard_0.zip"),
        ({"sharding_map.json": b"[]"}, "not a map of shards"),
    ],
)
async def test_zips_of_somebody_else_are_not_touched(
    dataset: Path, tmp_path: Path, present: dict[str, bytes], told: str
) -> None:
    out = _write(tmp_path / "out", present)
    with pytest.raises(ValueError, match=told):
        await shard(dataset, 2, destination=out)
    assert _contents(out) == present


@pytest.mark.parametrize("n", [0, -1, len(FILES) + 1])
async def test_a_number_of_shards_that_cannot_be(dataset: Path, tmp_path: Path, n: int) -> None:
    with pytest.raises(ValueError, match="shards"):
        await shard(dataset, n, destination=tmp_path / "out")
    assert not (tmp_path / "out").exists()


async def test_places_that_cannot_be(dataset: Path, tmp_path: Path) -> None:
    for inside in (dataset, dataset / "shards", tmp_path / "x/../dataset/shards"):
        with pytest.raises(ValueError, match="lies in the data set"):
            await shard(dataset, 2, destination=inside)
    with pytest.raises(NotADirectoryError):
        await shard(dataset / "cats/1.txt", 1, destination=tmp_path / "out")
    assert sorted(os.listdir(dataset)) == ["cats", "dogs", "notes-é.txt"]


async def test_links_inside_are_followed(dataset: Path, tmp_path: Path) -> None:
    (dataset / "file").symlink_to("cats/1.txt")
    (dataset / "folder").symlink_to(dataset / "dogs", target_is_directory=True)
    await shard(dataset, 2, destination=tmp_path / "out")
    names = {**FILES, "file": b"meow", "folder/1.txt": b"woof" * 1000, "folder/deep/2.txt": b"wuff"}
    assert _unpacked(tmp_path / "out") == sorted(names.items())


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("../../outside", "out of the data set"),
        ("nowhere", "broken"),
        ("link", "circle"),
        (".", "lies in"),
        ("..", "lies in"),
    ],
)
async def test_links_that_lead_elsewhere_are_refused(
    dataset: Path, tmp_path: Path, target: str, told: str
) -> None:
    (tmp_path / "outside").write_text("secret")
    (dataset / "cats/link").symlink_to(target)
    with pytest.raises(TransferError, match=f"link.*{told}"):
        await shard(dataset, 2, destination=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be made on Windows")
@pytest.mark.parametrize("name", [b"a\\b", b"C:x", b"line\nfeed", b"\xff.txt", b"del\x7f"])
async def test_names_that_mean_another_place_are_refused(
    dataset: Path, tmp_path: Path, name: bytes
) -> None:
    await asyncio.to_thread(_make_file, os.path.join(os.fsencode(dataset), name))
    with pytest.raises(TransferError, match="cannot put"):
        await shard(dataset, 2, destination=tmp_path / "out")


def _make_file(path: bytes) -> None:
    with open(path, "wb"):
        pass


async def test_what_is_no_file_is_refused(dataset: Path, tmp_path: Path) -> None:
    os.mkfifo(dataset / "pipe")
    with pytest.raises(TransferError, match="neither a file nor a directory"):
        await shard(dataset, 2, destination=tmp_path / "out")


def _rewrite(path: Path) -> None:
    path.write_bytes(b"more than it was")


def _replace_by_a_link(path: Path) -> None:
    secret = path.parents[2] / "secret"
    secret.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(secret)


@pytest.mark.parametrize("change", [_rewrite, _replace_by_a_link, Path.unlink])
async def test_a_file_that_changes_leaves_the_old_shards(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    out = tmp_path / "out"
    await shard(dataset, 2, destination=out)
    before = _contents(out)

    async def find_and_change(root: Path) -> list[Source]:
        found = await find_sources(root)
        await asyncio.to_thread(change, root / "cats/1.txt")
        return found

    monkeypatch.setattr("neuro_client.workspaces.sharding.find_sources", find_and_change)
    with pytest.raises(FileNotFoundError if change is Path.unlink else SourceChangedError) as error:
        await shard(dataset, 3, destination=out)
    assert "cats/1.txt" in str(error.value)
    assert _contents(out) == before


async def test_cancelled_anywhere_it_leaves_the_old_shards_or_the_new(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr("neuro_client.workspaces.sharding._HOP", 2**17)  # several steps

    async def call() -> None:
        await shard(dataset, 2, destination=out)

    steps = (await stepped(call)).steps
    new = _contents(out)
    assert steps >= 20
    await shard(dataset, 3, destination=out)
    for number in range(1, steps + 1):
        before = _contents(out)
        outcome = await stepped(call, {number})
        assert outcome.cancelled
        assert not outcome.tasks
        assert _same(_contents(out), before) or _same(_contents(out), new)
    await call()
    assert _same(_contents(out), new)


def _same(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> bool:
    def zips(of: Mapping[str, bytes]) -> dict[str, bytes]:
        return {name: content for name, content in of.items() if name.endswith(".zip")}

    return one.keys() == other.keys() and zips(one) == zips(other)


async def test_what_a_killed_call_left_is_removed(dataset: Path, tmp_path: Path) -> None:
    out = _write(tmp_path / "out", {".sharding.part/shard_7.zip": b"half of a zip"})
    await shard(dataset, 2, destination=out)
    assert sorted(_contents(out)) == ["shard_0.zip", "shard_1.zip", "sharding_map.json"]


async def test_two_calls_do_not_share_a_destination(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first_is_there, second_is_done = asyncio.Event(), asyncio.Event()
    publish = shard_map.hash_shard

    async def held(path: Path, index: int) -> shard_map.ShardEntry:
        first_is_there.set()
        await second_is_done.wait()
        return await publish(path, index)

    monkeypatch.setattr("neuro_client.workspaces.sharding.hash_shard", held)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(shard(dataset, 2, destination=out))
        await first_is_there.wait()
        with pytest.raises(TransferError, match="another call"):
            await shard(dataset, 2, destination=out)
        second_is_done.set()
    assert (await shard_map.hash_shards(out)).same_shards(first.result())
