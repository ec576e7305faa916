"""The single calls of the jobs services: where they go, and their answers as records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, Unpack

from yarl import URL

from ..concurrency import ScopedIterator, scoped_iterator
from ..config import Config
from ..models import RemoteImage, Unset
from ..transport import Options, Transport
from .logs import LogFollower, ReadChunks, Reading, clock_of, stream_log
from .models import JobDescription
from .payloads import log_query
from .wire import decode_job, unwrap_jobs


class JobParser(Protocol):
    """Name what jobs need of the client's parser."""

    def remote_image(self, image: str, /, *, cluster_name: str | None = None) -> RemoteImage:
        """Read an image reference."""
        ...

    def normalize_uri(self, uri: URL, /) -> URL:
        """Make a URI absolute."""
        ...


class JobsService:
    """Make single requests; the platform's API for jobs and a cluster's monitoring service."""

    def __init__(self, transport: Transport, config: Config, parse: JobParser) -> None:
        self._transport = transport
        self._config = config
        self._parse = parse

    def cluster_name(self, cluster_name: str | None) -> str:
        """Return the given cluster, or the current one; ``RuntimeError`` for an unknown one."""
        if cluster_name is None:
            return self._config.cluster_name
        return self._config.get_cluster(cluster_name).name

    def org_name(self, org_name: str | None | Unset) -> str | None:
        """Return the given organisation, or the current one for ``UNSET``."""
        return self._config.org_name if isinstance(org_name, Unset) else org_name

    def job_url(self, id: str) -> URL:
        """Return where the platform's API has a job."""
        return self._config.api_url / "jobs" / id

    def monitoring_url(self, cluster_name: str | None) -> URL:
        """Return the root of a cluster's monitoring service; it ends in ``/jobs``."""
        if cluster_name is None:
            return self._config.monitoring_url
        return self._config.get_cluster(cluster_name).monitoring_url

    async def read(self, id: str, **options: Unpack[Options]) -> Reading:
        """Read a job, and the clock of the server that answered."""
        answer = await self._transport.send("GET", self.job_url(id), **options)
        return Reading(self._decode(await answer.json()), clock_of(answer.headers.get("Date")))

    async def post(self, body: Mapping[str, Any], *, from_preset: bool) -> JobDescription:
        """Create a job; never sent twice, since a lost answer does not say what happened."""
        url = self._config.api_url / "jobs"
        if from_preset:
            url = url.with_query("from_preset")
        return self._decode(
            await self._transport.json("POST", url, json=body, idempotent=False, retry=None)
        )

    @scoped_iterator
    async def list(
        self, query: Sequence[tuple[str, str]], **options: Unpack[Options]
    ) -> AsyncIterator[JobDescription]:
        """Yield the jobs of a listing as they arrive."""
        url = self._config.api_url / "jobs"
        options["params"] = query
        async with self._transport.records("GET", url, unwrap=unwrap_jobs, **options) as jobs:
            async for job in jobs:
                yield self._decode(job)

    async def find(self, query: Sequence[tuple[str, str]]) -> Sequence[JobDescription]:
        """Return the jobs of a short listing; makes one attempt."""
        async with self.list(query, retry=None) as jobs:
            return [job async for job in jobs]

    def chunk_reader(self, id: str, cluster_name: str | None) -> ReadChunks:
        """Return what opens the log of a job with time stamps and without separator."""
        url = self.monitoring_url(cluster_name) / id / "log_ws"

        def read_chunks(start: datetime | None) -> ScopedIterator[bytes]:
            query = log_query(since=start, timestamps=True, separator="")
            return stream_log(self._transport, url, id, query)

        return read_chunks

    def follower(self, id: str, since: datetime | None, cluster_name: str | None) -> LogFollower:
        """Return what reads the log of a job as lines."""
        return LogFollower(
            self.chunk_reader(id, cluster_name), lambda: self.read(id, retry=None), since
        )

    def _decode(self, answer: object) -> JobDescription:
        return decode_job(answer, self._parse.remote_image)
