from __future__ import annotations

import errno
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from yarl import URL

from neuro_client.errors import NDJSONError, ProtocolError, ResourceNotFound
from neuro_client.models import Action
from neuro_client.storage import DiskUsageInfo, FileStatusType, Storage
from neuro_client.transfer import AbstractDeleteProgress, StorageProgressDelete

from ...unit.transfer.kit import content, plant
from .server import StorageServer


async def _read(storage: Storage, uri: str, offset: int = 0, size: int | None = None) -> bytes:
    async with storage.open(URL(uri), offset, size) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def test_create_write_open(storage: Storage, server: StorageServer) -> None:
    uri = URL("storage:new/f")
    await storage.create(uri, content(3_000_000))
    assert await _read(storage, "storage:new/f") == content(3_000_000)
    await storage.write(uri, b"XY", 10)
    assert await _read(storage, "storage:/ada/new/f", 9, 4) == b"\x09XY\x0c"
    assert await _read(storage, "storage://alpha/ada/new/f", 2_999_999) == content(3_000_000)[-1:]

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    await storage.create(uri, chunks())
    assert await _read(storage, "storage:new/f") == b"one two"
    assert await _read(storage, "storage:new/f", 4, 0) == b""
    await storage.create(uri, b"")
    assert await _read(storage, "storage:new/f") == b""


async def test_arguments_are_checked_before_any_request(
    storage: Storage, server: StorageServer
) -> None:
    with pytest.raises(ValueError, match="empty"):
        await storage.write(URL("storage:f"), b"", 0)
    for offset, size in ((-1, None), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            await _read(storage, "storage:f", offset, size)
    with pytest.raises(ValueError, match="blob"):
        await storage.stat(URL("blob:x"))
    with pytest.raises(RuntimeError, match="gamma"):
        await storage.stat(URL("storage://gamma/x"))
    with pytest.raises(ValueError, match="different clusters"):
        await storage.mv(URL("storage:a"), URL("storage://beta/ada/a"))
    assert not server.calls


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {}),
        (206, {}),
        (206, {"Content-Range": "bytes 6-9/10"}),
        (206, {"Content-Range": "nonsense"}),
    ],
)
async def test_a_range_that_is_not_what_was_asked(
    storage: Storage, server: StorageServer, status: int, headers: dict[str, str]
) -> None:
    async def hook(request: web.Request, op: str) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, body=b"x")

    server.hook = hook
    with pytest.raises(RuntimeError, match="bytes=5-"):
        await _read(storage, "storage:f", 5)


@pytest.mark.parametrize("ndjson", [True, False])
async def test_list_and_stat(storage: Storage, server: StorageServer, ndjson: bool) -> None:
    server.ndjson = ndjson
    home = plant(server.root / "ada", {"d/two words%#": b"12345", "d/sub": None})
    (home / "d" / "link").symlink_to("sub")
    async with storage.list(URL("storage:d")) as it:
        found = {status.name: status async for status in it}
    assert set(found) == {"two words%#", "sub", "link"}
    file = found["two words%#"]
    assert file.path == "two words%#"
    assert file.uri == URL("storage://alpha/ada/d/two%20words%25%23")
    assert (file.size, file.type, file.permission) == (5, FileStatusType.FILE, Action.WRITE)
    assert file.is_file()
    assert found["sub"].is_dir()
    assert found["link"].is_symlink()
    status = await storage.stat(file.uri)
    assert status.path == "/ada/d/two words%#"
    assert status.uri == file.uri
    assert status.name == file.name
    with pytest.raises(ResourceNotFound):
        await storage.stat(URL("storage:absent"))
    with pytest.raises(NotADirectoryError):
        async with storage.list(file.uri) as it:
            await anext(it)


async def test_unknown_words_of_the_server(storage: Storage, server: StorageServer) -> None:
    record: dict[str, object] = {
        "path": "/ada/x",
        "length": 1,
        "modificationTime": 1,
        "type": "SOCKET",
        "permission": "read",
        "target": "/y",
        "news": 1,
    }

    async def hook(request: web.Request, op: str) -> web.StreamResponse:
        return web.json_response({"FileStatus": record})

    server.hook = hook
    status = await storage.stat(URL("storage:x"))
    assert (status.type, status.target) == (FileStatusType.UNKNOWN, "/y")
    record["permission"] = "own"
    with pytest.raises(ValueError, match="own"):
        await storage.stat(URL("storage:x"))
    record["permission"] = "read"
    del record["length"]
    with pytest.raises(ProtocolError, match=r"FileStatus\.length"):
        await storage.stat(URL("storage:x"))


async def test_errors_inside_a_listing(storage: Storage, server: StorageServer) -> None:
    texts = ['{"error": "gone", "errno": "ESTALE"}', '{"error": "odd", "errno": null}']

    async def hook(request: web.Request, op: str) -> web.StreamResponse:
        return web.Response(text=texts.pop(0), content_type="application/x-ndjson")

    server.hook = hook
    with pytest.raises(OSError, match="gone") as caught:
        async with storage.list(URL("storage:")) as it:
            await anext(it)
    assert caught.value.errno == errno.ESTALE
    with pytest.raises(NDJSONError, match="odd"):
        async with storage.list(URL("storage:")) as it:
            await anext(it)


