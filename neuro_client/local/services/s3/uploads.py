"""Requests for uploads in parts."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from aiohttp import web

from ...threads import taken
from . import checksums, xml
from .access import Call, check_key
from .conditions import check_write
from .errors import AWS, S3Error
from .files import Files, write_all
from .models import MultipartUpload, Object, Segment, UploadedPart
from .objects import MAX_OBJECT, Objects, kept, kept_headers, told_checksums
from .quotas import quota_reached
from .sending import PIECE, Span, steady, within
from .store import S3Store

_MOST_PARTS = 10_000
_LEAST_PART = 5 * 2**20
_COMPLETE_BODY = 2**22
_COPY_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})")
_NUMBER = re.compile(r"[0-9]{1,5}")


class Uploads:
    """Answer requests for uploads in parts."""

    def __init__(self, store: S3Store, files: Files, objects: Objects) -> None:
        self._store = store
        self._files = files
        self._objects = objects

    async def create(self, call: Call) -> web.StreamResponse:
        """Answer POST ?uploads."""
        bucket = call.writing()
        check_key(call.key)
        algorithm = call.headers.get("x-amz-checksum-algorithm", "").lower() or None
        if algorithm is not None and algorithm not in checksums.ALGORITHMS:
            raise S3Error("InvalidRequest", f"The checksum algorithm {algorithm} is not known")
        kind = call.headers.get("x-amz-checksum-type", "").upper()
        kind = kind or ("FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE")
        if kind == "FULL_OBJECT" and algorithm and not checksums.can_join(algorithm):
            raise S3Error(
                "InvalidRequest", f"FULL_OBJECT checksums are not defined for {algorithm}"
            )
        upload = MultipartUpload(
            f"{time.time_ns():016x}{secrets.token_hex(24)}",
            bucket.name,
            call.key,
            time.time(),
            kept_headers(call.headers),
            algorithm,
            kind,
        )
        await self._store.add_upload(upload)
        response = xml.answer(
            "InitiateMultipartUploadResult",
            [("Bucket", bucket.name), ("Key", call.key), ("UploadId", upload.id)],
        )
        if algorithm is not None:
            response.headers["x-amz-checksum-algorithm"] = algorithm.upper()
            response.headers["x-amz-checksum-type"] = kind
        return response

    async def _upload(self, call: Call) -> MultipartUpload:
        return await self._store.upload(call.bucket.name, call.key, call.parameters["uploadId"])

    async def put_part(self, call: Call) -> web.StreamResponse:
        """Answer PUT ?partNumber&uploadId."""
        bucket = call.writing()
        number = call.integer("partNumber", 0)
        if not 1 <= number <= _MOST_PARTS:
            raise S3Error(
                "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"
            )
        upload = await self._upload(call)
        if "x-amz-copy-source" in call.headers:
            return await self._copy_part(call, upload, number)
        full = quota_reached(bucket.flavour)
        # Garage counts an upload when it is completed.
        room = await self._store.room(bucket, call.key) if bucket.flavour == AWS else None
        receiver = self._objects.receiver(call, MAX_OBJECT if room is None else room, full)
        size = receiver.promise.size
        if size is None:
            raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header")
        if not size and bucket.flavour != AWS:
            raise S3Error("InvalidRequest", "The body of a part must not be empty")
        if size > MAX_OBJECT:
            raise S3Error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        algorithm = upload.algorithm
        sent = receiver.promise.algorithm
        if sent is not None and algorithm is not None and sent != algorithm:
            raise S3Error(
                "InvalidRequest",
                f"Checksum Type mismatch occurred, expected checksum Type: {algorithm}, actual "
                f"checksum Type: {sent}",
            )
        stored = await receiver.store(self._files)
        found = stored.checksums.get(algorithm or "") if algorithm else None
        part = UploadedPart(number, stored.size, stored.etag, time.time(), found, stored.file)
        await self._keep(upload, part)
        headers = {"ETag": f'"{part.etag}"'}
        headers |= {f"{checksums.PREFIX}{name}": text for name, text in stored.checksums.items()}
        return web.Response(headers=headers)

    async def _keep(self, upload: MultipartUpload, part: UploadedPart) -> None:
        await kept(self._store.add_part(upload.id, part), self._files, [part.file])

    async def _copy_part(
        self, call: Call, upload: MultipartUpload, number: int
    ) -> web.StreamResponse:
        made = await steady(
            self._files,
            lambda: self._objects.source(call),
            lambda found: self._copied(call, found, upload, number),
        )
        await self._keep(upload, made)
        return xml.answer(
            "CopyPartResult",
            [
                ("LastModified", xml.moment(made.modified)),
                ("ETag", f'"{made.etag}"'),
                (f"Checksum{(upload.algorithm or '').upper()}", made.checksum),
            ],
        )

    async def _copied(
        self, call: Call, found: Object, upload: MultipartUpload, number: int
    ) -> UploadedPart:
        span = Span(0, found.size, False)
        if (text := call.headers.get("x-amz-copy-source-range")) is not None:
            match = _COPY_RANGE.fullmatch(text)
            if match is None or not int(match[1]) <= int(match[2]) < found.size:
                raise S3Error("InvalidArgument", "The x-amz-copy-source-range value is not valid")
            span = Span(int(match[1]), int(match[2]) + 1, True)
        return await taken(
            lambda: _copy_bytes(self._files, found.segments, span, number, upload),
            lambda made: self._files.remove([made.file]),
        )

    async def list_parts(self, call: Call) -> web.StreamResponse:
        """Answer GET ?uploadId."""
        call.reading()
        upload = await self._upload(call)
        after = call.integer("part-number-marker", 0)
        most = call.integer("max-parts", 1000, most=1000)
        parts = [part for part in await self._store.parts(upload.id) if part.number > after]
        page = parts[:most]
        truncated = len(parts) > len(page)
        return xml.answer(
            "ListPartsResult",
            [
                ("Bucket", upload.bucket),
                ("Key", upload.key),
                ("UploadId", upload.id),
                ("PartNumberMarker", after),
                ("NextPartNumberMarker", page[-1].number if page else 0),
                ("MaxParts", most),
                ("IsTruncated", truncated),
                ("StorageClass", "STANDARD"),
                ("ChecksumAlgorithm", upload.algorithm.upper() if upload.algorithm else None),
                *(("Part", _told(part, upload)) for part in page),
            ],
        )

    async def abort(self, call: Call) -> web.StreamResponse:
        """Answer DELETE ?uploadId."""
        call.writing()
        upload = await self._upload(call)
        await kept(self._store.abort(upload.id), self._files)
        return web.Response(status=204)

    async def complete(self, call: Call) -> web.StreamResponse:
        """Answer POST ?uploadId: the parts become one object, without a byte being moved."""
        bucket = call.writing()
        upload = await self._upload(call)
        too_large = S3Error("EntityTooLarge", "The list of parts is too long")
        # The checksum in the headers is that of the object, not that of the list.
        headers = {
            name: value
            for name, value in call.headers.items()
            if not name.startswith(checksums.PREFIX)
        }
        receiver = self._objects.receiver(call, _COMPLETE_BODY, too_large, headers)
        listed = xml.read(await receiver.read(_COMPLETE_BODY))
        parts = await self._store.parts(upload.id)
        await self._upload(call)  # still there, so these were all its parts
        chosen = self._chosen(bucket.flavour, listed, upload, parts)
        digest = hashlib.md5(usedforsecurity=False)
        for part in chosen:
            digest.update(bytes.fromhex(part.etag))
        new = Object(
            call.key,
            sum(part.size for part in chosen),
            f"{digest.hexdigest()}-{len(chosen)}",
            time.time(),
            upload.headers,
            _joined(upload, chosen, call),
            [Segment(part.file, part.size) for part in chosen],
        )

        def check(old: Object | None) -> None:
            check_write(call.headers, call.key, old)

        if call.headers.get("x-amz-mp-object-size") not in (None, str(new.size)):
            raise S3Error("InvalidRequest", "The object has not the size that was specified")
        try:
            await kept(self._store.complete(bucket, upload.id, new, check), self._files)
        except S3Error as error:
            if error.code == "QuotaExceeded" and bucket.flavour != AWS:
                # garage-workspace.md §5: such an upload cannot be completed any more.
                await kept(self._store.abort(upload.id), self._files)
            raise
        told = [(f"Checksum{name.upper()}", value) for name, value in new.checksums.items()]
        if told:
            told.append(("ChecksumType", upload.kind))
        response = xml.answer(
            "CompleteMultipartUploadResult",
            [
                ("Location", str(call.request.url.with_query(None))),
                ("Bucket", bucket.name),
                ("Key", call.key),
                ("ETag", f'"{new.etag}"'),
                *told,
            ],
        )
        response.headers.update(told_checksums(new))
        return response

    def _chosen(
        self,
        flavour: str,
        listed: Element,
        upload: MultipartUpload,
        parts: Sequence[UploadedPart],
    ) -> list[UploadedPart]:
        """Return the parts that the caller names, each as it was acknowledged."""
        if listed.tag != "CompleteMultipartUpload":
            raise S3Error("MalformedXML", "The body is no list of parts")
        known = {part.number: part for part in parts}
        chosen: list[UploadedPart] = []
        for element in listed.findall("Part"):
            number = element.findtext("PartNumber", "")
            etag = element.findtext("ETag", "").strip().strip('"')
            part = known.get(int(number)) if _NUMBER.fullmatch(number) else None
            if part is None or part.etag != etag:
                raise S3Error(
                    "InvalidPart",
                    "One or more of the specified parts could not be found. The part may not have "
                    "been uploaded, or the specified entity tag may not match the part's entity "
                    "tag.",
                    PartNumber=number,
                )
            _check_checksum(element, part, upload, flavour)
            if chosen and part.number <= chosen[-1].number:
                raise S3Error(
                    "InvalidPartOrder",
                    "The list of parts was not in ascending order. Parts must be ordered by part "
                    "number.",
                )
            chosen.append(part)
        if not chosen:
            code = "MalformedXML" if flavour == AWS else "EntityTooSmall"
            raise S3Error(code, "An upload is completed with at least one part")
        if flavour == AWS and any(part.size < _LEAST_PART for part in chosen[:-1]):
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                MinSizeAllowed=str(_LEAST_PART),
            )
        return chosen


def _check_checksum(
    element: Element, part: UploadedPart, upload: MultipartUpload, flavour: str
) -> None:
    if upload.algorithm is None or part.checksum is None:
        return
    told = element.findtext(f"Checksum{upload.algorithm.upper()}")
    missing = told is None and flavour != AWS and upload.kind == "COMPOSITE"
    if missing or told not in (None, part.checksum):
        raise S3Error(
            "InvalidPart" if flavour == AWS else "InvalidDigest",
            "The checksum of a part is not the one that was sent with it",
            PartNumber=str(part.number),
        )


def _joined(upload: MultipartUpload, parts: Sequence[UploadedPart], call: Call) -> dict[str, str]:
    """Return the checksum of the object, compared with the one that the caller has."""
    algorithm = upload.algorithm
    found = [(part.checksum, part.size) for part in parts if part.checksum is not None]
    if algorithm is None or len(found) != len(parts):
        return {}
    if upload.kind == "FULL_OBJECT":
        value = checksums.joined(algorithm, found)
    else:
        value = checksums.composite(algorithm, [text for text, _ in found])
    told = call.headers.get(f"{checksums.PREFIX}{algorithm}")
    if told not in (None, value, value.partition("-")[0]):
        raise S3Error("BadDigest", "The checksum you specified did not match the calculated one.")
    return {algorithm: value}


def _told(part: UploadedPart, upload: MultipartUpload) -> list[xml.Node]:
    name = f"Checksum{upload.algorithm.upper()}" if upload.algorithm else "Checksum"
    return [
        ("PartNumber", part.number),
        ("LastModified", xml.moment(part.modified)),
        ("ETag", f'"{part.etag}"'),
        ("Size", part.size),
        (name, part.checksum),
    ]


def _copy_bytes(
    files: Files, segments: Sequence[Segment], span: Span, number: int, upload: MultipartUpload
) -> UploadedPart:
    """Copy bytes of an object into a part; blocks."""
    name, target = files.create()
    digest = hashlib.md5(usedforsecurity=False)
    more = checksums.new(upload.algorithm) if upload.algorithm else None
    try:
        for file, start, end in within(segments, span):
            source = os.open(files.path(file), os.O_RDONLY | os.O_CLOEXEC)
            try:
                while start < end:
                    data = os.pread(source, min(PIECE, end - start), start)
                    if not data:
                        raise S3Error("InternalError", "The source is gone")
                    digest.update(data)
                    if more is not None:
                        more.update(data)
                    write_all(target, data)
                    start += len(data)
            finally:
                os.close(source)
    except BaseException:
        files.remove([name])
        raise
    finally:
        os.close(target)
    checksum = checksums.encoded(more.digest()) if more is not None else None
    size = span.end - span.start
    return UploadedPart(number, size, digest.hexdigest(), time.time(), checksum, name)
