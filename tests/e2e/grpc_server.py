"""A gRPC server for a job: turns what it gets round, and tells how many have connected."""

import asyncio
import json
import sys
from typing import Any

from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.server import Server


class Plain(CodecBase):
    __content_subtype__ = "plain"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> bytes:
        return bytes(data)


class Echo:
    def __init__(self) -> None:
        self.peers: set[Any] = set()

    async def once(self, stream: Any) -> None:
        self.peers.add(stream.peer.addr())
        data = await stream.recv_message()
        if data == b"facts":
            await stream.send_message(json.dumps({"connections": len(self.peers)}).encode())
        else:
            await stream.send_message(data[::-1])

    async def stream(self, stream: Any) -> None:
        async for data in stream:
            await stream.send_message(data[::-1])

    def __mapping__(self) -> dict[str, Any]:
        return {
            "/test.Echo/Once": Handler(self.once, Cardinality.UNARY_UNARY, bytes, bytes),
            "/test.Echo/Stream": Handler(self.stream, Cardinality.STREAM_STREAM, bytes, bytes),
        }


async def main() -> None:
    server = Server([Echo()], codec=Plain())
    await server.start("127.0.0.1", int(sys.argv[1]))
    sys.stdout.write("up\n")
    sys.stdout.flush()
    await server.wait_closed()


asyncio.run(main())
