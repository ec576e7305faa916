"""The calls behind the samples of the configuration, and what their answers must become."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from yarl import URL

from neuro_client.auth.login import fetch_server_config
from neuro_client.client import Client
from neuro_client.config import Preset, ServerConfig
from neuro_client.errors import AuthError
from neuro_client.retry import NEVER
from neuro_client.transport import Transport

from ..golden import TOKEN, Call

Values = Mapping[str, str]

SMALL = Preset(Decimal("0.5"), 0.5, 2**30)


async def fetched(values: Values, token: str | None) -> ServerConfig:
    """Ask as a login does, which has no client yet."""
    api = URL(values["api"])
    async with Transport(api, retry=NEVER) as transport:
        return await fetch_server_config(transport, api, token)


def check_auth(server: ServerConfig) -> None:
    auth = server.auth
    assert auth.auth_url == URL("https://auth.example/authorize")
    assert auth.token_url == URL("https://auth.example/oauth/token")
    assert auth.logout_url == URL("https://auth.example/v2/logout")
    assert (auth.client_id, auth.audience) == ("local-cli", "https://platform.example")
    assert auth.headless_callback_url == URL("https://platform.example/show-code")
    assert auth.callback_urls == (URL("http://127.0.0.1:54540"), URL("http://127.0.0.1:54541"))


async def anonymous(_: Client, values: Values) -> None:
    server = await fetched(values, None)
    check_auth(server)
    assert server.authorized is False
    assert dict(server.clusters) == {}
    assert (server.admin_url, server.auth.success_redirect_url) == (None, None)


async def authorized(_: Client, values: Values) -> None:
    server = await fetched(values, TOKEN)
    check_auth(server)
    assert server.authorized is True
    assert server.admin_url == URL("https://platform.example/apis/admin/v1")
    assert list(server.clusters) == ["alpha", "beta"]
    alpha = server.clusters["alpha"]
    assert list(alpha.orgs) == [None, "acme"]
    assert dict(alpha.presets) == {"cpu-small": SMALL}
    assert {
        "registry": alpha.registry_url,
        "api/v1/storage": alpha.storage_url,
        "api/v1/users": alpha.users_url,
        "api/v1/jobs": alpha.monitoring_url,
        "api/v1/secrets": alpha.secrets_url,
        "api/v1/disk": alpha.disks_url,
        "api/v1/buckets": alpha.buckets_url,
    } == {
        path: URL("https://alpha.example/") / ("" if path == "registry" else path)
        for path in (
            "registry", "api/v1/storage", "api/v1/users", "api/v1/jobs", "api/v1/secrets",
            "api/v1/disk", "api/v1/buckets",
        )
    }  # fmt: skip


async def token_refused(_: Client, values: Values) -> None:
    with pytest.raises(AuthError):
        await fetched(values, TOKEN)


async def gpu_preset(_: Client, values: Values) -> None:
    server = await fetched(values, TOKEN)
    assert server.auth.success_redirect_url == URL("https://platform.example/welcome")
    preset = server.clusters["alpha"].presets["gpu"]
    assert (preset.gpu, preset.gpu_model) == (1, "v100")
    assert (preset.tpu_type, preset.tpu_software_version) == ("v2-8", "1.14")


CALLS: Mapping[str, Call] = {
    "anonymous": anonymous,
    "authorized": authorized,
    "token_refused": token_refused,
    "gpu_preset": gpu_preset,
}
