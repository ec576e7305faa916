"""Buckets as records: made, found, listed, opened to everybody, deleted (buckets.md §2 and §3)."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import aiohttp

from neuro_client.local import LocalPlatform

from ..local_core.api import Api
from .conftest import Buckets, put

ID = re.compile(r"bucket-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def test_a_new_bucket(mine: Buckets) -> None:
    bucket = await mine.create("data")
    assert ID.fullmatch(bucket.pop("id"))
    created_at = datetime.fromisoformat(bucket.pop("created_at"))
    assert created_at.utcoffset() is not None
    assert bucket == {
        "name": "data",
        "owner": "user",
        "org_name": None,
        "provider": "minio",
        "imported": False,
        "public": False,
    }


async def test_a_bucket_of_an_organisation_without_a_name(mine: Buckets) -> None:
    first, second = await mine.create(org="acme"), await mine.create(org="acme")
    assert first["id"] != second["id"]
    assert (first["name"], first["org_name"]) == (None, "acme")
    assert await mine.get(first["id"]) == first


async def test_names(mine: Buckets) -> None:
    made = [await mine.create(name) for name in ("abc", "a" * 40, "a-_0", "x--", "z__")]
    for bucket in made:
        assert await mine.get(bucket["name"]) == bucket
        credentials = (await mine.credentials(bucket["name"]))["credentials"]
        assert re.fullmatch(r"neuro-pl-[0-9a-f]{10}-.*[0-9a-f]{12}", credentials["bucket_name"])
    assert await put(credentials, "key") == "ok"
    bad = ["ab", "a" * 41, "Abc", "1ab", "-ab", "_ab", "a.b", "a b", "abc\n", "äbc", "", 5, [], {}]
    for name in bad:
        body = {"name": name, "org_name": None}
        answer = await mine.call("POST", "/buckets", json=body, status=500)
        assert list(answer.json) == ["error"]
    assert len(await mine.ids()) == len(made)


async def test_a_name_is_taken_once_by_each_owner(mine: Buckets, theirs: Buckets) -> None:
    await mine.create("data")
    # Organisations do not matter to that, clusters do.
    for org in (None, "acme"):
        answer = await mine.call(
            "POST", "/buckets", json={"name": "data", "org_name": org}, status=409
        )
        assert answer.json.keys() == {"code", "description"}
        assert answer.json["code"] == "unique"
    body = {"name": "data", "provider": "gcp", "provider_bucket_name": "x", "credentials": {}}
    answer = await mine.call("POST", "/buckets/import/external", json=body, status=409)
    assert answer.json["code"] == "unique"
    await theirs.create("data")
    await Buckets(mine.api, "second").create("data")
    assert len(await mine.ids()) == 1


async def test_both_forms_of_a_list(mine: Buckets) -> None:
    buckets = [await mine.create("one"), await mine.create(), await mine.create("two", "acme")]
    answer = await mine.call("GET", "/buckets", status=200)
    assert answer.json == buckets
    headers = {"Accept": "application/x-ndjson"}
    answer = await mine.call("GET", "/buckets", headers=headers, status=200)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.body.endswith(b"}\n")
    assert [json.loads(line) for line in answer.body.splitlines()] == buckets
    assert b"\r" not in answer.body
    second = Buckets(mine.api, "second")
    assert (await second.call("GET", "/buckets", status=200)).json == []
    assert (await second.call("GET", "/buckets", headers=headers, status=200)).body == b""


async def test_by_id_and_by_name(mine: Buckets, theirs: Buckets) -> None:
    bucket, foreign = await mine.create("data", "acme"), await theirs.create("data")
    await theirs.share("user", "other/data", "read")
    assert await mine.get(bucket["id"]) == await mine.get("data") == bucket
    assert await mine.get("data", "?owner=user") == bucket
    assert await mine.get("data", "?owner=other") == foreign
    # The owner counts for names only.
    assert await mine.get(bucket["id"], "?owner=other") == bucket
    for key in ("none", bucket["id"][:-1], f"{bucket['id']}x", "%00", "a%2Fb", "%ff"):
        answer = await mine.call("GET", f"/buckets/{key}", status=404)
        assert answer.headers["Content-Type"].startswith("text/plain")
    await Buckets(mine.api, "second").call("GET", f"/buckets/{bucket['id']}", status=404)
    await Buckets(mine.api, "third").call("GET", "/buckets", status=404)


async def test_by_path(mine: Buckets) -> None:
    bucket, inside = await mine.create("data"), await mine.create("inner", "acme")

    async def found(path: str, status: int = 200) -> object:
        target = f"/buckets/find/by_path?path={path}"
        return (await mine.call("GET", target, status=status)).json

    for path in ("user/data", "user/data/", "user/data/a/b", "user/data/a%20b%2Fc", "/user/data"):
        assert await found(path) == bucket
    assert await found(f"user/{bucket['id']}/key") == bucket
    assert await found("acme/user/inner/key") == await found(f"acme/user/{inside['id']}") == inside
    for path in (
        *("", "user", "user/", "user/dat", "user/database", "other/data", "user//data"),
        *("acme/user/data", "user/inner", f"{bucket['id']}", "data", "user/data%00", "%ff%ed%a0"),
    ):
        answer = await found(path, status=500)
        assert isinstance(answer, dict)
        assert list(answer) == ["error"]
    await mine.call("GET", "/buckets/find/by_path", status=500)


async def test_a_role_has_buckets_too(mine: Buckets, platform: LocalPlatform) -> None:
    await mine.api.call("POST", "/api/v1/users", json={"name": "user/role"})
    async with Api.open(platform, await platform.issue_token("user/role")) as api:
        bucket = await Buckets(api).create("data")
    assert bucket["owner"] == "user/role"
    path = "/buckets/find/by_path?path=user/role/data/key"
    assert (await mine.call("GET", path, status=200)).json == bucket
    assert await mine.get("data", "?owner=user/role") == bucket


async def test_deleting(mine: Buckets) -> None:
    bucket, left = await mine.create("data"), await mine.create("left")
    credentials = (await mine.credentials("data"))["credentials"]
    assert (await mine.call("DELETE", "/buckets/data", status=204)).body == b""
    assert await mine.ids() == [left["id"]]
    for method in ("GET", "DELETE"):
        await mine.call(method, f"/buckets/{bucket['id']}", status=404)
    assert await put(credentials, "key") == "NoSuchBucket"
    again = await mine.create("data")
    assert again["id"] != bucket["id"]


async def test_a_bucket_that_is_not_empty_stays(mine: Buckets) -> None:
    bucket = await mine.create("data")
    assert await put((await mine.credentials("data"))["credentials"], "key") == "ok"
    answer = await mine.call("DELETE", "/buckets/data", status=500)
    assert "BucketNotEmpty" in answer.json["error"]
    assert await mine.get("data") == bucket
    assert await put((await mine.credentials("data"))["credentials"], "more") == "ok"


async def test_public_access(mine: Buckets) -> None:
    bucket = await mine.create("data")
    found = (await mine.credentials("data"))["credentials"]
    assert await put(found, "a key", b"for all") == "ok"
    root = f"{found['endpoint_url']}/{found['bucket_name']}"

    async def status(path: str) -> int:
        async with aiohttp.ClientSession() as session, session.get(root + path) as answer:
            return answer.status

    assert (await status("/a%20key"), await status("")) == (403, 403)
    for public, expected in ((False, 403), (True, 200), (True, 200), (False, 403)):
        answer = await mine.call("PATCH", "/buckets/data", json={"public": public}, status=200)
        assert answer.json == {**bucket, "public": public} == await mine.get(bucket["id"])
        assert (await status("/a%20key"), await status("")) == (expected, expected)


async def test_where_one_is_not_known(anonymous: Api) -> None:
    for method, path in [
        ("GET", "/buckets"),
        ("POST", "/buckets"),
        ("POST", "/buckets/import/external"),
        ("GET", "/buckets/find/by_path?path=user/data"),
        ("GET", "/buckets/data"),
        ("PATCH", "/buckets/data"),
        ("DELETE", "/buckets/data"),
        ("POST", "/buckets/data/make_tmp_credentials"),
        ("POST", "/buckets/data/sign_blob_url"),
        ("GET", "/persistent_credentials"),
        ("POST", "/persistent_credentials"),
        ("GET", "/persistent_credentials/x"),
        ("DELETE", "/persistent_credentials/x"),
    ]:
        answer = await Buckets(anonymous).call(method, path, status=401)
        assert answer.text == "Unauthorized"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_pings(mine: Buckets, anonymous: Api) -> None:
    for path in ("/ping", "/api/v1/ping"):
        assert (await anonymous.call("GET", path)).text == "Pong"
    assert (await anonymous.call("GET", "/api/v1/secured-ping")).status == 401
    assert (await mine.api.call("GET", "/api/v1/secured-ping")).text == "Secured Pong"
    answer = await mine.call("GET", "/buckets", status=200)
    assert answer.headers["X-Service-Version"].startswith("platform-buckets-api/")


async def test_the_address_is_the_one_of_the_config(mine: Buckets) -> None:
    config = (await mine.api.call("GET", "/api/v1/config")).json
    urls = {cluster["name"]: cluster["buckets_url"] for cluster in config["clusters"]}
    assert urls["second"] == f"{mine.platform.api_url}/buckets/second"


async def test_what_later_clients_ask(mine: Buckets) -> None:
    plain, inside = await mine.create("data"), await mine.create("inner", "acme")
    place = "?org_name=acme&project_name=user"
    expected = {**inside, "project_name": "user"}
    assert await mine.get("inner", place) == await mine.get(inside["id"], place) == expected
    assert await mine.ids(place) == [inside["id"]]
    assert await mine.ids("?org_name=&project_name=user") == [plain["id"]]
    assert await mine.ids("?org_name=acme&project_name=other") == []
    answer = await mine.call("GET", "/buckets/data?org_name=&project_name=user", status=200)
    assert answer.json == {**plain, "org_name": "", "project_name": "user"}
    await mine.call("GET", f"/buckets/data{place}", status=404)
    for query in ("?project_name=user", "?org_name=acme&project_name=user&owner=user"):
        answer = await mine.call("GET", f"/buckets/inner{query}", status=400)
        assert list(answer.json) == ["error"]
    body = {"name": "more", "org_name": "acme", "project_name": "user"}
    answer = await mine.call("POST", "/buckets", json=body, status=201)
    assert (answer.json["project_name"], answer.json["org_name"]) == ("user", "acme")
    await mine.call("DELETE", f"/buckets/more{place}", status=204)


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    async with LocalPlatform(tmp_path / "data", port=0) as platform:
        async with Api.open(platform, platform.token) as api:
            mine = Buckets(api)
            await mine.create("data")
            await mine.add("aws", "outside", access_key_id="A", secret_access_key="S")
            await mine.call("PATCH", "/buckets/data", json={"public": True}, status=200)
            kept = await mine.persist((await mine.get("data"))["id"], name="keys")
            before = (await mine.call("GET", "/buckets", status=200)).json
            assert await put(kept["credentials"][0]["credentials"], "key") == "ok"
    async with LocalPlatform(tmp_path / "data", port=0) as platform:
        async with Api.open(platform, platform.token) as api:
            mine = Buckets(api)
            assert (await mine.call("GET", "/buckets", status=200)).json == before
            again = (await mine.call("GET", "/persistent_credentials/keys", status=200)).json
            url = platform.s3.url
            for item in kept["credentials"]:
                item["credentials"]["endpoint_url"] = str(url).rstrip("/")
            assert again == kept
            assert await put(again["credentials"][0]["credentials"], "more") == "ok"
