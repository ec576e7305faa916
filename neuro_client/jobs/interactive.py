"""What one does inside a running job: attach, exec, forward a port, save (jobs.md §8 to §10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..image_progress import AbstractDockerImageProgress
from ..models import RemoteImage
from ..transport import Transport
from .forwarding import forwarded
from .saving import save
from .service import JobParser, JobsService
from .streams import StdStream

_ATTACH_PROTOCOL = "v2.channels.neu.ro"


class InteractiveJobs:
    """Be the part of ``Jobs`` that reaches into running jobs."""

    _transport: Transport
    _parse: JobParser
    _service: JobsService

    @asynccontextmanager
    async def attach(
        self,
        id: str,
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = False,
        stderr: bool = False,
        cluster_name: str | None = None,
    ) -> AsyncIterator[StdStream]:
        """Open the streams of a job's own process; leaving ends the session, not the process.

        At least one stream must be asked for, and with ``tty`` not both outputs. The job decides
        whether there are an input and a terminal.

        Raises:
            IllegalArgumentError: the streams do not go together.
            ResourceNotFound: the job is not running.
        """
        url = self._service.monitoring_url(cluster_name) / id / "attach"
        flags = _flags(tty=tty, stdin=stdin, stdout=stdout, stderr=stderr)
        async with self._transport.websocket(
            url, params=flags, protocols=(_ATTACH_PROTOCOL,)
        ) as socket:
            yield StdStream(socket)

    @asynccontextmanager
    async def exec(
        self,
        id: str,
        cmd: str,
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = False,
        stderr: bool = False,
        cluster_name: str | None = None,
    ) -> AsyncIterator[StdStream]:
        """Run a command in a running job and open its streams; leaving ends the command.

        The service splits *cmd* as a shell would, without running one.

        Raises:
            IllegalArgumentError: the streams do not go together, or there is no command.
            ResourceNotFound: the job is not running.
        """
        url = self._service.monitoring_url(cluster_name) / id / "exec"
        flags = _flags(tty=tty, stdin=stdin, stdout=stdout, stderr=stderr)
        async with self._transport.websocket(url, params={"cmd": cmd, **flags}) as socket:
            yield StdStream(socket)

    @asynccontextmanager
    async def port_forward(
        self,
        id: str,
        local_port: int,
        job_port: int,
        *,
        no_key_check: bool = False,
        cluster_name: str | None = None,
    ) -> AsyncIterator[None]:
        """Carry connections to a port of this machine to one of the job, until the block ends.

        A connection that the job refuses is closed and logged. ``no_key_check`` is without meaning.

        Raises:
            OSError: the local port is taken.
        """
        for port in (local_port, job_port):
            if not 0 < port < 65536:
                raise ValueError(f"{port} is no port; use 1 to 65535")
        url = self._service.monitoring_url(cluster_name) / id / "port_forward" / str(job_port)
        async with forwarded(self._transport, url, local_port):
            yield

    async def save(
        self,
        id: str,
        image: RemoteImage,
        *,
        progress: AbstractDockerImageProgress | None = None,
        cluster_name: str | None = None,
    ) -> None:
        """Save the container of a running job as an image in the platform's registry.

        Raises:
            ValueError: *image* is not in the platform's registry.
            DockerError: of aiodocker, what the platform's engine says.
        """
        if not image.is_platform_image:
            raise ValueError(f"{image} is not in the platform's registry; write image:NAME:TAG")
        url = self._service.monitoring_url(cluster_name) / id / "save"
        await save(self._transport, url, id, image, self._parse, progress)


def _flags(**streams: bool) -> dict[str, str]:
    return {name: str(int(wanted)) for name, wanted in streams.items()}
