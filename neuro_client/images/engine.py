"""Pushes and pulls through the local container engine (…-accounts.md §3.3)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ..concurrency import SingleFlight
from ..errors import AuthorizationError, ConfigError
from ..image_progress import ImageProgressStep, engine_failure, layer_step
from ..models import LocalImage
from ..threads import run_blocking

if TYPE_CHECKING:
    import aiodocker

OnStep = Callable[[ImageProgressStep], None]

_NO_ENGINE = 900
_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
_HOME_SOCKETS = (".docker/run/docker.sock", ".colima/default/docker.sock", ".rd/docker.sock")


@attrs.frozen
class Login:
    """Hold what the engine shows to a registry; ``host`` may have a port."""

    host: str
    token: str = attrs.field(repr=False)

    def auth(self) -> dict[str, str]:
        """Return it in the engine's words."""
        return {"username": "token", "password": self.token, "serveraddress": self.host}


class Engine:
    """Hold the connection to the engine, opened when it is first needed.

    It is found as the engine's own tools find it: ``DOCKER_HOST``, the current context, the
    usual sockets.
    """

    def __init__(self) -> None:
        self._docker: aiodocker.Docker | None = None
        self._opening: SingleFlight[aiodocker.Docker] = SingleFlight()
        self._pulled: set[str] = set()

    async def close(self) -> None:
        """Take back the names that pulls gave, and close the connection."""
        docker, self._docker = self._docker, None
        if docker is None:
            return
        try:
            for reference in sorted(self._pulled):
                with suppress(Exception):
                    await docker.images.delete(reference)
        finally:
            await docker.close()

    async def push(self, local: LocalImage, reference: str, login: Login, step: OnStep) -> None:
        """Name the local image *reference* and send it to its registry.

        Raises:
            ValueError: the engine has no such image.
            DockerError: of aiodocker; 900 when there is no engine or the push broke off.
            AuthorizationError: the engine refuses.
        """
        docker = await self._open()
        repository, _, tag = reference.rpartition(":")
        with _explained(f"The engine has no image {local}; build or pull it first"):
            await docker.images.tag(str(local), repository, tag=tag)
            records = docker.images.push(repository, tag=tag, auth=login.auth(), stream=True)
            await _follow(records, tag, step)

    async def pull(self, reference: str, local: LocalImage, login: Login, step: OnStep) -> None:
        """Fetch *reference* from its registry and give it the name *local*.

        Raises:
            ValueError: the registry has no such image.
            DockerError, AuthorizationError: as for ``push``.
        """
        docker = await self._open()
        tag = reference.rpartition(":")[2]
        with _explained(f"There is no image {reference} to pull"):
            self._pulled.add(reference)
            records = docker.images.pull(reference, repo=reference, auth=login.auth(), stream=True)
            await _follow(records, tag, step)
            await docker.images.tag(reference, local.name, tag=local.tag)

    async def _open(self) -> aiodocker.Docker:
        if self._docker is None:
            self._docker = await self._opening.run("open", _connect)
        return self._docker


async def _connect() -> aiodocker.Docker:
    try:
        # Loading it reads files.
        await run_blocking(import_module, "aiodocker")
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Pushing and pulling images needs the package aiodocker; install it with "
            "`pip install 'neuro_client[images]'`"
        ) from error
    import aiodocker

    url = await run_blocking(find_engine)
    if url is None:
        raise aiodocker.DockerError(
            _NO_ENGINE, "No container engine was found; start it, or set DOCKER_HOST"
        )
    return aiodocker.Docker(url)


def find_engine(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the address of the engine that is in use, None if there is none; blocking."""
    if environ.get("DOCKER_HOST"):
        return environ["DOCKER_HOST"]
    home = Path(environ.get("HOME") or Path.home())
    if host := _context_host(home / ".docker", environ.get("DOCKER_CONTEXT")):
        return host
    places = [Path(path) for path in _SOCKETS] + [home / path for path in _HOME_SOCKETS]
    if environ.get("XDG_RUNTIME_DIR"):
        places.append(Path(environ["XDG_RUNTIME_DIR"], "docker.sock"))
    for path in places:
        if path.is_socket():
            return f"unix://{path}"
    return None


def _context_host(folder: Path, chosen: str | None) -> str | None:
    """Read the current context of the engine's own command line."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        name = chosen or json.loads((folder / "config.json").read_bytes())["currentContext"]
        digest = hashlib.sha256(name.encode()).hexdigest()
        meta = json.loads((folder / "contexts" / "meta" / digest / "meta.json").read_bytes())
        return str(meta["Endpoints"]["docker"]["Host"]) or None
    return None


@contextmanager
def _explained(missing: str) -> Iterator[None]:
    """Turn the engine's refusals into the exceptions of the contract."""
    from aiodocker import DockerError

    try:
        yield
    except DockerError as error:
        if error.status == 404:
            raise ValueError(f"{missing}: {error.message}") from error
        if error.status == 403:
            raise AuthorizationError(
                f"The engine refused: {error.message}; ask the owner of the image for access",
                status=403,
            ) from error
        raise


async def _follow(records: AsyncIterator[Mapping[str, Any]], tag: str, step: OnStep) -> None:
    """Hand the steps of a push or a pull on; ``DockerError`` for a failure told in the stream."""
    from aiodocker import DockerError

    async with aclosing(records) as found:  # type: ignore[type-var]
        try:
            async for record in found:
                if (text := engine_failure(record)) is not None:
                    raise DockerError(_NO_ENGINE, text)
                if (layer := layer_step(record, tag)) is not None:
                    step(layer)
        except DockerError as error:
            # Newer releases of the library raise a class of their own for the same.
            if type(error) is DockerError:
                raise
            raise DockerError(_NO_ENGINE, error.message) from error
