"""The calls behind the samples of images, and what their answers must become."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from yarl import URL

from neuro_client.client import Client
from neuro_client.errors import AuthorizationError, ResourceNotFound
from neuro_client.image_names import registry_host
from neuro_client.models import RemoteImage, Tag

from ..golden import Call

Values = Mapping[str, str]

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32


def image(values: Values, tag: str | None = None, **facts: str) -> RemoteImage:
    """Name the image of the samples, in the cluster whose registry is the recording server."""
    return RemoteImage.new_neuro_image(
        facts.get("name", "tool"),
        registry_host(URL(values["images"])),
        owner=facts.get("owner", "ada"),
        cluster_name="recorded",
        org_name=facts.get("org"),
        tag=tag,
    )


async def list_(client: Client, values: Values) -> None:
    found = await client.images.list("recorded")
    # Of the organisations only the current one is told from an owner.
    assert found == [image(values, org="acme"), image(values)]


async def tags(client: Client, values: Values) -> None:
    assert await client.images.tags(image(values)) == [image(values, "v1"), image(values, "v2")]
    with pytest.raises(ValueError, match="has a tag"):
        await client.images.tags(image(values, "v1"))
    with pytest.raises(ValueError, match="not in the platform's registry"):
        await client.images.tags(RemoteImage("ubuntu"))


async def tags_of_org(client: Client, values: Values) -> None:
    asked = image(values, org="acme")
    assert await client.images.tags(asked) == [image(values, "v1", org="acme")]


async def tags_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound) as caught:
        await client.images.tags(image(values, name="none"))
    assert caught.value.code == "NAME_UNKNOWN"


async def digest(client: Client, values: Values) -> None:
    assert await client.images.digest(image(values, "v1")) == DIGEST


async def digest_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound):
        await client.images.digest(image(values, "none"))


async def tag_info(client: Client, values: Values) -> None:
    assert await client.images.tag_info(image(values, "v1")) == Tag("v1", 32654 + 16724)


async def rm(client: Client, values: Values) -> None:
    await client.images.rm(image(values), DIGEST)


async def rm_unknown(client: Client, values: Values) -> None:
    with pytest.raises(ResourceNotFound) as caught:
        await client.images.rm(image(values), OTHER)
    assert caught.value.code == "MANIFEST_UNKNOWN"


async def not_permitted(client: Client, values: Values) -> None:
    with pytest.raises(AuthorizationError) as caught:
        await client.images.tags(image(values, owner="bob"))
    assert caught.value.code == "DENIED"


CALLS: Mapping[str, Call] = {
    "list": list_,
    "tags": tags,
    "tags_of_org": tags_of_org,
    "tags_unknown": tags_unknown,
    "digest": digest,
    "digest_unknown": digest_unknown,
    "tag_info": tag_info,
    "rm": rm,
    "rm_unknown": rm_unknown,
    "not_permitted": not_permitted,
}
