from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from neuro_client.errors import (
    IllegalArgumentError,
    ResourceNotFound,
    SourceChangedError,
    TransferError,
)
from neuro_client.retry import RetryPolicy
from neuro_client.storage import Storage
from neuro_client.transfer import TransferOptions

from ...unit.transfer.kit import Diary, content, grown, plant
from .server import StorageServer, cut

TREE: dict[str, bytes | None] = {
    "empty": b"",
    "small": b"x" * 999,
    "exact": content(1000),
    "above": content(1001),
    "large": content(12_345),
    "sub/deep/file": b"deep",
    "none": None,
    "sub/nothing": None,
    "two words %41 #?\n🙂": b"odd",
    "n" * 255: content(3000),
}
SMALL = TransferOptions(part_size=1000, retry=RetryPolicy(attempts=10, base=0.001, cap=0.002))


async def test_round_trip(storage: Storage, server: StorageServer, tmp_path: Path) -> None:
    source = plant(tmp_path / "src", TREE)
    up, down = Diary(), Diary()
    await storage.upload_dir(source, URL("storage:there"), options=SMALL, progress=up)
    assert grown(server.root / "ada/there") == TREE
    target = tmp_path / "a" / "back"
    await storage.download_dir(
        URL("storage:there"), URL(target.as_uri()), options=SMALL, progress=down
    )
    assert grown(target) == TREE
    for diary in (up, down):
        diary.check()
        assert Counter(kind for kind, _ in diary.events if kind != "step") == Counter(
            {"enter": 5, "leave": 5, "start": 8, "complete": 8}
        )
    kind, entered = up.events[0]
    assert kind == "enter"
    assert entered.src == URL(source.as_uri())  # type: ignore[attr-defined]
    assert entered.dst == URL("storage://alpha/ada/there")  # type: ignore[attr-defined]


async def test_requests_of_a_tree(storage: Storage, server: StorageServer, tmp_path: Path) -> None:
    source = plant(tmp_path / "src", {f"d{n % 3}/f{n}": content(500) for n in range(12)})
    for path in source.rglob("f*"):
        os.utime(path, (1000, 1000))
    await storage.upload_dir(source, URL("storage:t"), options=SMALL)
    assert server.calls == {"MKDIRS": 4, "CREATE": 12}
    server.calls.clear()
    os.utime(source / "d0" / "f0", (2**31, 2**31))
    await storage.upload_dir(source, URL("storage:t"), update=True, options=SMALL)
    assert server.calls == {"LISTSTATUS": 4, "CREATE": 1}


