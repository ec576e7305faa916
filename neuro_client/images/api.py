"""The ``client.images`` subsystem (public-api.md §8)."""

from __future__ import annotations

import logging
from typing import Protocol

from yarl import URL

from ..config import Config
from ..image_names import registry_host
from ..image_progress import (
    AbstractDockerImageProgress,
    ImageProgressPull,
    ImageProgressPush,
    ImageProgressStep,
)
from ..models import LocalImage, RemoteImage, Tag, TagOption
from ..transport import Transport
from .engine import Engine, Login, OnStep
from .registry import Registry, RegistryCredentials, map_registry_error

_log = logging.getLogger(__name__)
_DEFAULT_TAG = "latest"

# Inside the class `list` is the method.
RemoteImages = list[RemoteImage]


class ImageParser(Protocol):
    """Be what reads the names of images."""

    def remote_image(
        self,
        image: str,
        *,
        tag_option: TagOption = TagOption.DEFAULT,
        cluster_name: str | None = None,
    ) -> RemoteImage:
        """Read a name."""
        ...


class Images:
    """Look at the images in the platform's registry, and move them to and from the local engine.

    ``push`` and ``pull`` need a container engine on this machine and the extra ``images``; without
    an engine they raise aiodocker's ``DockerError`` with the status 900.
    """

    def __init__(self, transport: Transport, config: Config, parse: ImageParser) -> None:
        self._transport = transport
        tokens = transport.credentials
        self._credentials = tokens and RegistryCredentials(tokens, config.username)
        self._config = config
        self._parse = parse
        self._engine = Engine()

    async def close(self) -> None:
        """Remove the registry's names of what was pulled from the engine, and disconnect."""
        await self._engine.close()

    async def list(self, cluster_name: str | None = None) -> RemoteImages:
        """Return the images of a cluster, without tags; names that make no sense are left out."""
        cluster = cluster_name or self._config.cluster_name
        images = []
        async with self._registry(cluster).catalog() as names:
            async for name in names:
                try:
                    images.append(
                        self._parse.remote_image(
                            f"image://{cluster}/{name}", tag_option=TagOption.DENY
                        )
                    )
                except ValueError as error:
                    _log.warning("The registry lists %r, which is left out: %s", name, error)
        return images

    async def tags(self, image: RemoteImage) -> RemoteImages:
        """Return an image under each of its tags.

        Raises:
            ValueError: *image* has a tag, or is not in the platform's registry.
        """
        if image.tag:
            raise ValueError(f"{image} has a tag; name the image without")
        if not image.owner or not image.name:
            raise ValueError(f"{image} is not in the platform's registry; write image:NAME")
        async with self._registry(image.cluster_name).tags(_repository(image)) as names:
            return [image.with_tag(name) async for name in names]

    async def digest(self, remote: RemoteImage) -> str:
        """Return the digest of a tagged image, ``sha256:…``."""
        return await self._registry(remote.cluster_name).digest(_repository(remote), _tag(remote))

    async def tag_info(self, remote: RemoteImage) -> Tag:
        """Return the tag of an image with the bytes of all its layers, as they are sent."""
        tag = _tag(remote)
        return Tag(tag, await self._registry(remote.cluster_name).size(_repository(remote), tag))

    async def size(self, remote: RemoteImage) -> int:
        """Return the bytes of all layers of an image, as they are sent."""
        size = (await self.tag_info(remote)).size
        assert size, f"{remote} has no layers"
        return size

    async def rm(self, remote: RemoteImage, digest: str) -> None:
        """Remove the image of a digest, with all its tags; see ``digest``."""
        await self._registry(remote.cluster_name).delete(_repository(remote), digest)

    async def push(
        self,
        local: LocalImage,
        remote: RemoteImage | None = None,
        *,
        progress: AbstractDockerImageProgress | None = None,
    ) -> RemoteImage:
        """Send an image of the local engine to the registry, by default under the same name.

        Raises:
            ValueError: the engine has no such image.
            AuthorizationError: no right to write the image.
            DockerError: of aiodocker; no engine, or the push failed.
        """
        target = remote or self._remote_of(local)
        if target.is_platform_image and not target.tag:
            target = target.with_tag(_DEFAULT_TAG)
        if progress is not None:
            progress.push(ImageProgressPush(local, target))
        login = await self._login(target)
        await self._engine.push(local, target.as_docker_url(), login, _steps(progress))
        return target

    async def pull(
        self,
        remote: RemoteImage,
        local: LocalImage | None = None,
        *,
        progress: AbstractDockerImageProgress | None = None,
    ) -> LocalImage:
        """Fetch an image into the local engine, by default under its own name and tag.

        Raises:
            ValueError: the registry has no such image.
            AuthorizationError: no right to read the image.
            DockerError: of aiodocker; no engine, or the pull failed.
        """
        source = remote if remote.tag else remote.with_tag(_DEFAULT_TAG)
        target = local or LocalImage(remote.name, remote.tag)
        if progress is not None:
            progress.pull(ImageProgressPull(remote, target))
        login = await self._login(source)
        await self._engine.pull(source.as_docker_url(), target, login, _steps(progress))
        return target

    def _remote_of(self, local: LocalImage) -> RemoteImage:
        """Name the image in the registry that a local name means."""
        for name, cluster in self._config.clusters.items():
            if local.name.startswith(f"{registry_host(cluster.registry_url)}/"):
                return self._parse.remote_image(str(local), cluster_name=name)
        return self._parse.remote_image(f"image:{local}")

    async def _login(self, image: RemoteImage) -> Login:
        cluster = self._config.get_cluster(image.cluster_name or self._config.cluster_name)
        return Login(registry_host(cluster.registry_url), await self._config.token())

    def _registry(self, cluster_name: str | None) -> Registry:
        cluster = self._config.get_cluster(cluster_name or self._config.cluster_name)
        transport = Transport(
            URL(cluster.registry_url),
            self._credentials,
            map_registry_error,
            session=self._transport.session,
        )
        return Registry(transport, cluster.registry_url)


def _repository(image: RemoteImage) -> str:
    return "/".join(part for part in (image.org_name, image.owner, image.name) if part)


def _tag(image: RemoteImage) -> str:
    assert image.tag, f"{image} has no tag; add one, as in image:NAME:TAG"
    return image.tag


def _steps(progress: AbstractDockerImageProgress | None) -> OnStep:
    return progress.step if progress is not None else _ignore


def _ignore(step: ImageProgressStep) -> None:
    pass
