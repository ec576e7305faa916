from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from neuro_client.errors import (
    IllegalArgumentError,
    RateLimitError,
    SourceChangedError,
    TransferError,
    TransportError,
)
from neuro_client.transfer import (
    Body,
    Capabilities,
    Entry,
    LocalStore,
    MemoryStore,
    Part,
    Resync,
    Upload,
    copy_file,
    copy_tree,
    local_side,
)
from neuro_client.transfer.models import MiB

from .kit import Diary, FlakyStore, content, grown, options, plant, side

TREE: dict[str, bytes | None] = {
    "empty": b"",
    "small": b"x" * 999,
    "exact": content(1000),
    "above": content(1001),
    "large": content(12_345),
    "sub/deep/file": b"deep",
    "sub/other": content(2999),
    "none": None,
    "sub/nothing": None,
    "two words %41 #?\n🙂": b"odd",
    "n" * 255: content(3000),
}


async def test_round_trip(tmp_path: Path) -> None:
    source = plant(tmp_path / "src", TREE)
    memory = MemoryStore()
    diary = Diary()
    there = await copy_tree(
        local_side(source), side(memory, "there"), options=options(), progress=diary
    )
    back = tmp_path / "a" / "back"
    again = await copy_tree(side(memory, "there"), local_side(back), options=options())
    assert grown(back) == TREE
    files = [data for data in TREE.values() if data is not None]
    for result in (there, again):
        assert (result.files, result.bytes) == (len(files), sum(map(len, files)))
        assert (result.skipped, result.failed) == (0, 0)
    diary.check()
    assert len(diary.names("start")) == len(diary.names("complete")) == len(files)
    assert len(diary.names("enter")) == len(diary.names("leave")) == 5
    assert not memory.uploads


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 1999, 2000, 2001, 8000])
async def test_sizes_around_the_parts(size: int, tmp_path: Path) -> None:
    source = plant(tmp_path / "src", {"f": content(size)}) / "f"
    memory = MemoryStore()
    diary = Diary()
    entry = await LocalStore(source).head("")
    await copy_file(local_side(source), side(memory, "f"), entry, options=options(), progress=diary)
    assert memory.objects["f"].data == content(size)
    diary.check()
    steps = diary.names("step")
    assert bool(steps) == bool(size)
    target = tmp_path / "copy"
    found = await memory.head("f")
    await copy_file(side(memory, "f"), local_side(target), found, options=options())
    assert target.read_bytes() == content(size)
    assert sorted(os.listdir(tmp_path)) == ["copy", "home", "src"]


async def test_a_passing_failure_is_tried_again() -> None:
    source, target = FlakyStore(), FlakyStore()
    await MemoryStore.put(source, "f", content(5000))
    broken = TransportError("cut")
    source.fail = lambda what, key, n: broken if what == "chunk" and n % 7 == 0 else None
    target.fail = lambda what, key, n: (
        RateLimitError("slow down", retry_after=0.001)
        if (what in ("put_part", "stored", "begin") and n == 1)
        else None
    )
    diary = Diary()
    entry = await source.head("f")
    await copy_file(side(source, "f"), side(target, "f"), entry, options=options(), progress=diary)
    assert target.objects["f"].data == content(5000)
    diary.check()
    assert target.calls["put_part"] == 5 + 2
    # A cut stream goes on where it broke: few bytes come twice.
    assert source.calls["chunk"] < 50 + 20


async def test_attempts_are_counted_anew_after_progress() -> None:
    source = FlakyStore()
    await MemoryStore.put(source, "f", content(900))
    source.fail = lambda what, key, n: TransportError("cut") if what == "chunk" else None
    target = MemoryStore()
    await copy_file(side(source, "f"), side(target, "f"), await source.head("f"), options=options())
    assert target.objects["f"].data == content(900)
    assert source.calls["get"] == 9


async def test_a_lasting_failure_is_raised_unchanged() -> None:
    source = FlakyStore()
    await MemoryStore.put(source, "f", content(5000))
    cause = OSError("socket")
    broken = TransportError("cut")
    broken.__cause__ = cause
    source.fail = lambda what, key, n: broken if what == "get" and n > 2 else None
    target = MemoryStore()
    with pytest.raises(TransportError) as caught:
        await copy_file(
            side(source, "f"), side(target, "f"), await source.head("f"), options=options()
        )
    assert caught.value is broken
    assert caught.value.__cause__ is cause
    assert not target.objects
    assert not target.uploads


async def test_a_target_that_acknowledges_early_is_not_believed() -> None:
    class Hasty(FlakyStore):
        async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
            async for _ in body.open():
                break
            return Part(number, offset, body.size)

    source, target = FlakyStore(), Hasty()
    await MemoryStore.put(source, "f", content(1500))
    with pytest.raises(TransportError, match="before it had taken all"):
        await copy_file(
            side(source, "f"), side(target, "f"), await source.head("f"), options=options()
        )
    assert not target.objects
    assert not target.uploads


