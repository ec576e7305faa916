"""Addresses for whoever has them, and buckets made elsewhere (buckets.md §3.3 and §3.9)."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import aiohttp
import pytest
from yarl import URL

from .conftest import Buckets, put

S3_KEYS = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "very-hidden"}


async def sign(
    mine: Buckets, bucket: str, key: str, *, status: int = 200, **fields: Any
) -> dict[str, str]:
    path = f"/buckets/{bucket}/sign_blob_url"
    answer = await mine.call("POST", path, json={"key": key, **fields}, status=status)
    found: dict[str, str] = answer.json
    return found


async def fetch(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session:
        async with session.get(URL(url, encoded=True)) as answer:
            return answer.status, await answer.text()


async def test_an_address_opens_one_object(mine: Buckets) -> None:
    bucket = await mine.create("data")
    credentials = (await mine.credentials("data"))["credentials"]
    for key in ("key", "a b/ü+?&=%20#.txt", "/lead//double/", "~._-"):
        assert await put(credentials, key, key.encode()) == "ok"
        answer = await sign(mine, bucket["id"], key)
        assert list(answer) == ["url"]
        url = URL(answer["url"], encoded=True)
        assert url.query["X-Amz-Expires"] == "3600"
        assert await fetch(answer["url"]) == (200, key)
    status, text = await fetch(str(url.with_query({**url.query, "X-Amz-Expires": "7200"})))
    assert (status, "SignatureDoesNotMatch" in text) == (403, True)
    answer = await sign(mine, "data", "other key", expires_in_sec=5)
    status, text = await fetch(answer["url"])
    assert (status, "NoSuchKey" in text) == (404, True)
    assert URL(answer["url"]).query["X-Amz-Expires"] == "5"


async def test_what_is_signed(mine: Buckets) -> None:
    bucket = await mine.create()
    cases: list[tuple[dict[str, Any], int]] = [
        ({"expires_in_sec": 7 * 24 * 3600}, 200),
        ({"expires_in_sec": 7 * 24 * 3600 + 1}, 400),
        ({"expires_in_sec": 0}, 500),
        ({"expires_in_sec": -1}, 500),
        ({"expires_in_sec": None}, 500),
        ({"expires_in_sec": "60"}, 500),
        ({"expires_in_sec": 1.5}, 500),
        ({"expires_in_sec": 10**400}, 400),
        ({"key": None}, 500),
        ({"key": ""}, 500),
        ({"key": "\ud800"}, 500),
    ]
    for fields, status in cases:
        answer = await sign(mine, bucket["id"], **{"key": "key", **fields}, status=status)
        assert list(answer) == ["url" if status == 200 else "error"]
    path = f"/buckets/{bucket['id']}/sign_blob_url"
    await mine.call("POST", path, json={}, status=500)


async def test_a_bucket_made_elsewhere(mine: Buckets) -> None:
    given = {"access_key_id": "A", "secret_access_key": "S", "more": "kept as it is", "empty": ""}
    bucket = await mine.add("open_stack", "outside", **given)
    assert (bucket["name"], bucket["provider"], bucket["imported"]) == (
        *("outside", "open_stack"),
        True,
    )
    assert await mine.get("outside") == bucket
    assert await mine.credentials("outside") == {
        "bucket_id": bucket["id"],
        "provider": "open_stack",
        "read_only": False,
        "credentials": {"bucket_name": "external", **given},
    }
    change = {"public": False}
    answer = await mine.call("PATCH", "/buckets/outside", json=change, status=200)
    assert answer.json == bucket
    answer = await mine.call("PATCH", "/buckets/outside", json={"public": True}, status=500)
    assert list(answer.json) == ["error"]
    assert list(await sign(mine, "outside", "key", status=500)) == ["error"]
    await mine.call("DELETE", "/buckets/outside", status=204)
    await mine.call("GET", f"/buckets/{bucket['id']}", status=404)


async def test_one_may_import_what_the_platform_serves(mine: Buckets) -> None:
    """The data stays when the record goes, and the record's own keys sign."""
    inner = await mine.create("inner")
    made = await mine.persist(inner["id"])
    credentials = made["credentials"][0]["credentials"]
    name = credentials["bucket_name"]
    body = {"name": "outer", "provider": "minio", "provider_bucket_name": name}
    opening = {key: value for key, value in credentials.items() if key != "bucket_name"}
    body |= {"credentials": opening}
    await mine.call("POST", "/buckets/import/external", json=body, status=201)
    found = (await mine.credentials("outer"))["credentials"]
    assert found == credentials
    key = "a b/ü+?&=%20#.txt"
    assert await put(found, key, b"data") == "ok"
    answer = await sign(mine, "outer", key, expires_in_sec=60)
    assert credentials["access_key_id"] in answer["url"]
    assert await fetch(answer["url"]) == (200, "data")
    await mine.call("DELETE", "/buckets/outer", status=204)
    own = await sign(mine, "inner", key)
    assert await fetch(own["url"]) == (200, "data")


