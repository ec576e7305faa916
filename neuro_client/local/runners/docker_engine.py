"""The connection of the Docker runner to its engine, and what the engine's errors mean."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiodocker import Docker, DockerError
from aiodocker.containers import DockerContainer
from aiohttp import ClientConnectorError, ClientError, ClientTimeout, UnixConnector

from .base import RunnerError

ENGINE_ERRORS = (DockerError, ClientError, OSError)
"""What a call of the engine can raise; a time-out is an ``OSError``."""
LABEL = "neuro-client"
"""What the names of our labels begin with."""
_SOCKET = "unix:///var/run/docker.sock"
_CALL_TIME, _PING_TIME = 120.0, 10.0
_WAIT_TIME = 20.0
_NOT_FOUND, _CONFLICT = 404, 409
_USER = "token"  # the registry looks at the password only


class Engine:
    """Speak to one engine; obtained from `Engine.opened`."""

    def __init__(self, docker: Docker, address: str, info: Mapping[str, Any]) -> None:
        self.docker = docker
        self.address = address
        self.limits_swap = bool(info.get("SwapLimit"))
        self.unlimited = [
            what
            for what, key in (("memory", "MemoryLimit"), ("CPU", "CpuCfsQuota"))
            if not info.get(key)
        ]

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Engine]:
        """Connect to the engine of ``DOCKER_HOST``, else of the usual socket.

        Raises:
            ConnectionError: none answers there.
        """
        address = os.environ.get("DOCKER_HOST") or _SOCKET
        url, connector = address, None
        if address.startswith("unix://"):
            # Followed logs and sessions hold a connection each.
            connector = UnixConnector(address.removeprefix("unix://"), limit=0)
            url = "unix://localhost"
        docker = Docker(url, connector=connector, timeout=ClientTimeout(total=_CALL_TIME))
        try:
            try:
                async with asyncio.timeout(_PING_TIME):
                    info = await docker.system.info()
            except ENGINE_ERRORS as error:
                raise ConnectionError(
                    f"No container engine answers at {address}: {words(error)}. Start it, or set "
                    "DOCKER_HOST to its address, or start the platform with --runner process"
                ) from error
            yield cls(docker, address, info)
        finally:
            await docker.close()
            if connector is not None:
                await connector.close()

    def container(self, name: str) -> DockerContainer:
        """Give a container by its name or id, whether it exists or not."""
        return self.docker.containers.container(name)

    async def ended(self, container: DockerContainer) -> None:
        """Wait until a container does not run; an engine that hangs is an error, too."""
        while True:
            try:
                async with asyncio.timeout(_WAIT_TIME):
                    await container.wait()
                    return
            except TimeoutError:
                async with asyncio.timeout(_PING_TIME):
                    await self.docker.version()

    async def labelled(self, **labels: str) -> list[DockerContainer]:
        """List the containers that have all of these labels, ended ones too."""
        wanted = [f"{LABEL}.{name}={value}" for name, value in labels.items()]
        filters = json.dumps({"label": wanted})
        found: list[DockerContainer] = await self.docker.containers.list(all="1", filters=filters)
        return found

    async def has_image(self, image: str) -> bool:
        """Tell whether the engine has an image."""
        try:
            await self.docker.images.inspect(image)
        except DockerError as error:
            if error.status != _NOT_FOUND:
                raise
            return False
        return True

    async def pull(self, image: str, token: str | None) -> None:
        """Fetch an image; its registry is shown ``token``. Raises `DockerError`."""
        auth = None if token is None else credentials(image, token)
        # Names without a tag mean their latest image, never all of them.
        async for _ in self.docker.images.pull(image, auth=auth, stream=True):
            pass

    async def gateway(self) -> str | None:
        """Give the address of this host on the bridge network; None where it has none."""
        try:
            network = await (await self.docker.networks.get("bridge")).show()
            place = network["IPAM"]["Config"][0]
            return str(place.get("Gateway") or next(ipaddress.ip_network(place["Subnet"]).hosts()))
        except (*ENGINE_ERRORS, LookupError, TypeError, ValueError):
            return None


def credentials(image: str, token: str) -> dict[str, str]:
    """Write what the engine shows to the registry of an image."""
    return {
        "username": _USER,
        "password": token,
        "serveraddress": image.partition("/")[0],
    }


async def removed(container: DockerContainer) -> None:
    """Remove a container with its own volumes, running or not; one that is gone is no error."""
    try:
        await container.delete(force=True, v=True)
    except DockerError as error:
        if error.status not in (_NOT_FOUND, _CONFLICT):  # 409: its removal goes on already
            raise


def is_missing(error: Exception) -> bool:
    """Tell whether the engine answers that there is no such thing."""
    return isinstance(error, DockerError) and error.status == _NOT_FOUND


def is_taken(error: Exception) -> bool:
    """Tell whether the engine answers that a name is in use, or a state is the wrong one."""
    return isinstance(error, DockerError) and error.status == _CONFLICT


def words(error: BaseException) -> str:
    """Give what the engine said, or what came in its place."""
    if isinstance(error.__context__, ClientConnectorError):
        return f"it does not answer ({error.__context__.strerror})"
    if isinstance(error, DockerError):
        return str(error.message).strip()
    return str(error) or type(error).__name__


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what the engine says into a `RunnerError`."""
    try:
        yield
    except ENGINE_ERRORS as error:
        raise RunnerError(f"{what}: {words(error)}") from error
