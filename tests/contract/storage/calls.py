"""The calls behind the samples of storage, and what their answers must become."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Mapping

import pytest
from yarl import URL

from neuro_client.client import Client
from neuro_client.errors import IllegalArgumentError, ResourceNotFound
from neuro_client.models import Action
from neuro_client.storage import DiskUsageInfo, FileStatus, FileStatusType
from neuro_client.transfer import AbstractDeleteProgress, StorageProgressDelete

from ..golden import Call

Values = Mapping[str, str]

HOME = URL("storage://alpha/acme/ada")
SPECIAL = URL("storage://alpha/acme/ada/a%20b%25%23%3Fc")
MODIFIED = 1656676800


class Deleted(AbstractDeleteProgress):
    """Keep what was told."""

    def __init__(self) -> None:
        self.told: list[StorageProgressDelete] = []

    def delete(self, data: StorageProgressDelete) -> None:
        self.told.append(data)


def file(path: str, uri: URL) -> FileStatus:
    return FileStatus(path, 5, FileStatusType.FILE, MODIFIED, Action.MANAGE, uri)


def folder(path: str, uri: URL) -> FileStatus:
    return FileStatus(path, 0, FileStatusType.DIRECTORY, MODIFIED, Action.MANAGE, uri)


def creating(data: bytes) -> Call:
    async def call(client: Client, _: Values) -> None:
        await client.storage.create(HOME / "file", data)

    return call


def failing(
    action: Callable[[Client], Awaitable[object]], error: type[Exception], code: int | None = None
) -> Call:
    """Expect an error, with an errno where one is given."""

    async def call(client: Client, _: Values) -> None:
        with pytest.raises(error) as info:
            await action(client)
        assert getattr(info.value, "errno", None) == code

    return call


def not_found(action: Callable[[Client], Awaitable[object]]) -> Call:
    return failing(action, ResourceNotFound)


def renaming(source: str, target: str) -> Callable[[Client], Awaitable[None]]:
    return lambda client: client.storage.mv(HOME / source, URL(f"{HOME}/{target}"))


async def listed(client: Client, name: str) -> list[FileStatus]:
    async with client.storage.list(HOME / name) as found:
        return [status async for status in found]


async def read(client: Client, uri: URL, offset: int = 0, size: int | None = None) -> bytes:
    async with client.storage.open(uri, offset, size) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def mkdirs(client: Client, _: Values) -> None:
    await client.storage.mkdir(HOME / "a/b", parents=True, exist_ok=True)


def making(path: str) -> Callable[[Client], Awaitable[None]]:
    return lambda client: client.storage.mkdir(URL(f"{HOME}/{path}"), parents=True, exist_ok=True)


def writing(name: str) -> Callable[[Client], Awaitable[None]]:
    return lambda client: client.storage.write(HOME / name, b"abc", 0)


async def write(client: Client, _: Values) -> None:
    await client.storage.write(HOME / "file", b"abc", 2)


async def open_whole(client: Client, _: Values) -> None:
    assert await read(client, HOME / "file") == b"hello"


async def open_range(client: Client, _: Values) -> None:
    assert await read(client, HOME / "file", 1, 3) == b"ell"


async def open_rest(client: Client, _: Values) -> None:
    assert await read(client, HOME / "file", 3) == b"lo"


async def list_folder(client: Client, _: Values) -> None:
    assert await listed(client, "dir") == [
        file("inner", HOME / "dir/inner"),
        folder("sub", HOME / "dir/sub"),
    ]


async def list_empty(client: Client, _: Values) -> None:
    assert await listed(client, "empty") == []


async def stat_file(client: Client, _: Values) -> None:
    assert await client.storage.stat(HOME / "file") == file("/acme/ada/file", HOME / "file")


async def stat_directory(client: Client, _: Values) -> None:
    assert await client.storage.stat(HOME / "dir") == folder("/acme/ada/dir", HOME / "dir")


async def stat_special_name(client: Client, _: Values) -> None:
    assert await client.storage.stat(SPECIAL) == file("/acme/ada/a b%#?c", SPECIAL)


async def stat_link(client: Client, _: Values) -> None:
    assert await client.storage.stat(HOME / "link") == FileStatus(
        "/acme/ada/link", 1, FileStatusType.SYMLINK, MODIFIED, Action.READ, HOME / "link", "file"
    )


async def disk_usage(client: Client, _: Values) -> None:
    usage = await client.storage.disk_usage()
    assert usage == DiskUsageInfo("alpha", 1000, 400, 600, "acme")


async def rename(client: Client, _: Values) -> None:
    await renaming("file", "other")(client)


async def delete(client: Client, _: Values) -> None:
    deleted = Deleted()
    await client.storage.rm(HOME / "file", progress=deleted)
    assert deleted.told == [StorageProgressDelete(HOME / "file", False)]


async def delete_recursive(client: Client, _: Values) -> None:
    deleted = Deleted()
    await client.storage.rm(HOME / "dir", recursive=True, progress=deleted)
    assert deleted.told == [
        StorageProgressDelete(HOME / "dir/inner", False),
        StorageProgressDelete(HOME / "dir/sub", True),
        StorageProgressDelete(HOME / "dir", True),
    ]


async def delete_broken(client: Client, _: Values) -> None:
    deleted = Deleted()
    with pytest.raises(PermissionError):
        await client.storage.rm(HOME / "dir", recursive=True, progress=deleted)
    assert deleted.told == [StorageProgressDelete(HOME / "dir/inner", False)]


def removing(name: str, *, recursive: bool) -> Callable[[Client], Awaitable[None]]:
    return lambda client: client.storage.rm(HOME / name, recursive=recursive)


EXISTS = FileExistsError, errno.EEXIST
IS_FOLDER = IsADirectoryError, errno.EISDIR
NO_FOLDER = NotADirectoryError, errno.ENOTDIR

CALLS: Mapping[str, Call] = {
    "create": creating(b"hello"),
    "create_empty": creating(b""),
    "create_on_directory": failing(lambda c: c.storage.create(HOME / "dir", b"hello"), *IS_FOLDER),
    "create_below_file": failing(
        lambda c: c.storage.create(HOME / "file/below", b"hello"), *EXISTS
    ),
    "mkdirs": mkdirs,
    "mkdirs_on_file": failing(making("file"), *EXISTS),
    "mkdirs_below_file": failing(making("file/below"), *NO_FOLDER),
    "write": write,
    "write_missing": not_found(writing("nothing")),
    "write_on_directory": failing(writing("dir"), *IS_FOLDER),
    "open": open_whole,
    "open_range": open_range,
    "open_rest": open_rest,
    "open_past_the_end": failing(lambda c: read(c, HOME / "file", 5), IllegalArgumentError),
    "open_missing": not_found(lambda c: read(c, HOME / "nothing")),
    "open_directory": failing(lambda c: read(c, HOME / "dir"), *IS_FOLDER),
    "open_not_permitted": not_found(lambda c: read(c, URL("storage://alpha/bob/file"))),
    "list": list_folder,
    "list_document": list_folder,
    "list_empty": list_empty,
    "list_missing": not_found(lambda c: listed(c, "nothing")),
    "list_file": failing(lambda c: listed(c, "file"), *NO_FOLDER),
    "stat_file": stat_file,
    "stat_directory": stat_directory,
    "stat_special_name": stat_special_name,
    "stat_link": stat_link,
    "stat_missing": not_found(lambda c: c.storage.stat(HOME / "nothing")),
    "disk_usage": disk_usage,
    "rename": rename,
    "rename_missing": not_found(renaming("nothing", "other")),
    "rename_file_onto_directory": failing(renaming("file", "dir"), *IS_FOLDER),
    "rename_directory_onto_file": failing(renaming("dir", "file"), *NO_FOLDER),
    "rename_directory_onto_full": failing(renaming("empty", "dir"), OSError, errno.ENOTEMPTY),
    "rename_into_itself": failing(renaming("dir", "dir/below"), OSError, errno.EINVAL),
    "delete": delete,
    "delete_recursive": delete_recursive,
    "delete_broken": delete_broken,
    "delete_directory": failing(removing("dir", recursive=False), *IS_FOLDER),
    "delete_missing": not_found(removing("nothing", recursive=True)),
}
