"""Samples of calls that take several hops: files, the nodes that play them, comparisons."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import attrs
from aiohttp import web

from neuro_client.aistore.extras import packing

from ...integration.aistore.nodes import Asked, Node, nodes
from ..golden import TOKEN, encode_body, fill, shape_errors

SAMPLES = Path(__file__).parent / "samples"
MSGPACK = "application/msgpack"


@attrs.frozen
class Sample:
    """One file."""

    name: str
    document: dict[str, Any]

    def hops(self, values: Mapping[str, str]) -> list[dict[str, Any]]:
        filled: list[dict[str, Any]] = _with_names(fill(self.document["hops"], values), values)
        return filled


def _with_names(value: Any, values: Mapping[str, str]) -> Any:
    """Fill the names of members too: what targets tell stands under their ids."""
    if isinstance(value, list):
        return [_with_names(item, values) for item in value]
    if isinstance(value, dict):
        return {fill(key, values): _with_names(item, values) for key, item in value.items()}
    return value


def samples() -> list[Sample]:
    """Return all samples."""
    return [Sample(path.stem, json.loads(path.read_text())) for path in sorted(SAMPLES.glob("*"))]


@attrs.define
class Stage:
    """Play the nodes of one sample."""

    sample: Sample
    nodes: dict[str, Node]
    values: dict[str, str]

    def check(self) -> None:
        """Compare what was asked with the golden requests, word by word."""
        hops = self.sample.hops(self.values)
        for name, node in self.nodes.items():
            golden = [hop["request"] for hop in hops if hop["at"] == name]
            assert len(node.asked) == len(golden), [one.target for one in node.asked]
            for asked, request in zip(node.asked, golden, strict=True):
                _check(asked, request, name)


@asynccontextmanager
async def stage(sample: Sample, **values: str) -> AsyncIterator[Stage]:
    """Start a proxy and a target that give the golden answers."""
    async with nodes("proxy", "target") as (proxy, target):
        played = Stage(
            sample,
            {"proxy": proxy, "target": target},
            {"proxy": proxy.url, "target": target.url, **values},
        )
        left = sample.hops(played.values)

        async def answer(node: Node, _: web.Request) -> web.StreamResponse:
            hop = left.pop(0)
            assert hop["at"] == node.name
            response = hop["response"]
            body, kind = encode_body(response)
            headers = response.get("headers", {})
            found = web.Response(status=response["status"], body=body, headers=headers)
            if kind and "Content-Type" not in headers:
                found.content_type = "text/plain"  # as it is sniffed (aistore.md §1.3)
            return found

        for node in played.nodes.values():
            node.plan(answer)
        yield played


def _check(asked: Asked, golden: Mapping[str, Any], node: str) -> None:
    path, _, query = asked.target.partition("?")
    assert (asked.method, path) == (golden["method"], golden["path"])
    expected = golden.get("query", [])
    if isinstance(expected, str):
        assert query == expected
    else:
        assert _pairs(query) == sorted((key, value) for key, value in expected)
    # A token is for proxies only (§1.3).
    token = f"Bearer {TOKEN}" if node == "proxy" else None
    assert asked.headers.get("Authorization") == token
    for key, value in golden.get("headers", {}).items():
        assert asked.headers.get(key) == value, key
    body, kind = encode_body(golden)
    if kind == "application/json":
        assert json.loads(asked.body) == golden["json"]
    else:
        assert asked.body == (body or b"")


def _pairs(query: str) -> list[tuple[str, str]]:
    return sorted(parse_qsl(query, keep_blank_values=True))


def differences(sample: Sample, golden: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Name what differs between two answers; *live* has status, headers and body."""
    if live["status"] != golden["status"]:
        return [f"status {live['status']} instead of {golden['status']}: {live['body'][:300]!r}"]
    found = [f"no header {key}" for key in golden.get("headers", {}) if key not in live["headers"]]
    exact = sample.document.get("exact", ())
    optional = sample.document.get("optional", ())
    if "json" in golden:
        answer = json.loads(live["body"])
        return found + shape_errors(golden["json"], answer, optional=optional, exact=exact)
    kind = golden.get("headers", {}).get("Content-Type", "")
    if kind.startswith(("application/x-tar", "multipart/")):
        return found + _batch_errors(sample, golden, live)
    kind = golden.get("headers", {}).get("Content-Type", "")
    if kind.startswith(("application/x-tar", "multipart/")):
        return found + _batch_errors(sample, golden, live)
    if "base64" in golden:
        unpack = packing().unpackb
        expected = unpack(base64.b64decode(golden["base64"]))
        return found + shape_errors(expected, unpack(live["body"]), optional=optional, exact=exact)
    text = live["body"].decode()
    if "text" in exact and text != golden.get("text", ""):
        found.append(f"the text is {text!r}")
    if bool(text) != bool(golden.get("text")):
        found.append(f"the text is {text!r} instead of {golden.get('text')!r}")
    return found


def _batch_errors(sample: Sample, golden: Mapping[str, Any], live: Mapping[str, Any]) -> list[str]:
    """Compare batches: what is told of the objects, and the files of the archives."""
    told, files = _batch(live["headers"], live["body"])
    golden_told, golden_files = _batch(golden["headers"], base64.b64decode(golden["base64"]))
    errors = [] if files == golden_files else [f"the files are {files} instead of {golden_files}"]
    optional = sample.document.get("optional", ())
    return errors + shape_errors(golden_told, told, optional=optional, exact=())


def _batch(headers: Mapping[str, str], body: bytes) -> tuple[Any, list[tuple[str, bytes]]]:
    kind, told = headers["Content-Type"], None
    if kind.startswith("multipart/"):
        message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        parts = [
            part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()
        ]
        metadata, archive = parts
        assert isinstance(metadata, bytes) and isinstance(archive, bytes)
        told, body = json.loads(metadata), archive
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        opened = ((info.name, tar.extractfile(info)) for info in tar)
        return told, [(name, file.read() if file else b"") for name, file in opened]
