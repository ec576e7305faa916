"""Golden requests against the local control plane: its answers have the golden shape."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from neuro_client.local import LocalPlatform

from ..golden import Sample, basic, encode_body, shape_errors
from .exchanges import samples

pytestmark = [pytest.mark.contract, pytest.mark.slow]

JSON = dict[str, Any]
CORE = "/v1/core/default"
SCRIPT = """
import os, sys
print("factor", sys.argv[-1])
os.mkdir("logs")
for name, text in {"logs/events.txt": "world", "model.ckpt": "hello"}.items():
    with open(name, "w") as file:
        file.write(text)
"""


def packed(script: str) -> bytes:
    """Return an archive with a script."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        info = tarfile.TarInfo("./train.py")
        info.size = len(script)
        tar.addfile(info, io.BytesIO(script.encode()))
    return written.getvalue()


class World:
    """Hold a control plane with what the samples need."""

    def __init__(self, platform: Any, session: aiohttp.ClientSession) -> None:
        self.platform = platform
        self.session = session
        self.ready = platform.ready["artifacts"]
        self.auth = basic(self.ready["user_id"], self.ready["api_key"])
        self.numbers = itertools.count()
        self.values: dict[str, str] = {}

    async def call(self, method: str, path: str, body: Any = None) -> JSON:
        url = f"{self.ready['url']}{path}"
        async with self.session.request(
            method, url, json=body, headers={"Authorization": self.auth}
        ) as answer:
            assert answer.status == 200, await answer.text()
            found: JSON = await answer.json()
            return found

    async def submit(self, name: str, script: str) -> JSON:
        spec = {"runControllerCommand": "train.py --factor '[2,4]'", "sweepType": "grid_search"}
        spec |= {"scratch": [{"mountPath": "/tmp/scratch", "sizeGb": 100}]}  # type: ignore[dict-item]
        body = {"name": name, "localDir": True, "spec": spec}
        run = await self.call("POST", f"{CORE}/runs", body)
        await self.upload(run["status"]["uploadUrl"], packed(script))
        return run

    async def upload(self, link: str, body: bytes) -> None:
        async with self.session.put(URL(link, encoded=True), data=body) as answer:
            assert answer.status == 200, await answer.text()

    async def until(self, run_id: str, phase: str) -> JSON:
        async with asyncio.timeout(40):
            while True:
                run = await self.call("GET", f"{CORE}/runs/{run_id}")
                counts = run["status"]["experimentCounts"]
                if run["status"]["phase"] == f"RUN_STATE_{phase}" and not counts["pending"]:
                    return run
                await asyncio.sleep(0.03)

    async def prepare(self) -> None:
        """Make what no sample changes, and what may be stopped."""
        made = await self.submit("mnist", SCRIPT)
        long = await self.submit("long", "import time; time.sleep(600)")
        run = await self.until(made["id"], "SUCCEEDED")
        await self.until(long["id"], "RUNNING")
        experiment, second = run["status"]["experimentIds"]
        running, other = long["status"]["experimentIds"]
        artifacts = self.platform.artifacts
        place = f"/grid-default/experiments/{experiment}/artifacts/"
        artifacts.clock.ahead = -100_000.0
        expired = artifacts.links.made("GET", f"{place}model.ckpt")
        artifacts.clock.ahead = 0.0
        page = await self.call("GET", f"{CORE}/experiments/{experiment}/artifacts?pageSize=1")
        self.values = {
            "grid": self.ready["url"],
            "user": self.ready["user_id"],
            "username": "user",
            "api_key": self.ready["api_key"],
            "basic": self.auth.partition(" ")[2],
            "cluster": "default",
            "bucket": "grid-default",
            "run": run["id"],
            "run_name": "mnist",
            "experiment": experiment,
            "experiment1": second,
            "running_run": long["id"],
            "running_run_name": "long",
            "running_experiment": running,
            "running_experiment1": other,
            "datastore_name": "cifar",
            "token": page["nextPageToken"],
            "link": await artifacts.link(experiment, "model.ckpt"),
            "expired_link": expired,
            "gone_link": artifacts.links.made("GET", f"{place}other"),
        }
        await self.datastore(0)
        await self.call("POST", f"{CORE}/datastores/{self.values['datastore']}/completed", {})

    async def datastore(self, version: int) -> None:
        """Begin a datastore, with a file that is sent and one that is not."""
        body = {"name": "cifar", "spec": {"version": version}}
        found = await self.call("POST", f"{CORE}/datastores", body)
        objects = [{"key": key, "partCount": "1"} for key in ("a.txt", "sub/b.txt")]
        path = f"{CORE}/datastores/{found['id']}/presigned-urls"
        answer = await self.call("POST", path, {"objects": objects})
        sent, waiting = answer["objects"]
        await self.upload(sent["urls"][0]["url"], b"hello")
        self.values |= {
            "datastore": found["id"],
            "upload_id": sent["uploadId"],
            "part": waiting["urls"][0]["url"],
        }

    async def values_for(self, sample: Sample) -> Mapping[str, str]:
        """Prepare what the sample uses up."""
        text = json.dumps(sample.document)
        number = next(self.numbers)
        values = dict(self.values)
        if "datastore" in sample.call and sample.call != "datastores":
            await self.datastore(number + 1)
            values |= self.values
        values["new_name"] = f"fresh-{number}"
        if "{upload}" in text and sample.call == "upload":
            body = {"name": f"waits-{number}", "localDir": True}
            spec = {"spec": {"runControllerCommand": "train.py"}}
            run = await self.call("POST", f"{CORE}/runs", {**body, **spec})
            values["upload"] = run["status"]["uploadUrl"]
        if sample.call.endswith("_delete") and "running" in text:
            scripted = await self.platform.artifacts.add_run(f"played-{number}", {})
            values |= {"running_run": scripted.id}
            values |= {"running_experiment": scripted.experiments[0].id}
        return values


