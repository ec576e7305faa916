"""Who may do what with buckets (buckets.md §3.7), and what that opens at the provider."""

from __future__ import annotations

from neuro_client.local import LocalPlatform

from .conftest import Buckets, put, read

CALLS = [
    ("GET", "/buckets/{id}", "read", None),
    ("POST", "/buckets/{id}/make_tmp_credentials", "read", None),
    ("POST", "/buckets/{id}/sign_blob_url", "read", {"key": "x"}),
    ("PATCH", "/buckets/{id}", "write", {"public": True}),
    ("DELETE", "/buckets/{id}", "write", None),
]


def missing(bucket: dict[str, str], action: str) -> dict[str, object]:
    home = "/".join(part for part in (bucket["org_name"], bucket["owner"]) if part)
    words = [word for word in (bucket["name"], bucket["id"]) if word]
    uris = [f"blob://default/{home}/{word}" for word in words]
    return {"missing": [{"uri": uri, "action": action} for uri in uris]}


async def test_what_is_not_shared(mine: Buckets, theirs: Buckets) -> None:
    for name, org in (("data", None), (None, None), ("inner", "acme")):
        bucket = await mine.create(name, org)
        for method, path, action, body in CALLS:
            answer = await theirs.call(method, path.format(**bucket), json=body, status=403)
            assert answer.json == missing(bucket, action)
        path = f"{org}/user" if org else "user"
        target = f"/buckets/find/by_path?path={path}/{bucket['id']}/key"
        answer = await theirs.call("GET", target, status=403)
        assert answer.json == missing(bucket, "read")
        assert await mine.get(bucket["id"]) == bucket
    assert await theirs.ids() == []
    # Another user's names are not mine.
    await theirs.call("GET", "/buckets/data", status=404)


async def test_reading(mine: Buckets, theirs: Buckets) -> None:
    bucket, hidden, unnamed = [await mine.create(name) for name in ("data", "hidden", None)]
    await mine.share("other", f"user/{unnamed['id']}", "read")
    await mine.share("other", f"user/{hidden['id']}", "read")
    assert await theirs.ids() == [hidden["id"], unnamed["id"]]
    await mine.api.call(
        "DELETE", "/api/v1/users/other/permissions?uri=blob://default/user/" + hidden["id"]
    )
    await mine.share("other", "user/data", "read")
    assert await theirs.ids() == [bucket["id"], unnamed["id"]]
    for method, path, action, body in CALLS:
        status = 200 if action == "read" else 403
        await theirs.call(method, path.format(**bucket), json=body, status=status)
    assert await put((await mine.credentials("data"))["credentials"], "key", b"mine") == "ok"
    answer = await theirs.credentials("data", "?owner=user")
    assert answer["read_only"] is True
    opening = answer["credentials"]
    assert await read(opening, "key") == "mine"
    assert await put(opening, "key", b"theirs") == "AccessDenied"
    foreign = (await mine.credentials(hidden["id"]))["credentials"]["bucket_name"]
    assert await read({**opening, "bucket_name": foreign}, "key") == "AccessDenied"


async def test_writing_until_it_is_taken_back(mine: Buckets, theirs: Buckets) -> None:
    bucket = await mine.create("data")
    await mine.share("other", "user/data", "write")
    answer = await theirs.credentials(bucket["id"])
    assert answer["read_only"] is False
    assert await put(answer["credentials"], "key", b"theirs") == "ok"
    await theirs.call("PATCH", f"/buckets/{bucket['id']}", json={"public": True}, status=200)
    uri = "blob://default/user/data"
    revoked = await mine.api.call("DELETE", f"/api/v1/users/other/permissions?uri={uri}")
    assert revoked.status == 204
    await theirs.call("POST", f"/buckets/{bucket['id']}/make_tmp_credentials", status=403)


async def test_new_buckets_are_ones_own(mine: Buckets, theirs: Buckets) -> None:
    for body, home in [
        ({"name": "data", "org_name": "evil"}, "evil/user"),
        ({"name": "data", "org_name": "acme", "project_name": "other"}, "acme/other"),
        ({"name": "data", "project_name": "nobody"}, "nobody"),
    ]:
        answer = await mine.call("POST", "/buckets", json=body, status=403)
        uri = f"blob://default/{home}"
        assert answer.json == {"missing": [{"uri": uri, "action": "write"}]}
    for body in (
        {"name": "data", "org_name": ".."},
        {"name": "data", "org_name": "acme/.."},
        {"name": "data", "project_name": "other/../user"},
        {"name": "data", "project_name": "../user"},
    ):
        await mine.call("POST", "/buckets", json=body, status=403)
        external = {**body, "provider": "aws", "provider_bucket_name": "x", "credentials": {}}
        await mine.call("POST", "/buckets/import/external", json=external, status=403)
    assert await mine.ids() == []
    await theirs.share("user", "other", "write")
    body = {"name": "data", "project_name": "other"}
    assert (await mine.call("POST", "/buckets", json=body, status=201)).json["owner"] == "other"
    assert len(await theirs.ids()) == 1


async def test_a_right_on_one_cluster_is_none_on_another(
    mine: Buckets, theirs: Buckets, platform: LocalPlatform
) -> None:
    second = Buckets(mine.api, "second")
    bucket = await second.create("data")
    await mine.share("other", "user/data", "write")
    foreign = Buckets(theirs.api, "second")
    await foreign.call("GET", f"/buckets/{bucket['id']}", status=403)
    assert await foreign.ids() == []
