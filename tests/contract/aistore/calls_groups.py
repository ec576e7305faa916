"""Calls about many objects at once, by the names of their samples."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from neuro_client.aistore import AIStore, ObjectRange

Call = Callable[[AIStore], Awaitable[None]]


async def delete(client: AIStore) -> None:
    assert await client.bucket("b1").objects(["top", "d/o001"]).delete() == "dlXRPPpm1"


async def evict(client: AIStore) -> None:
    group = client.bucket("b1", "aws").objects(obj_template="d/o{000..003}")
    assert await group.evict() == "evXRPPpm1"


async def prefetch(client: AIStore) -> None:
    group = client.bucket("b1", "aws").objects(obj_range=ObjectRange("d/"))
    assert await group.prefetch(blob_threshold=2**20, num_workers=4) == "pfXRPPpm1"


async def copy(client: AIStore) -> None:
    group = client.bucket("b1").objects(obj_range=ObjectRange("d/o", 0, 3, 3, 2))
    found = await group.copy(client.bucket("b2"), "c/", continue_on_error=True)
    assert found == "tco-kLAlrvITJy"


async def transform(client: AIStore) -> None:
    group = client.bucket("b1").objects(["top"])
    assert await group.transform(client.bucket("b2"), "etl-name") == "tco-kLAlrvITJz"


async def archive(client: AIStore) -> None:
    group = client.bucket("b1").objects(obj_template="d/o{000..003}")
    assert await group.archive("x.tar", ".tar", include_source_name=True) == "MebjabaQlo"


async def _read(client: AIStore, *, streamed: bool) -> list[tuple[str, bytes, bytes, str]]:
    link = await client.requests.link()  # it has asked for the version before
    link.version, link.asked_version = (5, 0), True
    bucket = client.bucket("b1")
    batch = client.batch(["top"], bucket, streaming_get=streamed)
    batch.add("shard.tar", "dir/a.txt").add("missing").add("d/o001", opaque=b"id4")
    async with batch.get() as items:
        return [(item.obj.name, item.data, item.opaque, item.error) async for item in items]


def batch_of(streamed: bool, error: str) -> Call:
    async def call(client: AIStore) -> None:
        assert await _read(client, streamed=streamed) == [
            ("top", b"tt", b"", ""),
            ("shard.tar", b"hello", b"", ""),
            ("missing", b"", b"", error),
            ("d/o001", b"x", b"id4", ""),
        ]

    return call


CALLS: dict[str, Call] = {
    "get_batch": batch_of(True, "ais://b1/missing does not exist"),
    "get_batch_parts": batch_of(False, "t[LKPt8081]: ais://b1/missing does not exist"),
    "group_archive": archive,
    "group_copy": copy,
    "group_delete": delete,
    "group_evict": evict,
    "group_prefetch": prefetch,
    "group_transform": transform,
}
