"""Golden samples of S3: files, placeholders, documents as objects."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import attrs

from ..golden import Sample, fill

HERE = Path(__file__).parent / "samples"
# Elements of which there may be several, so that one alone is a list too.
_REPEATED = frozenset({"Contents", "CommonPrefixes", "Part", "Upload", "Deleted"})


@attrs.frozen
class S3Sample(Sample):
    """One file; ``name`` is ``s3/<call>``."""

    @property
    def flavour(self) -> str:
        """Return the kind of server that answers."""
        return str(self.document.get("flavour", "aws"))

    @property
    def signer(self) -> Mapping[str, Any]:
        """Return what is special about the signature."""
        found: Mapping[str, Any] = self.document.get("signer", {})
        return found

    def request(self, values: Mapping[str, str]) -> dict[str, Any]:
        found = super().request(values)
        checksum = zlib.crc32(body_of(found)).to_bytes(4, "big")
        filled: dict[str, Any] = fill(found, {"crc32": base64.b64encode(checksum).decode()})
        return filled

    def response(self, values: Mapping[str, str]) -> dict[str, Any]:
        found = super().response(values)
        if "xml" in found:
            found["text"] = found.pop("xml")
            found["headers"] = {"Content-Type": "application/xml", **found.get("headers", {})}
        return found


def s3_samples() -> list[S3Sample]:
    """Return all samples."""
    return [
        S3Sample(f"s3/{path.stem}", json.loads(path.read_text("utf-8")))
        for path in sorted(HERE.glob("*.json"))
    ]


def body_of(part: Mapping[str, Any]) -> bytes:
    """Return the body of a request or an answer."""
    return str(part.get("xml", part.get("text", ""))).encode()


def document(body: bytes) -> dict[str, Any]:
    """Return a document as JSON would have it; without namespaces and attributes."""
    root = ElementTree.fromstring(body)
    return {_name(root): _content(root)}


def _content(element: ElementTree.Element) -> Any:
    if not len(element):
        return (element.text or "").strip()
    found: dict[str, Any] = {}
    for child in element:
        name = _name(child)
        if name in _REPEATED:
            found.setdefault(name, []).append(_content(child))
        else:
            assert name not in found, f"{name} is there twice"
            found[name] = _content(child)
    return found


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
