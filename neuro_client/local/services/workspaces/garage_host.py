"""Buckets on a real Garage, managed by its admin API v2 (garage-workspace.md §9.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from aiohttp import ClientError, ClientSession, ClientTimeout
from yarl import URL

from ...settings import GarageSettings
from .hosts import BucketKey, BucketUsage, HostError

_TIMEOUT = ClientTimeout(total=30.0)
_RIGHTS = {"read": True, "write": True, "owner": True}


@attrs.frozen
class GarageHost:
    """Manage buckets through an admin token."""

    settings: GarageSettings
    session: ClientSession

    @property
    def url(self) -> URL:
        """Return the root of the S3 endpoint."""
        return self.settings.s3_url

    @property
    def region(self) -> str:
        """Return the region that requests are signed for."""
        return self.settings.region

    async def ensure_bucket(self, name: str) -> None:
        """Make a bucket unless it is there."""
        if await self._find(name) is None:
            await self._call("POST", "CreateBucket", body={"globalAlias": name})

    async def create_key(self, bucket: str) -> BucketKey:
        """Make a key that may do everything with a bucket."""
        made = await self._call("POST", "CreateKey", body={"name": bucket})
        key = BucketKey(made["accessKeyId"], made["secretAccessKey"])
        grant = {"bucketId": await self._id(bucket), "accessKeyId": key.access_key_id}
        await self._call("POST", "AllowBucketKey", body={**grant, "permissions": _RIGHTS})
        return key

    async def key(self, access_key_id: str) -> BucketKey | None:
        """Return a key, None if there is none."""
        query = {"id": access_key_id, "showSecretKey": "true"}
        found = await self._call("GET", "GetKeyInfo", query=query, missing=True)
        if found is None or not found.get("secretAccessKey"):
            return None
        return BucketKey(found["accessKeyId"], found["secretAccessKey"])

    async def delete_key(self, access_key_id: str) -> None:
        """Remove a key; one that is gone already is no error."""
        await self._call("POST", "DeleteKey", query={"id": access_key_id}, missing=True)

    async def set_quotas(self, bucket: str, max_size: int | None, max_objects: int | None) -> None:
        """Limit bytes and objects; None lifts a limit."""
        quotas = {"maxSize": max_size, "maxObjects": max_objects}
        query = {"id": await self._id(bucket)}
        await self._call("POST", "UpdateBucket", query=query, body={"quotas": quotas})

    async def usage(self, bucket: str) -> BucketUsage:
        """Count what a bucket holds."""
        found = await self._find(bucket)
        if found is None:
            raise HostError(f"the Garage at {self.settings.admin_url} has no bucket {bucket}")
        quotas = found.get("quotas") or {}
        return BucketUsage(
            found["bytes"],
            found["objects"],
            found.get("unfinishedMultipartUploadBytes", 0),
            quotas.get("maxSize"),
            quotas.get("maxObjects"),
        )

    async def sweep(self, bucket: str, older_than: float) -> int:
        """Abort unfinished uploads older than so many seconds; return how many there were."""
        body = {"bucketId": await self._id(bucket), "olderThanSecs": int(older_than)}
        found = await self._call("POST", "CleanupIncompleteUploads", body=body)
        return int(found["uploadsDeleted"])

    async def _find(self, bucket: str) -> Any:
        return await self._call("GET", "GetBucketInfo", query={"globalAlias": bucket}, missing=True)

    async def _id(self, bucket: str) -> str:
        found = await self._find(bucket)
        if found is None:
            raise HostError(f"the Garage at {self.settings.admin_url} has no bucket {bucket}")
        return str(found["id"])

    async def _call(
        self,
        method: str,
        name: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        missing: bool = False,
    ) -> Any:
        """Make a call; None for what is not there where it may be missing."""
        url = self.settings.admin_url / "v2" / name
        headers = {"Authorization": f"Bearer {self.settings.admin_token}"}
        try:
            async with self.session.request(
                method, url, params=query, json=body, headers=headers, timeout=_TIMEOUT
            ) as answer:
                text = await answer.text()
                if answer.status == 404 and missing:
                    return None
                if answer.ok:
                    return await answer.json() if text else None
        except (ClientError, TimeoutError, OSError) as error:
            raise HostError(
                f"the Garage at {self.settings.admin_url} does not answer {name}: {error}"
            ) from error
        raise HostError(
            f"the Garage at {self.settings.admin_url} refused {name} with {answer.status}: "
            f"{text[:300]}; check --garage and the admin token"
        )
