"""A real Garage of one node, as a process of a test module's own.

It is built by ``make garage``, which takes some twelve minutes.
"""

from __future__ import annotations

import itertools
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import attrs

from neuro_client.buckets.provider import Provider
from neuro_client.buckets.s3 import open_s3
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transport import open_session
from tests.adversity.processes import free_port

from .bench import Bench, Source

NAME = "garage"
TOOLS = Path(__file__).parents[3] / ".tools" / "bin"
ABSENT = f"{NAME} is neither on PATH nor in .tools/bin; make garage builds it"
REGION = "garage"
_START = 30.0
_numbers = itertools.count(1)
_CONFIG = """
metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secret}"

[s3_api]
s3_region = "{region}"
api_bind_addr = "127.0.0.1:{s3}"
root_domain = ".s3.garage.localhost"

[admin]
api_bind_addr = "127.0.0.1:{admin}"
admin_token = "{token}"
"""


@attrs.frozen
class Garage:
    """Hold a running node with one key, which may be given rights on any bucket."""

    url: str
    admin: str
    token: str = attrs.field(repr=False)
    key_id: str
    secret: str = attrs.field(repr=False)

    async def make_bucket(self, session: aiohttp.ClientSession) -> str:
        """Make a bucket that the key may do anything with."""
        name = f"bucket-{next(_numbers)}"
        found = await self._call(session, "CreateBucket", {"globalAlias": name})
        rights = {"read": True, "write": True, "owner": True}
        grant = {"bucketId": found["id"], "accessKeyId": self.key_id, "permissions": rights}
        await self._call(session, "AllowBucketKey", grant)
        return name

    async def make_reader(self, session: aiohttp.ClientSession, bucket: str) -> tuple[str, str]:
        """Make a key that may only read a bucket; return its id and its secret."""
        made = await self._call(session, "CreateKey", {"name": bucket})
        async with session.get(
            f"{self.admin}/v2/GetBucketInfo",
            params={"globalAlias": bucket},
            headers={"Authorization": f"Bearer {self.token}"},
        ) as answer:
            found = await answer.json()
        key = made["accessKeyId"]
        grant = {"bucketId": found["id"], "accessKeyId": key, "permissions": {"read": True}}
        await self._call(session, "AllowBucketKey", grant)
        return key, made["secretAccessKey"]

    async def _call(
        self, session: aiohttp.ClientSession, name: str, body: Mapping[str, object]
    ) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with session.post(f"{self.admin}/v2/{name}", json=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, str] = await answer.json()
            return found

    def values(self, bucket: str, endpoint: str | None = None) -> dict[str, str]:
        """Return credentials as the bucket service hands them out."""
        return {
            "bucket_name": bucket,
            "endpoint_url": endpoint or self.url,
            "region_name": REGION,
            "access_key_id": self.key_id,
            "secret_access_key": self.secret,
        }


def find() -> str | None:
    """Return the path of the program, None if it is not built."""
    return shutil.which(NAME) or shutil.which(NAME, path=str(TOOLS))


@contextmanager
def garage_node(program: str) -> Iterator[Garage]:
    """Run a node for as long as the block; blocks until it answers."""
    ports = {name: free_port() for name in ("s3", "rpc", "admin")}
    found = Garage(
        url=f"http://127.0.0.1:{ports['s3']}",
        admin=f"http://127.0.0.1:{ports['admin']}",
        token=secrets.token_hex(16),
        key_id=f"GK{secrets.token_hex(12)}",
        secret=secrets.token_hex(32),
    )
    with tempfile.TemporaryDirectory(prefix="garage-") as folder:
        config = Path(folder) / "garage.toml"
        text = _CONFIG.format(
            folder=folder, region=REGION, token=found.token, secret=secrets.token_hex(32), **ports
        )
        config.write_text(text)
        process = subprocess.Popen(
            [program, "-c", str(config), "server", "--single-node", "--default-bucket"],
            env={
                "GARAGE_DEFAULT_BUCKET": "default",
                "GARAGE_DEFAULT_ACCESS_KEY": found.key_id,
                "GARAGE_DEFAULT_SECRET_KEY": found.secret,
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(f"{found.admin}/health", process)
            yield found
        finally:
            process.terminate()
            process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (OSError, urllib.error.URLError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@asynccontextmanager
async def garage_bench(node: Garage) -> AsyncIterator[Bench]:
    """Open a provider of a new bucket, through a proxy."""
    async with (
        FaultProxy(node.url) as proxy,
        open_session() as session,
        open_session() as direct,
    ):
        bucket = await node.make_bucket(direct)
        endpoint = str(proxy.url).rstrip("/")
        there = Source(node.values(bucket, endpoint))
        nowhere = Source(node.values("no-such-bucket", endpoint))

        def again() -> AbstractAsyncContextManager[Provider]:
            return open_s3(Source(node.values(bucket)), direct)

        async with open_s3(there, session) as provider, open_s3(nowhere, session) as absent:
            yield Bench(provider, absent, proxy, again, leading_slashes=False)
