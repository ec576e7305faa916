from __future__ import annotations

import errno
import os
import re
import resource
import stat
import subprocess
import sys
import tempfile
import textwrap
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from yarl import URL

from neuro_client.errors import SourceChangedError, TransferError
from neuro_client.testing.stores import NAMES, entries, read
from neuro_client.transfer import Body, Chunk, EntryKind, LocalStore, MemoryStore, copy_tree
from neuro_client.transfer.drafts import temporary
from neuro_client.transfer.files import Reader, read_at, write_at
from neuro_client.transfer.places import absolute, local_side

from .kit import Diary, content, options, plant, side


def hidden(root: Path) -> list[str]:
    """Return what a failed write may have left."""
    return [path.name for path in root.iterdir() if path.name.startswith(".")]


async def test_special_files_and_links(tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"file": b"x", "dir/inner": b"y"})
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("file")
    (root / "dir-link").symlink_to("dir")
    (root / "broken").symlink_to("nowhere")
    (root / "circle").symlink_to("circle")
    (root / os.fsdecode(b"bad\xff")).write_bytes(b"z")
    kinds = {entry.key: entry.kind for entry in await entries(LocalStore(root), "")}
    assert kinds == {
        "file": EntryKind.FILE,
        "link": EntryKind.FILE,
        "dir": EntryKind.DIRECTORY,
        "dir-link": EntryKind.DIRECTORY,
        "pipe": EntryKind.OTHER,
        "broken": EntryKind.OTHER,
        "circle": EntryKind.OTHER,
        "bad\\xff": EntryKind.OTHER,
    }
    diary = Diary()
    target = MemoryStore()
    await copy_tree(local_side(root), side(target), progress=diary)
    assert set(target.objects) == {"file", "link", "dir/inner", "dir-link/inner"}
    assert len(diary.names("fail")) == 4
    diary.check()


@pytest.mark.parametrize("key", ["../x", "/etc/x", "a/../../x", "a//b", "a\0b", "."])
async def test_keys_cannot_escape(key: str, tmp_path: Path) -> None:
    store = LocalStore(plant(tmp_path / "root", {}))
    with pytest.raises(TransferError, match="refused"):
        await store.put(key, b"x")
    with pytest.raises(TransferError, match="refused"):
        await store.make_dir(key)


async def test_links_cannot_lead_out(tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"inside": None})
    outside = plant(tmp_path / "outside", {})
    (root / "out").symlink_to(outside)
    (root / "in").symlink_to("inside")
    store = LocalStore(root)
    for work in (store.put("out/x", b"x"), store.make_dir("out/d"), store.begin("out/x", 5)):
        with pytest.raises(TransferError, match="outside"):
            await work
    await store.put("in/x", b"x")
    assert (root / "inside" / "x").read_bytes() == b"x"
    assert list(outside.iterdir()) == []
    # A link that is replaced is not followed either.
    (root / "file-link").symlink_to(outside / "target")
    await store.put("file-link", b"x")
    assert list(outside.iterdir()) == []


