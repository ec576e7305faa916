"""Our client against golden answers: it sends exactly the golden request and reads the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import pytest
from yarl import URL

from neuro_client.client import Client
from neuro_client.config import AuthConfig, Cluster, Config, Login, ServerConfig, Token
from neuro_client.config.services import Services
from neuro_client.retry import NEVER
from neuro_client.transport import FixedCredentials, Transport

from .golden import TOKEN, Sample, basic, calls, check_request, recording, samples

pytestmark = pytest.mark.contract

JOB = "job-0b7f1f9c-6f3e-4c0a-9c3c-2f6c1d5e8a11"

BUCKET = "bucket-0b7f1f9c-6f3e-4c0a-9c3c-2f6c1d5e8a11"


class Tokens:
    """A token that never expires."""

    current = Token(TOKEN, 2e9)

    async def token(self) -> str:
        return TOKEN


def make_cluster(name: str, root: URL) -> Cluster:
    return Cluster(
        name=name,
        orgs=[None, "acme"],
        registry_url=URL(f"https://registry.{name}.example"),
        storage_url=root / "storage" / name,
        users_url=root / "api/v1/users",
        monitoring_url=root / "monitoring" / name / "jobs",
        secrets_url=root / "secrets" / name,
        disks_url=root / "disks" / name,
        buckets_url=root / "buckets" / name,
        presets={},
    )


def values_of(root: URL) -> dict[str, str]:
    """Return what the placeholders of the samples stand for at the recording server."""
    alpha = make_cluster("alpha", root)
    return {
        "api": str(root / "api/v1"),
        "monitoring": str(alpha.monitoring_url),
        "storage": str(alpha.storage_url),
        "images": str(root).rstrip("/"),
        "digest": "sha256:" + "ab" * 32,
        "basic": basic("ada", TOKEN),
        "registry": "registry.alpha.example",
        "job": JOB,
        "port": "8080",
        "buckets": str(alpha.buckets_url),
        "disks": str(alpha.disks_url),
        "secrets": str(alpha.secrets_url),
        "bucket": BUCKET,
    }


@asynccontextmanager
async def client_at(root: URL) -> AsyncIterator[Client]:
    """Open a client for user ``ada`` with the current cluster ``alpha`` and org ``acme``."""

    async def fetch() -> ServerConfig:
        raise AssertionError("no call reads the configuration")

    login = Login(
        auth=AuthConfig(root, root, root, "", "", root),
        token=Tokens.current,
        url=root / "api/v1",
        admin_url=None,
        version="",
        cluster_name="alpha",
        org_name="acme",
        clusters={
            "alpha": make_cluster("alpha", root),
            "beta": make_cluster("beta", root),
            # Its registry is at the recording server too.
            "recorded": attrs.evolve(make_cluster("recorded", root), registry_url=root),
        },
    )
    config = Config(
        Path("unused"),
        login,
        Tokens(),
        fetch,
        dict,
        username=lambda _: "ada",
        user_config={},
    )
    async with AsyncExitStack() as stack:
        transport = Transport(root / "api/v1", FixedCredentials.bearer(TOKEN), retry=NEVER)
        await stack.enter_async_context(transport)
        yield Client(transport, config, Services(Path("missing")), stack)


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
async def test_the_client_speaks_as_the_facts_say(sample: Sample) -> None:
    async with recording(sample) as (root, recorder):
        recorder.values = values_of(root)
        async with client_at(root) as client:
            await calls(sample.service)[sample.call](client, recorder.values)
        [request] = recorder.requests
        check_request(sample, request, recorder.values)
