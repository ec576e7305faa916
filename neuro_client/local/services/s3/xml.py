"""Documents of S3: written from pairs, read into pairs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from aiohttp import web

from .errors import GARAGE, S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
Node = tuple[str, Any]
"""An element: its name and its text, or its children; None leaves it out."""

# A carriage return would be read as a line feed; the others are told although XML has no words for
# them, as Amazon does: whoever has such keys asks for encoding-type=url.
_AS_NUMBERS = {char: f"&#{char};" for char in range(0x20)}


class Markup(str):
    """Be what stands inside an element, written already; a listing has thousands of them."""

    __slots__ = ()


def document(root: str, children: Iterable[Node]) -> str:
    """Return a document."""
    inner = "".join(_element(node) for node in children)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{NAMESPACE}">{inner}</{root}>'


def _element(node: Node) -> str:
    name, value = node
    if isinstance(value, Markup):
        return f"<{name}>{value}</{name}>"
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return f"<{name}>{''.join(_element(child) for child in value)}</{name}>"
    if isinstance(value, bool):
        value = "true" if value else "false"
    return f"<{name}>{text_of(value)}</{name}>"


def text_of(value: object) -> str:
    """Return a text as documents have it; bytes that are no characters become question marks."""
    readable = str(value).encode("utf-8", "replace").decode()
    return escape(readable).translate(_AS_NUMBERS)


def refusal(
    error: S3Error, flavour: str, resource: str, region: str, request_id: str
) -> web.Response:
    """Return a response that explains a refusal."""
    fields = {**error.fields_for(flavour), "Resource": resource}
    if flavour == GARAGE:
        fields["Region"] = region
    fields["RequestId"] = request_id
    inner = "".join(_element(field) for field in fields.items())
    status, _ = error.told(flavour)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'
    return web.Response(status=status, text=text, content_type="application/xml")


def answer(root: str, children: Iterable[Node], status: int = 200) -> web.Response:
    """Return a response with a document."""
    return web.Response(
        status=status, text=document(root, children), content_type="application/xml"
    )


def read(body: bytes) -> ElementTree.Element:
    """Read a document; namespaces are taken off."""
    try:
        # Only as UTF-8: in other encodings a declaration of entities would not be seen.
        text = body.decode("utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("entities are not needed")
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError):
        raise S3Error("MalformedXML", "The XML you provided was not well-formed") from None
    for element in root.iter():
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def texts(root: ElementTree.Element, path: str) -> Sequence[str]:
    """Return the texts of all elements of a path."""
    return [element.text or "" for element in root.findall(path)]


def moment(seconds: float) -> str:
    """Format a time as documents have it."""
    found = datetime.fromtimestamp(seconds, UTC)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{found.microsecond // 1000:03d}Z"
