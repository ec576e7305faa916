"""Requests for buckets: make, remove, look at, and who may ask from a browser."""

from __future__ import annotations

import asyncio
import fnmatch
import re
import time
from collections.abc import Mapping
from xml.etree import ElementTree

from aiohttp import web

from . import xml
from .access import Call, denied
from .errors import AWS, S3Error
from .files import Files
from .models import Bucket, Grant
from .objects import Objects, sendable
from .store import S3Store

_NAME = re.compile(r"(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BODY = 2**16


class Buckets:
    """Answer requests for buckets."""

    def __init__(self, store: S3Store, files: Files, objects: Objects, region: str) -> None:
        self._store = store
        self._files = files
        self._objects = objects
        self._region = region

    async def list(self, call: Call) -> web.StreamResponse:
        """Answer GET of the root: the buckets that the key may read."""
        if not call.caller.access_key_id:
            raise denied()
        found = [
            bucket
            for bucket in await self._store.buckets()
            if (grant := call.caller.grants.get(bucket.name)) is not None
            and (grant.read or grant.write or grant.owner)
        ]
        return xml.answer(
            "ListAllMyBucketsResult",
            [
                ("Owner", [("ID", "local"), ("DisplayName", "local")]),
                (
                    "Buckets",
                    [
                        (
                            "Bucket",
                            [
                                ("Name", bucket.name),
                                ("CreationDate", xml.moment(bucket.created)),
                            ],
                        )
                        for bucket in found
                    ],
                ),
            ],
        )

    async def create(self, call: Call) -> web.StreamResponse:
        """Answer PUT of a bucket."""
        if not call.caller.may_create_buckets:
            raise denied()
        if not _NAME.fullmatch(call.bucket_name):
            raise S3Error("InvalidBucketName", "The specified bucket is not valid.")
        if not await self._store.add_bucket(Bucket(call.bucket_name, AWS, time.time())):
            mine = call.bucket_name in call.caller.grants
            raise S3Error(
                "BucketAlreadyOwnedByYou" if mine else "BucketAlreadyExists",
                "The requested bucket name is not available.",
            )
        grant = Grant(read=True, write=True, owner=True)
        await self._store.grant(call.caller.access_key_id, call.bucket_name, grant)
        return web.Response(headers={"Location": f"/{call.bucket_name}"})

    async def delete(self, call: Call) -> web.StreamResponse:
        """Answer DELETE of a bucket."""
        files = await self._store.delete_bucket(call.owning().name)
        await asyncio.to_thread(self._files.remove, files)
        return web.Response(status=204)

    async def head(self, call: Call) -> web.StreamResponse:
        """Answer HEAD of a bucket."""
        call.reading()
        return web.Response(headers={"x-amz-bucket-region": self._region_of(call)})

    def _region_of(self, call: Call) -> str:
        return self._region if call.bucket.flavour == AWS else call.bucket.flavour

    async def location(self, call: Call) -> web.StreamResponse:
        """Answer GET ?location."""
        call.reading()
        region = self._region_of(call)
        body = f'<LocationConstraint xmlns="{xml.NAMESPACE}">{region}</LocationConstraint>'
        return web.Response(
            text=f'<?xml version="1.0" encoding="UTF-8"?>\n{body}', content_type="application/xml"
        )

    async def versioning(self, call: Call) -> web.StreamResponse:
        """Answer GET ?versioning: it is off."""
        call.reading()
        return xml.answer("VersioningConfiguration", [])

    async def get_cors(self, call: Call) -> web.StreamResponse:
        """Answer GET ?cors."""
        text = call.owning().cors
        if text is None:
            raise S3Error("NoSuchCORSConfiguration", "The CORS configuration does not exist")
        return web.Response(text=text, content_type="application/xml")

    async def put_cors(self, call: Call) -> web.StreamResponse:
        """Answer PUT ?cors."""
        bucket = call.owning()
        too_large = S3Error("EntityTooLarge", "The configuration is too long")
        body = await self._objects.receiver(call, _BODY, too_large).read(_BODY)
        root = xml.read(body)
        rules = root.findall("CORSRule")
        if root.tag != "CORSConfiguration" or not rules:
            raise S3Error("MalformedXML", "The configuration needs at least one CORSRule")
        for rule in rules:
            for element in rule:
                sendable(element.text or "")
            if not xml.texts(rule, "AllowedOrigin") or not xml.texts(rule, "AllowedMethod"):
                raise S3Error("MalformedXML", "A rule needs AllowedOrigin and AllowedMethod")
        text = ElementTree.tostring(root, encoding="unicode")
        await self._store.set_bucket(bucket.name, cors=text)
        return web.Response()

    async def delete_cors(self, call: Call) -> web.StreamResponse:
        """Answer DELETE ?cors."""
        await self._store.set_bucket(call.owning().name, cors=None)
        return web.Response(status=204)

    async def preflight(self, call: Call) -> web.StreamResponse:
        """Answer OPTIONS: what a browser may do from another site."""
        method = call.headers.get("access-control-request-method", "")
        found = cors_headers(call.found, call.headers, method)
        if not found:
            raise S3Error("AccessDenied", "CORSResponse: This CORS request is not allowed.")
        return web.Response(headers=found)


def cors_headers(bucket: Bucket | None, headers: Mapping[str, str], method: str) -> dict[str, str]:
    """Return the headers that let a browser use the answer; none if no rule fits."""
    origin = headers.get("origin")
    if origin is None or bucket is None or bucket.cors is None:
        return {}
    asked = headers.get("access-control-request-headers", "")
    wanted = [name.strip().lower() for name in asked.split(",") if name.strip()]
    for rule in xml.read(bucket.cors.encode()).findall("CORSRule"):
        origins = xml.texts(rule, "AllowedOrigin")
        allowed = [name.lower() for name in xml.texts(rule, "AllowedHeader")]
        if not any(fnmatch.fnmatchcase(origin, pattern) for pattern in origins):
            continue
        if method not in xml.texts(rule, "AllowedMethod"):
            continue
        if not all(any(fnmatch.fnmatchcase(n, p) for p in allowed) for n in wanted):
            continue
        found = {
            "Access-Control-Allow-Origin": "*" if "*" in origins else origin,
            "Access-Control-Allow-Methods": ", ".join(xml.texts(rule, "AllowedMethod")),
            "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
        }
        if wanted:
            found["Access-Control-Allow-Headers"] = ", ".join(wanted)
        if exposed := xml.texts(rule, "ExposeHeader"):
            found["Access-Control-Expose-Headers"] = ", ".join(exposed)
        if age := xml.texts(rule, "MaxAgeSeconds"):
            found["Access-Control-Max-Age"] = age[0]
        return found
    return {}
