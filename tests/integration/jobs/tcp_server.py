"""A server inside a job: gives back what it gets, and how much that was once it is all there."""

import asyncio
import os
import sys


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    total = 0
    while data := await reader.read(65536):
        total += len(data)
        writer.write(data)
        await writer.drain()
    writer.write(f"|{total}".encode())
    await writer.drain()
    writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", int(os.environ["PORT"]))
    sys.stdout.write("up\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


asyncio.run(main())
