"""Single requests of the platform's API (§3.1, §4, §5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack
from urllib.parse import quote

from yarl import URL

from ..retry import RetryPolicy
from ..transport import Options, Transport
from . import wire
from .models import GpuModel, StorageKey, StorageUsage, Task, TaskProgress, WorkerStats

CREATE_TIMEOUT = 600.0
"""Seconds for the answer to a new task: a server may be provisioned first (§1)."""

PAGE = 100
_STORAGE = "api/users/storage"
_DASHBOARD = "api/customer/dashboard"
_TASKS = "api/tasks"


class PlatformService:
    """Make requests at the root *base*; each as often as the Transport's policy says."""

    def __init__(self, transport: Transport, base: URL) -> None:
        self._transport = transport
        self._base = str(base).rstrip("/")

    def url(self, root: str, *path: str) -> URL:
        """Return the address of something below *root*; no component can lead elsewhere."""
        tail = "".join(f"/{quote(part, safe='')}" for part in path)
        return URL(f"{self._base}/{root}{tail}", encoded=True)

    async def _json(self, method: str, url: URL, **options: Unpack[Options]) -> Any:
        return await wire.body_of(await self._transport.send(method, url, **options))

    # Tasks

    async def create(self, body: Mapping[str, Any]) -> Task:
        """Start a task in one attempt: a lost answer does not say what happened."""
        answer = await self._json(
            "POST",
            self.url(_TASKS),
            json=dict(body),
            idempotent=False,
            retry=None,
            read_timeout=CREATE_TIMEOUT,
        )
        return wire.decode_task(answer)

    async def job(self, id: str, **options: Unpack[Options]) -> Task:
        """Read a task at the dashboard."""
        url = self.url(_DASHBOARD, "jobs", id)
        return wire.decode_task(await self._json("GET", url, **options))

    async def task(self, id: str, **options: Unpack[Options]) -> Task:
        """Read a task where it was made, which older servers do not have at the dashboard."""
        return wire.decode_task(await self._json("GET", self.url(_TASKS, id), **options))

    async def jobs(self, offset: int, limit: int = PAGE, **options: Unpack[Options]) -> list[Task]:
        """Read a page of the tasks."""
        options["params"] = [("offset", str(offset)), ("limit", str(limit))]
        return wire.decode_tasks(await self._json("GET", self.url(_DASHBOARD, "jobs"), **options))

    async def cancel(self, id: str) -> None:
        """Ask for the end of a task; an extension of the local platform."""
        await self._transport.send("POST", self.url(_TASKS, id, "cancel"), idempotent=True)

    def logs_url(self, id: str) -> URL:
        """Return where the log of a task is; an extension of the local platform."""
        return self.url(_TASKS, id, "logs")

    async def progress(self, id: str) -> TaskProgress:
        """Read the rounds of a task."""
        params = {"job_id": id, "target_job_id": id, "target_type": "server"}
        url = self.url(_DASHBOARD, "showStatsNvflare")
        return wire.decode_progress(await self._json("GET", url, params=params))

    async def workers(self) -> WorkerStats:
        """Read which workers are online."""
        return wire.decode_workers(
            await self._json("GET", self.url(_DASHBOARD, "workers", "stats"))
        )

    async def gpus(self) -> tuple[GpuModel, ...]:
        """Read which kinds of GPUs there are."""
        return wire.decode_gpus(await self._json("GET", self.url("api/gpu-catalog")))

    # Storage

    async def bucket(self) -> str:
        """Look up the name of the user's bucket."""
        return wire.decode_bucket(await self._json("GET", self.url(_STORAGE, "bucket")))

    async def usage(self) -> StorageUsage:
        """Read the storage meter."""
        return wire.decode_usage(await self._json("GET", self.url(_STORAGE, "usage")))

    async def rotate_key(self) -> StorageKey:
        """Have a new access key made, in one attempt: each one ends the one before it."""
        url = self.url(_STORAGE, "bucket", "rotate-key")
        return wire.decode_key(await self._json("PATCH", url, idempotent=False, retry=None))

    # Presigned uploads

    async def begin_upload(
        self, key: str, size: int, content_type: str
    ) -> tuple[str, Sequence[str]]:
        """Open an upload; return its id and the address of each part."""
        body = {"key": key, "size": size, "contentType": content_type}
        answer = await self._json("POST", self._upload("init"), json=body, retry=None)
        return wire.decode_links(answer)

    async def complete_upload(self, key: str, id: str, tags: Sequence[tuple[int, str]]) -> None:
        """Make the object of its parts."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in tags]
        body = {"uploadId": id, "key": key, "parts": parts}
        await self._transport.send("POST", self._upload("complete"), json=body, retry=None)

    async def abort_upload(self, key: str, id: str, retry: RetryPolicy | None = None) -> None:
        """Drop an upload; asking again changes nothing."""
        body = {"uploadId": id, "key": key}
        await self._transport.send(
            "POST", self._upload("abort"), json=body, idempotent=True, retry=retry
        )

    def _upload(self, step: str) -> URL:
        return self.url(_STORAGE, "upload", step)
