"""Uploads to Google in parts that go side by side: the multipart calls of its XML API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from xml.etree import ElementTree

from yarl import URL

from ..errors import ProtocolError, ResourceNotFound
from ..transfer import Body, Part, Upload
from ..transport import Answer
from . import google_checks as checks
from .google_requests import OCTETS, Requests
from .google_sending import Outgoing

_PAGE = 1000


class Multiparts:
    """Write objects in parts; no object is there before all of them are put together."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def begin(self, key: str, size: int) -> Upload:
        """Open an upload, whose id the service gives."""
        url = self._requests.xml(key, uploads="")
        root = await self._xml("POST", url, b"")
        found = _text(root, "UploadId")
        if not found:
            raise ProtocolError(
                f"cannot write {self._requests.bucket}/{key!r}: the answer names no upload; "
                "check that the endpoint is Google's"
            )
        return Upload(key, found, size)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send one part, compared by its checksum."""
        made: list[Outgoing] = []

        def outgoing() -> Outgoing:
            made.append(Outgoing(body, body.size))
            return made[-1]

        url = self._requests.xml(upload.key, partNumber=str(number), uploadId=upload.id)
        headers = {"Content-Type": OCTETS, "Content-Length": str(body.size)}
        async with self._requests.send("PUT", url, headers=headers, body=outgoing) as answer:
            await answer.read()
        etag, digest = answer.headers.get("ETag", ""), made[-1].digest
        what = f"cannot write {self._requests.bucket}/{upload.key!r}"
        if not etag:
            raise ProtocolError(f"{what}: part {number} has no ETag; is the endpoint Google's?")
        checks.compare(what, digest, checks.told_by(answer.headers), "send the part again")
        return Part(number, offset, body.size, checks.receipt(digest, etag))

    async def parts(self, upload: Upload, known: Sequence[Part]) -> Sequence[Part]:
        """Return the *known* parts that the service lists with the same ETag and size."""
        there: dict[str, tuple[str, str]] = {}
        marker = "0"
        while True:
            query = {"part-number-marker": marker} if marker != "0" else {}
            url = self._requests.xml(
                upload.key, uploadId=upload.id, **{"max-parts": str(_PAGE)}, **query
            )
            root = await self._xml("GET", url)
            for item in root:
                if _name(item) == "Part":
                    facts = (_text(item, "ETag"), _text(item, "Size"))
                    there[_text(item, "PartNumber")] = facts
            last, marker = marker, _text(root, "NextPartNumberMarker")
            if _text(root, "IsTruncated") != "true" or marker in ("", last):
                break
        return [
            part
            for part in known
            if there.get(str(part.number)) == (checks.etag_of(part), str(part.size))
        ]

    async def complete(self, upload: Upload, parts: Sequence[Part]) -> Mapping[str, str]:
        """Put the parts together, and return the checksums that the answer tells of them."""
        root = ElementTree.Element("CompleteMultipartUpload")
        for part in parts:
            item = ElementTree.SubElement(root, "Part")
            ElementTree.SubElement(item, "PartNumber").text = str(part.number)
            ElementTree.SubElement(item, "ETag").text = checks.etag_of(part)
        url = self._requests.xml(upload.key, uploadId=upload.id)
        headers = {"Content-Type": "application/xml"}
        body = ElementTree.tostring(root)
        async with self._requests.send(
            "POST", url, headers=headers, body=body, slow=True
        ) as answer:
            document = await _document(answer)
        if _name(document) == "Error":
            raise ProtocolError(
                f"cannot write {self._requests.bucket}/{upload.key!r}: "
                f"{_text(document, 'Code')} {_text(document, 'Message')}"
            )
        return checks.told_by(answer.headers)

    async def abort(self, upload: Upload) -> None:
        """Drop an upload with its parts."""
        url = self._requests.xml(upload.key, uploadId=upload.id)
        with suppress(ResourceNotFound):
            async with self._requests.send("DELETE", url, ok=(200, 204)):
                pass

    async def _xml(self, method: str, url: URL, body: bytes | None = None) -> ElementTree.Element:
        async with self._requests.send(
            method, url, headers={"Content-Type": OCTETS}, body=body
        ) as answer:
            return await _document(answer)


async def _document(answer: Answer) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(await answer.read())
    except ElementTree.ParseError as error:
        raise ProtocolError("the answer is not XML; is the endpoint Google's?") from error


def _name(item: ElementTree.Element) -> str:
    return item.tag.rpartition("}")[2]


def _text(item: ElementTree.Element, name: str) -> str:
    found = next((child for child in item if _name(child) == name), None)
    return "" if found is None else found.text or ""
