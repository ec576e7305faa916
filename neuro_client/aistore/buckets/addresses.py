"""What names a bucket, and the requests about it (aistore.md §1.4, §7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ...transport import Answer
from .. import wire
from ..connection.requests import RequestClient
from ..errors import InvalidBckProvider
from ..models import BucketModel
from ..names import AIS, Namespace, bucket_path, check_bucket, provider_of, query_string
from ..versions import options_of


class BucketAddress:
    """Know the names of a bucket, and send requests about it."""

    def __init__(
        self,
        client: RequestClient | None,
        name: str,
        provider: str = AIS,
        namespace: Namespace | None = None,
    ) -> None:
        self._client = client
        self._provider = provider_of(provider)
        self._namespace = namespace
        self._set_name(name)

    def _set_name(self, name: str) -> None:
        self._name = check_bucket(name, self._provider)
        self.query = query_string(self.qparam)
        self.objects_path = f"/v1/objects/{quote(name)}/"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.uri}>"

    @property
    def client(self) -> RequestClient | None:
        """Return what sends the requests."""
        return self._client

    @property
    def requests(self) -> RequestClient:
        """Return what sends the requests; ``ValueError`` for a bucket of no client."""
        if self._client is None:
            raise ValueError(f"{self.uri} belongs to no client; get it by client.bucket(...)")
        return self._client

    @property
    def provider(self) -> str:
        """Return the kind of backend."""
        return self._provider

    @property
    def name(self) -> str:
        """Return the name."""
        return self._name

    @property
    def namespace(self) -> Namespace | None:
        """Return the namespace, None for the global one."""
        return self._namespace

    @property
    def uri(self) -> str:
        """Return how people and error texts write it."""
        space = "" if self._namespace is None else f"{self._namespace.path}/"
        return f"{self._provider}://{space}{self._name}"

    @property
    def qparam(self) -> dict[str, str]:
        """Return the query that goes with every request about the bucket."""
        found = {"provider": self._provider}
        if self._namespace is not None:
            found["namespace"] = self._namespace.path
        return found

    def get_path(self) -> str:
        """Return the bucket's full name inside the cluster."""
        return bucket_path(self._provider, self._namespace, self._name)

    def as_model(self) -> BucketModel:
        """Return what names the bucket."""
        return BucketModel(self._name, self._provider, self._namespace)

    @property
    def is_remote(self) -> bool:
        """Tell whether the content has its origin in a cloud or another cluster."""
        attached = self._namespace is not None and bool(self._namespace.uuid)
        return self._provider != AIS or attached

    def verify_cloud_bucket(self) -> None:
        """Raise `InvalidBckProvider` unless the bucket is remote."""
        if not self.is_remote:
            raise InvalidBckProvider(f"{self.uri} has no origin elsewhere, which this call needs")

    def verify_ais_bucket(self) -> None:
        """Raise `InvalidBckProvider` unless the bucket is of an AIStore cluster."""
        if self._provider != AIS:
            raise InvalidBckProvider(f"{self.uri} is not managed here; this call is for ais only")

    async def make_request(
        self,
        method: str,
        action: str,
        value: object = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send an action about the bucket; ``params`` replaces its own query."""
        query = self.qparam if params is None else params
        return await self.send(method, wire.action(action, value), params=query)

    async def send(
        self, method: str, body: object, *, params: Mapping[str, str] | None = None, **options: Any
    ) -> Answer:
        """Send a request about the bucket; the options are those of `RequestClient.request`."""
        return await self.requests.request(
            method,
            f"buckets/{quote(self._name)}",
            params=self.qparam if params is None else params,
            json_body=body,
            **options,
        )

    async def objects_request(self, body: object) -> Answer:
        """Send an action about objects that the proxies carry out, or hand to a target."""
        path = f"objects/{quote(self._name)}"
        return await self.requests.request("POST", path, params=self.qparam, json_body=body)

    async def start_job(
        self, method: str, action: str, value: object, params: Mapping[str, str] | None = None
    ) -> str:
        """Send an action that the cluster carries out later; return the id of the job.

        Raises:
            NotSupportedError: the server is too old for an option.
        """
        query = {**self.qparam, **(params or {})}
        async with options_of(self.requests):
            answer = await self.make_request(method, action, value, query)
        return wire.job_id(await answer.read())
