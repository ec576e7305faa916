"""``image``: what is in the registry, without a container engine."""

from __future__ import annotations

import asyncio

import pytest

from neuro_client.factory import get

from ..local_registry.wire import Wire
from .kit import Program


@pytest.fixture
def digest(program: Program) -> str:
    """Put ``image:tool`` with two tags into the registry and give the digest of ``v1``."""

    async def push() -> str:
        async with get(path=program.config) as client:
            url, token = client.config.registry_url, await client.config.token()
        async with Wire.open(url, token) as wire:
            await wire.push_image("user/tool", "v2", b"layer", b"more")
            return await wire.push_image("user/tool", "v1", b"layer")

    return asyncio.run(push())


def test_what_is_in_the_registry(program: Program, digest: str) -> None:
    [found] = [one for one in program.documents("image", "ls") if one["image"].endswith("/tool")]
    assert found["image"] == "image://default/user/tool"
    assert found["docker"].endswith("/user/tool")
    assert found["image"] in program.call("image", "ls").stdout
    assert program.documents("image", "tags", "image:tool") == [
        {"image": "image://default/user/tool:v1", "tag": "v1", "size": 5},
        {"image": "image://default/user/tool:v2", "tag": "v2", "size": 9},
    ]
    assert program.call("image", "size", "image:tool:v2").stdout == "9\n"
    assert program.call("image", "digest", "image:tool:v1").stdout.strip() == digest
    program.call("image", "rm", "image:tool:none", "image:tool:v1", code=4)
    tags = program.documents("image", "tags", "image:tool")
    assert [one["tag"] for one in tags] == ["v2"]
    program.call("image", "rm", "image:tool:v2")
    assert program.documents("image", "tags", "image:tool") == []


def test_what_is_refused(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "image:ubuntu" in program.call("image", "size", "ubuntu", code=2).stderr
    program.call("image", "tags", "image:tool:v1", code=2)
    program.call("image", "tags", "image:none", code=4)
    program.call("image", "ls", "--cluster", "none", code=4)
    program.call("image", "size", "image:/nobody/tool", code=5)
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    for words in (("push", "tool:v1"), ("pull", "image:tool:v1")):
        ended = program.call("image", *words, code=1)
        assert "The container engine said: Cannot connect" in ended.stderr