async def test_a_source_failure_is_not_retried_by_the_target() -> None:
    source, target = FlakyStore(), FlakyStore()
    await MemoryStore.put(source, "f", content(1500))
    source.fail = lambda what, key, n: TransportError("gone") if what == "get" else None
    with pytest.raises(TransportError, match="gone"):
        await copy_file(
            side(source, "f"),
            side(target, "f"),
            await source.head("f"),
            options=options(parts=1),
        )
    assert source.calls["get"] == 4
    assert target.calls["put_part"] == 1


async def test_other_failures_are_not_retried() -> None:
    target = FlakyStore()
    target.fail = lambda what, key, n: IllegalArgumentError("no", status=422)
    source = MemoryStore()
    await source.put("f", b"data")
    with pytest.raises(IllegalArgumentError, match="no"):
        await copy_file(
            side(source, "f"), side(target, "f"), await source.head("f"), options=options()
        )
    assert target.calls["put"] == 1


async def test_a_retry_after_beyond_the_limit_is_refused() -> None:
    target = FlakyStore()
    target.fail = lambda what, key, n: RateLimitError("later", retry_after=3600)
    source = MemoryStore()
    await source.put("f", b"data")
    with pytest.raises(RateLimitError):
        await copy_file(
            side(source, "f"), side(target, "f"), await source.head("f"), options=options()
        )
    assert target.calls["put"] == 1


async def test_first_failure_ends_the_tree() -> None:
    source, target = MemoryStore(), FlakyStore()
    for number in range(50):
        await source.put(f"d{number % 5}/f{number}", content(1500))
    broken = PermissionError(13, "read-only")
    target.fail = lambda what, key, n: broken if what == "put_part" and n == 5 else None
    diary = Diary()
    with pytest.raises(PermissionError) as caught:
        await copy_tree(side(source), side(target), options=options(), progress=diary)
    assert caught.value is broken
    assert not target.uploads
    assert len(target.objects) < 50
    assert ("leave", "") not in diary.names("leave")


async def test_continue_lists_all_failures() -> None:
    source, target = MemoryStore(), FlakyStore()
    for name in ("a", "b", "d/c", "d/e", "x/y"):
        await source.put(name, name.encode())
    target.fail = lambda what, key, n: (
        PermissionError(13, f"no {key}") if key in ("b", "d/e", "x") else None
    )
    diary = Diary()
    with pytest.raises(TransferError, match="3 of the entries") as caught:
        await copy_tree(
            side(source), side(target), options=options(on_error="continue"), progress=diary
        )
    assert sorted(key for key, _ in caught.value.failures) == ["b", "d/e", "x"]
    assert all(isinstance(error, PermissionError) for _, error in caught.value.failures)
    assert set(target.objects) == {"a", "d/c"}
    assert sorted(diary.names("fail")) == [("fail", "b"), ("fail", "d/e"), ("fail", "x")]
    assert diary.names("leave") == [("leave", "d"), ("leave", "")]


async def test_tasks_stay_few_however_many_files() -> None:
    source = MemoryStore()
    for number in range(400):
        await source.put(f"d{number % 3}/f{number}", b"x")
    most = 0

    class Watching(MemoryStore):
        async def put(self, key: str, body: bytes) -> None:
            nonlocal most
            most = max(most, len(asyncio.all_tasks()))
            await asyncio.sleep(0)
            await super().put(key, body)

    result = await copy_tree(side(source), side(Watching()), options=options(files=4))
    assert result.files == 400
    assert most < 25


async def test_parts_run_in_parallel_and_the_budget_bounds_them() -> None:
    source = MemoryStore()
    await source.put("f", content(40_000))
    running = most = 0

    class Watching(MemoryStore):
        async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.002)
            running -= 1
            return await super().put_part(upload, number, offset, body)

    entry = await source.head("f")
    for budget, bound in ((64 * MiB, 8), (3000, 3), (1, 1)):
        running = most = 0
        store = Watching()
        await copy_file(side(source, "f"), side(store, "f"), entry, options=options(budget=budget))
        assert store.objects["f"].data == content(40_000)
        assert 1 <= most <= bound
        assert most > 1 or budget == 1


async def test_a_store_without_random_parts_gets_them_in_order() -> None:
    class Ordered(MemoryStore):
        numbers: list[int]

        async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
            self.numbers.append(number)
            return await super().put_part(upload, number, offset, body)

    source, target = MemoryStore(), Ordered(Capabilities(random_parts=False))
    target.numbers = []
    await source.put("f", content(6500))
    await copy_file(side(source, "f"), side(target, "f"), await source.head("f"), options=options())
    assert target.numbers == [1, 2, 3, 4, 5, 6, 7]


async def test_update_skips_and_continue_completes(tmp_path: Path) -> None:
    source = plant(tmp_path / "src", {"same": b"same", "short": content(5000), "new": b"new"})
    for path in source.iterdir():
        os.utime(path, (1000, 1000))
    target = MemoryStore()
    await target.put("same", b"same")
    await target.put("short", content(1234))
    diary = Diary()
    result = await copy_tree(
        local_side(source),
        side(target),
        options=options(),
        resync=Resync(continue_=True),
        progress=diary,
    )
    assert (result.files, result.skipped, result.bytes) == (2, 1, 5000 - 1234 + 3)
    assert target.objects["short"].data == content(5000)
    diary.check()
    first = next(data for kind, data in diary.events if kind == "step" and data.size == 5000)  # type: ignore[attr-defined]
    assert first.current == 1234  # type: ignore[attr-defined]
    result = await copy_tree(local_side(source), side(target), resync=Resync(update=True))
    assert (result.files, result.skipped) == (0, 3)


