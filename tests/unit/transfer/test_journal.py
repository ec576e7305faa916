"""Unfinished uploads are remembered, taken up again, and removed when nobody does."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from neuro_client.errors import TransportError
from neuro_client.transfer import (
    Entry,
    EntryKind,
    LocalStore,
    MemoryStore,
    Part,
    TransferResult,
    Upload,
    copy_file,
    copy_tree,
    local_side,
)
from neuro_client.transfer.journal import KEPT, Journal, folder

from .kit import Diary, FlakyStore, content, grown, options, plant, side

ONE_BY_ONE = options(parts=1)


def journals() -> list[Path]:
    """Return the files of unfinished transfers."""
    return sorted(folder().glob("*")) if folder().exists() else []


def broken_after(store: FlakyStore, parts: int) -> None:
    """Let the line break for good when *parts* parts have arrived."""
    store.fail = lambda what, key, n: (
        TransportError("cut") if what == "put_part" and store.calls["stored"] >= parts else None
    )


async def send(source: MemoryStore, target: FlakyStore, **more: object) -> TransferResult:
    entry = await source.head("f")
    return await copy_file(
        side(source, "f", place="from"),
        side(target, "f", place="to"),
        entry,
        **{"options": ONE_BY_ONE, **more},  # type: ignore[arg-type]
    )


async def interrupted(size: int = 8000, parts: int = 5) -> tuple[MemoryStore, FlakyStore]:
    """Return the ends of a transfer that lost its line."""
    source, target = MemoryStore(), FlakyStore()
    await source.put("f", content(size))
    broken_after(target, parts)
    with pytest.raises(TransportError):
        await send(source, target)
    target.fail = lambda what, key, n: None
    target.calls.clear()
    return source, target


async def test_the_next_run_sends_what_is_missing() -> None:
    source, target = await interrupted()
    assert len(target.uploads) == len(journals()) == 1
    diary = Diary()
    await send(source, target, progress=diary)
    assert target.objects["f"].data == content(8000)
    assert target.calls["stored"] == 3
    assert not target.calls["begin"]
    assert not target.uploads
    assert not journals()
    diary.check()


async def test_a_journal_is_private_and_names_no_content() -> None:
    await interrupted()
    (path,) = journals()
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0].pop("boot")
    assert lines[0] == {"journal": 1, "place": "to"}
    assert [next(iter(line)) for line in lines[1:]] == ["open"] + ["part"] * 5


async def test_another_content_is_sent_anew_and_the_old_upload_removed() -> None:
    source, target = await interrupted()
    await source.put("f", bytes(8000))
    await send(source, target)
    assert target.objects["f"].data == bytes(8000)
    assert target.calls["stored"] == 8
    assert not target.uploads
    assert not journals()


async def test_an_upload_that_is_gone_is_begun_anew() -> None:
    source, target = await interrupted()
    target.uploads.clear()
    await send(source, target)
    assert target.objects["f"].data == content(8000)
    assert target.calls["begin"] == 1
    assert not journals()


async def test_parts_that_the_store_does_not_know_are_sent_again() -> None:
    source, target = await interrupted()
    (parts,) = target.uploads.values()
    del parts[2]
    await send(source, target)
    assert target.objects["f"].data == content(8000)
    assert target.calls["stored"] == 4


async def test_another_part_size_does_not_disturb() -> None:
    source, target = await interrupted()
    await send(source, target, options=options(part_size=700))
    assert target.objects["f"].data == content(8000)
    assert target.calls["stored"] == 3


async def test_without_resume_nothing_is_kept() -> None:
    source, target = MemoryStore(), FlakyStore()
    await source.put("f", content(8000))
    broken_after(target, 5)
    with pytest.raises(TransportError):
        await send(source, target, options=options(parts=1, resume=False))
    assert not target.uploads
    assert not journals()


async def test_a_failure_that_does_not_pass_leaves_nothing() -> None:
    source, target = MemoryStore(), FlakyStore()
    await source.put("f", content(8000))
    target.fail = lambda what, key, n: (
        PermissionError(13, "no") if what == "put_part" and n == 4 else None
    )
    with pytest.raises(PermissionError):
        await send(source, target)
    assert not target.uploads
    assert not journals()


async def test_a_cancelled_transfer_leaves_nothing() -> None:
    source, target = MemoryStore(), FlakyStore()
    await source.put("f", content(8000))
    reached = asyncio.Event()

    def hold(what: str, key: str, n: int) -> Exception | None:
        if what == "stored" and n == 4:
            reached.set()
        return None

    target.fail = hold
    task = asyncio.create_task(send(source, target))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not target.uploads
    assert not journals()


async def test_siblings_of_a_file_that_lost_its_line_keep_what_they_have() -> None:
    source, target = MemoryStore(), FlakyStore()
    for name in ("a", "b", "c"):
        await source.put(f"d/{name}", content(8000))
    target.fail = lambda what, key, n: (
        TransportError("cut") if what == "put_part" and key.endswith("b") else None
    )
    ends = side(source, "d", place="from"), side(target, "e", place="to")
    with pytest.raises(TransportError):
        await copy_tree(*ends, options=options(parts=1, files=3))
    assert len(target.uploads) == 3 - len(target.objects)
    target.fail = lambda what, key, n: None
    before = target.calls["stored"]
    await copy_tree(*ends, options=options(parts=1))
    assert {key: data.data for key, data in target.objects.items()} == {
        f"e/{name}": content(8000) for name in ("a", "b", "c")
    }
    assert before > 0 or target.calls["stored"] == 24
    assert target.calls["stored"] <= 24 + 3
    assert not target.uploads
    assert not journals()


async def test_what_was_begun_for_a_file_that_is_gone_is_removed() -> None:
    source, target = MemoryStore(), FlakyStore()
    for name in ("gone", "here"):
        await source.put(f"d/{name}", content(3000))
    broken_after(target, 2)
    ends = side(source, "d", place="from"), side(target, "e", place="to")
    with pytest.raises(TransportError):
        await copy_tree(*ends, options=options(parts=1))
    target.fail = lambda what, key, n: None
    await source.delete("d/gone")
    await copy_tree(*ends, options=options())
    assert set(target.objects) == {"e/here"}
    assert not target.uploads
    assert not journals()


async def test_the_same_transfer_at_the_same_time_has_its_own() -> None:
    source, target = await interrupted()
    holder = Journal("\n".join(("from", "f", "to", "f")), "to")
    entry = await source.head("f")
    assert await holder.find(entry, "f") is not None
    try:
        await send(source, target)
        assert target.objects["f"].data == content(8000)
        assert target.calls["stored"] == 8
        assert len(target.uploads) == 1  # that of the other process
        assert len(journals()) == 1
    finally:
        await holder.close()


async def test_the_second_of_two_equal_transfers_goes_on_too() -> None:
    first, second = Journal("name", "to"), Journal("name", "to")
    try:
        for journal, upload in ((first, "u1"), (second, "u2")):
            await journal.opened(entry("f"), Upload("f", upload, 10), 5)
        assert len(journals()) == 2
    finally:
        await first.close()
        await second.close()
    third, fourth = Journal("name", "to"), Journal("name", "to")
    try:
        found = [await journal.find(entry("f"), "f") for journal in (third, fourth)]
        assert [item and item.upload.id for item in found] == ["u1", "u2"]
    finally:
        await third.close()
        await fourth.close()


@pytest.mark.parametrize(("boot", "left"), [("", 5000), ("an earlier one", 8000)])
async def test_a_download_goes_on(tmp_path: Path, boot: str, left: int) -> None:
    source = FlakyStore()
    await MemoryStore.put(source, "f", content(8000))
    entry = await source.head("f")
    source.fail = lambda what, key, n: TransportError("cut") if what == "get" and n > 2 else None
    ends = side(source, "f", place="from"), local_side(tmp_path / "copy")
    with pytest.raises(TransportError):
        await copy_file(*ends, entry, options=options(parts=1))
    (draft,) = [name for name in os.listdir(tmp_path) if name.endswith(".part")]
    if boot:  # what had arrived before the machine went down may not be on its disk
        (path,) = journals()
        header, rest = path.read_text().split("\n", 1)
        path.write_text(json.dumps(json.loads(header) | {"boot": boot}) + "\n" + rest)
    source.fail = lambda what, key, n: None
    source.calls.clear()
    await copy_file(*ends, entry, options=options(parts=1))
    assert (tmp_path / "copy").read_bytes() == content(8000)
    assert source.calls["chunk"] == left / 100  # one part, then two as one, had arrived
    assert not (tmp_path / draft).exists()
    assert not journals()


def entry(name: str, version: str | None = "v1") -> Entry:
    return Entry(name, EntryKind.FILE, 10, 0.0, version)


async def left_by_a_kill(text: str | None = None) -> Path:
    """Write a journal as a killed process leaves it."""
    journal = Journal("name", "to")
    await journal.opened(entry("f"), Upload("f", "u1", 10), 5)
    await journal.sent(Upload("f", "u1", 10), Part(1, 0, 5, "tag"))
    await journal.close()
    (path,) = journals()
    if text is not None:
        path.write_text(text)
    return path


async def test_a_torn_line_costs_that_line_only() -> None:
    path = await left_by_a_kill()
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        journal = Journal("name", "to")
        try:
            found = await journal.find(entry("f"), "f")
            lines = whole[:length].count(b"\n")
            assert (found is not None) == (lines >= 2)
            if found is not None:
                assert len(found.parts) == lines - 2
            await journal.opened(entry("g"), Upload("g", "u2", 10), 5)
        finally:
            await journal.close()
        again = Journal("name", "to")
        try:
            assert await again.find(entry("g"), "g") is not None
        finally:
            await again.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "nonsense\n",
        "[]\n",
        '{"journal": 99, "place": "to"}\n{"open": {}}\n',
        '{"journal": 1, "place": "to"}\n{"open": {"key": 1}}\n',
        '{"journal": 1, "place": "to"}\n{"part": [1], "of": "u1"}\n',
        '{"journal": 1, "place": "to"}\n{"what": 1}\n',
    ],
)
async def test_a_damaged_journal_is_begun_anew(text: str) -> None:
    await left_by_a_kill(text)
    journal = Journal("name", "to")
    try:
        assert await journal.find(entry("f"), "f") is None
        await journal.opened(entry("f"), Upload("f", "u2", 10), 5)
    finally:
        await journal.close()
    again = Journal("name", "to")
    try:
        found = await again.find(entry("f"), "f")
        assert found is not None
        assert found.upload.id == "u2"
        assert await again.find(entry("f"), "f") is None  # one taker
    finally:
        await again.close()


async def test_no_state_folder_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    source, target = MemoryStore(), FlakyStore()
    await source.put("f", content(8000))
    await send(source, target)
    assert target.objects["f"].data == content(8000)
    assert "no journal" in caplog.text


async def test_no_home_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    source, target = MemoryStore(), FlakyStore()
    await source.put("f", content(8000))
    await send(source, target)
    assert target.objects["f"].data == content(8000)


async def test_a_source_without_a_version_is_not_remembered() -> None:
    journal = Journal("name", "to")
    await journal.opened(entry("f", None), Upload("f", "u1", 10), 5)
    await journal.close()
    assert not journals()


async def test_old_journals_are_swept_with_what_they_left(tmp_path: Path) -> None:
    old = await left_by_a_kill()
    other = old.with_name("0" * 64 + ".jsonl")
    other.write_text(old.read_text().replace('"to"', '"elsewhere"'))
    local = plant(tmp_path / "there", {".f.12345678.part": b"unfinished", "f": b"whole"})
    on_disk = old.with_name("1" * 64 + ".jsonl")
    on_disk.write_text(
        old.read_text().replace('"to"', f'"{local.as_uri()}"').replace("u1", ".f.12345678.part")
    )
    young = old.with_name("2" * 64 + ".jsonl")
    young.write_text(old.read_text())
    for path in (old, other, on_disk):
        os.utime(path, (time.time() - KEPT - 60,) * 2)
    source, target = MemoryStore(), FlakyStore()
    target.uploads["u1"] = {}
    await source.put("f", content(8000))
    await send(source, target)
    assert not target.uploads
    assert grown(local) == {"f": b"whole"}
    assert journals() == [other, young]


async def test_small_files_open_no_journal(tmp_path: Path) -> None:
    source = plant(tmp_path / "src", {"a": b"a", "b": b"b"})
    await copy_tree(local_side(source), local_side(tmp_path / "copy"), options=options())
    assert not folder().exists()


async def test_what_a_killed_process_left_of_a_small_file_is_written_over(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    first: list[str] = []
    real = os.replace

    def killed(source: Path, target: Path) -> None:
        first.append(Path(source).name)
        raise OSError(5, "as if killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(os, "unlink", lambda *_: None)
        with pytest.raises(OSError, match="as if killed"):
            await store.put("f", b"long content that is left")
    assert real is os.replace
    assert (tmp_path / first[0]).exists()
    await store.put("f", b"short")
    assert (tmp_path / "f").read_bytes() == b"short"
    assert not (tmp_path / first[0]).exists()


async def test_writers_of_one_small_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    bodies = [bytes([n]) * 50_000 for n in range(40)]
    async with asyncio.TaskGroup() as group:
        for body in bodies:
            group.create_task(store.put("f", body))
    assert (tmp_path / "f").read_bytes() in bodies
    assert sorted(os.listdir(tmp_path)) == ["f", "home"]


async def test_a_link_under_the_hidden_name_is_not_followed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "d")
    await store.put("f", b"1")
    used: list[str] = []
    real = os.replace

    def spy(source: Path, target: Path) -> None:
        used.append(Path(source).name)
        real(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", spy)
        await store.put("f", b"2")
        victim = plant(tmp_path, {"victim": b"precious"}) / "victim"
        (tmp_path / "d" / used[0]).symlink_to(victim)
        await store.put("f", b"3")
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "d" / "f").read_bytes() == b"3"
    assert used[1] != used[0]
