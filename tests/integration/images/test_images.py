"""Images in the registry of the local platform, without a container engine."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiodocker import DockerError

from neuro_client.client import Client
from neuro_client.errors import AuthorizationError, ProtocolError, ResourceNotFound
from neuro_client.images.engine import find_engine
from neuro_client.local import LocalPlatform
from neuro_client.models import LocalImage

from ..local_registry.wire import INDEX, MANIFEST, Wire


@pytest.fixture
async def wire(local_platform: LocalPlatform) -> AsyncIterator[Wire]:
    async with Wire.open(local_platform.registry("default"), local_platform.token) as wire:
        yield wire


@pytest.mark.thorough
async def test_lists_are_read_to_their_end(client: Client, wire: Wire) -> None:
    names = [f"user/tool-{number:02}" for number in range(35)]
    for name in names:
        await wire.push_image(name, "v1", b"layer")
    found = await client.images.list()
    assert [f"{image.owner}/{image.name}" for image in found] == names
    assert {image.tag for image in found} == {None}
    for number in range(32):
        await wire.push_image(names[0], f"t{number:02}", b"layer")
    tags = await client.images.tags(found[0])
    assert [image.tag for image in tags] == [*(f"t{n:02}" for n in range(32)), "v1"]


async def test_names_that_make_no_sense_are_left_out(
    client: Client, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    await wire.push_image("user/a--b", "v1", b"layer")
    await wire.push_image("user/good", "v1", b"layer")
    with caplog.at_level(logging.WARNING):
        assert [image.name for image in await client.images.list()] == ["good"]
    assert "a--b" in caplog.text


async def test_sizes(client: Client, wire: Wire) -> None:
    image = client.parse.remote_image("image:tool:v1")
    digest = await wire.push_image("user/tool", "v1", b"one", b"and two")
    assert await client.images.digest(image) == digest
    assert await client.images.size(image) == 10
    second = await wire.push_image("user/tool", "v2", b"one")
    entries = [{"digest": d, "size": 1, "mediaType": MANIFEST} for d in (digest, second)]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    await wire.push_manifest("user/tool", "all", index, INDEX)
    assert await client.images.size(image.with_tag("all")) == 13
    odd = "application/vnd.odd+json"
    nothing = {
        "schemaVersion": 2,
        "mediaType": odd,
        "config": entries[0] | {"digest": await _blob(wire)},
    }
    await wire.push_manifest("user/tool", "odd", nothing, odd)
    with pytest.raises(ProtocolError, match="odd"):
        await client.images.size(image.with_tag("odd"))


async def _blob(wire: Wire) -> str:
    return await wire.push_blob("user/tool", b"configuration")


async def test_removal(client: Client, wire: Wire) -> None:
    image = client.parse.remote_image("image:tool:v1")
    await wire.push_image("user/tool", "v1", b"layer")
    digest = await client.images.digest(image)
    await client.images.rm(image, digest)
    with pytest.raises(ResourceNotFound):
        await client.images.digest(image)
    with pytest.raises(ResourceNotFound):
        await client.images.rm(image, digest)
    # A repository that lost its last image is not listed, one that lost its tags has none.
    assert await client.images.list() == []


async def test_of_others(client: Client, local_platform: LocalPlatform) -> None:
    token = await local_platform.add_user("other")
    async with Wire.open(local_platform.registry("default"), token) as theirs:
        await theirs.push_image("other/tool", "v1", b"layer")
    image = client.parse.remote_image("image:/other/tool:v1")
    with pytest.raises(AuthorizationError):
        await client.images.digest(image)
    assert await client.images.list() == []


async def test_without_an_engine(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(DockerError) as caught:
        await client.images.push(LocalImage("tool", "v1"))
    assert caught.value.status == 900
    with pytest.raises(DockerError) as caught:
        await client.images.pull(client.parse.remote_image("image:tool:v1"))
    assert caught.value.status == 900


def test_the_engine_is_found_as_its_own_tools_find_it(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    assert find_engine({**home, "DOCKER_HOST": "tcp://engine.test:1"}) == "tcp://engine.test:1"
    meta = tmp_path / ".docker/contexts/meta"
    # The folder is named by the digest of the context's name.
    named = meta / hashlib.sha256(b"lab").hexdigest()
    named.mkdir(parents=True)
    (named / "meta.json").write_text('{"Endpoints": {"docker": {"Host": "tcp://lab.test:1"}}}')
    assert find_engine({**home, "DOCKER_CONTEXT": "lab"}) == "tcp://lab.test:1"
    (tmp_path / ".docker/config.json").write_text('{"currentContext": "lab"}')
    assert find_engine(home) == "tcp://lab.test:1"
