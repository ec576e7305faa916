"""Where buckets are measured: S3 endpoints as processes, the ways to them, and files of logins."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import attrs
import botocore.session
import psutil
from botocore.config import Config
from yarl import URL

import neuro_client
from tests.integration.buckets import garage, moto

from .contenders.blobs import ACCOUNT
from .world import DISTANT, LOOPBACK, World, _proxy

LOCAL, MOTO, GARAGE = "local", "moto", "garage"
ENDPOINTS = (LOCAL, MOTO, GARAGE)
_BUCKET = "bench"
_ACCOUNT = ("endpoint_url", "region_name", "access_key_id", "secret_access_key", "bucket_name")

Account = dict[str, str]
Started = tuple[psutil.Process, Account]
T = TypeVar("T")


@attrs.frozen
class Way:
    """Name a way to an endpoint; ``config`` is a login with the account beside it.

    ``uri`` is the bucket as our client names it: imported with the same account.
    """

    endpoint: str
    link: str
    config: Path
    uri: str

    @property
    def name(self) -> str:
        """Return the name of both, as the outcome has it."""
        return f"{self.endpoint}, {self.link}"


@attrs.frozen
class Endpoint:
    """Hold a running S3 endpoint and the ways to a bucket of it."""

    name: str
    process: psutil.Process
    bucket: str
    ways: dict[str, Way]
    _client: Any

    def cpu(self) -> float:
        """Return the seconds of processor that the endpoint has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def content(self, prefix: str) -> tuple[int, int]:
        """Return how many files there are at or below a key, and their bytes."""
        found = [item for item in self._objects(prefix) if not item["Key"].endswith("/")]
        return len(found), sum(item["Size"] for item in found)

    def remove(self, prefix: str) -> None:
        """Remove the objects at or below a key."""
        keys = [{"Key": item["Key"]} for item in self._objects(prefix)]
        for first in range(0, len(keys), 1000):
            some = {"Objects": keys[first : first + 1000], "Quiet": True}
            self._client.delete_objects(Bucket=self.bucket, Delete=some)

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                if item["Key"] == prefix or item["Key"].startswith(f"{prefix}/"):
                    yield item


@contextmanager
def endpoint(place: World, name: str, links: Sequence[str]) -> Iterator[Endpoint]:
    """Start an endpoint, unless it is the platform's own, and a proxy for the distance."""
    with _STARTS[name](place) as (process, account):
        url = account["endpoint_url"]
        with _proxy(URL(url)) as distant:
            urls = {LOOPBACK: url, DISTANT: str(distant).rstrip("/")}
            ways = {
                link: asyncio.run(_way(place, name, link, {**account, "endpoint_url": urls[link]}))
                for link in links
            }
            yield Endpoint(name, process, account["bucket_name"], ways, _client(account))


def absent(name: str) -> str | None:
    """Tell why an endpoint cannot run here, None if it can."""
    return garage.ABSENT if name == GARAGE and garage.find() is None else None


async def _way(place: World, name: str, link: str, account: Account) -> Way:
    login = place.folder / f"login {name} {link}"
    shutil.copytree(place.links[LOOPBACK].config, login)
    (login / ACCOUNT).write_text(json.dumps(account))
    keys = {key: value for key, value in account.items() if key != "bucket_name"}
    async with neuro_client.get(path=login) as client:
        bucket = await client.buckets.import_external(
            neuro_client.Bucket.Provider.MINIO,
            account["bucket_name"],
            keys,
            name=f"{name}-{link.replace(' ', '')}",
        )
        return Way(name, link, login, str(bucket.uri))


def _client(account: Account) -> Any:
    return botocore.session.get_session().create_client(
        "s3",
        region_name=account["region_name"],
        endpoint_url=account["endpoint_url"],
        aws_access_key_id=account["access_key_id"],
        aws_secret_access_key=account["secret_access_key"],
        config=Config(s3={"addressing_style": "path"}),
    )


@contextmanager
def _local(place: World) -> Iterator[Started]:
    yield place.process, asyncio.run(_local_account(place.links[LOOPBACK].config))


async def _local_account(config: Path) -> Account:
    async with neuro_client.get(path=config) as client:
        bucket = await client.buckets.create(_BUCKET)
        made = await client.buckets.persistent_credentials_create([bucket.id], _BUCKET)
        return {key: made.credentials[0].credentials[key] for key in _ACCOUNT}


@contextmanager
def _moto(_: World) -> Iterator[Started]:
    with _child(moto.moto_server()) as (process, url):
        account = moto.values(url, _BUCKET)
        _client(account).create_bucket(Bucket=_BUCKET)
        yield process, account


@contextmanager
def _garage(_: World) -> Iterator[Started]:
    program = garage.find()
    assert program is not None, garage.ABSENT
    with _child(garage.garage_node(program)) as (process, node):
        yield process, node.values(asyncio.run(_garage_bucket(node)))


async def _garage_bucket(node: garage.Garage) -> str:
    async with aiohttp.ClientSession() as session:
        return await node.make_bucket(session)


_STARTS: dict[str, Callable[[World], AbstractContextManager[Started]]] = {
    LOCAL: _local,
    MOTO: _moto,
    GARAGE: _garage,
}


@contextmanager
def _child(server: AbstractContextManager[T]) -> Iterator[tuple[psutil.Process, T]]:
    """Run a server and tell which process it is."""
    before = set(psutil.Process().children())
    with server as found:
        (process,) = set(psutil.Process().children()) - before
        yield process, found
