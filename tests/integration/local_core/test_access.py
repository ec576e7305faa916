"""Who may do what: a second user on the storage (storage.md §3) and the service of users."""

from __future__ import annotations

import pytest

from neuro_client.local import LocalPlatform

from .api import Answer, Api

USERS = "/api/v1/users"


async def share(api: Api, user: str, uri: str, action: str) -> Answer:
    body = [{"uri": uri, "action": action}]
    return await api.call("POST", f"{USERS}/{user}/permissions", json=body)


async def revoke(api: Api, user: str, uri: str) -> int:
    return (await api.call("DELETE", f"{USERS}/{user}/permissions?uri={uri}")).status


async def entries(api: Api, path: str) -> dict[str, str]:
    answer = await api.storage("GET", path, "LISTSTATUS")
    assert answer.status == 200, answer.text
    return {item["path"]: item["permission"] for item in answer.json["FileStatuses"]["FileStatus"]}


async def test_what_is_not_permitted_does_not_exist(api: Api, other: Api) -> None:
    for method, op in [
        ("GET", "OPEN"),
        ("GET", "LISTSTATUS"),
        ("GET", "GETFILESTATUS"),
        ("GET", "GETDISKUSAGE"),
        ("HEAD", None),
        ("PUT", "CREATE"),
        ("PUT", "MKDIRS"),
        ("PATCH", "WRITE"),
        ("POST", "RENAME"),
        ("DELETE", "DELETE"),
    ]:
        await api.put("user/dir/file", b"mine")
        headers = {"Content-Type": "application/octet-stream", "Content-Range": "bytes 0-0/*"}
        query = {"destination": "/other/file"} if op == "RENAME" else {}
        data = b"x" if method in ("PUT", "PATCH") else None
        for path in ("user/dir/file", "user/dir"):
            answer = await other.storage(method, path, op, query=query, headers=headers, data=data)
            assert answer.status == 404
            assert "missing" not in answer.text
        assert await api.get("user/dir/file") == b"mine"
        assert await api.names("user/dir") == {"file"}


async def test_reading_what_is_shared(api: Api, other: Api) -> None:
    await api.put("user/dir/sub/file", b"shared")
    await api.put("user/dir/hidden", b"hidden")
    answer = await share(api, "other", "storage://default/user/dir/sub", "read")
    assert answer.status == 201
    assert answer.json == [{"uri": "storage://default/user/dir/sub", "action": "read"}]
    assert await other.get("user/dir/sub/file") == b"shared"
    assert await entries(other, "user/dir/sub") == {"file": "read"}
    assert await entries(other, "user/dir") == {"sub": "read"}
    assert await entries(other, "user") == {"dir": "read"}
    assert set(await entries(other, "")) == {"user", "other", "acme"}
    status = await other.storage("GET", "user/dir", "GETFILESTATUS")
    assert status.json["FileStatus"]["permission"] == "read"
    # The parent may be listed, not read; nothing may be written.
    assert (await other.storage("GET", "user/dir", "GETDISKUSAGE")).status == 404
    assert (await other.storage("GET", "user/dir/hidden")).status == 404
    assert (await other.storage("PUT", "user/dir/sub/new", data=b"x")).status == 404
    assert (await other.storage("DELETE", "user/dir/sub/file")).status == 404
    assert (await other.storage("GET", "user/dir/sub", cluster="second")).status == 404


async def test_writing_what_is_shared_until_it_is_taken_back(api: Api, other: Api) -> None:
    uri = "storage://default/user/drop"
    assert (await share(api, "other", uri, "write")).status == 201
    await other.put("user/drop/file", b"theirs")
    assert await api.get("user/drop/file") == b"theirs"
    query = {"destination": "/user/elsewhere"}
    answer = await other.storage("POST", "user/drop/file", "RENAME", query=query)
    assert answer.status == 404
    assert (await share(other, "user", uri, "read")).status == 403
    assert await revoke(api, "other", uri) == 204
    assert (await other.storage("GET", "user/drop/file")).status == 404
    assert await revoke(api, "other", uri) == 400


async def test_a_neighbour_with_a_longer_name_is_somebody_else(
    platform: LocalPlatform, api: Api
) -> None:
    async with Api.open(platform, await platform.add_user("user2")) as neighbour:
        await neighbour.put("user2/file")
        assert (await api.storage("GET", "user2/file")).status == 404
        assert (await share(api, "user2", "storage://default/user/file", "read")).status == 201
        await api.put("user/file2")
        assert (await neighbour.storage("GET", "user/file2")).status == 404


async def test_organisations(api: Api, other: Api) -> None:
    await api.put("acme/user/file")
    assert (await other.storage("GET", "acme/user/file")).status == 404
    assert await entries(other, "acme") == {"other": "manage"}


async def test_lists_of_permissions(api: Api, other: Api) -> None:
    path = f"{USERS}/user/permissions"
    everything = (await api.call("GET", path)).json
    assert {"uri": "storage://default/user", "action": "manage"} in everything
    assert {"uri": "storage://second/acme/user", "action": "manage"} in everything
    assert {"uri": "cluster://default/access", "action": "read"} in everything
    jobs = (await api.call("GET", f"{path}?uri=job:")).json
    assert {item["uri"].partition(":")[0] for item in jobs} == {"job"}
    below = (await api.call("GET", f"{path}?uri=storage://default/user")).json
    assert [item["uri"] for item in below] == ["storage://default/user"]
    assert (await other.call("GET", path)).status == 403
    assert (await api.call("GET", f"{USERS}/nobody/permissions")).status == 404


