"""Samples of calls that take several hops: files, the nodes that play them, comparisons."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
        filled: list[dict[str, Any]] = fill(self.document["hops"], values)
        return filled


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
