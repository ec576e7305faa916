"""Requests about buckets: lifecycle, lists, properties, summaries; jobs are started elsewhere."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import hdrs, web

from .bucket_jobs import BucketJobs
from .content import Content
from .errors import AISError, bad_request
from .groups import Groups
from .inventory import Inventories
from .jobs import Job
from .listing import Listing
from .messages import Message, flag, json_answer, read_message, text_of
from .models import Bucket
from .names import Bck, no_bucket, provider_of
from .promote import Promotion
from .props import changed

_SUMMARY = {"uuid", "prefix", "cached", "present", "fast", "dont_add_remote_md"}


class BucketHandlers:
    """Answer requests about buckets."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster
        self._store = content.store
        self._listing = Listing(content)
        self._groups = Groups(content)
        self._jobs = BucketJobs(content)
        self._inventories = Inventories(content)
        self._promotion = Promotion(content)

    async def handle(self, request: web.Request, rest: str) -> web.Response:
        """Answer a request."""
        name = unquote(rest.strip("/"))
        if request.method == hdrs.METH_GET:
            return await self._get(request, name)
        if not name:
            raise bad_request("bucket name is missing")
        bck = Bck.of_query(name, request.query, old=self._cluster.version < (5, 0))
        if request.method == hdrs.METH_HEAD:
            return await self._head(request, bck)
        message = await read_message(request)
        match request.method:
            case hdrs.METH_POST:
                return await self._post(request, bck, message)
            case hdrs.METH_DELETE:
                return await self._delete(request, bck, message)
            case hdrs.METH_PATCH:
                return await self._patch(bck, message)
            case hdrs.METH_PUT if message.action == "archive":
                bucket = await self._content.bucket(bck)
                return _job(await self._groups.archive(bucket, message))
        raise _no_action(message)

    # Reading

    async def _get(self, request: web.Request, name: str) -> web.Response:
        message = await read_message(request)
        if not name:
            return await self._list_buckets(request)
        bck = Bck.of_query(name, request.query, old=self._cluster.version < (5, 0))
        match message.action:
            case "list":
                return await self._listing.answer(request, message, await self._of(message, bck))
            case "show-inventory":
                bucket = await self._content.bucket(bck)
                return json_answer(self._inventories.show(bucket, message))
            case "summary-bck":
                return await self._summary(message, await self._of(message, bck))
        raise _no_action(message)

    async def _of(self, message: Message, bck: Bck) -> Bucket:
        """Return a bucket to list; a flag may say that it is not to be registered."""
        fields = message.value if isinstance(message.value, dict) else {}
        flags = fields.get("flags")
        number = int(flags[:20]) if isinstance(flags, str) and flags.isdecimal() else 0
        return await self._content.bucket(bck, add=not number & 1 << 8)

    async def _list_buckets(self, request: web.Request) -> web.Response:
        provider = provider_of(
            request.query.get("provider", ""), old=self._cluster.version < (5, 0)
        )
        space = request.query.get("namespace")
        known = [bucket.bck for bucket in self._store.buckets()]
        found = [bck for bck in known if provider in ("", bck.provider)]
        if request.query.get("presence", "0") in ("0", "1"):
            remote = self._content.remote
            asked = [provider] if provider else await asyncio.to_thread(remote.providers)
            for one in asked:
                if one != "ais":
                    found += await asyncio.to_thread(remote.buckets, one)
        if space is not None:
            wanted = Bck.of_query("any", request.query)
            found = [b for b in found if (b.uuid, b.namespace) == (wanted.uuid, wanted.namespace)]
        unique = sorted(set(found), key=lambda bck: bck.path)
        return json_answer([bck.model for bck in unique])

    async def _head(self, request: web.Request, bck: Bck) -> web.Response:
        query = request.query
        bucket = await self._content.bucket(bck, add=not flag(query, "dont_add_remote_bck_md"))
        headers = {
            "Ais-Bucket-Props": json.dumps(bucket.props, separators=(",", ":")),
            "Ais-Provider": bck.provider,
            "Ais-Versioning-Enabled": str(bucket.versioned).lower(),
        }
        asked = {"bsumm_remote", "count_remote_objs"} & set(query)
        if not asked:
            return web.Response(headers=headers)
        job = self._summary_job(query.get("uuid", ""), bucket, "", remote=flag(query, asked.pop()))
        headers["Ais-Xaction-Id"] = job.id
        if job.ended:
            headers["Ais-Bucket-Summ"] = json.dumps(job.details)
        return web.Response(status=200 if job.ended else 202, headers=headers)

    async def _summary(self, message: Message, bucket: Bucket) -> web.Response:
        fields = message.fields(_SUMMARY)
        uuid = text_of(fields, "uuid")
        cached = bool(fields.get("cached"))
        job = self._summary_job(uuid, bucket, text_of(fields, "prefix"), remote=not cached)
        if not uuid:
            text = job.id if self._cluster.version >= (4, 0) else f'"{job.id}"'
            return web.Response(status=202, text=text)
        if not job.ended:
            return web.Response(status=202)
        return json_answer([job.details])

    def _summary_job(self, uuid: str, bucket: Bucket, prefix: str, *, remote: bool) -> Job:
        if uuid:
            found = self._cluster.jobs.find(uuid)
            if found is None or found.kind != "summary-bck":
                raise AISError(404, f'job "{uuid}" does not exist', "ErrXactNotFound")
            return found

        async def work(job: Job) -> None:
            job.details = await self._summed(bucket, prefix, remote=remote)

        return self._cluster.jobs.start("summary-bck", work, bck=bucket.bck)

    async def _summed(self, bucket: Bucket, prefix: str, *, remote: bool) -> dict[str, Any]:
        counted = await self._store.count(bucket, prefix)
        objects, size = counted["objects"], counted["bytes"]
        there = []
        if remote and bucket.bck.is_remote:
            there = await asyncio.to_thread(self._content.remote.list, bucket.bck, prefix)
        disk = await asyncio.to_thread(shutil.disk_usage, self._cluster.folder)
        return {
            **bucket.bck.model,
            "ObjCount": {
                "obj_count_present": str(objects),
                "obj_count_remote": str(len(there)),
            },
            "ObjSize": {
                "obj_min_size": counted["smallest"],
                "obj_avg_size": size // objects if objects else 0,
                "obj_max_size": counted["largest"],
            },
            "TotalSize": {
                "size_on_disk": str(size),
                "size_all_present_objs": str(size),
                "size_all_remote_objs": str(sum(one.size for one in there)),
                "total_disks_size": str(disk.total),
            },
            "used_pct": round(size * 100 / disk.total),
            # As the real server says of buckets that are there (§22.25).
            "is_present": bucket.bck.is_remote,
        }

    # Changing

    async def _post(self, request: web.Request, bck: Bck, message: Message) -> web.Response:
        if message.action == "create-bck":
            return await self._create(bck, message)
        others = {"create-inventory"}
        if message.action not in self._jobs.actions | self._groups.actions | others:
            raise _no_action(message)
        bucket = await self._content.bucket(bck)
        if message.action == "create-inventory":
            return _job(self._inventories.create(bucket, message))
        if message.action in self._groups.actions:
            return _job(await self._groups.start(bucket, message))
        to = Bck.of_path(request.query["bck_to"]) if "bck_to" in request.query else None
        return _job(await self._jobs.start(bucket, message, to))

    async def _create(self, bck: Bck, message: Message) -> web.Response:
        if bck.is_remote:
            await asyncio.to_thread(self._content.remote.check, bck)
        props: Mapping[str, Any] = self._content.new_props(bck)
        if message.value is not None:
            props = changed(props, message.value)
        await self._content.create(bck, props)
        return web.Response()

    async def _delete(self, request: web.Request, bck: Bck, message: Message) -> web.Response:
        others = {"destroy-bck", "evict-remote-bck", "destroy-inventory"}
        if message.action not in self._groups.removals | others:
            raise _no_action(message)
        bucket = self._store.find(bck)
        if bucket is None:
            if bck.is_remote and message.action != "evict-remote-bck":
                bucket = await self._content.bucket(bck)
            else:
                raise no_bucket(bck)
        if message.action in self._groups.removals:
            return _job(await self._groups.start(bucket, message))
        if message.action == "destroy-inventory":
            self._inventories.destroy(bucket, message)
            return web.Response()
        if message.action == "destroy-bck":
            if bck.is_remote:
                raise bad_request(f"cannot destroy {bck}: it is not an ais bucket")
            await self._store.remove_bucket(bucket)
            return web.Response()
        if not bck.is_remote:
            raise AISError(400, f'bucket "{bck}" is not remote', "ErrNotRemoteBck")
        if flag(request.query, "keep_bck_md"):
            await self._store.clear_bucket(bucket)
        else:
            await self._store.remove_bucket(bucket)
        return web.Response()

    async def _patch(self, bck: Bck, message: Message) -> web.Response:
        bucket = await self._content.bucket(bck)
        if message.action == "set-bprops":
            props: Mapping[str, Any] = changed(bucket.props, message.value)
        elif message.action == "reset-bprops":
            fresh = self._content.new_props(bck)
            kept = {name: bucket.props[name] for name in ("bid", "created")}
            props = fresh | kept
        else:
            raise _no_action(message)
        await self._store.set_props(bucket, props)
        return web.Response()

    async def promote(self, message: Message, bck: Bck) -> web.Response:
        """Make files of the machine objects."""
        bucket = await self._content.bucket(bck)
        return web.Response(text=await self._promotion.start(bucket, message))


def _job(job: Job) -> web.Response:
    return web.Response(text=job.id)


def _no_action(message: Message) -> AISError:
    return bad_request(f'invalid action "{message.action}"')