async def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    (path := tmp_path / "f").write_bytes(b"old")
    path.chmod(0o751)
    await LocalStore(tmp_path).put("f", b"new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o751


async def test_a_device_is_written_in_place(tmp_path: Path) -> None:
    (path := tmp_path / "null").symlink_to("/dev/null")
    store = LocalStore(Path("/dev/null"))
    await store.put("", b"x")
    upload = await store.begin("", 5)
    assert upload.serial
    await store.complete(upload, [await store.put_part(upload, 1, 0, Body.of(b"12345"))])
    assert path.is_char_device()


async def test_a_directory_is_not_overwritten(tmp_path: Path) -> None:
    store = LocalStore(plant(tmp_path, {"d": None}))
    with pytest.raises(IsADirectoryError):
        await store.put("d", b"x")
    with pytest.raises(IsADirectoryError):
        await store.begin("d", 10)
    with pytest.raises(IsADirectoryError):
        await read(store, "d")
    assert hidden(tmp_path) == []


async def test_a_change_between_slices_is_noticed(tmp_path: Path) -> None:
    (path := tmp_path / "f").write_bytes(content(3 * 2**20))
    with pytest.raises(SourceChangedError):
        async with LocalStore(tmp_path).get("f") as chunks:
            async for _ in chunks:
                with path.open("ab") as file:
                    file.write(b"more")


def test_a_file_that_shrinks_is_noticed(tmp_path: Path) -> None:
    (path := tmp_path / "f").write_bytes(content(2 * 2**20))
    reader = Reader(path, "f", 0, None, None)
    reader.read()
    os.truncate(path, 10)
    with pytest.raises(SourceChangedError):
        reader.read()
    reader.close()


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """Make a directory that everybody may use."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def powerless(public_dir: Path) -> Iterator[Path]:
    """Give up the right to read everything, if there is one."""
    plant(public_dir, {"f": b"x"})
    (public_dir / "f").chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield public_dir
    os.seteuid(user)


async def test_unreadable_source(powerless: Path) -> None:
    target = MemoryStore()
    with pytest.raises(PermissionError):
        await copy_tree(local_side(powerless), side(target), options=options())
    assert not target.objects


def test_short_reads_and_writes_are_completed(tmp_path: Path) -> None:
    path = tmp_path / "f"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        chunks: list[Chunk] = [b"x" * (i % 7) for i in range(2000)]
        write_at(fd, chunks, 3)
        expected = b"\0\0\0" + b"".join(chunks)
        assert read_at(fd, len(expected) + 10, 0) == expected
        assert read_at(fd, 10, len(expected)) == b""
    finally:
        os.close(fd)


def test_temporary_names_fit() -> None:
    assert re.fullmatch(r"\.name\.[0-9a-f]{8}\.part", temporary("name"))
    long = temporary("ü" * 127 + "x")
    assert len(long.encode()) <= 255
    assert long.endswith(".part")
    assert temporary("name") != temporary("name")


FULL = """
    import asyncio, resource, signal, sys
    from pathlib import Path
    from neuro_client.transfer import Body, LocalStore

    async def main(root, size):
        store = LocalStore(root)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for work in (put, parts):
            try:
                await work(store, size)
            except OSError as error:
                print(work.__name__, error.errno)

    async def put(store, size):
        await store.put("whole", bytes(size))

    async def parts(store, size):
        upload = await store.begin("parts", size)
        try:
            await store.put_part(upload, 1, 0, Body.of(bytes(size)))
        finally:
            await store.abort(upload)

    asyncio.run(main(Path(sys.argv[1]), 300_000))
"""


def test_full_disk_leaves_nothing_under_a_final_name(tmp_path: Path) -> None:
    root = plant(tmp_path / "root", {"whole": b"old"})
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["put", str(errno.EFBIG), "parts", str(errno.EFBIG)]
    assert {path.name: path.read_bytes() for path in root.iterdir()} == {"whole": b"old"}


async def test_a_failing_body_leaves_the_draft_to_abort(tmp_path: Path) -> None:
    async def chunks() -> AsyncIterator[Chunk]:
        yield b"x" * 100
        raise ValueError("no more")

    store = LocalStore(tmp_path)
    upload = await store.begin("f", 1000)
    with pytest.raises(ValueError, match="no more"):
        await store.put_part(upload, 1, 0, Body(1000, chunks))
    await store.abort(upload)
    assert not (tmp_path / "f").exists()
    assert hidden(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="hard links and locks of POSIX")
async def test_a_link_under_the_hidden_name_is_left_alone(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "to")
    await store.put("f", b"old")
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep")
    usual = tmp_path / "to" / temporary("f", zlib.crc32(b"f"))
    os.link(precious, usual)
    await store.put("f", b"new")
    assert precious.read_bytes() == b"keep"
    assert (tmp_path / "to" / "f").read_bytes() == b"new"
    usual.unlink()
    usual.write_bytes(b"left by a kill")
    await store.put("f", b"newer")
    assert hidden(tmp_path / "to") == []


async def test_case_of_names_is_found_out(tmp_path: Path) -> None:
    folds = await LocalStore(tmp_path).folds_names("")
    (tmp_path / "x").touch()
    assert folds == (tmp_path / "X").exists()
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("url", ["storage:a", "file://host/x", "file:x?q", "file:x#f"])
async def test_urls_that_are_no_local_files(url: str) -> None:
    with pytest.raises(ValueError, match=re.escape(url.partition(":")[0])):
        await absolute(URL(url))


async def test_local_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert await absolute(URL("file:///a/b%20c%23d")) == Path("/a/b c#d")
    assert await absolute(URL("file:rel/x")) == tmp_path / "rel/x"
    assert await absolute(Path("any#thing")) == tmp_path / "any#thing"


def test_urls_of_children_keep_every_character() -> None:
    base = local_side(Path("/top")).url
    assert str(base("")) == "file:///top"
    for name in NAMES:
        assert base(f"d/{name}").path == f"/top/d/{name}"