async def send(session: aiohttp.ClientSession, golden: JSON) -> JSON:
    """Send the golden request."""
    body, kind = encode_body(golden)
    headers = dict(golden.get("headers", {}))
    if kind:
        headers["Content-Type"] = kind
    if "authorization" in golden:
        headers["Authorization"] = golden["authorization"]
    url = URL(golden["path"], encoded=True)
    if "query" in golden:
        url = url.with_query(golden["query"])
    async with session.request(golden["method"], url, data=body, headers=headers) as answer:
        return {"status": answer.status, "headers": answer.headers, "body": await answer.read()}


def differences(sample: Sample, golden: JSON, live: JSON) -> list[str]:
    """Name what differs between two answers."""
    if live["status"] != golden["status"]:
        return [f"status {live['status']} instead of {golden['status']}: {live['body'][:300]!r}"]
    found = [f"no header {key}" for key in golden.get("headers", {}) if key not in live["headers"]]
    exact = sample.document.get("exact", ())
    if "json" in golden:
        answer = json.loads(live["body"])
        optional = sample.document.get("optional", ())
        return found + shape_errors(golden["json"], answer, optional=optional, exact=exact)
    text = live["body"].decode()
    if "text" in exact and text != golden["text"]:
        found.append(f"the text is {text!r}")
    if "text" in golden and "Code" in golden["text"]:
        code = golden["text"].partition("<Code>")[2].partition("<")[0]
        if f"<Code>{code}</Code>" not in text:
            found.append(f"the text is {text!r}")
    return found


async def test_the_local_control_plane_speaks_as_the_facts_say(tmp_path: Path) -> None:
    errors: dict[str, list[str]] = {}
    async with (
        LocalPlatform(data=tmp_path / "platform", port=0) as platform,
        aiohttp.ClientSession() as session,
    ):
        world = World(platform, session)
        await world.prepare()
        for sample in samples():
            if "local" in sample.document:
                continue
            values = await world.values_for(sample)
            live = await send(session, sample.request(values))
            if found := differences(sample, sample.response(values), live):
                errors[sample.name] = found
    assert not errors, json.dumps(errors, indent=2)