async def test_a_second_sync_costs_one_listing_per_directory(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    source = plant(tmp_path / "src", {f"d{n % 3}/f{n}": content(1500) for n in range(12)})
    for path in source.rglob("f*"):
        os.utime(path, (1000, 1000))
    await storage.upload_dir(source, URL("storage:t"), options=SMALL)
    server.calls.clear()
    diary = Diary()
    await storage.upload_dir(source, URL("storage:t"), update=True, progress=diary)
    assert server.calls == {"LISTSTATUS": 4}
    assert not diary.names("start", "step", "complete", "fail")
    for path in server.root.rglob("f*"):
        os.utime(path, (1000, 1000))
    target = plant(tmp_path / "dst", {f"d{n % 3}/f{n}": b"" for n in range(12)})
    server.calls.clear()
    await storage.download_dir(URL("storage:t"), target, update=True)
    assert server.calls == {"LISTSTATUS": 4}


async def test_a_large_file_appears_complete(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path, {"f": content(5500)}) / "f"
    names: set[str] = set()

    async def hook(request: web.Request, op: str) -> None:
        if op in ("CREATE", "WRITE"):
            names.add(request.match_info["path"])
            assert not (server.root / "ada/f").exists()

    server.hook = hook
    await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert (server.root / "ada/f").read_bytes() == content(5500)
    (draft,) = names
    assert draft.startswith("ada/.f.")
    assert draft.endswith(".part")
    assert server.calls["WRITE"] == 6
    assert os.listdir(server.root / "ada") == ["f"]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_refused_hidden_name_is_written_in_place(
    storage: Storage, server: StorageServer, tmp_path: Path, status: int
) -> None:
    path = plant(tmp_path, {"f": content(5500)}) / "f"
    offsets: list[str] = []

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        if ".part" in request.path:
            return web.Response(status=status, text="hidden")
        offsets.append(request.headers.get("Content-Range", op))
        return None

    server.hook = hook
    await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert (server.root / "ada/f").read_bytes() == content(5500)
    assert "RENAME" not in server.calls
    sent = [offset for offset in offsets if offset not in ("GETFILESTATUS",)]
    assert sent == ["CREATE"] + [
        f"bytes {n}-{min(n + 999, 5499)}/*" for n in range(1000, 5500, 1000)
    ]


async def test_continue(storage: Storage, server: StorageServer, tmp_path: Path) -> None:
    path = plant(tmp_path, {"f": content(5500)}) / "f"
    os.utime(path, (1000, 1000))
    remote = plant(server.root / "ada", {"f": content(1234)}) / "f"
    diary = Diary()
    uri = URL("storage:f")
    await storage.upload_file(path, uri, continue_=True, options=SMALL, progress=diary)
    assert remote.read_bytes() == content(5500)
    assert server.calls == {"GETFILESTATUS": 2, "WRITE": 5}
    steps = [data.current for kind, data in diary.events if kind == "step"]  # type: ignore[attr-defined]
    assert steps[0] == 1234
    assert steps[-1] == 5500
    server.calls.clear()
    await storage.upload_file(path, uri, continue_=True, progress=diary)
    assert server.calls == {"GETFILESTATUS": 1}

    os.utime(remote, (1000, 1000))
    path.write_bytes(content(2222))
    server.calls.clear()
    await storage.download_file(uri, path, continue_=True, options=SMALL)
    assert path.read_bytes() == content(5500)
    assert server.calls == {"GETFILESTATUS": 1, "OPEN": 4}


@pytest.mark.thorough
async def test_faults_of_every_kind_are_survived(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    """Every third request fails, in turns by a status, a cut, and a lost answer."""
    source = plant(tmp_path / "src", TREE)
    count = 0

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        nonlocal count
        count += 1
        if count % 12 == 3:
            return web.Response(status=503, headers={"Retry-After": "0"})
        if count % 12 == 7:
            return await cut(request)
        if count % 12 == 11 and op in ("WRITE", "CREATE", "MKDIRS", "RENAME"):
            path = server.root / request.match_info["path"].strip("/")
            getattr(server, f"_{op.lower()}")(request, path, await request.read())
            return await cut(request)
        return None

    server.hook = hook
    for attempt in range(3):
        uri = URL(f"storage:t{attempt}")
        await storage.upload_dir(source, uri, options=SMALL)
        assert grown(server.root / f"ada/t{attempt}") == TREE
        target = tmp_path / f"back{attempt}"
        await storage.download_dir(uri, target, options=SMALL)
        assert grown(target) == TREE
    assert count > 100


async def test_a_cut_download_goes_on_where_it_broke(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    size = 300_000
    plant(server.root / "ada", {"f": content(size)})
    ranges: list[str | None] = []

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        if op != "OPEN":
            return None
        ranges.append(request.headers.get("Range"))
        if len(ranges) > 3:
            return None
        start = int((ranges[-1] or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        headers = {"Content-Length": str(size - start)}
        if start:
            headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        answer = web.StreamResponse(status=206 if start else 200, headers=headers)
        await answer.prepare(request)
        await answer.write(content(size)[start : start + 50_000])
        return await cut(request)

    server.hook = hook
    diary = Diary()
    await storage.download_file(
        URL("storage:f"), tmp_path / "f", options=TransferOptions(retry=SMALL.retry), progress=diary
    )
    assert (tmp_path / "f").read_bytes() == content(size)
    assert ranges[0] is None
    starts = [int((r or "").removeprefix("bytes=").partition("-")[0]) for r in ranges[1:]]
    assert starts == sorted(starts)
    assert starts[-1] > 50_000
    diary.check()


async def test_a_lasting_failure_leaves_nothing(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    path = plant(tmp_path / "src", {"f": content(5500)}) / "f"
    plant(server.root / "ada", {"f": b"old", "g": content(5500)})

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        full = op == "WRITE" and request.headers["Content-Range"].startswith("bytes 3000")
        range_ = request.headers.get("Range", "")
        return web.Response(status=400) if full or range_.startswith("bytes=1000-") else None

    server.hook = hook
    with pytest.raises(IllegalArgumentError):
        await storage.upload_file(path, URL("storage:f"), options=SMALL)
    assert grown(server.root / "ada") == {"f": b"old", "g": content(5500)}
    with pytest.raises(IllegalArgumentError):
        await storage.download_file(URL("storage:g"), tmp_path / "g", options=SMALL)
    assert sorted(os.listdir(tmp_path)) == ["home", "remote", "src"]


async def test_full_storage_is_the_servers_own_error(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    source = plant(tmp_path / "src", {"f": content(5500), "g": b"x"})

    async def hook(request: web.Request, op: str) -> web.StreamResponse | None:
        if op not in ("CREATE", "WRITE"):
            return None
        body = {"error": "no space left", "errno": "ENOSPC"}
        return web.json_response(body, status=400)

    server.hook = hook
    with pytest.raises(OSError, match="no space left"):
        await storage.upload_dir(source, URL("storage:t"), options=SMALL)
    assert grown(server.root / "ada/t") == {}


@pytest.mark.parametrize("size", [500, 5500])
async def test_a_remote_file_that_changes_is_reported(
    storage: Storage, server: StorageServer, tmp_path: Path, size: int
) -> None:
    remote = plant(server.root / "ada", {"f": content(size)}) / "f"

    async def hook(request: web.Request, op: str) -> None:
        if server.calls["OPEN"] == 1:
            remote.write_bytes(content(size + 1))

    server.hook = hook
    with pytest.raises(SourceChangedError):
        await storage.download_file(URL("storage:f"), tmp_path / "f", options=SMALL)
    assert not (tmp_path / "f").exists()


async def test_bad_ends(storage: Storage, server: StorageServer, tmp_path: Path) -> None:
    local = plant(tmp_path / "src", {"f": b"x", "d/g": b"y"})
    plant(server.root / "ada", {"rf": b"x", "rd/g": b"y"})
    up, down = storage.upload_file, storage.download_file
    with pytest.raises(FileNotFoundError):
        await up(local / "absent", URL("storage:x"))
    with pytest.raises(IsADirectoryError):
        await up(local / "d", URL("storage:x"))
    for uri in ("storage:rd", "storage:rd/", "storage:"):
        with pytest.raises(IsADirectoryError):
            await up(local / "f", URL(uri))
    for uri in ("storage:absent/x", "storage:rf/x"):
        with pytest.raises(NotADirectoryError):
            await up(local / "f", URL(uri))
    with pytest.raises(FileNotFoundError):
        await storage.upload_dir(local / "absent", URL("storage:x"))
    with pytest.raises(NotADirectoryError):
        await storage.upload_dir(local / "f", URL("storage:x"))
    for update in (False, True):
        with pytest.raises(NotADirectoryError):
            await storage.upload_dir(local / "d", URL("storage:rf"), update=update)
    with pytest.raises(ResourceNotFound):
        await down(URL("storage:absent"), local / "x")
    with pytest.raises(IsADirectoryError):
        await down(URL("storage:rd"), local / "x")
    with pytest.raises(IsADirectoryError):
        await down(URL("storage:rf"), local / "d")
    with pytest.raises(FileNotFoundError):
        await down(URL("storage:rf"), local / "absent" / "x")
    with pytest.raises(NotADirectoryError):
        await storage.download_dir(URL("storage:rf"), local / "y")
    diary = Diary()
    with pytest.raises(ResourceNotFound):
        await storage.download_dir(URL("storage:absent"), local / "z", progress=diary)
    assert (local / "z").is_dir()
    assert [kind for kind, _ in diary.events] == ["enter"]
    with pytest.raises(ValueError, match="file"):
        await up(URL("storage:x"), URL("storage:y"))


async def test_links_of_the_storage_fail_and_are_passed_over(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    remote = plant(server.root / "ada/d", {"f": b"x"})
    (remote / "link").symlink_to("f")
    diary = Diary()
    await storage.download_dir(URL("storage:d"), tmp_path / "d", progress=diary)
    assert grown(tmp_path / "d") == {"f": b"x"}
    assert diary.names("fail") == [("fail", "ada/d/link")]
    diary.check()


async def test_links_of_the_target(storage: Storage, server: StorageServer, tmp_path: Path) -> None:
    plant(server.root / "ada/d", {"sub/f": b"new"})
    outside = plant(tmp_path / "outside", {"f": b"old"})
    target = plant(tmp_path / "dst", {})
    (target / "sub").symlink_to(outside)
    with pytest.raises(TransferError, match="outside"):
        await storage.download_dir(URL("storage:d"), target)
    assert grown(outside) == {"f": b"old"}
    # A link that the user names is followed, as everywhere.
    (tmp_path / "link").symlink_to(outside / "f")
    await storage.download_file(URL("storage:d/sub/f"), tmp_path / "link")
    assert grown(outside) == {"f": b"new"}
    assert (tmp_path / "link").is_symlink()


async def test_filter_and_ignore_files(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    (tmp_path / ".ignore").write_text("*.tmp\n")
    source = plant(
        tmp_path / "src",
        {
            ".ignore": b"/build/\n!keep.tmp\n",
            "a.py": b"",
            "a.tmp": b"",
            "keep.tmp": b"",
            "build/x": b"",
            "sub/.ignore": b"secret\n",
            "sub/secret": b"",
            "sub/build/y": b"",
            "other/secret": b"",
            "other/no": b"",
        },
    )

    async def accept(path: str) -> bool:
        return not path.endswith("no")

    await storage.upload_dir(source, URL("storage:t"), filter=accept, ignore_file_names={".ignore"})
    assert set(grown(server.root / "ada/t")) == {
        ".ignore",
        "a.py",
        "keep.tmp",
        "sub/.ignore",
        "sub/build/y",
        "other/secret",
    }


async def test_a_pipe_is_uploaded_to_its_end(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    size = 3_000_000
    program = "import sys; open(sys.argv[1], 'wb').write(b'x' * int(sys.argv[2]))"
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, tmp_path / "pipe", str(size)
    )
    diary = Diary()
    await storage.upload_file(tmp_path / "pipe", URL("storage:f"), progress=diary)
    assert await writer.wait() == 0
    assert (server.root / "ada/f").read_bytes() == b"x" * size
    assert [kind for kind, _ in diary.events][:2] == ["start", "step"]
    await storage.upload_file(Path("/dev/null"), URL("storage:empty"))
    assert (server.root / "ada/empty").read_bytes() == b""


async def test_clock_difference_decides(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    """The server's clock is two hours late: its newer files look older than ours."""
    path = plant(tmp_path, {"f": b"new content"}) / "f"
    remote = plant(server.root / "ada", {"f": b"old content"}) / "f"
    now = path.stat().st_mtime
    server.date = "Mon, 01 Jan 2001 00:00:00 GMT"
    shift = now - 978307200
    os.utime(remote, (now - shift - 60, now - shift - 60))
    os.utime(path, (now - 90, now - 90))
    await storage.upload_file(path, URL("storage:f"), update=True)
    assert remote.read_bytes() == b"old content"
    os.utime(path, (now - 30, now - 30))
    await storage.upload_file(path, URL("storage:f"), update=True)
    assert remote.read_bytes() == b"new content"


async def test_cancel_leaves_nothing(
    storage: Storage, server: StorageServer, tmp_path: Path
) -> None:
    tree: dict[str, bytes | None] = {"a": b"a", "b": content(300), "sub/c": content(2500)}
    source = plant(tmp_path / "src", tree)
    passes = 0
    for passes in range(0, 100_000, 3):
        uri = URL(f"storage:t{passes}")
        task = asyncio.ensure_future(storage.upload_dir(source, uri, options=SMALL))
        for _ in range(passes):
            await asyncio.sleep(0)
        finished = task.done()
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            assert not finished
        found = grown(server.root / f"ada/t{passes}")
        files = {name: data for name, data in found.items() if data is not None}
        assert files.items() <= tree.items()
        if finished:
            break
    assert passes > 12
