"""Bodies and words nobody should send: each is refused as the facts say, none is a failure."""

from __future__ import annotations

import json
import logging

import pytest

from .conftest import Buckets

BODIES: list[bytes] = [
    *(b"", b"{", b"{}{}", b"nul", b"\xff\xfe", b"[" * 100_000, b"\x00"),
]
WRONG: list[bytes] = [
    *(b"null", b"5", b'"text"', b"[]", b"NaN", b"1e999", b"true"),
    b'{"name": "\\ud800"}',
    b'{"name": "a\\u0000bc"}',
    b'{"name": {"a": 1}}',
    b'{"name": 1' + b"0" * 4000 + b"}",
    b'{"name": "' + b"a" * 1_000_000 + b'"}',
    b'{"name": "data", "org_name": "\\ud800"}',
    b'{"name": "data", "org_name": ["acme"]}',
    b'{"name": "data", "project_name": {}}',
]
CALLS = [
    ("POST", "/buckets"),
    ("POST", "/buckets/import/external"),
    ("POST", "/persistent_credentials"),
    ("PATCH", "/buckets/data"),
    ("POST", "/buckets/data/sign_blob_url"),
]
WORDS = ["", "..", "%2e%2e", "%00", "%ff", "%ed%a0%80", "a" * 2000, "%2F", "'%20OR%201=1--", "*"]


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_bodies(mine: Buckets, caplog: pytest.LogCaptureFixture) -> None:
    bucket = await mine.create("data")
    headers = {"Content-Type": "application/json"}
    for method, path in CALLS:
        for status, bodies in ((400, BODIES), (500, WRONG)):
            for body in bodies:
                answer = await mine.call(method, path, data=body, headers=headers, status=status)
                assert list(json.loads(answer.body)) == ["error"], (path, body[:50])
    assert await mine.get("data") == bucket
    assert await mine.ids() == [bucket["id"]]
    assert failures(caplog) == []


async def test_words(mine: Buckets, caplog: pytest.LogCaptureFixture) -> None:
    await mine.create("data")
    for word in WORDS:
        for method, path in [
            ("GET", f"/buckets/{word}"),
            ("DELETE", f"/buckets/{word}"),
            ("POST", f"/buckets/{word}/make_tmp_credentials"),
            ("GET", f"/buckets/x{word}?owner={word}"),
            ("GET", f"/buckets/x{word}?org_name={word}&project_name={word}"),
            ("GET", f"/persistent_credentials/{word}"),
            ("DELETE", f"/persistent_credentials/{word}"),
        ]:
            answer = await mine.api.call(method, f"/api/v1/buckets/default{path}")
            lists = answer.status == 200 and path.endswith(("/", "/..", "%2e%2e"))
            assert lists or answer.status in (404, 405), (method, path, answer.text)
        path = f"/buckets/find/by_path?path={word}/{word}"
        await mine.call("GET", path, status=500)
        assert await mine.ids(f"?org_name={word}&project_name=x{word}") == []
    assert len(await mine.ids()) == 1
    assert failures(caplog) == []


async def test_what_nobody_knows_is_let_pass(mine: Buckets) -> None:
    body = {"name": "data", "org_name": None, "later": {"field": 1}}
    await mine.call("POST", "/buckets", json=body, status=201)
    await mine.call("POST", "/buckets", json={"name": "more"}, status=201)
    await mine.call("POST", "/buckets", json={}, status=201)
    assert len(await mine.ids()) == 3
