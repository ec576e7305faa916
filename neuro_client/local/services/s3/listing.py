"""Listings of a bucket: both versions, with delimiter, pages and tokens."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from sqlite3 import Row
from urllib.parse import quote

import attrs
from aiohttp import web

from . import xml
from .access import Call
from .errors import S3Error
from .models import MultipartUpload
from .store import LAST, S3Store

_MOST = 1000
_FEW = 16
_OWNER = "<Owner><ID>local</ID><DisplayName>local</DisplayName></Owner>"


@attrs.frozen
class Page:
    """Hold one page of a listing; ``next`` is the last thing it names, None at the end."""

    objects: list[Row]
    prefixes: list[str]
    next: str | None


async def page_of(
    store: S3Store, bucket: str, prefix: str, delimiter: str, after: str, most: int
) -> Page:
    """Gather up to *most* objects and common prefixes behind *after*."""
    objects: list[Row] = []
    prefixes: list[str] = []
    if delimiter and after.startswith(prefix):
        # What was named as a common prefix is not named again for the keys behind it.
        end = after.find(delimiter, len(prefix))
        if end >= 0 and end + len(delimiter) == len(after):
            after += LAST
    last = ""
    enough = most + 1
    while True:
        wanted = min(most - len(objects) - len(prefixes) + 1, enough)
        found = await store.page(bucket, after, prefix, wanted)
        news = 0
        for row in found:
            common = _common(row["key"], prefix, delimiter)
            if common is not None and prefixes and prefixes[-1] == common:
                continue
            news += 1
            if len(objects) + len(prefixes) == most:
                return Page(objects, prefixes, last)
            if common is None:
                objects.append(row)
                last = row["key"]
            else:
                prefixes.append(common)
                last = common
        if len(found) < wanted:
            return Page(objects, prefixes, None)
        after = found[-1]["key"]
        # Where few keys make many, most of a large page would be of no use.
        enough = min(2 * enough, most + 1) if 2 * news >= len(found) else max(_FEW, enough // 2)
        if prefixes and after.startswith(prefixes[-1]):
            after = prefixes[-1] + LAST  # past everything that it stands for


def _common(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter:
        return None
    end = key.find(delimiter, len(prefix))
    return None if end < 0 else key[: end + len(delimiter)]


async def list_objects(call: Call, store: S3Store) -> web.StreamResponse:
    """Answer GET of a bucket."""
    bucket = call.reading()
    parameters = call.parameters
    second = parameters.get("list-type") == "2"
    prefix, delimiter = parameters.get("prefix", ""), parameters.get("delimiter", "")
    most = call.integer("max-keys", _MOST, most=_MOST)
    told = _encoder(parameters)
    start = parameters.get("start-after" if second else "marker", "")
    token = parameters.get("continuation-token") if second else None
    after = start if token is None else _read_token(token)
    page = Page([], [], None)
    if most:
        page = await page_of(store, bucket.name, prefix, delimiter, after, most)
    owner = parameters.get("fetch-owner") == "true" if second else True
    body: list[xml.Node] = [
        ("Name", bucket.name),
        ("Prefix", told(prefix)),
        ("Delimiter", told(delimiter) if delimiter else None),
        ("MaxKeys", most),
        ("EncodingType", parameters.get("encoding-type") or None),
        ("IsTruncated", page.next is not None),
    ]
    if second:
        body += [
            ("KeyCount", len(page.objects) + len(page.prefixes)),
            ("StartAfter", told(start) if start else None),
            ("ContinuationToken", token),
            ("NextContinuationToken", None if page.next is None else _token(page.next)),
        ]
    else:
        body += [
            ("Marker", told(start)),
            ("NextMarker", told(page.next) if page.next is not None and delimiter else None),
        ]
    body += [("Contents", _described(row, told(row["key"]), owner)) for row in page.objects]
    body += [("CommonPrefixes", [("Prefix", told(common))]) for common in page.prefixes]
    return xml.answer("ListBucketResult", body)


def _described(row: Row, key: str, owner: bool) -> xml.Markup:
    checksums = row["checksums"]
    algorithms = () if checksums == "{}" else json.loads(checksums)
    return xml.Markup(
        f"<Key>{xml.text_of(key)}</Key>"
        f"<LastModified>{xml.moment(row['modified'])}</LastModified>"
        f'<ETag>"{row["etag"]}"</ETag>'
        + "".join(f"<ChecksumAlgorithm>{n.upper()}</ChecksumAlgorithm>" for n in algorithms)
        + f"<Size>{row['size']}</Size>"
        + (_OWNER if owner else "")
        + "<StorageClass>STANDARD</StorageClass>"
    )


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode("ascii")


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None


async def list_uploads(call: Call, store: S3Store) -> web.StreamResponse:
    """Answer GET ?uploads."""
    bucket = call.reading()
    parameters = call.parameters
    prefix, delimiter = parameters.get("prefix", ""), parameters.get("delimiter", "")
    key_marker, id_marker = (parameters.get(f"{name}-marker", "") for name in ("key", "upload-id"))
    most = call.integer("max-uploads", _MOST, least=1, most=_MOST)
    told = _encoder(parameters)
    uploads: list[MultipartUpload] = []
    prefixes: list[str] = []
    truncated = False
    for upload in await store.uploads(bucket.name, prefix):
        common = _common(upload.key, prefix, delimiter)
        # Whoever goes on behind a common prefix has had all it stands for.
        name = upload.key if common is None else common
        behind = name > key_marker or (
            name == key_marker and common is None and bool(id_marker) and upload.id > id_marker
        )
        if (key_marker and not behind) or (common is not None and common in prefixes[-1:]):
            continue
        if len(uploads) + len(prefixes) == most:
            truncated = True
            break
        last = (name, upload.id)
        if common is None:
            uploads.append(upload)
        else:
            prefixes.append(common)
    return xml.answer(
        "ListMultipartUploadsResult",
        [
            ("Bucket", bucket.name),
            ("KeyMarker", told(key_marker)),
            ("UploadIdMarker", id_marker),
            ("NextKeyMarker", told(last[0]) if truncated else None),
            ("NextUploadIdMarker", last[1] if truncated else None),
            ("Prefix", told(prefix)),
            ("Delimiter", told(delimiter) if delimiter else None),
            ("EncodingType", parameters.get("encoding-type") or None),
            ("MaxUploads", most),
            ("IsTruncated", truncated),
            *(("Upload", _described_upload(upload, told(upload.key))) for upload in uploads),
            *(("CommonPrefixes", [("Prefix", told(common))]) for common in prefixes),
        ],
    )


def _described_upload(upload: MultipartUpload, key: str) -> list[xml.Node]:
    return [
        ("Key", key),
        ("UploadId", upload.id),
        ("Initiated", xml.moment(upload.started)),
        ("StorageClass", "STANDARD"),
    ]


def _encoder(parameters: Mapping[str, str]) -> Callable[[str], str]:
    """Return how keys are told."""
    encoding = parameters.get("encoding-type")
    if encoding not in (None, "", "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")
    return _quoted if encoding == "url" else str


def _quoted(text: str) -> str:
    return quote(text, safe="/-_.~*")