async def test_lists_of_shares(api: Api, other: Api) -> None:
    uri = "storage://default/user/dir"
    await share(api, "other", uri, "write")
    await share(api, "other", "job://default/user/job-1", "read")
    await share(other, "user", "storage://default/other", "read")
    path = f"{USERS}/user/permissions/shared"
    shares = (await api.call("GET", path)).json
    assert sorted(shares, key=lambda share: str(share["uri"])) == [
        {"user": "other", "uri": "job://default/user/job-1", "action": "read"},
        {"user": "other", "uri": uri, "action": "write"},
    ]
    shares = (await api.call("GET", f"{path}?uri=storage:")).json
    assert [share["uri"] for share in shares] == [uri]
    assert (await other.call("GET", path)).status == 403


@pytest.mark.usefixtures("other")
async def test_shares_that_make_no_sense(api: Api) -> None:
    for body in [
        [],
        {},
        "text",
        [{"uri": "storage://default/user/x"}],
        [{"uri": "storage://default/user/x", "action": "list"}],
        [{"uri": "storage:x", "action": "read"}],
        [{"uri": "http://default/user/x", "action": "read"}],
    ]:
        answer = await api.call("POST", f"{USERS}/other/permissions", json=body)
        assert answer.status == 400
        assert answer.json["error"]


async def test_sharing_what_is_not_ones_own(api: Api, other: Api) -> None:
    uri = "storage://default/user/x"
    answer = await share(other, "other", uri, "read")
    assert answer.status == 403
    assert answer.json == {"missing": [{"uri": uri, "action": "manage"}]}
    assert (await share(api, "nobody", uri, "read")).status == 404


async def test_checks_and_trees(api: Api, other: Api) -> None:
    wanted = [
        {"uri": "storage://default/user/x", "action": "write"},
        {"uri": "storage://default/other/x", "action": "read"},
    ]
    answer = await api.call("POST", f"{USERS}/user/permissions/check", json=wanted)
    assert (answer.status, answer.json) == (403, {"missing": wanted[1:]})
    answer = await api.call("POST", f"{USERS}/user/permissions/check", json=wanted[:1])
    assert answer.status == 200
    await share(api, "other", "storage://default/user/a/b", "write")
    path = f"{USERS}/other/permissions/tree?uri=storage://default/user"
    tree = (await other.call("GET", path)).json
    assert (tree["path"], tree["action"]) == ("/default/user", "list")
    assert tree["children"]["a"]["action"] == "list"
    assert (await api.call("GET", path)).status == 403


async def test_roles(api: Api, other: Api) -> None:
    assert (await api.call("POST", USERS, json={"name": "user/builder"})).status == 201
    assert (await api.call("POST", USERS, json={"name": "user/builder"})).status == 400
    assert (await api.call("POST", USERS, json={"name": "somebody"})).status == 403
    assert (await other.call("POST", USERS, json={"name": "user/x"})).status == 403
    answer = await api.call("GET", f"{USERS}/user/subroles")
    assert answer.json == {"subroles": ["user/builder"]}
    await api.put("user/file", b"file")
    assert (await share(api, "user:builder", "storage://default/user/file", "read")).status == 201
    answer = await api.call("POST", f"{USERS}/user:builder/token", json={})
    async with Api.open(api.platform, answer.json["access_token"]) as role:
        assert await role.get("user/file") == b"file"
        assert (await role.storage("PUT", "user/file", data=b"x")).status == 404
    assert (await other.call("DELETE", f"{USERS}/user:builder")).status == 403
    assert (await api.call("DELETE", f"{USERS}/user:builder")).status == 204
    assert (await api.call("DELETE", f"{USERS}/user:builder")).status == 404


async def test_tokens_for_oneself_only(api: Api, other: Api) -> None:
    answer = await api.call("POST", f"{USERS}/user/token", json={})
    async with Api.open(api.platform, answer.json["access_token"]) as again:
        assert (await again.call("GET", f"{USERS}/user")).json == {"name": "user"}
    assert (await other.call("POST", f"{USERS}/user/token", json={})).status == 403


async def test_names_no_user_can_have(platform: LocalPlatform) -> None:
    for name in ["", "a/b", "..", ".hidden", "~x", "acme"]:
        with pytest.raises(ValueError, match="cannot be the name"):
            await platform.add_user(name)


async def test_a_removed_role_is_nobody(api: Api) -> None:
    await api.call("POST", USERS, json={"name": "user/builder"})
    token = (await api.call("POST", f"{USERS}/user:builder/token", json={})).json["access_token"]
    async with Api.open(api.platform, token) as role:
        assert (await role.call("GET", f"{USERS}/user")).status == 200
        assert (await api.call("DELETE", f"{USERS}/user:builder")).status == 204
        assert (await role.call("GET", f"{USERS}/user")).status == 401
    assert (await api.call("DELETE", f"{USERS}/user")).status == 400
    assert (await api.call("GET", f"{USERS}/user")).status == 200


async def test_strangers_are_told_where_to_log_in(anonymous: Api) -> None:
    answer = await anonymous.storage("GET", "user", "LISTSTATUS")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="Storage API"'
