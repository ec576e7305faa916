"""The client of one AIStore cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import unquote

from yarl import URL

from ..config.services import AIStoreSettings
from ..retry import RetryPolicy
from ..transfer import Side
from .batch.api import Batch
from .buckets import transfers
from .buckets.bucket import Bucket
from .cluster import Cluster
from .connection.requests import RequestClient
from .connection.settings import Timeout, resolve
from .dsort.api import Dsort
from .etl.api import Etl
from .jobs.api import Job
from .names import AIS, Namespace
from .objects.object import Object


class AIStore:
    """Speak to a cluster; use `connect`, or make one anywhere and `close` it.

    Nothing is opened before the first request. What is not given comes from the environment:
    ``AIS_ENDPOINT``, ``AIS_AUTHN_TOKEN``, ``AIS_CONNECT_TIMEOUT``, ``AIS_READ_TIMEOUT``,
    ``AIS_MAX_CONN_POOL``, ``AIS_CLIENT_CA``, ``AIS_CRT``, ``AIS_CRT_KEY``,
    ``AIS_SKIP_VERIFY_CRT``.

    ``endpoint`` is a proxy, or several to choose from. ``timeout`` is in seconds, for connecting
    and reading, or a pair of both; by default 3 and 20, 0 for none. With ``direct_reads`` objects
    are read from their target without asking the proxy, unless the cluster wants tokens or
    signatures. A client can be pickled, and used in another process or loop.
    """

    def __init__(
        self,
        endpoint: str | Sequence[str] | None = None,
        *,
        token: str | None = None,
        skip_verify: bool | None = None,
        ca_cert: str | None = None,
        client_cert: str | tuple[str, str] | None = None,
        client_key: str | None = None,
        timeout: Timeout = None,
        max_pool_size: int | None = None,
        retry_config: RetryPolicy | None = None,
        direct_reads: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._requests = RequestClient(
            resolve(
                endpoint,
                token=token,
                skip_verify=skip_verify,
                ca_cert=ca_cert,
                client_cert=client_cert,
                client_key=client_key,
                timeout=timeout,
                max_pool_size=max_pool_size,
                retry=retry_config,
                direct_reads=direct_reads,
                headers=headers,
            )
        )

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, url: str | Sequence[str] | None = None, **options: Any
    ) -> AsyncIterator[Self]:
        """Use a client inside ``async with``; the options are those of the class."""
        client = cls(url, **options)
        try:
            yield client
        finally:
            await client.close()

    @classmethod
    def from_settings(cls, settings: AIStoreSettings, **options: Any) -> Self:
        """Make the client that ``services.toml`` describes."""
        return cls(
            settings.url,
            token=settings.token,
            ca_cert=settings.ca_cert,
            client_cert=settings.client_cert,
            client_key=settings.client_key,
            skip_verify=settings.skip_verify,
            **options,
        )

    def __repr__(self) -> str:
        return f"<AIStore {self.endpoint}>"

    def __getstate__(self) -> Any:
        return self._requests.settings

    def __setstate__(self, settings: Any) -> None:
        self._requests = RequestClient(settings)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; calling it again does nothing."""
        await self._requests.close()

    @property
    def endpoint(self) -> str:
        """Return the proxy that is asked first."""
        return self._requests.endpoint

    @property
    def requests(self) -> RequestClient:
        """Return what sends the requests."""
        return self._requests

    def bucket(
        self, bck_name: str, provider: str = AIS, namespace: Namespace | None = None
    ) -> Bucket:
        """Name a bucket."""
        return Bucket(self._requests, bck_name, provider, namespace)

    def cluster(self) -> Cluster:
        """Ask about the cluster."""
        return Cluster(self._requests)

    def job(self, job_id: str = "", job_kind: str = "") -> Job:
        """Name a job, or the kind of one to start."""
        return Job(self._requests, job_id, job_kind)

    def dsort(self, dsort_id: str = "") -> Dsort:
        """Name a dSort, or one to start."""
        return Dsort(self._requests, dsort_id)

    def etl(self, etl_name: str) -> Etl:
        """Name an ETL."""
        return Etl(self._requests, etl_name)

    def batch(
        self,
        objects: Object | str | Sequence[Object | str] | None = None,
        bucket: Bucket | None = None,
        output_format: str = ".tar",
        cont_on_err: bool = True,
        only_obj_name: bool = False,
        streaming_get: bool = True,
        *,
        coloc: int = 0,
        fallback: bool = False,
        max_resume: int = 5,
    ) -> Batch:
        """Collect objects to read by one request; the options are those of `Batch`."""
        return Batch(
            self._requests,
            objects,
            bucket,
            output_format,
            cont_on_err,
            only_obj_name,
            streaming_get,
            coloc=coloc,
            fallback=fallback,
            max_resume=max_resume,
        )

    def get_object_from_url(self, url: str) -> Object:
        """Name the object of ``ais://bucket/name``, or of another provider's."""
        bucket, key = self.parse_url(url)
        return bucket.object(key)

    def parse_url(self, url: str | URL) -> tuple[Bucket, str]:
        """Return the bucket and the name in a URL, "" for the bucket itself.

        ``ais:bucket/name`` and ``ais://bucket/name`` are the same; ``?provider=aws`` names a bucket
        of a cloud. The text of a URL is percent-encoded, a plain text is not.
        """
        provider = AIS
        text = str(url)
        scheme, colon, rest = text.partition(":")
        if not colon:
            raise ValueError(f"{text!r} is not ais://BUCKET/NAME")
        if isinstance(url, URL):
            rest = rest.partition("?")[0]
            rest = unquote(rest)
            provider = url.query.get("provider", AIS)
        if scheme != AIS:
            provider = scheme
        name, _, key = rest.removeprefix("//").partition("/")
        if not name:
            raise ValueError(f"{text!r} names no bucket; write ais://BUCKET/NAME")
        return self.bucket(name, provider), key

    async def side(self, uri: URL) -> Side:
        """Make a URI an end of a copy."""
        bucket, key = self.parse_url(uri)
        return await transfers.side(bucket, key.strip("/"))
