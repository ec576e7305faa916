"""Both generations of logins, the keys of the bucket, its usage, and uploads by links."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from neuro_client.local.services.workspaces.objects import ObjectsError

from .conftest import Api
from .files import shard, workspace

pytestmark = pytest.mark.slow

EMAIL, PASSWORD = "ada@example.org", "open sesame"
STORAGE = "/api/users/storage"
USAGE = f"{STORAGE}/usage"
KEY = "jobs/my-run/shards/shard_0.zip"
COMPLETE = f"{STORAGE}/upload/complete"


async def begin(api: Api, size: int, key: str = KEY) -> Any:
    given = {"key": key, "size": size, "contentType": "application/zip"}
    return await api.call("POST", f"{STORAGE}/upload/init", json=given)


async def send(api: Api, url: str, data: bytes) -> str:
    async with api.session.put(url, data=data) as answer:
        assert answer.status == 200, await answer.text()
        return answer.headers["ETag"].strip('"')


@pytest.mark.thorough
async def test_api_keys_and_sessions_open_the_same_doors(api: Api) -> None:
    workspaces = api.platform.workspaces
    member = await workspaces.add_user("ada", email=EMAIL, password=PASSWORD)
    login = {"email": EMAIL, "password": PASSWORD}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        other = Api(session, api.platform, {**api.platform.ready["workspaces"], "api_key": ""})

        async def bucket(token: str) -> str:
            headers = {"Authorization": f"Bearer {token}"}
            found = await other.call("GET", f"{STORAGE}/bucket", headers=headers)
            return str(found["bucketAlias"])

        async def refused(token: str) -> str:
            headers = {"Authorization": f"Bearer {token}"}
            return await other.refused("GET", f"{STORAGE}/bucket", 401, headers=headers)

        assert await bucket(member.api_key) == member.bucket
        live = await workspaces.add_key("ada", live=True)
        assert live.startswith("rsk_live_") and await bucket(live) == member.bucket
        await workspaces.remove_key(live)
        assert "invalid_api_key" in await refused(live)

        wrong = {**login, "password": "nearly"}
        said = await other.refused("POST", "/api/auth/login", 401, json=wrong)
        assert "invalid_credentials" in said
        assert "session_required" in await other.refused("POST", "/api/auth/refresh", 401)
        first = await other.call("POST", "/api/auth/login", json=login)
        assert first["user"]["email"] == EMAIL and first["user"]["accessApproved"] is True
        assert await bucket(first["accessToken"]) == member.bucket
        assert "session_required" in await refused(first["accessToken"] + "x")
        workspaces.clock.offset = workspaces.token_lifetime + 1
        assert "session_required" in await refused(first["accessToken"])
        second = await other.call("POST", "/api/auth/refresh")
        assert await bucket(second["accessToken"]) == member.bucket
        await workspaces.close_sessions("ada")
        assert "session_required" in await other.refused("POST", "/api/auth/refresh", 401)
    bare = {"Authorization": "Basic YTpi"}
    assert "malformed_bearer" in await api.refused("GET", USAGE, 401, headers=bare)
    assert await api.refused("GET", "/elsewhere", 404) == "not_found: Cannot GET /elsewhere"


@pytest.mark.thorough
async def test_a_rotated_key_replaces_the_old_one(api: Api) -> None:
    old = await api.objects()
    await api.put(workspace("my-run"))
    found = await api.call("PATCH", f"{STORAGE}/bucket/rotate-key")
    new = await api.objects()
    assert (new.key.access_key_id, new.key.secret_access_key) == (
        found["accessKeyId"],
        found["secretAccessKey"],
    )
    assert new.key.access_key_id.startswith("GK") and len(new.key.secret_access_key) == 64
    assert len(await new.list("jobs/")) == 8
    with pytest.raises(ObjectsError, match=r"(?i)no such key") as caught:
        await old.list("jobs/")
    assert (caught.value.status, caught.value.code) == (403, "AccessDenied")
    await api.until(await api.create("my-run"), "FINISHED")


@pytest.mark.thorough
async def test_uploads_by_links(api: Api) -> None:
    api.platform.workspaces.links.part = 2**20
    data = shard(1.0) + bytes(2**20)
    begun = await begin(api, len(data))
    assert len(begun["urls"]) == 2
    tags = [
        await send(api, url, data[number * 2**20 :][: 2**20])
        for number, url in enumerate(begun["urls"])
    ]
    # It can be seen, counts as unfinished, and is no object.
    objects = await api.objects()
    async with api.session.get(objects.link("GET", "", more={"uploads": ""})) as answer:
        assert begun["uploadId"] in await answer.text()
    used = await api.call("GET", USAGE)
    assert (used["usedBytes"], used["unfinishedUploadBytes"]) == (0, len(data))
    parts = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
    done: dict[str, Any] = {"uploadId": begun["uploadId"], "key": KEY}
    wrong = {**done, "parts": [{"PartNumber": 1, "ETag": "0" * 32}]}
    assert "invalid_part" in await api.refused("POST", COMPLETE, 400, json=wrong)
    for bad in ([], [7], [{"PartNumber": 0, "ETag": tags[0]}], [{"PartNumber": 1}]):
        assert "parts" in await api.refused("POST", COMPLETE, 400, json={**done, "parts": bad})
    await api.call("POST", COMPLETE, status=204, json={**done, "parts": parts})
    async with api.session.get(objects.link("GET", KEY)) as answer:
        assert answer.headers["Content-Type"] == "application/zip"
        assert await answer.read() == data
    again = {**done, "parts": parts}
    assert "not_found" in await api.refused("POST", COMPLETE, 404, json=again)
    used = await api.call("GET", USAGE)
    assert (used["usedBytes"], used["objectCount"]) == (len(data), 1)
    assert used["unfinishedUploadBytes"] == 0


@pytest.mark.thorough
async def test_links_expire_and_uploads_are_dropped(api: Api) -> None:
    workspaces = api.platform.workspaces
    workspaces.links.age = workspaces.links.lifetime + 1.0
    begun = await begin(api, 3)
    async with api.session.put(begun["urls"][0], data=b"abc") as answer:
        assert (answer.status, "too old" in await answer.text()) == (400, True)
    workspaces.links.age = 0.0
    drop = {"uploadId": begun["uploadId"], "key": KEY}
    await api.call("POST", f"{STORAGE}/upload/abort", status=204, json=drop)
    assert "not_found" in await api.refused("POST", f"{STORAGE}/upload/abort", 404, json=drop)
    await begin(api, 0)
    assert await workspaces.sweep("user") == 1
    for given in (
        {"key": "/jobs/x", "size": 1},
        {"key": "", "size": 1},
        {"key": KEY, "size": -1},
        {"key": KEY, "size": True},
        {"key": KEY, "size": 10**15},
        {"key": KEY, "size": 1, "contentType": "a\nb"},
        {"size": 1},
    ):
        said = await api.refused("POST", f"{STORAGE}/upload/init", 400, json=given)
        assert "validation_error" in said
    objects = await api.objects()
    old = datetime.now(UTC) - timedelta(hours=2)
    async with api.session.get(objects.link("GET", KEY, moment=old)) as answer:
        assert answer.status == 400  # as Garage puts it


@pytest.mark.thorough
async def test_a_quota_counts_when_an_upload_is_completed(api: Api) -> None:
    await api.platform.workspaces.set_quota("user", size=1000, objects=5)
    used = await api.call("GET", USAGE)
    assert (used["quotaBytes"], used["objectQuota"]) == (1000, 5)
    begun = await begin(api, 4000)
    tag = await send(api, begun["urls"][0], bytes(4000))
    done = {"uploadId": begun["uploadId"], "key": KEY, "parts": [{"PartNumber": 1, "ETag": tag}]}
    said = await api.refused("POST", COMPLETE, 403, json=done)
    assert "quota_exceeded" in said and "Bucket size quota is reached" in said
    assert "not_found" in await api.refused("POST", COMPLETE, 404, json=done)
    await api.platform.workspaces.set_quota("user")
    assert (await api.call("GET", USAGE))["quotaBytes"] is None
    await send(api, str((await api.objects()).link("PUT", KEY)), bytes(4000))
