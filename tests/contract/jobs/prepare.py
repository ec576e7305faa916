"""What the samples of jobs need on the local platform."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from neuro_client.client import Client
from neuro_client.models import RemoteImage

from ..golden import Prepare


@asynccontextmanager
async def job(client: Client, command: str) -> AsyncIterator[str]:
    started = await client.jobs.start(
        image=RemoteImage("ubuntu", "22.04"), preset_name="cpu-small", command=command
    )
    try:
        yield started.id
    finally:
        await client.jobs.kill(started.id)


@asynccontextmanager
async def started(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Start a job."""
    async with job(client, "sleep 60") as id:
        yield {"job": id}


@asynccontextmanager
async def running(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Start a job and wait until it runs."""
    async with job(client, "sh -c 'echo hello; sleep 60'") as id:
        async with asyncio.timeout(10), client.jobs.logs(id) as lines:
            await anext(lines)
        yield {"job": id}


@asynccontextmanager
async def serving(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Start a job that greets on a port."""
    script = (
        "import socket; server = socket.create_server(('127.0.0.1', 0)); "
        "print(server.getsockname()[1], flush=True); "
        "[server.accept()[0].sendall(b'pong') for _ in range(9)]"
    )
    async with job(client, shlex.join(["python", "-c", script])) as id:
        async with asyncio.timeout(10), client.jobs.logs(id) as lines:
            port = await anext(lines)
        yield {"job": id, "port": port}


@asynccontextmanager
async def failed(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Run a job to its end with an exit code and some output."""
    async with job(client, "sh -c 'echo hello; exit 3'") as id:
        await client.jobs.wait(id, timeout=10, check=False)
        yield {"job": id}


PREPARE: Mapping[str, Prepare] = {
    "list": started,
    "status": running,
    "status_failed": failed,
    "kill": started,
    "bump_life_span": started,
    "bump_life_span_too_short": started,
    "send_signal": running,
    "send_signal_not_running": failed,
    "monitor": failed,
    "monitor_options": failed,
    "attach": running,
    "attach_without_streams": running,
    "attach_not_running": failed,
    "exec": running,
    "exec_without_command": running,
    "exec_tty_of_both": running,
    "port_forward": serving,
    "port_forward_refused": running,
    "save_failed": running,
    "save_elsewhere": running,
    "top": running,
    "top_not_running": failed,
}