def test_check_for_server_error() -> None:
    storage = object.__new__(Storage)
    storage.check_for_server_error({"path": "x"})
    with pytest.raises(FileExistsError):
        storage.check_for_server_error({"error": "there", "errno": "EEXIST"})
    with pytest.raises(NDJSONError):
        storage.check_for_server_error({"error": "odd"})


async def test_mkdir(storage: Storage, server: StorageServer) -> None:
    await storage.mkdir(URL("storage:d"))
    with pytest.raises(FileExistsError) as caught:
        await storage.mkdir(URL("storage:d"))
    assert caught.value.errno == errno.EEXIST
    await storage.mkdir(URL("storage:d"), exist_ok=True)
    with pytest.raises(FileNotFoundError) as missing:
        await storage.mkdir(URL("storage:x/y/"))
    assert missing.value.errno == errno.ENOENT
    await storage.mkdir(URL("storage:x/y"), parents=True)
    assert (server.root / "ada/x/y").is_dir()
    await storage.create(URL("storage:f"), b"")
    with pytest.raises(FileExistsError):
        await storage.mkdir(URL("storage:f"), exist_ok=True)


@pytest.mark.parametrize("ndjson", [True, False])
async def test_rm(storage: Storage, server: StorageServer, ndjson: bool) -> None:
    class Deleted(AbstractDeleteProgress):
        def __init__(self) -> None:
            self.events: list[StorageProgressDelete] = []

        def delete(self, data: StorageProgressDelete) -> None:
            self.events.append(data)

    server.ndjson = ndjson
    plant(server.root / "ada", {"d/f 1": b"", "d/sub": None})
    with pytest.raises(IsADirectoryError):
        await storage.rm(URL("storage:d"))
    deleted = Deleted()
    await storage.rm(URL("storage:d"), recursive=True, progress=deleted)
    assert not (server.root / "ada/d").exists()
    names = [(event.uri, event.is_dir) for event in deleted.events]
    assert names == (
        [
            (URL("storage://alpha/ada/d/sub"), True),
            (URL("storage://alpha/ada/d/f%201"), False),
            (URL("storage://alpha/ada/d"), True),
        ]
        if ndjson
        else []
    )
    with pytest.raises(ResourceNotFound):
        await storage.rm(URL("storage:d"))


async def test_mv(storage: Storage, server: StorageServer) -> None:
    await storage.create(URL("storage:a b"), b"1")
    await storage.mv(URL("storage:a b"), URL("storage:c#d".replace("#", "%23")))
    assert (server.root / "ada/c#d").read_bytes() == b"1"


async def test_disk_usage(storage: Storage, server: StorageServer) -> None:
    assert await storage.disk_usage() == DiskUsageInfo("alpha", 100, 30, 70, None, None)
    uri = URL("storage:")
    assert (await storage.disk_usage(uri=uri)).uri == uri
    with pytest.raises(ResourceNotFound):
        await storage.disk_usage(org_name="acme")
    (server.root / "acme/ada").mkdir(parents=True)
    assert (await storage.disk_usage("beta", "acme")).org_name == "acme"


GLOBS = [
    ("storage:folder/*", ["storage:folder/foo", "storage:folder/bar"]),
    ("storage:*/f*", ["storage:folder/foo"]),
    (
        "storage:**",
        [
            "storage:",
            "storage:folder",
            "storage:folder/foo",
            "storage:folder/bar",
            "storage:folder/bar/baz",
        ],
    ),
    ("storage:**/f*", ["storage:folder", "storage:folder/foo"]),
    ("storage:**/b*/", ["storage:folder/bar/"]),
    ("storage:.h*", ["storage:.hidden"]),
    ("storage:folder/b[!x]r", ["storage:folder/bar"]),
    ("storage:fold[*]r/*", []),
    ("storage:*/bar/b%3Fz", ["storage:folder/bar/baz"]),
    ("storage:*/absent", []),
    ("storage:/ada/*", ["storage:/ada/folder"]),
    ("storage://alpha/*/folder", ["storage://alpha/ada/folder"]),
    ("storage:folder/plain", ["storage:folder/plain"]),
]


@pytest.mark.parametrize(("pattern", "expected"), GLOBS)
async def test_glob(
    storage: Storage, server: StorageServer, pattern: str, expected: list[str]
) -> None:
    plant(server.root / "ada", {"folder/foo": b"", "folder/bar/baz": b"", ".hidden/x": b""})
    async with storage.glob(URL(pattern)) as it:
        found = [str(uri) async for uri in it]
    assert sorted(found) == sorted(expected)
    for uri in found:
        parent = uri.rpartition("/")[0]
        assert parent not in found or found.index(parent) < found.index(uri)


async def test_glob_of_folders_only(storage: Storage, server: StorageServer) -> None:
    plant(server.root / "ada", {"folder/foo": b"", "folder/bar/baz": b"", "per%cent": b""})
    async with storage.glob(URL("storage:folder/*"), dironly=True) as it:
        assert [str(uri) async for uri in it] == ["storage:folder/bar"]
    async with storage.glob(URL("storage:per*")) as it:
        assert [str(uri) async for uri in it] == ["storage:per%25cent"]
    with pytest.raises(ResourceNotFound):
        async with storage.glob(URL("storage:nope/*")) as it:
            await anext(it)
