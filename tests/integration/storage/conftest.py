"""A storage subsystem on a server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from yarl import URL

from neuro_client.config import Config
from neuro_client.config.models import AuthConfig, Cluster, Login, ServerConfig, Token
from neuro_client.parsing import Parser
from neuro_client.retry import NEVER
from neuro_client.storage import Storage
from neuro_client.transport import FixedCredentials, Transport

from .server import StorageServer


class _Tokens:
    current = Token("token", 2e9)

    async def token(self) -> str:
        return "token"


async def _no_fetch() -> ServerConfig:
    raise AssertionError("no call reads the configuration")


def _cluster(name: str, root: URL) -> Cluster:
    base = root / "storage"
    return Cluster(name, [None], root, base, root, root, root, root, root, presets={})


@pytest.fixture
def server(tmp_path: Path) -> StorageServer:
    """Return the server's controls; its files are under ``server.root``."""
    root = tmp_path / "remote"
    (root / "ada").mkdir(parents=True)
    return StorageServer(root)


@pytest.fixture
async def storage(server: StorageServer) -> AsyncIterator[Storage]:
    """Open the subsystem as user ada on cluster alpha."""
    async with TestServer(server.app()) as http:
        root = http.make_url("/")
        auth = AuthConfig(root, root, root, "", "", root)
        clusters = {name: _cluster(name, root) for name in ("alpha", "beta")}
        login = Login(auth, _Tokens.current, root, None, "", "alpha", None, clusters)
        config = Config(
            Path("unused"),
            login,
            _Tokens(),
            _no_fetch,
            dict,
            username=lambda _: "ada",
            user_config={},
        )
        async with Transport(root, FixedCredentials.bearer("token"), retry=NEVER) as transport:
            yield Storage(transport, config, Parser(config))
