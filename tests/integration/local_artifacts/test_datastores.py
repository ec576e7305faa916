"""Datastores: parts in any order, again after a break, and what experiments see of them."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from .conftest import CORE, Api

KEYS = ("a.bin", "sub/b.txt")
PARTS = {"a.bin": [b"first ", b"second"], "sub/b.txt": [b"inside"]}


async def begun(api: Api, datastore: str, *keys: str) -> dict[str, Any]:
    """Ask for links for the parts of files."""
    objects = [{"key": key, "partCount": str(len(PARTS[key]))} for key in keys]
    path = f"{CORE}/datastores/{datastore}/presigned-urls"
    answer = await api.call("POST", path, json={"objects": objects})
    return {one["key"]: one for one in answer["objects"]}


def finished(upload: dict[str, Any], contents: list[bytes]) -> dict[str, Any]:
    """Say which parts a file consists of."""
    etags = [hashlib.md5(content).hexdigest() for content in contents]
    urls = [{"partNumber": str(n), "etag": etag} for n, etag in enumerate(etags, 1)]
    return {"key": upload["key"], "uploadId": upload["uploadId"], "urls": urls[::-1]}


@pytest.mark.thorough
async def test_a_datastore_is_uploaded_and_mounted(api: Api) -> None:
    body = {"name": "digits", "spec": {"version": 0, "source": ""}}
    made = await api.call("POST", f"{CORE}/datastores", json=body)
    await api.refused("POST", f"{CORE}/datastores", 409, 6, json=body)
    one = f"{CORE}/datastores/{made['id']}"
    for key in ("../x", "/x", "a//b", "", ".", "a/../b"):
        objects = {"objects": [{"key": key, "partCount": "1"}]}
        await api.refused("POST", f"{one}/presigned-urls", 400, 3, json=objects)
    uploads = await begun(api, made["id"], *KEYS)
    for key in KEYS:
        for link, content in zip(uploads[key]["urls"], PARTS[key], strict=True):
            if (key, link["partNumber"]) != ("a.bin", "2"):
                await api.call("PUT", link["url"], data=content)
    whole = [finished(uploads[key], PARTS[key]) for key in KEYS]
    done = f"{one}/presigned-urls/completed"
    said = await api.refused("POST", done, 400, 3, json={"objects": whole})
    assert said == "part 2 was not uploaded"
    await check_mounting(api, made["id"], ready=False)
    again = await begun(api, made["id"], "a.bin")  # what was sent is kept
    assert again["a.bin"]["uploadId"] == uploads["a.bin"]["uploadId"]
    await api.call("PUT", again["a.bin"]["urls"][1]["url"], data=b"other")
    said = await api.refused("POST", done, 400, 3, json={"objects": whole})
    assert "another one" in said
    await api.call("PUT", again["a.bin"]["urls"][1]["url"], data=b"second")
    await api.call("POST", done, json={"objects": whole})
    await api.call("POST", done, json={"objects": whole})  # its answer was lost
    available = f"{CORE}/datastores?available=True"
    assert (await api.call("GET", available))["datastores"] == []
    await api.call("POST", f"{one}/completed", json={})
    await api.call("POST", f"{one}/completed", json={})
    [found] = (await api.call("GET", available))["datastores"]
    assert found["status"]["phase"] == "DATASTORE_OPTIMIZATION_STATUS_SUCCEEDED"
    assert found["spec"]["sizeMib"] == 1 and found["spec"]["uploadedAt"]
    late = uploads["a.bin"]["urls"][0]["url"]
    assert b"NoSuchUpload" in await api.call("PUT", late, status=404, data=b"x")
    await check_mounting(api, made["id"], ready=True)
    other = api.another(await api.platform.artifacts.add_user("ada"))
    await other.refused("DELETE", one, 403, 7)
    await api.call("DELETE", one, json={})
    await api.refused("GET", one, 404, 5)


async def check_mounting(api: Api, datastore: str, *, ready: bool) -> None:
    """Run a script that reads the files and may not change them."""
    mounts = [{"id": datastore, "mountPath": "/data"}]
    script = (
        "print(open('/data/a.bin').read(), open('/data/sub/b.txt').read())\n"
        "try: open('/data/new', 'w')\n"
        "except OSError: open('refused', 'w')\n"
    )
    if not ready:
        body = {"name": "early", "spec": {"runControllerCommand": "a.py", "datastores": mounts}}
        said = await api.refused("POST", f"{CORE}/runs", 400, 9, json=body)
        assert "not uploaded completely" in said
        return
    _, [experiment] = await api.submit("reads", script, datastores=mounts)
    assert (await api.done(experiment))["phase"] == "EXPERIMENT_STATE_SUCCEEDED"
    assert list(await api.artifacts(experiment)) == ["refused"]
    query = "query ($e: ID!) { getExperimentLogs(experimentId: $e) { lines { message } } }"
    answer = await api.query(query, e=experiment)
    assert answer["data"]["getExperimentLogs"]["lines"] == [{"message": "first second inside\n"}]
