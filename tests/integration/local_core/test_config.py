"""What clients are told at the start: config-and-auth.md §3, and quotas of the admin service."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from neuro_client.local import LocalPlatform, PresetSettings

from .api import Api

OAUTH_KEYS = {
    "authorized",
    "auth_url",
    "token_url",
    "logout_url",
    "client_id",
    "audience",
    "callback_urls",
    "headless_callback_url",
}


async def test_config_for_everybody(anonymous: Api, platform: LocalPlatform) -> None:
    answer = await anonymous.call("GET", "/api/v1/config")
    assert answer.status == 200
    assert set(answer.json) == OAUTH_KEYS
    assert answer.json["authorized"] is False
    assert answer.json["callback_urls"] == [
        f"http://127.0.0.1:{port}" for port in (54540, 54541, 54542)
    ]
    assert answer.json["auth_url"].startswith(str(platform.url))


async def test_config_with_an_unknown_token_is_that_for_everybody(platform: LocalPlatform) -> None:
    async with Api.open(platform, "nonsense") as api:
        answer = await api.call("GET", "/api/v1/config")
    assert answer.status == 200
    assert answer.json["authorized"] is False


async def test_config_for_users(api: Api, platform: LocalPlatform) -> None:
    answer = (await api.call("GET", "/api/v1/config")).json
    assert set(answer) == OAUTH_KEYS | {"admin_url", "clusters"}
    assert answer["authorized"] is True
    assert answer["admin_url"] == str(platform.url / "apis/admin/v1")
    assert [cluster["name"] for cluster in answer["clusters"]] == ["default", "second"]
    for cluster in answer["clusters"]:
        assert cluster["orgs"] == [None, "acme"]
        assert cluster["monitoring_url"].endswith("/jobs")
        assert cluster["users_url"] == f"{platform.api_url}/users"
        kinds = ("storage", "monitoring", "secrets", "disks", "buckets", "users")
        for kind in kinds:
            assert cluster[f"{kind}_url"].startswith(str(platform.url).rstrip("/"))
        assert cluster["registry_url"] == str(platform.registry(cluster["name"]))
    for kind in ("storage", "registry"):
        assert len({cluster[f"{kind}_url"] for cluster in answer["clusters"]}) == 2


async def test_presets(api: Api) -> None:
    cluster = (await api.call("GET", "/api/v1/config")).json["clusters"][0]
    presets = {preset["name"]: preset for preset in cluster["resource_presets"]}
    assert list(presets) == ["cpu-small", "cpu-large", "cpu-spot", "cpu-shared"]
    assert presets["cpu-small"] == {
        "name": "cpu-small",
        "credits_per_hour": presets["cpu-small"]["credits_per_hour"],
        "cpu": 0.5,
        "memory": 2**30,
        "memory_mb": 1024,
        "scheduler_enabled": False,
        "preemptible_node": False,
        "is_preemptible": False,
        "is_preemptible_node_required": False,
    }
    assert all(Decimal(preset["credits_per_hour"]) > 0 for preset in presets.values())
    assert presets["cpu-large"]["cpu"] == psutil.cpu_count()
    spot, shared = presets["cpu-spot"], presets["cpu-shared"]
    assert spot["preemptible_node"] is spot["is_preemptible_node_required"] is True
    assert shared["scheduler_enabled"] is shared["is_preemptible"] is True


async def test_presets_of_ones_own(tmp_path: Path) -> None:
    preset = PresetSettings("tiny", 0.1, 2**27, Decimal("0.01"))
    async with LocalPlatform(tmp_path / "data", port=0, presets=[preset]) as platform:
        async with Api.open(platform, platform.token) as api:
            cluster = (await api.call("GET", "/api/v1/config")).json["clusters"][0]
    assert [preset["name"] for preset in cluster["resource_presets"]] == ["tiny"]


async def test_ping(anonymous: Api) -> None:
    for path in ["/ping", "/api/v1/ping"]:
        answer = await anonymous.call("GET", path)
        assert (answer.status, answer.text) == (200, "Pong")
        assert answer.headers["X-Service-Version"].startswith("platform-")


async def test_what_needs_a_token(api: Api, anonymous: Api) -> None:
    for path in (
        "/api/v1/secured-ping",
        "/api/v1/users/user/permissions",
        "/apis/admin/v1/clusters/default/users/user",
        "/api/v1/storage/default/user?op=LISTSTATUS",
    ):
        refused = await anonymous.call("GET", path)
        assert refused.status == 401
        assert refused.headers["Content-Type"].startswith("text/plain")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer realm=")
        assert (await api.call("GET", path)).status == 200


async def test_tokens_outside_the_header(anonymous: Api, platform: LocalPlatform) -> None:
    token = platform.token
    path = f"/api/v1/secured-ping?neuro-auth-token={token}"
    assert (await anonymous.call("GET", path)).status == 200
    words = {"Sec-WebSocket-Protocol": f"chat, bearer.apolo.us-{token}"}
    answer = await anonymous.call("GET", "/api/v1/secured-ping", headers=words)
    assert answer.status == 200
    bad = {"Authorization": "Basic abc"}
    assert (await anonymous.call("GET", path, headers=bad)).status == 401


async def test_quota_of_a_user(api: Api, platform: LocalPlatform) -> None:
    path = "/apis/admin/v1/clusters/default/users/user?with_user_info=false"
    answer = await api.call("GET", path)
    assert answer.json == {
        "user_name": "user",
        "role": "user",
        "quota": {},
        "balance": {"spent_credits": "0"},
    }
    await platform.set_quota("user", total_running_jobs=3, credits=Decimal("12.5"))
    answer = await api.call("GET", path)
    assert answer.json["quota"] == {"total_running_jobs": 3}
    assert answer.json["balance"] == {"credits": "12.5", "spent_credits": "0"}
    await platform.quotas.spend("user", "default", None, Decimal("2.5"))
    answer = await api.call("GET", path)
    assert answer.json["balance"] == {"credits": "10.0", "spent_credits": "2.5"}
    quota = await platform.quota("user", "default", None)
    assert (quota.total_running_jobs, quota.credits) == (3, Decimal(10))
    await platform.set_quota("user")
    answer = await api.call("GET", path)
    assert (answer.json["quota"], answer.json["balance"]) == ({}, {"spent_credits": "2.5"})


async def test_quota_of_an_organisation(api: Api, platform: LocalPlatform) -> None:
    await platform.set_quota(None, cluster="second", org="acme", credits=7)
    answer = await api.call("GET", "/apis/admin/v1/clusters/second/orgs/acme")
    assert answer.json["org_name"] == "acme"
    assert answer.json["balance"]["credits"] == "7"
    answer = await api.call("GET", "/apis/admin/v1/clusters/second/orgs/acme/users/user")
    assert (answer.json["org_name"], answer.json["quota"]) == ("acme", {})
    for path in ("clusters/nosuch/users/user", "clusters/default/orgs/nosuch"):
        assert (await api.call("GET", f"/apis/admin/v1/{path}")).status == 404


async def test_parallel_jobs_spend_the_same_credits(platform: LocalPlatform) -> None:
    await platform.set_quota("user", org="acme", credits=100)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(platform.quotas.spend("user", "default", "acme", Decimal(2)))
    quota = await platform.quota("user", "default", "acme")
    assert (quota.credits, quota.spent_credits) == (Decimal(60), Decimal(40))
    assert (await platform.quota(None, "default", "acme")).spent_credits == Decimal(40)


def test_clusters_and_organisations_are_names(tmp_path: Path) -> None:
    for name in ("", "a/b", "..", ".incoming", "a b", "~x"):
        with pytest.raises(ValueError, match="cannot name"):
            LocalPlatform(tmp_path, port=0, clusters=(name,))
        with pytest.raises(ValueError, match="cannot name"):
            LocalPlatform(tmp_path, port=0, orgs=(name,))
    with pytest.raises(ValueError, match="at least one"):
        LocalPlatform(tmp_path, port=0, clusters=())
