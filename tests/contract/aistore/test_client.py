"""Our client against golden hops: it sends exactly the golden requests and reads the answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence

import pytest

from neuro_client.aistore import (
    AIStore,
    Bucket,
    DsortJobInfo,
    ErrBadCksum,
    ErrBckAlreadyExists,
    ErrBckNotFound,
    ErrETLAlreadyExists,
    ErrETLNotFound,
    ErrJobNotFound,
    ErrObjNotFound,
    Etl,
    ETLNodeHealth,
    ETLNodeLogs,
    ETLNodeMetrics,
    ListObjectFlag,
    Namespace,
    Object,
)
from neuro_client.errors import IllegalArgumentError
from neuro_client.retry import NEVER

from ..golden import TOKEN
from . import calls_groups
from .exchanges import Sample, samples, stage

pytestmark = pytest.mark.contract

UPLOAD = "up-1"
JOB, SORT = "ekbXRPPpm", "srt-z9TikrrZR"
FIRST, SECOND = "LKPt8081", "twQt8082"
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


async def job_status(client: AIStore) -> None:
    status = await client.job(JOB, "copy-bucket").status()
    assert (status.uuid, status.end_time, status.aborted) == (JOB, 1795199515990413332, False)


async def job_snapshots(client: AIStore) -> None:
    first, second = await client.job(JOB).snapshots()
    assert (first.target_id, second.target_id) == (FIRST, SECOND)
    assert (first.stats.objects, first.stats.bytes, first.workers) == (26, 302, 0)
    assert first.src_bck is not None and first.src_bck.name == "b1"
    assert first.joggers == 2 and first.is_idle and first.end_time is not None


async def job_start_buckets(client: AIStore) -> None:
    spaced = client.bucket("new", namespace=Namespace(name="ns"))
    job = client.job(job_kind="ec-encode")
    assert await job.start(FIRST, buckets=[first(client), spaced]) == job.job_id == "xkbXRPPpm"


async def copy_with_options(client: AIStore) -> None:
    other = client.bucket("b2")
    await first(client).copy(
        other, latest=True, sync=True, num_workers=8, continue_on_error=True, recursive=False
    )


async def show_inventory(client: AIStore) -> None:
    found = (await client.bucket("b1", "aws").show_inventory("nightly"))["nightly"]
    assert (found.name, found.ntotal, found.size, found.nat) == ("nightly", 26, 302, 2)


SPEC = {
    "input_bck": {"name": "b1", "provider": "ais"},
    "output_bck": {"name": "b2", "provider": "ais"},
    "input_extension": ".tar",
    "input_format": "shard",
    "output_format": "out-{00..09}",
    "output_shard_size": "10KB",
    "algorithm": {"kind": "alphanumeric"},
    "description": "x",
}


async def dsort_info(client: AIStore) -> None:
    told = await client.dsort(SORT).get_job_info()
    assert set(told) == {FIRST, SECOND}
    info = told[FIRST]
    assert (info.id, info.loc_bytes, info.finished_shard_creation) == (SORT, 45, 378474)
    assert info.metrics.local_extraction.extracted_record_count == 15
    assert info.metrics.shard_creation.created_count == 1
    assert info.metrics.meta_sorting.elapsed == 411033
    assert info.is_finished and info.archived


async def etl_view(client: AIStore) -> None:
    details = await client.etl("etl-name").view()
    assert (details.id, details.timeout, details.obj_timeout) == ("etl-name", "5m", "45s")
    assert isinstance(details.runtime, dict) and details.runtime["command"] == ["run", "it"]


async def etl_list(client: AIStore) -> None:
    [found] = await client.cluster().list_running_etls()
    assert (found.id, found.xaction_id) == ("etl-name", "etl-kbXRPPpm")


def etl(client: AIStore, name: str = "new-etl") -> Etl:
    return client.etl(name)


def old_etl(client: AIStore) -> Etl:
    return client.etl("etl-name")


IMAGE = ("some/image:1", "run it", "hpull")


CALLS: dict[str, Call] = {
    **calls_groups.CALLS,
    "append": append,
    "blob_download": giving(
        lambda c: c.bucket("b1", "aws").object("big").blob_download(2**20, 4), "blb-x"
    ),
    "check_lock": giving(lambda c: thing(c).check_lock(), "free"),
    "copy_bucket": giving(lambda c: first(c).copy(c.bucket("b2"), "d/", "c/"), "ekbXRPPpm"),
    "copy_bucket_options": copy_with_options,
    "create": create,
    "create_existing": failing(lambda c: first(c).create(), ErrBckAlreadyExists),
    "create_inventory": giving(
        lambda c: c.bucket("b1", "aws").create_inventory(
            "nightly", "d/", names_per_chunk=100, force=True
        ),
        "inv-kbXRPPpm",
    ),
    "create_namespaced": create_namespaced,
    "delete": lambda c: thing(c).delete(),
    "delete_missing": failing(lambda c: thing(c, "dir/none").delete(), ErrObjNotFound),
    "destroy": lambda c: first(c).delete(),
    "destroy_inventory": lambda c: c.bucket("b1", "aws").destroy_inventory("nightly"),
    "destroy_missing": failing(lambda c: c.bucket("none").delete(), ErrBckNotFound),
    "dsort_abort": lambda c: c.dsort(SORT).abort(),
    "dsort_delete": lambda c: c.dsort(SORT).delete(),
    "dsort_info": dsort_info,
    "dsort_list": giving(lambda c: _ids(c.dsort().list("x")), [SORT]),
    "dsort_missing": failing(lambda c: c.dsort("srt-none").metrics(), ErrJobNotFound),
    "dsort_start": giving(lambda c: c.dsort().start(SPEC), SORT),
    "etl_delete": lambda c: old_etl(c).delete(),
    "etl_exists": failing(lambda c: old_etl(c).init(*IMAGE, LEVEL="9"), ErrETLAlreadyExists),
    "etl_health": giving(
        lambda c: old_etl(c).health(),
        [ETLNodeHealth(FIRST, "Running"), ETLNodeHealth(SECOND, "Running")],
    ),
    "etl_init": giving(lambda c: etl(c).init(*IMAGE, LEVEL="9"), "etl-kbXRPPpm"),
    "etl_init_spec": giving(
        lambda c: etl(c).init_spec("apiVersion: v1\nkind: Pod\n"), "etl-kbXRPPpm"
    ),
    "etl_list": etl_list,
    "etl_logs": giving(
        lambda c: old_etl(c).logs(), [ETLNodeLogs(FIRST, "started\n"), ETLNodeLogs(SECOND)]
    ),
    "etl_logs_of_one": giving(lambda c: old_etl(c).logs(SECOND), [ETLNodeLogs(SECOND)]),
    "etl_metrics": giving(
        lambda c: old_etl(c).metrics(),
        [ETLNodeMetrics(FIRST, 0.5, 4096), ETLNodeMetrics(SECOND, 0.25)],
    ),
    "etl_missing": failing(lambda c: etl(c, "nobody").view(), ErrETLNotFound),
    "etl_start": lambda c: old_etl(c).start(),
    "etl_stop": lambda c: old_etl(c).stop(),
    "etl_view": etl_view,
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
    "job_snapshots": job_snapshots,
    "job_start": giving(lambda c: c.job(job_kind="lru-eviction").start(), "xkbXRPPpm"),
    "job_start_bucket": giving(
        lambda c: c.job(job_kind="make-n-copies").start(force=True, buckets=[first(c)]),
        "xkbXRPPpm",
    ),
    "job_start_buckets": job_start_buckets,
    "job_status": job_status,
    "job_status_missing": failing(lambda c: c.job("nobody").status(), ErrJobNotFound),
    "job_stop": lambda c: c.job(JOB, "copy-bck").stop(),
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
    "show_inventory": show_inventory,
    "transform_bucket": giving(
        lambda c: first(c).transform("etl-name", c.bucket("b2"), ext={"jpg": "txt"}),
        "etl-kbXRPPpm",
    ),
}


async def _none(work: Awaitable[object]) -> None:
    await work


async def _ids(work: Awaitable[Sequence[DsortJobInfo]]) -> list[str]:
    return [found.id for found in await work]


SOURCE = re.compile(r"aistore\.md §\d+(\.\d+)*(; aistore\.md §\d+(\.\d+)*)*")


def test_every_call_has_its_sample_and_every_sample_its_facts() -> None:
    assert sorted(CALLS) == [sample.name for sample in samples()]
    for sample in samples():
        assert SOURCE.fullmatch(sample.document["source"]), sample.name
        assert sample.document.keys() <= {"source", "hops", "exact", "optional", "local"}


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
async def test_the_client_speaks_as_the_facts_say(sample: Sample) -> None:
    names = {"job": JOB, "sort": SORT, "t1": FIRST, "t2": SECOND}
    async with stage(sample, upload=UPLOAD, promoted="/p", **names) as played:
        async with AIStore.connect(
            played.values["proxy"], token=TOKEN, retry_config=NEVER, direct_reads=False
        ) as client:
            await CALLS[sample.name](client)
        played.check()
