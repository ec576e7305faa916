"""What is said to open and to end an upload in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from ..errors import ProtocolError
from ..transfer import Part
from ..transport import Answer
from . import s3_checks as checks
from .s3_errors import read_refusal
from .s3_requests import Requests

_SPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_ALGORITHM = "x-amz-checksum-algorithm"


async def open_upload(requests: Requests, key: str) -> str:
    """Open an upload and return its id."""
    answer = await requests.send("POST", key, {_ALGORITHM: "CRC32"}, query="uploads=")
    found = (await _fields(answer, f"cannot begin {key!r} in {requests.bucket}")).get("UploadId")
    if not found:
        raise ProtocolError(
            f"cannot begin {key!r} in {requests.bucket}: the answer names no upload; check the "
            "endpoint of the bucket"
        )
    return found


async def end_upload(
    requests: Requests, key: str, query: str, parts: Sequence[Part], conditions: Mapping[str, str]
) -> str | None:
    """Make the object of its parts; return the checksum that the service tells."""
    document = _document(parts)
    headers = {
        **conditions,
        "Content-Type": "application/xml",
        "Content-Length": str(len(document)),
    }
    answer = await requests.send("POST", key, headers, query=query, body=[document])
    found = await _fields(answer, f"cannot complete {key!r} in {requests.bucket}")
    return found.get("ChecksumCRC32")


def _document(parts: Sequence[Part]) -> bytes:
    root = ElementTree.Element("CompleteMultipartUpload", xmlns=_SPACE)
    for part in parts:
        etag, checksum = checks.read_tag(part)
        item = ElementTree.SubElement(root, "Part")
        ElementTree.SubElement(item, "ETag").text = etag
        ElementTree.SubElement(item, "PartNumber").text = str(part.number)
        if checksum is not None:
            ElementTree.SubElement(item, "ChecksumCRC32").text = checksum
    return ElementTree.tostring(root)


async def _fields(answer: Answer, what: str) -> dict[str, str]:
    """Read an answer; it may begin as a success before the service finds that it is none."""
    body = await answer.read()
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        raise ProtocolError(
            f"{what}: the answer is not that of an S3 service; check the endpoint of the bucket"
        ) from None
    fields = {item.tag.rpartition("}")[2]: item.text or "" for item in root}
    if root.tag.rpartition("}")[2] == "Error":
        raise read_refusal(what, fields, answer.headers)
    return fields
