"""Large remote objects fetched by a job of their own (aistore.md §16.5)."""

from __future__ import annotations

from aiohttp import web

from .content import Content
from .errors import AISError, bad_request
from .jobs import Job
from .messages import Message
from .models import Bucket
from .names import object_name

_FIELDS = {"chunk-size", "num-workers", "latest-ver"}


async def start_download(content: Content, bucket: Bucket, message: Message) -> web.Response:
    """Start to fetch an object; answer with the id of the job."""
    if message.action != "blob-download":
        raise bad_request(f'invalid action "{message.action}"')
    fields = message.fields(_FIELDS)
    name = object_name(message.name)
    if not bucket.bck.is_remote:
        raise AISError(400, f'bucket "{bucket.bck}" is not remote', "ErrNotRemoteBck")
    latest = bool(fields.get("latest-ver"))

    async def work(job: Job) -> None:
        found = await content.get(bucket, name, latest=latest)
        job.count(found.target, found.size)

    node = content.cluster.owner(bucket.bck, name)
    job = content.cluster.jobs.start("blob-download", work, bck=bucket.bck, note=name, node=node)
    return web.Response(text=job.id)
