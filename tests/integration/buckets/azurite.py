"""Azurite, Microsoft's emulator of Azure Storage, as a process of a test module's own.

It is a package of npm: ``npm install --prefix .tools/azurite azurite@3.37.0``.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
from azure.storage.blob.aio import ContainerClient
from yarl import URL

from neuro_client.buckets.azure import AzureProvider, open_azure
from neuro_client.buckets.provider import Provider
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import open_session

from .bench import Bench, Source

_TOOL = Path(__file__).parents[3] / ".tools/azurite/node_modules/.bin/azurite-blob"
_LISTENS = re.compile(r"successfully listens on (http://\S+)")
_ACCOUNT = "neurotest"


@attrs.frozen
class Azurite:
    """Hold a running emulator with one account."""

    url: URL
    account: str
    key: str = attrs.field(repr=False)

    def sas(
        self, container: str, *, rights: str = "racwdl", life: timedelta = timedelta(hours=1)
    ) -> str:
        """Make a token of *rights*; one with a negative *life* has expired."""
        now = datetime.now(UTC)
        return generate_container_sas(
            self.account,
            container,
            account_key=self.key,
            permission=ContainerSasPermissions.from_string(rights),
            start=min(now, now + life) - timedelta(minutes=5),
            expiry=now + life,
        )

    def client(self, container: str) -> ContainerClient:
        """Return Azure's own client of a container."""
        return ContainerClient(str(self.url), container, credential=self.key)


@contextmanager
def running_azurite() -> Iterator[Azurite]:
    """Run the emulator on a free port, all in memory; skip where it is not installed."""
    program = shutil.which("azurite-blob") or (str(_TOOL) if _TOOL.exists() else None)
    if program is None or shutil.which("node") is None:
        pytest.skip("Azurite is not installed: npm install --prefix .tools/azurite azurite@3.37.0")
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    arguments = "--blobPort 0 --inMemoryPersistence --skipApiVersionCheck --disableTelemetry"
    process = subprocess.Popen(
        [program, *arguments.split(), "--silent"],
        env={**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        told = []
        for line in process.stdout:
            told.append(line)
            if found := _LISTENS.search(line):
                yield Azurite(URL(found[1]) / _ACCOUNT, _ACCOUNT, key)
                return
        raise AssertionError("Azurite did not start:\n" + "".join(told))
    finally:
        process.terminate()
        process.communicate()


def values(azurite: Azurite, container: str, **more: str) -> dict[str, str]:
    """Return credentials as the bucket service hands them out."""
    found = {"bucket_name": container, "storage_endpoint": f"{azurite.url}/", **more}
    return found if more else {**found, "sas_token": azurite.sas(container)}


@asynccontextmanager
async def opened(azurite: Azurite, container: ContainerClient) -> AsyncIterator[Bench]:
    """Open a provider of a container, and what the checks need besides."""
    async with FaultProxy(azurite.url) as proxy, open_session() as session:

        def provider(name: str) -> AbstractAsyncContextManager[AzureProvider]:
            found = {**values(azurite, name), "storage_endpoint": str(proxy.url)}
            return open_azure(Source(found), session)

        def again() -> AbstractAsyncContextManager[Provider]:
            return provider(container.container_name)

        async with again() as one, provider("absent") as absent:
            yield Bench(one, absent, proxy, again, unkept=frozenset("\\"))
