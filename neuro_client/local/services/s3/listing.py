"""Listings of a bucket: both versions, with delimiter, pages and tokens."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import quote

import attrs
from aiohttp import web

from . import xml
from .access import Call
from .errors import S3Error
from .models import Object
from .store import LAST, S3Store

_MOST = 1000
_FEW = 16


@attrs.frozen
class Page:
    """Hold one page of a listing; ``next`` is the last thing it names, None at the end."""

    objects: list[Object]
    prefixes: list[str]
    next: str | None


async def page_of(
    store: S3Store, bucket: str, prefix: str, delimiter: str, after: str, most: int
) -> Page:
    """Gather up to *most* objects and common prefixes behind *after*."""
    objects: list[Object] = []
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
                objects.append(Object.of(row))
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
    encoding = parameters.get("encoding-type")
    if encoding not in (None, "", "url"):
        raise S3Error("InvalidArgument", "Invalid Encoding Method specified in Request")

    def told(text: str) -> str:
        return quote(text, safe="/-_.~*") if encoding == "url" else text

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
        ("EncodingType", encoding or None),
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
    body += [("Contents", _described(item, told(item.key), owner)) for item in page.objects]
    body += [("CommonPrefixes", [("Prefix", told(common))]) for common in page.prefixes]
    return xml.answer("ListBucketResult", body)


def _described(item: Object, key: str, owner: bool) -> list[xml.Node]:
    return [
        ("Key", key),
        ("LastModified", xml.moment(item.modified)),
        ("ETag", f'"{item.etag}"'),
        *(("ChecksumAlgorithm", name.upper()) for name in item.checksums),
        ("Size", item.size),
        ("Owner", [("ID", "local"), ("DisplayName", "local")] if owner else None),
        ("StorageClass", "STANDARD"),
    ]


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode("ascii")


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode("ascii", "replace")).decode()
    except (ValueError, binascii.Error):
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect") from None
