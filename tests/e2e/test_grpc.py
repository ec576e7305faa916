"""A gRPC server in a job, called through a forwarded port: many streams over one connection."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grpclib.client import Channel, StreamStreamMethod, UnaryUnaryMethod
from grpclib.encoding.base import CodecBase

from neuro_client.client import Client
from neuro_client.models import RemoteImage

from ..integration.jobs.test_interactive import free_port

SERVER = Path(__file__).with_name("grpc_server.py")


class Plain(CodecBase):
    """Send bytes as they are."""

    __content_subtype__ = "plain"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> bytes:
        return bytes(data)


async def test_grpc_through_a_forwarded_port(client: Client) -> None:
    port, local = free_port(), free_port()
    script = await asyncio.to_thread(SERVER.read_text)
    job = await client.jobs.start(
        image=RemoteImage("python", "3.11"),
        preset_name="cpu-small",
        command=shlex.join(["python", "-c", script, str(port)]),
    )
    async with client.jobs.logs(job.id) as lines:
        assert await anext(lines) == "up"
    async with client.jobs.port_forward(job.id, local, port):
        channel = Channel("localhost", local, codec=Plain())
        try:
            call = UnaryUnaryMethod(channel, "/test.Echo/Once", bytes, bytes)
            async with asyncio.TaskGroup() as group:
                for number in range(50):
                    group.create_task(_echo(call, bytes([number]) * 20_000))
            stream = StreamStreamMethod(channel, "/test.Echo/Stream", bytes, bytes)
            pieces = [bytes([number]) * 100_000 for number in range(20)]
            assert await stream(pieces) == [piece[::-1] for piece in pieces]
            facts: Mapping[str, Any] = json.loads(await call(b"facts"))
            assert facts["connections"] == 1
        finally:
            channel.close()
    await client.jobs.kill(job.id)


async def _echo(call: Any, data: bytes) -> None:
    assert await call(data) == data[::-1]
