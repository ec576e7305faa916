"""Pages of keys, as ListObjectsV2 gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote, unquote_plus
from xml.etree.ElementTree import Element, ParseError, fromstring

import attrs

from ..errors import ProtocolError
from .provider import Blob, Prefix


@attrs.frozen
class Page:
    """Hold one page: the common prefixes first, then the objects.

    ``next`` is the token of the page behind it, None for the last one.
    """

    items: Sequence[Blob | Prefix]
    next: str | None


def query_of(
    prefix: str,
    *,
    delimiter: str = "",
    token: str | None = None,
    after: str = "",
    most: int | None = None,
) -> str:
    """Return the query that asks for a page, sorted as it is signed."""
    parameters: Mapping[str, str | None] = {
        "continuation-token": token,
        "delimiter": delimiter or None,
        "encoding-type": "url",
        "list-type": "2",
        "max-keys": None if most is None else str(most),
        "prefix": prefix,
        "start-after": after or None,
    }
    return "&".join(
        f"{name}={quote(value, safe='-_.~')}"
        for name, value in parameters.items()
        if value is not None
    )


def read_page(body: bytes, what: str) -> Page:
    """Read an answer; ``ProtocolError`` if it is not a listing."""
    try:
        root = fromstring(body)
    except ParseError:
        raise _not_s3(what) from None
    space, _, name = root.tag.rpartition("}")
    if name != "ListBucketResult":
        raise _not_s3(what)
    space = f"{space}}}" if space else ""
    coded = root.findtext(f"{space}EncodingType") == "url"
    try:
        items: list[Blob | Prefix] = [
            Prefix(_key(item, f"{space}Prefix", coded))
            for item in root.iterfind(f"{space}CommonPrefixes")
        ]
        names = [space + name for name in ("Key", "Size", "ETag", "LastModified")]
        items += [_blob(item, names, coded) for item in root.iterfind(f"{space}Contents")]
    except ValueError as error:
        raise ProtocolError(f"{what}: the answer cannot be read ({error})") from error
    token = root.findtext(f"{space}NextContinuationToken")
    if root.findtext(f"{space}IsTruncated") != "true":
        return Page(items, None)
    if not token:
        raise ProtocolError(f"{what}: the answer is not the last page and names no next one")
    return Page(items, token)


def _not_s3(what: str) -> ProtocolError:
    return ProtocolError(
        f"{what}: the answer is not a listing of S3; check the endpoint of the bucket"
    )


def _blob(item: Element, names: Sequence[str], coded: bool) -> Blob:
    key, size, etag, modified = names
    return Blob(
        _key(item, key, coded),
        int(item.findtext(size, "")),
        item.findtext(etag),
        _time(item.findtext(modified)),
    )


def _key(item: Element, name: str, coded: bool) -> str:
    key = item.findtext(name)
    if key is None:
        raise ValueError(f"{name.rpartition('}')[2]} is missing")
    return unquote_plus(key) if coded and ("%" in key or "+" in key) else key


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = parsedate_to_datetime(text)  # as some services have it
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
