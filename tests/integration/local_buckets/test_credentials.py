"""Credentials that expire and such that stay (buckets.md §3.8 and §3.10), used by a real client."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from neuro_client.local import LocalPlatform

from .conftest import JSON, Buckets, put, read

pytestmark = pytest.mark.thorough

ID = re.compile(r"bucket-credentials-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OPENING = {"bucket_name", "endpoint_url", "region_name", "access_key_id", "secret_access_key"}


async def test_temporary(mine: Buckets, platform: LocalPlatform) -> None:
    bucket = await mine.create("data")
    answer = await mine.credentials("data")
    credentials = answer.pop("credentials")
    assert answer == {"bucket_id": bucket["id"], "provider": "minio", "read_only": False}
    assert credentials.keys() == OPENING | {"session_token", "expiration"}
    assert all(isinstance(value, str) and value for value in credentials.values())
    assert credentials["region_name"] == platform.s3.region
    expiration = datetime.fromisoformat(credentials["expiration"])
    left = expiration - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert await put(credentials, "key", b"mine") == "ok"
    assert await read(credentials, "key") == "mine"
    without = {**credentials, "session_token": "other"}
    assert await read(without, "key") == "InvalidToken"
    again = (await mine.credentials(bucket["id"]))["credentials"]
    assert again["access_key_id"] != credentials["access_key_id"]
    assert await read(credentials, "key") == await read(again, "key") == "mine"


async def test_temporary_ones_expire(mine: Buckets, platform: LocalPlatform) -> None:
    await mine.create("data")
    platform.buckets.credentials_life = 1.0
    credentials = (await mine.credentials("data"))["credentials"]
    expiration = datetime.fromisoformat(credentials["expiration"])
    await asyncio.sleep((expiration - datetime.now(UTC)).total_seconds() + 0.05)
    assert await read(credentials, "key") == "ExpiredToken"


async def listed(mine: Buckets) -> list[JSON]:
    plain = (await mine.call("GET", "/persistent_credentials", status=200)).json
    headers = {"Accept": "application/x-ndjson"}
    answer = await mine.call("GET", "/persistent_credentials", headers=headers, status=200)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.body.split(b"\n")[:-1]] == plain
    return list(plain)


async def test_persistent(mine: Buckets) -> None:
    one, two = await mine.create("one"), await mine.create(org="acme")
    foreign = (await mine.credentials((await mine.create())["id"]))["credentials"]["bucket_name"]
    made = await mine.persist(two["id"], one["id"], two["id"], name="keys")
    assert ID.fullmatch(made["id"])
    assert made.keys() == {"id", "name", "owner", "read_only", "credentials"}
    assert (made["name"], made["owner"], made["read_only"]) == ("keys", "user", False)
    assert [item.pop("bucket_id") for item in made["credentials"]] == [two["id"], one["id"]]
    for item in made["credentials"]:
        assert item.keys() == {"provider", "read_only", "credentials"}
        assert (item["provider"], item["read_only"]) == ("minio", False)
        assert item["credentials"].keys() == OPENING
        assert await put(item["credentials"], "key", b"mine") == "ok"
        assert await read(item["credentials"], "key") == "mine"
        assert await read({**item["credentials"], "bucket_name": foreign}, "key") == "AccessDenied"
    found = await listed(mine)
    assert [item["id"] for item in found] == [made["id"]]
    for key in (made["id"], "keys"):
        answer = await mine.call("GET", f"/persistent_credentials/{key}", status=200)
        assert answer.json == found[0]
    unnamed = await mine.persist(one["id"])
    assert unnamed["name"] is None
    assert len(await listed(mine)) == 2
    assert await listed(Buckets(mine.api, "second")) == []
    await mine.call("DELETE", "/persistent_credentials/keys", status=204)
    assert await read(made["credentials"][1]["credentials"], "key") == "InvalidAccessKeyId"
    assert await read(unnamed["credentials"][0]["credentials"], "key") == "mine"
    for method in ("GET", "DELETE"):
        await mine.call(method, "/persistent_credentials/keys", status=404)
    await mine.persist(one["id"], name="keys")


async def test_persistent_to_read(mine: Buckets) -> None:
    bucket = await mine.create()
    assert await put((await mine.credentials(bucket["id"]))["credentials"], "key", b"x") == "ok"
    made = await mine.persist(bucket["id"], read_only=True)
    item = made["credentials"][0]
    assert made["read_only"] is item["read_only"] is True
    assert await read(item["credentials"], "key") == "x"
    assert await put(item["credentials"], "key") == "AccessDenied"


async def test_only_their_owner_sees_them(mine: Buckets, theirs: Buckets) -> None:
    bucket = await mine.create()
    made = await mine.persist(bucket["id"], name="keys")
    await mine.share("other", "user", "manage")
    assert await listed(theirs) == []
    for key in ("keys", made["id"]):
        for method in ("GET", "DELETE"):
            answer = await theirs.call(method, f"/persistent_credentials/{key}", status=404)
            assert answer.headers["Content-Type"].startswith("text/plain")
    assert (await theirs.persist(bucket["id"], name="keys"))["owner"] == "other"
    assert len(await listed(mine)) == 1


async def test_what_persistent_ones_need(mine: Buckets, theirs: Buckets) -> None:
    bucket = await mine.create("data")
    body = {"name": None, "bucket_ids": [bucket["id"]], "read_only": True}
    answer = await theirs.call("POST", "/persistent_credentials", json=body, status=403)
    assert {item["action"] for item in answer.json["missing"]} == {"read"}
    await mine.share("other", "user/data", "read")
    answer = await theirs.call(
        "POST", "/persistent_credentials", json={**body, "read_only": False}, status=403
    )
    assert {item["action"] for item in answer.json["missing"]} == {"write"}
    made = await theirs.persist(bucket["id"], read_only=True)
    assert await read(made["credentials"][0]["credentials"], "key") == "NoSuchKey"


NOT_MADE: list[tuple[JSON, int]] = [
    ({"name": "keys", "bucket_ids": ["{id}"]}, 500),
    ({"name": "other", "bucket_ids": ["bucket-none"]}, 500),
    ({"name": "other", "bucket_ids": ["{id}", "bucket-none"]}, 500),
    ({"name": "other", "bucket_ids": ["data"]}, 500),
    ({"name": "other", "bucket_ids": ["{imported}"]}, 400),
    ({"name": "other"}, 500),
    ({"name": "other", "bucket_ids": None}, 500),
    ({"name": "other", "bucket_ids": "{id}"}, 500),
    ({"name": "other", "bucket_ids": [5]}, 500),
    ({"name": "Other", "bucket_ids": ["{id}"]}, 500),
    ({"name": 5, "bucket_ids": ["{id}"]}, 500),
    ({"name": "other", "bucket_ids": ["{id}"], "read_only": "yes"}, 500),
    ({"name": "other", "bucket_ids": ["{id}"], "read_only": None}, 500),
]


async def test_persistent_ones_that_are_not_made(mine: Buckets) -> None:
    bucket = await mine.create("data")
    imported = await mine.add("aws", access_key_id="A", secret_access_key="S")
    await mine.persist(bucket["id"], name="keys")
    for body, status in NOT_MADE:
        text = json.dumps(body).replace("{id}", bucket["id"]).replace("{imported}", imported["id"])
        answer = await mine.call(
            "POST", "/persistent_credentials", json=json.loads(text), status=status
        )
        assert list(answer.json) == ["error"]
    assert [item["name"] for item in await listed(mine)] == ["keys"]


async def test_a_deleted_bucket_is_taken_out_of_them(mine: Buckets, theirs: Buckets) -> None:
    one, two = await mine.create("one"), await mine.create("two")
    await mine.share("other", "user", "write")
    both, alone = await theirs.persist(one["id"], two["id"]), await theirs.persist(one["id"])
    await mine.call("DELETE", "/buckets/one", status=204)
    [left] = await listed(theirs)
    assert left["id"] == both["id"]
    assert left["credentials"] == both["credentials"][1:]
    assert await put(left["credentials"][0]["credentials"], "key") == "ok"
    assert await put(alone["credentials"][0]["credentials"], "key") == "InvalidAccessKeyId"
