"""Single requests of one cluster's bucket service (buckets.md §2 to §4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import quote

from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ServerError
from ..retry import RetryPolicy
from ..transport import Transport
from .models import Bucket, BucketCredentials, BucketProvider, PersistentBucketCredentials
from .wire import decode_bucket, decode_credentials, decode_persistent, unwrap


class _NotFor500(RetryPolicy):
    """Try again except after a 500 that gives a reason: here that is a request to be mended."""

    def delay(self, attempt: int, error: BaseException | None = None) -> float | None:
        """Return the pause, None after such a 500 (buckets.md §3.11)."""
        if isinstance(error, ServerError) and error.payload:
            return None
        return super().delay(attempt, error)


_RETRY = _NotFor500()


class BucketService:
    """Speak to the bucket service at *base*, for a cluster."""

    def __init__(self, transport: Transport, base: URL, cluster_name: str) -> None:
        self._transport = transport
        self._base = str(base).rstrip("/")
        self.cluster_name = cluster_name

    def _url(self, *path: str) -> URL:
        tail = "".join(f"/{quote(part, safe='')}" for part in path)
        return URL(f"{self._base}{tail}", encoded=True)

    @scoped_iterator
    async def list(self) -> AsyncIterator[Bucket]:
        """Yield every bucket that the user can see."""
        url = self._url("buckets")
        async with self._transport.records("GET", url, unwrap=unwrap, retry=_RETRY) as records:
            async for record in records:
                yield decode_bucket(record, self.cluster_name)

    async def create(self, name: str | None, org_name: str | None) -> Bucket:
        """Make a bucket, in one attempt: a lost answer may mean that it was made."""
        body = {"name": name, "org_name": org_name}
        return await self._post(("buckets",), body)

    async def import_external(
        self,
        provider: BucketProvider,
        provider_bucket_name: str,
        credentials: Mapping[str, str],
        name: str | None,
        org_name: str | None,
    ) -> Bucket:
        """Register a bucket that exists at its provider."""
        body = {
            "name": name,
            "provider": provider.value,
            "provider_bucket_name": provider_bucket_name,
            "credentials": dict(credentials),
            "org_name": org_name,
        }
        return await self._post(("buckets", "import", "external"), body)

    async def _post(self, path: tuple[str, ...], body: Mapping[str, Any]) -> Bucket:
        answer = await self._transport.json("POST", self._url(*path), json=body, retry=None)
        return decode_bucket(answer, self.cluster_name)

    async def get(self, id_or_name: str, owner: str | None) -> Bucket:
        """Return a bucket by id or name."""
        return await self._bucket("GET", id_or_name, owner)

    async def find(self, path: str) -> Bucket:
        """Return the bucket that holds *path*: ``[org/]owner/name[/key]``, decoded."""
        url = self._url("buckets", "find", "by_path")
        answer = await self._transport.json("GET", url, params={"path": path}, retry=_RETRY)
        return decode_bucket(answer, self.cluster_name)

    async def set_public(self, id_or_name: str, public: bool, owner: str | None) -> Bucket:
        """Give or take anonymous read access."""
        return await self._bucket("PATCH", id_or_name, owner, json={"public": public})

    async def _bucket(
        self, method: str, id_or_name: str, owner: str | None, **options: Any
    ) -> Bucket:
        answer = await self._transport.json(
            method,
            self._url("buckets", id_or_name),
            params=_owner(owner),
            idempotent=True,
            retry=_RETRY,
            **options,
        )
        return decode_bucket(answer, self.cluster_name)

    async def delete(self, id_or_name: str, owner: str | None) -> None:
        """Remove a bucket; one that the provider holds for the platform must be empty."""
        url = self._url("buckets", id_or_name)
        await self._transport.send("DELETE", url, params=_owner(owner), idempotent=False)

    async def temporary_credentials(self, id_or_name: str, owner: str | None) -> BucketCredentials:
        """Ask for credentials of about an hour."""
        url = self._url("buckets", id_or_name, "make_tmp_credentials")
        # Asking again does no harm: what was handed out and lost expires.
        answer = await self._transport.json(
            "POST", url, params=_owner(owner), idempotent=True, retry=_RETRY
        )
        return decode_credentials(answer)

    async def sign_url(self, bucket: Bucket, key: str, expires_in: int) -> URL:
        """Ask for a URL that reads *key* without credentials, for so many seconds."""
        answer = await self._transport.json(
            "POST",
            self._url("buckets", bucket.id, "sign_blob_url"),
            params={"owner": bucket.owner},
            json={"key": key, "expires_in_sec": expires_in},
            idempotent=True,
            retry=_RETRY,
        )
        # Signed as it stands: decoding and encoding it again would change it.
        return URL(str(answer["url"]), encoded=True)

    @scoped_iterator
    async def persistent_list(self) -> AsyncIterator[PersistentBucketCredentials]:
        """Yield the user's own credentials."""
        url = self._url("persistent_credentials")
        async with self._transport.records("GET", url, unwrap=unwrap, retry=_RETRY) as records:
            async for record in records:
                yield decode_persistent(record, self.cluster_name)

    async def persistent_create(
        self, bucket_ids: Iterable[str], name: str | None, read_only: bool
    ) -> PersistentBucketCredentials:
        """Make credentials that stay, in one attempt."""
        body = {"name": name, "bucket_ids": list(bucket_ids), "read_only": read_only}
        url = self._url("persistent_credentials")
        answer = await self._transport.json("POST", url, json=body, retry=None)
        return decode_persistent(answer, self.cluster_name)

    async def persistent_get(self, id_or_name: str) -> PersistentBucketCredentials:
        """Return credentials by id or name."""
        url = self._url("persistent_credentials", id_or_name)
        answer = await self._transport.json("GET", url, retry=_RETRY)
        return decode_persistent(answer, self.cluster_name)

    async def persistent_delete(self, id_or_name: str) -> None:
        """Remove credentials."""
        url = self._url("persistent_credentials", id_or_name)
        await self._transport.send("DELETE", url, idempotent=False)


def _owner(owner: str | None) -> dict[str, str] | None:
    return None if owner is None else {"owner": owner}