async def test_continue_a_download(tmp_path: Path) -> None:
    source = FlakyStore()
    await MemoryStore.put(source, "f", content(5000))
    target = tmp_path / "f"
    target.write_bytes(content(1234))
    os.utime(target, (2**31, 2**31))
    result = await copy_file(
        side(source, "f"),
        local_side(target),
        await source.head("f"),
        existing=await LocalStore(target).head(""),
        options=options(),
        resync=Resync(continue_=True),
    )
    assert result.bytes == 5000 - 1234
    assert target.read_bytes() == content(5000)


async def test_filter_decides_before_anything_else(tmp_path: Path) -> None:
    source = plant(tmp_path / "src", {"a": b"a", "b": b"b", "no/x": b"x", "yes/y": b"y"})
    os.mkfifo(source / "pipe")
    os.mkfifo(source / "hidden-pipe")
    asked: list[str] = []

    async def accept(path: str) -> bool:
        asked.append(path)
        return path not in ("b", "no/", "hidden-pipe")

    diary = Diary()
    target = MemoryStore()
    result = await copy_tree(local_side(source), side(target), accept=accept, progress=diary)
    assert set(target.objects) == {"a", "yes/y"}
    assert sorted(asked) == ["a", "b", "hidden-pipe", "no/", "pipe", "yes/", "yes/y"]
    assert [path.rpartition("/")[2] for _, path in diary.names("fail")] == ["pipe"]
    assert result.skipped == 1
    diary.check()


async def test_a_source_that_changes_is_reported(tmp_path: Path) -> None:
    path = plant(tmp_path / "src", {"f": content(5000)}) / "f"
    store = LocalStore(path)
    entry = await store.head("")
    path.write_bytes(content(4000))
    target = MemoryStore()
    await target.put("f", b"old")
    with pytest.raises(SourceChangedError, match="changed while it was read") as caught:
        await copy_file(local_side(path), side(target, "f"), entry, options=options())
    assert caught.value.entry == ""
    assert target.objects["f"].data == b"old"
    assert not target.uploads


async def test_case_clashes_are_reported_before_harm() -> None:
    class Folding(MemoryStore):
        async def folds_names(self, key: str) -> bool:
            return True

    source, target = MemoryStore(), Folding()
    for name in ("d/Name", "d/name", "d/other"):
        await source.put(name, name.encode())
    with pytest.raises(TransferError, match="ignores case"):
        await copy_tree(side(source), side(target), options=options())
    assert not target.objects


async def test_names_from_a_listing_cannot_escape(tmp_path: Path) -> None:
    class Evil(MemoryStore):
        names: Sequence[str] = ()

        def _entry(self, key: str) -> Entry:
            entry = super()._entry(key)
            return Entry(key.replace("EVIL", ".."), entry.kind, entry.size, 0.0, entry.version)

    source = Evil()
    await source.put("EVIL", b"x")
    target = tmp_path / "target"
    with pytest.raises(TransferError, match="refused"):
        await copy_tree(side(source), local_side(target), options=options())
    assert list(target.iterdir()) == []


async def test_failing_observer_ends_the_transfer() -> None:
    class Angry(Diary):
        def complete(self, data: object) -> None:
            raise RuntimeError("enough")

    source, target = MemoryStore(), MemoryStore()
    for number in range(500):
        await source.put(f"f{number}", b"x")
    with pytest.raises(RuntimeError, match="enough"):
        await copy_tree(side(source), side(target), options=options(), progress=Angry())
    assert len(target.objects) < 500


@pytest.mark.parametrize("upload", [True, False])
async def test_cancel_at_every_await_leaves_nothing_behind(upload: bool, tmp_path: Path) -> None:
    """Cancel after the n-th pass of the loop, for all n, until the copy gets through."""
    tree: dict[str, bytes | None] = {"a": b"a", "b": content(300), "sub/c": content(2500)}
    local = plant(tmp_path / "src", tree)
    passes = 0
    for passes in range(10_000):
        memory = MemoryStore()
        target = tmp_path / f"t{passes}"
        if upload:
            work = copy_tree(local_side(local), side(memory), options=options())
        else:
            for name, data in tree.items():
                await memory.put(name, data or b"")
            work = copy_tree(side(memory), local_side(target), options=options())
        task = asyncio.ensure_future(work)
        for _ in range(passes):
            await asyncio.sleep(0)
        finished = task.done()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            assert not finished
        assert len(asyncio.all_tasks()) == 1
        assert not memory.uploads
        found = (
            {key: found.data for key, found in memory.objects.items()}
            if upload
            else {name: data for name, data in grown(target).items() if data is not None}
        )
        assert found.items() <= tree.items()
        if finished:
            break
    assert passes > 12
