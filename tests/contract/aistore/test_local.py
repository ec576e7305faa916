"""Golden requests against the local cluster: it answers in the shape of the golden answers."""

from __future__ import annotations

import asyncio
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import pytest
from yarl import URL

from neuro_client.aistore import AIStore
from neuro_client.local import LocalPlatform

from ..golden import encode_body
from .exchanges import Sample, differences, samples
from .test_client import IMAGE, SPEC

pytestmark = [pytest.mark.contract, pytest.mark.slow]


def _shard() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("dir/a.txt")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    return packed.getvalue()


CONTENTS = {"dir/o1": b"hello world", "shard.tar": _shard(), "top": b"tt"} | {
    f"d/o00{number}": b"x" * number for number in range(4)
}


async def prepare(client: AIStore, cluster: Any, sample: Sample) -> dict[str, str]:
    """Put there what the sample needs; return the placeholders' values."""
    text = json.dumps(sample.document)
    cluster.etls.clear()
    if "etl-name" in text:
        await client.etl("etl-name").init(*IMAGE, LEVEL="9")
    if not any(used in text for used in ("/v1/buckets", "/v1/objects", "input_bck")):
        return {}
    for name in ("new", "b1", "b2"):
        await client.bucket(name).delete(missing_ok=True)
    bucket = await client.bucket("b1").create()
    async with asyncio.TaskGroup() as group:
        for name, data in CONTENTS.items():
            group.create_task(bucket.object(name).put(data))
    source = Path(cluster.promote_root) / "some"
    await asyncio.to_thread(_plant, source)
    values = {"promoted": str(source)}
    if "{upload}" in text:
        upload = await bucket.object("dir/o1").multipart_upload().create()
        for number in (1, 2):
            await upload.put_part(number, b"part")
        values["upload"] = upload.upload_id
    return values


async def run_jobs(client: AIStore, cluster: Any) -> dict[str, str]:
    """Run a copy and a dSort, and make an ETL; return their ids and those of the targets."""
    cluster.status_delay = 0.0
    job = client.job(await client.bucket("b1").copy(client.bucket("copied")))
    await job.wait(check=True)
    sort = client.dsort()
    await sort.start(SPEC)
    await sort.wait(check=True)
    await client.etl("etl-name").init(*IMAGE, LEVEL="9")
    first, second = (target.id for target in cluster.targets)
    return {"job": job.job_id, "sort": sort.dsort_id, "t1": first, "t2": second}


ALL_READS = Sample("all", {"hops": [{"request": {"path": "/v1/buckets"}}]})


def _plant(source: Path) -> None:
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_bytes(b"promoted")


async def send(
    session: aiohttp.ClientSession, url: URL, golden: Mapping[str, Any]
) -> dict[str, Any]:
    body, _ = encode_body(golden)
    async with session.request(
        golden["method"],
        url,
        data=body,
        headers=golden.get("headers", {}),
        allow_redirects=False,
    ) as answer:
        return {
            "status": answer.status,
            "headers": answer.headers,
            "body": await answer.read(),
        }


def address(root: str, golden: Mapping[str, Any]) -> URL:
    query = golden.get("query", [])
    if isinstance(query, str):
        return URL(f"{root}{golden['path']}?{query}", encoded=True)
    return URL(f"{root}{golden['path']}", encoded=True).with_query(query)


async def replay(
    sample: Sample, session: aiohttp.ClientSession, root: str, values: Mapping[str, str]
) -> list[str]:
    """Send the golden requests one after another and name what is wrong with the answers."""
    errors: list[str] = []
    location: URL | None = None
    for hop in sample.hops({**values, "proxy": root, "target": "{target}"}):
        golden, response = hop["request"], hop["response"]
        url = address(root, golden) if location is None else location
        live = await send(session, url, golden)
        if "Location" not in response.get("headers", {}):
            errors += differences(sample, response, live)
            continue
        if live["status"] != response["status"]:
            return [f"status {live['status']} instead of {response['status']}: {live['body']!r}"]
        location = URL(live["headers"]["Location"], encoded=True)
        marks = dict(parse_qsl(location.raw_query_string, keep_blank_values=True))
        wanted = dict(parse_qsl(url.raw_query_string, keep_blank_values=True))
        if not {**wanted, "pid": "", "utm": ""}.keys() <= marks.keys():
            errors.append(f"the redirect lost some of {sorted(wanted)}: {location}")
        # Of a batch it goes on with the ids of the job and the request (§2.2).
        if not f"{location.path}/".startswith(f"{url.path}/") or location.port == url.port:
            errors.append(f"the redirect leads to {location}")
        if bool(live["body"]) != bool(response.get("text")):
            errors.append(f"the redirect has the body {live['body']!r}")
    return errors


def _changes(sample: Sample) -> bool:
    methods = {hop["request"]["method"] for hop in sample.document["hops"]}
    return not methods <= {"GET", "HEAD"}


async def test_the_local_cluster_speaks_as_the_facts_say(tmp_path: Path) -> None:
    errors: dict[str, list[str]] = {}
    async with (
        LocalPlatform(data=tmp_path / "platform", port=0) as platform,
        aiohttp.ClientSession() as session,
        AIStore.connect(platform.ready["aistore"]["url"]) as client,
    ):
        # What only reads leaves all in place for the next one.
        played = [one for one in samples() if "local" not in one.document]
        values = await prepare(client, platform.aistore, ALL_READS)
        values |= await run_jobs(client, platform.aistore)
        for sample in sorted(played, key=_changes):
            if _changes(sample):
                values |= await prepare(client, platform.aistore, sample)
            if found := await replay(sample, session, client.endpoint, values):
                errors[sample.name] = found
    assert not errors, json.dumps(errors, indent=2)