SIGNED: list[tuple[str, dict[str, str], str]] = [
    ("aws", S3_KEYS, "https://s3.us-east-1.amazonaws.com/external/a%20b/c?X-Amz-Algorithm="),
    (
        "aws",
        {**S3_KEYS, "region_name": "eu-west-1"},
        "https://s3.eu-west-1.amazonaws.com/external/a%20b/c?X-Amz-Algorithm=AWS4-HMAC-SHA256",
    ),
    (
        "seaweedfs",
        {**S3_KEYS, "endpoint_url": "http://127.0.0.1:8333/"},
        "http://127.0.0.1:8333/external/a%20b/c?X-Amz-Algorithm=",
    ),
    (
        "azure",
        {
            "storage_endpoint": "https://account.blob.core.windows.net",
            "credential": "sv=2020&sig=abc%3D",
        },
        "https://account.blob.core.windows.net/external/a%20b/c?sv=2020&sig=abc%3D",
    ),
]


async def test_signing_with_keys_that_were_imported(mine: Buckets) -> None:
    for provider, credentials, start in SIGNED:
        bucket = await mine.add(provider, **credentials)
        answer = await sign(mine, bucket["id"], "a b/c")
        assert answer["url"].startswith(start)


async def test_signing_with_the_key_of_an_account(mine: Buckets) -> None:
    pytest.importorskip("azure.storage.blob")
    await mine.add(
        "azure",
        "outside",
        storage_endpoint="http://127.0.0.1:10000/devstoreaccount1",
        credential=b64encode(b"key").decode(),
    )
    url = URL((await sign(mine, "outside", "a b/c"))["url"])
    assert url.path == "/devstoreaccount1/external/a b/c"
    assert url.query["sp"] == "r"
    assert url.query["sig"]


UNUSABLE: list[tuple[str, dict[str, str]]] = [
    ("aws", {}),
    ("aws", {"access_key_id": "A"}),
    ("aws", {**S3_KEYS, "endpoint_url": "nowhere"}),
    ("minio", {**S3_KEYS, "endpoint_url": "ftp://host"}),
    ("azure", {}),
    ("azure", {"storage_endpoint": "https://host", "credential": "not base64!"}),
    ("azure", {"storage_endpoint": "http://[", "credential": "sig=a"}),
    ("gcp", {"key_data": "e30="}),
    ("open_stack", S3_KEYS),
]


async def test_what_cannot_be_signed(mine: Buckets) -> None:
    for provider, credentials in UNUSABLE:
        bucket = await mine.add(provider, **credentials)
        answer = await sign(mine, bucket["id"], "key", status=500)
        assert list(answer) == ["error"]
        assert not any(value in answer["error"] for value in S3_KEYS.values())


REFUSED: list[dict[str, Any]] = [
    {"provider": "ftp"},
    {"provider": None},
    {"provider_bucket_name": None},
    {"provider_bucket_name": ""},
    {"credentials": None},
    {"credentials": {"key": None}},
    {"credentials": {"key": 5}},
    {"credentials": []},
    {"name": "B"},
    {"org_name": 5},
]


async def test_imports_that_are_refused(mine: Buckets) -> None:
    body = {
        "name": None,
        "provider": "aws",
        "provider_bucket_name": "external",
        "credentials": S3_KEYS,
        "org_name": None,
    }
    wrong = [{**body, **fields} for fields in REFUSED]
    for name in ("provider", "provider_bucket_name", "credentials"):
        wrong.append({key: value for key, value in body.items() if key != name})
    for item in wrong:
        answer = await mine.call("POST", "/buckets/import/external", json=item, status=500)
        assert list(answer.json) == ["error"]
    assert await mine.ids() == []
