"""Our client against golden hops: it sends exactly the golden requests and reads the answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from neuro_client.aistore import (
    AIStore,
    Bucket,
    ErrBadCksum,
    ErrBckAlreadyExists,
    ErrBckNotFound,
    ErrObjNotFound,
    ListObjectFlag,
    Namespace,
    Object,
)
from neuro_client.errors import IllegalArgumentError
from neuro_client.retry import NEVER

from ..golden import TOKEN
from .exchanges import Sample, samples, stage

pytestmark = pytest.mark.contract

UPLOAD = "up-1"
HELLO = b"hello world"

Call = Callable[[AIStore], Awaitable[None]]


def first(client: AIStore) -> Bucket:
    return client.bucket("b1")


def thing(client: AIStore, name: str = "dir/o1") -> Object:
    return first(client).object(name)


def giving(work: Callable[[AIStore], Awaitable[object]], expected: object) -> Call:
    async def call(client: AIStore) -> None:
        assert await work(client) == expected

    return call


def failing(work: Callable[[AIStore], Awaitable[object]], error: type[Exception]) -> Call:
    async def call(client: AIStore) -> None:
        with pytest.raises(error):
            await work(client)

    return call


async def put(client: AIStore) -> None:
    assert (await thing(client).put_content(HELLO))["Ais-Version"] == "1"


async def put_bad(client: AIStore) -> None:
    await thing(client).put(HELLO, checksum=("xxhash2", "0" * 16))


async def put_same(client: AIStore) -> None:
    headers = await thing(client).put(HELLO, checksum=("xxhash2", "45ab6734b21e6968"))
    assert "Ais-Version" not in headers


async def head(client: AIStore) -> None:
    props = await thing(client).props()
    assert (props.size, props.checksum_value, props.present) == (11, "45ab6734b21e6968", True)
    assert props.mirror_paths == ("/data/mp2/1",)


async def head_props(client: AIStore) -> None:
    headers = await thing(client).head("checksum,version,last-modified")
    assert headers["Last-Modified"] == "Fri, 20 Nov 2026 18:30:51 GMT"


async def append(client: AIStore) -> None:
    handle = await thing(client).append_content(HELLO)
    assert handle.split("|")[0] == "dNAt8081"


async def create_upload(client: AIStore) -> None:
    upload = await thing(client).multipart_upload().create()
    assert upload.upload_id == "abc"


async def part(client: AIStore) -> None:
    upload = thing(client).multipart_upload()
    upload.upload_id = UPLOAD
    await upload.put_part(2, HELLO)


async def complete(client: AIStore) -> None:
    upload = thing(client).multipart_upload()
    upload.upload_id = UPLOAD
    await upload.complete([2, 1])


async def abort(client: AIStore) -> None:
    upload = thing(client).multipart_upload()
    upload.upload_id = UPLOAD
    await upload.abort()


async def get_map(client: AIStore) -> None:
    smap = await client.cluster().get_info()
    assert (smap.version, smap.proxy_si.id_digest) == (4, 10808230828177354191)
    assert smap.tmap["wwPt8081"].public_net.direct_url == "http://127.0.0.1:8080"


async def list_buckets(client: AIStore) -> None:
    assert [found.name for found in await client.cluster().list_buckets()] == ["b1"]


async def create(client: AIStore) -> None:
    await client.bucket("new").create()


async def create_namespaced(client: AIStore) -> None:
    await client.bucket("new", namespace=Namespace("uuid", "ns")).create()


async def set_props(client: AIStore) -> None:
    assert await first(client).set_props({"versioning": {"enabled": False}}) == ""


async def page(client: AIStore) -> None:
    found = await first(client).list_objects("d/", page_size=3)
    assert (found.uuid, found.continuation_token) == ("gfmXRPPpm", "d/o002")
    assert [(entry.name, entry.size) for entry in found.entries] == [
        ("d/o000", 0), ("d/o001", 1), ("d/o002", 2),
    ]  # fmt: skip
    assert all(entry.is_cached() and entry.is_ok() for entry in found.entries)


async def flags(client: AIStore) -> None:
    chosen = [ListObjectFlag.NO_RECURSION, ListObjectFlag.CACHED, ListObjectFlag.CACHED]
    found = await first(client).list_all_objects(flags=chosen)
    assert [(entry.name, entry.is_dir()) for entry in found] == [("d/", True), ("top", False)]


async def promote(client: AIStore) -> None:
    assert await thing(client).promote("/p", recursive=True, overwrite_dest=True) == ""


CALLS: dict[str, Call] = {
    "append": append,
    "blob_download": giving(
        lambda c: c.bucket("b1", "aws").object("big").blob_download(2**20, 4), "blb-x"
    ),
    "check_lock": giving(lambda c: thing(c).check_lock(), "free"),
    "copy_bucket": giving(lambda c: first(c).copy(c.bucket("b2"), "d/", "c/"), "ekbXRPPpm"),
    "create": create,
    "create_existing": failing(lambda c: first(c).create(), ErrBckAlreadyExists),
    "create_namespaced": create_namespaced,
    "delete": lambda c: thing(c).delete(),
    "delete_missing": failing(lambda c: thing(c, "dir/none").delete(), ErrObjNotFound),
    "destroy": lambda c: first(c).delete(),
    "destroy_missing": failing(lambda c: c.bucket("none").delete(), ErrBckNotFound),
    "evict_own": lambda c: c.bucket("b1", "aws").evict(keep_md=True),
    "get": giving(lambda c: thing(c).get().read_all(), HELLO),
    "get_map": get_map,
    "get_member": giving(lambda c: thing(c, "shard.tar").get("dir/a.txt").read_all(), b"hello"),
    "get_missing": failing(lambda c: thing(c, "dir/none").get().read_all(), ErrObjNotFound),
    "get_range": giving(lambda c: thing(c).get(byte_range="2-5").read_all(), b"llo "),
    "get_range_behind": failing(
        lambda c: thing(c).get(byte_range="bytes=11-").read_all(), IllegalArgumentError
    ),
    "head": head,
    "head_bucket": giving(
        lambda c: first(c).props(),
        {"provider": "ais", "checksum": {"type": "xxhash2"}, "access": "18446744073709551615"},
    ),
    "head_missing": failing(lambda c: thing(c, "dir/none").head(), ErrObjNotFound),
    "head_props": head_props,
    "is_running": giving(lambda c: c.cluster().is_aistore_running(), True),
    "list_buckets": list_buckets,
    "list_empty": giving(lambda c: first(c).list_all_objects("none/"), []),
    "list_flags": flags,
    "list_jobs": giving(lambda c: c.cluster().list_jobs_status("lru"), []),
    "list_page": page,
    "list_page_json": page,
    "list_running": giving(
        lambda c: c.cluster().list_running_jobs("copy-bck"),
        ["copy-listrange[tco-kLAlrvITJy]", "list[gfmXRPPpm]"],
    ),
    "multipart_abort": abort,
    "multipart_complete": complete,
    "multipart_create": create_upload,
    "multipart_part": part,
    "promote": promote,
    "put": put,
    "put_bad_checksum": failing(put_bad, ErrBadCksum),
    "put_empty": lambda c: _none(thing(c).put_content(b"")),
    "put_same_again": put_same,
    "put_special_name": lambda c: _none(thing(c, "sp ace%+#?é/x").put_content(HELLO)),
    "rename_bucket": giving(lambda c: first(c).rename("b2"), "ekbXRPPpm"),
    "rename_object": lambda c: _none(thing(c).rename("new")),
    "set_custom_props": lambda c: thing(c).set_custom_props({"k": "v=1"}, True),
    "set_props": set_props,
    "transform_bucket": giving(
        lambda c: first(c).transform("etl-name", c.bucket("b2"), ext={"jpg": "txt"}),
        "etl-kbXRPPpm",
    ),
}


async def _none(work: Awaitable[object]) -> None:
    await work


SOURCE = re.compile(r"aistore\.md §\d+(\.\d+)*(; aistore\.md §\d+(\.\d+)*)*")


def test_every_call_has_its_sample_and_every_sample_its_facts() -> None:
    assert sorted(CALLS) == [sample.name for sample in samples()]
    for sample in samples():
        assert SOURCE.fullmatch(sample.document["source"]), sample.name
        assert sample.document.keys() <= {"source", "hops", "exact", "optional", "local"}


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
async def test_the_client_speaks_as_the_facts_say(sample: Sample) -> None:
    async with stage(sample, upload=UPLOAD, promoted="/p") as played:
        async with AIStore.connect(
            played.values["proxy"], token=TOKEN, retry_config=NEVER, direct_reads=False
        ) as client:
            await CALLS[sample.name](client)
        played.check()
