"""The capture keeps to the rules of grid-artifacts.md §2."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from neuro_client.artifacts import capture as engine
from neuro_client.artifacts import capture_file, capture_scan
from neuro_client.artifacts.capture import (
    Capture,
    CaptureChangedError,
    CaptureFile,
    CaptureReport,
    Inventory,
    take_inventory,
)

from .keeping import Kept

SOON = 0.002
LATER = 3600.0  # no scan before the end


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def write(root: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


async def written(root: Path, **files: str | bytes) -> None:
    await asyncio.to_thread(write, root, **files)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


async def captured(root: Path, store: Kept, **options: Any) -> CaptureReport:
    """Capture what is there, in one last pass."""
    options = {"inventory": Inventory(), "interval": LATER, **options}
    async with Capture([root], store, **options) as capture:
        return await capture.finish()


async def test_files_are_stored_while_the_program_runs_and_at_its_end(root: Path) -> None:
    write(root, old="old", touched="before")
    store = Kept()
    async with Capture([root], store, interval=SOON) as capture:
        await written(root, new="one", sub__deep="deep", touched="after", empty=b"")
        await store.until(lambda: {"new", "sub/deep", "touched", "empty"} <= store.files.keys())
        await written(root, new="two!")
        await store.until(lambda: store.files["new"] == b"two!")
        await asyncio.to_thread((root / "sub/deep").unlink)
    report = await capture.finish()
    assert store.files == {"new": b"two!", "sub/deep": b"deep", "touched": b"after", "empty": b""}
    assert report.uploaded == ("empty", "new", "sub/deep", "touched")
    assert report.bytes == len("oneaftertwo!deep")
    assert report.warnings == report.failed == ()


async def test_the_last_pass_stores_what_no_scan_saw(root: Path) -> None:
    write(root, old="old")
    store = Kept()
    async with Capture([root], store, interval=LATER):
        await written(root, last="words")
    assert store.files == {"last": b"words"}


async def test_only_new_files_on_request(root: Path) -> None:
    write(root, old="old")
    store = Kept()
    async with Capture([root], store, mode="new-only", interval=LATER):
        await written(root, old="changed", new="new")
    assert store.files == {"new": b"new"}


async def test_a_file_is_stored_when_two_scans_agree(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = 0
    real = capture_scan.scan

    def scan_then_grow(*arguments: Any) -> Any:
        nonlocal scans
        found = real(*arguments)
        scans += 1
        if scans < 6:
            append(root / "log", "line\n")
        return found

    monkeypatch.setattr(engine, "scan", scan_then_grow)
    seen: list[int] = []

    async def note(file: CaptureFile) -> None:
        seen.append(scans)

    store = Kept(note)
    async with Capture([root], store, interval=SOON):
        await store.until(lambda: "log" in store.files)
    # The fifth scan saw it grown since the fourth, the sixth since the fifth.
    assert seen[0] == 7
    assert store.files["log"] == b"line\n" * 5
    assert store.puts == ["log"]


async def test_a_file_that_grows_while_it_is_read_is_read_again(root: Path) -> None:
    write(root, log="a" * 10)
    changes = 2

    async def grow(file: CaptureFile) -> None:
        nonlocal changes
        if changes:
            changes -= 1
            await asyncio.to_thread(append, root / "log", "b")

    store = Kept(grow)
    report = await captured(root, store, interval=SOON)
    assert store.files == {"log": b"a" * 10 + b"bb"}
    assert store.puts == ["log"] * 3
    assert report.failed == ()


async def test_a_file_that_never_rests_is_reported(root: Path) -> None:
    write(root, log="a", other="o")

    async def grow(file: CaptureFile) -> None:
        if file.key == "log":
            await asyncio.to_thread(append, root / "log", "b")

    store = Kept(grow)
    report = await captured(root, store, interval=SOON)
    assert store.files == {"other": b"o"}
    assert [(note.name, note.reason) for note in report.failed] == [
        ("log", "it kept changing while it was read")
    ]


def change(path: Path, how: str) -> None:
    path.unlink()
    if how == "replaced":
        path.write_bytes(b"e" * 1000)
    elif how == "truncated":
        path.write_bytes(b"d")
    elif how == "piped":
        os.mkfifo(path)


@pytest.mark.parametrize("how", ["replaced", "removed", "truncated", "piped"])
async def test_nothing_of_a_changed_file_is_kept(root: Path, how: str) -> None:
    write(root, data="d" * 1000)
    errors: list[Exception] = []

    async def strike(file: CaptureFile) -> None:
        if errors:
            return
        async with file.chunks(0, 1) as chunks:
            assert [piece async for piece in chunks] == [b"d"]
        await asyncio.to_thread(change, root / "data", how)
        try:
            async with file.chunks() as chunks:
                await anext(chunks)
        except CaptureChangedError as error:
            errors.append(error)
            raise

    store = Kept(strike)
    report = await captured(root, store, interval=SOON)
    assert len(errors) == 1
    left = {"replaced": {"data": b"e" * 1000}, "truncated": {"data": b"d"}}
    assert store.files == left.get(how, {})
    assert report.failed == ()


async def test_links_never_lead_out(root: Path, tmp_path: Path) -> None:
    write(tmp_path, secret="secret", outside__file="secret")
    write(root, inside="content", sub__file="below")
    (root / "good").symlink_to("inside")
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "relative").symlink_to("../secret")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "again").symlink_to("sub")
    (root / "loop").symlink_to("loop")
    (root / "nowhere").symlink_to("missing")
    (root / "sub/up").symlink_to("..")
    store = Kept()
    report = await captured(root, store)
    assert store.files == {"inside": b"content", "good": b"content", "sub/file": b"below"}
    reasons = {note.name: note.reason for note in report.warnings}
    assert reasons.keys() == {"out", "relative", "folder", "loop", "nowhere"}
    assert "leads out" in reasons["out"]
    assert "leads nowhere" in reasons["nowhere"]


def swap_file(root: Path, outside: Path) -> None:
    (root / "sub/file").unlink()
    (root / "sub/file").symlink_to(outside / "file")


def swap_folder(root: Path, outside: Path) -> None:
    (root / "sub").rename(root.parent / "moved")
    (root / "sub").symlink_to(outside)


@pytest.mark.parametrize("swap", [swap_file, swap_folder])
async def test_a_link_put_in_place_of_a_file_is_not_followed(
    root: Path, tmp_path: Path, swap: Callable[[Path, Path], None]
) -> None:
    write(tmp_path, outside__file="secret")
    write(root, sub__file="public")
    swapped = False

    async def strike(file: CaptureFile) -> None:
        nonlocal swapped
        if not swapped:
            swapped = True
            await asyncio.to_thread(swap, root, tmp_path / "outside")

    store = Kept(strike)
    report = await captured(root, store, interval=SOON)
    assert swapped
    assert store.files == {}
    assert any("leads out" in note.reason for note in report.warnings)


async def test_what_is_no_file_is_passed_over(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        write(root, file="x")
        store = Kept()
        report = await captured(root, store)
    assert store.files == {"file": b"x"}
    assert report.warnings == report.failed == ()


async def test_ignored_folders_and_names(root: Path) -> None:
    write(root, file="x", sub__keep="x", a__tmp="x")
    for folder in (".git", "sub/__pycache__", "sub/.ipynb_checkpoints"):
        await asyncio.to_thread((root / folder).mkdir)
        await asyncio.to_thread((root / folder / "file").write_text, "x")
    (root / ".hg").write_text("a file of this name is no folder of Mercurial")
    store = Kept()
    await captured(root, store)
    assert store.files.keys() == {"file", "sub/keep", "a/tmp", ".hg"}
    other = Kept()
    await captured(root, other, ignore=["t?p", ".*"])
    assert other.files.keys() == {"file", "sub/keep", "sub/__pycache__/file"}


async def test_unsafe_names_are_encoded_and_reported(root: Path) -> None:
    names = {
        "100%": "100%25",
        "a&b c": "a%26b%20c",
        "a%26b c": "a%2526b%20c",
        "é~": "%C3%A9%7E",
        os.fsdecode(b"\xff"): "%FF",
        "safe-1_2.txt": "safe-1_2.txt",
        "sub:dir/x": "sub%3Adir/x",
    }
    (root / "sub:dir").mkdir()
    for name in names:
        (root / name).write_text(names[name])
    store = Kept()
    report = await captured(root, store)
    assert store.files == {key: key.encode() for key in names.values()}
    assert {note.name for note in report.warnings} == names.keys() - {"safe-1_2.txt"}
    reasons = {note.name: note.reason for note in report.warnings}
    assert reasons["a&b c"] == "it is stored as 'a%26b%20c'"
    assert report.failed == ()


async def test_a_file_that_cannot_be_stored_stops_no_other(root: Path) -> None:
    write(root, bad="x", good="x", flaky="x")
    refused = {"flaky": 2, "bad": 1000}

    async def refuse(file: CaptureFile) -> None:
        if refused.get(file.key, 0) > 0:
            refused[file.key] -= 1
            raise PermissionError(f"no room for {file.key}")

    store = Kept(refuse)
    report = await captured(root, store, interval=SOON)
    assert store.files.keys() == {"good", "flaky"}
    assert [(note.name, note.reason) for note in report.failed] == [
        ("bad", "it could not be stored: no room for bad")
    ]
    assert report.uploaded == ("flaky", "good")


async def test_a_long_interval_does_not_hold_up_the_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    async def refuse(file: CaptureFile) -> None:
        if not pauses:
            raise ConnectionError("lost")

    write(root, file="x")
    monkeypatch.setattr(asyncio, "sleep", pause)
    report = await captured(root, Kept(refuse))
    assert report.uploaded == ("file",)
    assert pauses == [engine.INTERVAL]


async def test_a_scan_that_fails_does_not_end_the_capture(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [RuntimeError("can't start new thread"), MemoryError()]
    real = capture_scan.scan

    def scan(*arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(*arguments)

    store = Kept()
    async with Capture([root], store, interval=SOON, inventory=Inventory()) as capture:
        monkeypatch.setattr(engine, "scan", scan)
        await written(root, file="x")
        await store.until(lambda: "file" in store.files)
        assert (await capture.finish()).failed == ()
    assert not failures


async def test_a_long_chain_of_links_stops_no_scan(root: Path) -> None:
    def link() -> None:
        for number in range(1200):
            (root / f"link{number}").symlink_to(f"link{number + 1}")
        (root / "file").write_text("x")

    await asyncio.to_thread(link)
    store = Kept()
    report = await captured(root, store)
    assert store.files == {"file": b"x"}
    assert {"leads nowhere" in note.reason for note in report.warnings} == {True}


async def test_a_failed_file_is_tried_again_during_the_run(root: Path) -> None:
    failures = 3

    async def refuse(file: CaptureFile) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise ConnectionError("lost")

    store = Kept(refuse)
    async with Capture([root], store, interval=SOON) as capture:
        await written(root, file="x")
        await store.until(lambda: "file" in store.files)
        report = await capture.finish()
    assert store.puts == ["file"] * 4
    assert report.failed == ()


async def test_at_most_four_large_files_at_once_and_none_holds_up_a_small_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LARGE", 100)
    write(root, **{f"large{number}": "x" * 101 for number in range(6)})
    go_on = asyncio.Event()
    most = 0

    async def hold(file: CaptureFile) -> None:
        nonlocal most
        most = max(most, sum(key.startswith("large") for key in store.active))
        if file.key.startswith("large"):
            await go_on.wait()

    store = Kept(hold)
    async with Capture([root], store, interval=SOON, inventory=Inventory()) as capture:
        await store.until(lambda: len(store.active) == 4)
        for number in range(3):
            await written(root, **{f"small{number}": "y" * 100})
            await store.until(lambda key=f"small{number}": key in store.files)  # type: ignore[misc]
        go_on.set()
        report = await capture.finish()
    assert most == 4
    assert len(report.uploaded) == 9


async def test_pieces_and_ranges(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_file, "SMALL_PIECE", 300)
    content = bytes(range(256)) * 4
    write(root, data=content, empty=b"")
    for name in ("data", "empty"):
        os.utime(root / name, (0, 1_700_000_000.5))
    tried: list[str] = []

    async def look(file: CaptureFile) -> None:
        tried.append(file.key)
        for start, end in ((0, file.size), (file.size // 3, file.size // 2), (0, 0)):
            async with file.chunks(start, end) as chunks:
                pieces = [piece async for piece in chunks]
            assert b"".join(pieces) == (content[start:end] if file.size else b"")
            assert all(len(piece) == 300 for piece in pieces[:-1])
        with pytest.raises(ValueError, match="no bytes"):
            async with file.chunks(5, file.size + 6):
                pass
        assert file.modified == datetime.fromtimestamp(1_700_000_000.5, UTC)

    report = await captured(root, Kept(look), interval=SOON)
    assert report.failed == ()
    assert sorted(tried) == ["data", "empty"]


async def test_a_time_that_no_calendar_has(root: Path) -> None:
    write(root, data="x")
    found = capture_scan.Found("data", str(root), "data", capture_scan.Stamp(1, 2**62 * 100, 1))
    file = CaptureFile(found, "data")
    assert file.modified == datetime.fromtimestamp(0, UTC)
    os.utime(root / "data", (0, 2**40))
    store = Kept()
    assert (await captured(root, store)).failed == ()
    assert store.files == {"data": b"x"}


async def test_a_crash_keeps_what_was_saved(root: Path) -> None:
    program = (
        "import os, signal\n"
        "open('checkpoint', 'w').write('state')\n"
        "print('saved', flush=True)\n"
        "open('half', 'w').write('half')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    store = Kept()
    with pytest.raises(RuntimeError, match="-9"):
        async with Capture([root], store, interval=SOON):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", program, cwd=root, stdout=asyncio.subprocess.PIPE
            )
            await process.communicate()
            raise RuntimeError(f"the program ended with {process.returncode}")
    assert store.files == {"checkpoint": b"state", "half": b"half"}


@pytest.mark.parametrize("when", ["watching", "last pass"])
async def test_cancellation_leaves_nothing(root: Path, when: str) -> None:
    stopped: list[str] = []

    async def hold(file: CaptureFile) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(file.key)
            raise

    store = Kept(hold)

    async def run() -> None:
        interval = SOON if when == "watching" else LATER
        async with Capture([root], store, interval=interval):
            await written(root, one="1", two="2")
            if when == "watching":
                await asyncio.Event().wait()

    task = asyncio.create_task(run())
    await store.until(lambda: len(store.active) == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(stopped) == ["one", "two"]
    assert store.files == {}


async def test_a_capture_goes_on_where_another_one_died(root: Path) -> None:
    write(root, old="old")
    first = Kept()
    before = await take_inventory([root])
    async with Capture([root], first, interval=LATER, inventory=before) as capture:
        assert capture.inventory is before
        await written(root, stored="1", changed="1")
        kept = Inventory.loads(capture.inventory.dumps())
    await written(root, changed="22", late="3")
    second = Kept()
    report = await captured(root, second, inventory=kept, known=first.stamps)
    assert second.files == {"changed": b"22", "late": b"3"}
    assert report.uploaded == ("changed", "late", "stored")
    with pytest.raises(ValueError, match="no inventory"):
        Inventory.loads("[]")


async def test_several_roots(tmp_path: Path) -> None:
    write(tmp_path, a__file="1", b__file="2", a__nested__file="3")
    store = Kept()
    roots = [tmp_path / "a", tmp_path / "b", tmp_path / "a/nested"]
    async with Capture(roots, store, inventory=Inventory()):
        pass
    assert store.files == {"a/file": b"1", "b/file": b"2", "nested/file": b"3"}
    named = Kept()
    async with Capture({"": tmp_path / "a", "x": tmp_path / "b"}, named, inventory=Inventory()):
        pass
    assert named.files == {"file": b"1", "nested/file": b"3", "x/file": b"2"}


async def test_two_files_of_one_name_are_told_of(tmp_path: Path) -> None:
    write(tmp_path, work__home__file="1", home__file="2")
    store = Kept()
    roots = {"": tmp_path / "work", "home": tmp_path / "home"}
    async with Capture(roots, store, inventory=Inventory()) as capture:
        report = await capture.finish()
    assert store.files == {"home/file": b"1"}
    assert [note.name for note in report.warnings] == ["home/file"]


async def test_a_root_that_comes_later_or_goes(tmp_path: Path) -> None:
    store = Kept()
    async with Capture([tmp_path / "out"], store, interval=SOON) as capture:
        await written(tmp_path, out__file="1")
        await store.until(lambda: "file" in store.files)
        await asyncio.to_thread((tmp_path / "out/file").unlink)
        await asyncio.to_thread((tmp_path / "out").rmdir)
        report = await capture.finish()
    assert report.uploaded == ("file",)
    assert report.failed == report.warnings == ()


async def test_what_cannot_be_is_refused(root: Path) -> None:
    for roots, options, message in (
        ([], {}, "at least one folder"),
        ([root, root.parent / "x" / root.name], {}, "one name"),
        ({"a": root, "b": root}, {}, "same folder"),
        ([root], {"mode": "some"}, "no mode"),
        ([root], {"interval": 0}, "interval"),
    ):
        with pytest.raises(ValueError, match=message):
            async with Capture(roots, Kept(), **options):
                pass
    idle = Capture([root], Kept())
    with pytest.raises(RuntimeError, match="not begun"):
        await idle.finish()
    with pytest.raises(RuntimeError, match="not begun"):
        _ = idle.inventory
    async with idle:
        with pytest.raises(RuntimeError, match="once"):
            await idle.__aenter__()
