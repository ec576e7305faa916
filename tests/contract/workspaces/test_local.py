"""Golden requests against the local platform: it answers in the shape of the golden answers."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest

from neuro_client.local import LocalPlatform

from ...integration.local_workspaces.files import body, workspace
from ..golden import Sample
from ..test_local import replay
from ..test_samples import KEYS, REQUEST_KEYS, RESPONSE_KEYS, SOURCE
from .samples import samples

pytestmark = [pytest.mark.contract, pytest.mark.slow]

EMAIL, PASSWORD = "ada@example.org", "open sesame"
SHARD = "jobs/my-run/shards/shard_0.zip"
PATIENCE = 20.0


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.call)
def test_a_sample_is_well_formed(sample: Sample) -> None:
    document = sample.document
    assert SOURCE.fullmatch(document.get("source", "")), "name the fact section in `source`"
    assert document.keys() <= KEYS
    assert document["request"].keys() <= REQUEST_KEYS
    assert document["response"].keys() <= RESPONSE_KEYS


@attrs.frozen
class Bench:
    """A platform, and plain requests to it."""

    platform: LocalPlatform
    session: aiohttp.ClientSession

    @property
    def ready(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.platform.ready["workspaces"]
        return found

    async def call(self, method: str, path: str, given: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self.ready['api_key']}"}
        url = self.ready["url"] + path
        async with self.session.request(method, url, json=given, headers=headers) as answer:
            assert answer.ok, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else None

    async def put(self, content: Mapping[str, bytes]) -> None:
        objects = await self.platform.workspaces.objects("ada")
        for key, data in content.items():
            with io.BytesIO(data) as file:
                async with self.session.put(objects.link("PUT", key), data=file) as answer:
                    assert answer.ok

    async def task(self, slug: str, *wanted: str) -> str:
        """Start a task, and wait until it is in a state."""
        made = await self.call("POST", "/api/tasks", body(slug))
        async with asyncio.timeout(PATIENCE):
            while wanted:
                found = await self.call("GET", f"/api/tasks/{made['id']}")
                if found["status"] in wanted:
                    break
                await asyncio.sleep(0.02)
        return str(made["id"])


@asynccontextmanager
async def bench(data: Path) -> AsyncIterator[Bench]:
    async with (
        LocalPlatform(data, port=0, username="ada") as platform,
        aiohttp.ClientSession() as session,
    ):
        await platform.workspaces.add_user("ada", email=EMAIL, password=PASSWORD)
        found = Bench(platform, session)
        await found.put(workspace("my-run"))
        await found.put({"jobs/my-run/model/start.json": b'{"layer": [1, 1]}'})
        await found.put(workspace("slow", "time.sleep(600)"))
        await found.put(workspace("bad", 'raise ValueError("boom")'))
        yield found


async def logged_in(found: Bench) -> dict[str, str]:
    given = {"email": EMAIL, "password": PASSWORD}
    async with found.session.post(f"{found.ready['url']}/api/auth/login", json=given) as answer:
        [cookie] = answer.cookies.values()
        token = (await answer.json())["accessToken"]
    found.session.cookie_jar.clear()
    return {"session": token, "cookie": f"{cookie.key}={cookie.value}"}


async def uploading(found: Bench) -> dict[str, str]:
    given = {"key": SHARD, "size": 3, "contentType": "application/zip"}
    begun = await found.call("POST", "/api/users/storage/upload/init", given)
    async with found.session.put(begun["urls"][0], data=b"abc") as answer:
        return {"upload": begun["uploadId"], "etag": answer.headers["ETag"].strip('"')}


async def unlimited(found: Bench) -> dict[str, str]:
    await found.platform.workspaces.set_quota("ada")
    return {}


async def limited(found: Bench) -> dict[str, str]:
    await found.platform.workspaces.set_quota("ada", size=2**30)
    return {}


async def failed(found: Bench) -> dict[str, str]:
    return {"task": await found.task("bad", "FAILED")}


async def slow(found: Bench) -> dict[str, str]:
    return {"task": await found.task("slow")}


PREPARE: Mapping[str, Callable[[Bench], Awaitable[dict[str, str]]]] = {
    "session": logged_in,
    "refresh": logged_in,
    "usage": limited,
    "usage_unlimited": unlimited,
    "upload_complete": uploading,
    "upload_complete_wrong_etag": uploading,
    "upload_abort": uploading,
    "job_failed": failed,
    "cancel": slow,
}
# They share one task, which has ended.
OF_A_TASK = (
    "job",
    "job_finished",
    "jobs",
    "task",
    "cancel_finished",
    "jobs_nvflare",
    "stats_nvflare",
)


async def test_the_local_platform_speaks_as_the_facts_say(tmp_path: Path) -> None:
    errors: dict[str, list[str]] = {}
    async with bench(tmp_path / "data") as found:
        common = {
            "workspaces": found.ready["url"],
            "s3": found.ready["s3_url"],
            "bucket": found.ready["bucket"],
            "api_key": found.ready["api_key"],
            "email": EMAIL,
            "password": PASSWORD,
        }
        common["task"] = await found.task("my-run", "FINISHED")
        for sample in samples():
            if "local" in sample.document:
                continue
            if sample.call in PREPARE:
                values = common | await PREPARE[sample.call](found)
            else:
                assert sample.call in OF_A_TASK or "{task}" not in json.dumps(
                    sample.document["request"]
                )
                values = common
            if wrong := await replay(sample, found.session, "", values):
                errors[sample.name] = wrong
            found.session.cookie_jar.clear()
        await check_logs(found, common)
    assert not errors, json.dumps(errors, indent=2)


async def check_logs(found: Bench, values: Mapping[str, str]) -> None:
    """Compare what is the same in every log."""
    [sample] = [one for one in samples() if one.call == "logs"]
    golden = sample.request(values)
    headers = {"Authorization": golden["authorization"]}
    async with found.session.get(golden["path"], headers=headers) as answer:
        assert answer.headers["Content-Type"] == sample.response({})["headers"]["Content-Type"]
        text = await answer.text()
    assert "round 1 of 1" in text and "training on some" in text
    headers["Range"] = f"bytes={len(text) - 5}-"
    async with found.session.get(golden["path"], headers=headers) as answer:
        assert (answer.status, await answer.text()) == (206, text[-5:])
