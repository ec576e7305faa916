"""A store in memory that tells what it is given, and lets a test act while it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from neuro_client.artifacts.capture import CaptureFile


class Kept:
    """Keep captured files; ``meanwhile`` is awaited before each is read."""

    def __init__(self, meanwhile: Callable[[CaptureFile], Awaitable[None]] | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.stamps: dict[str, str] = {}
        self.active: set[str] = set()
        self._meanwhile = meanwhile
        self._news = asyncio.Condition()

    async def put(self, file: CaptureFile) -> None:
        self.puts.append(file.key)
        self.active.add(file.key)
        try:
            await self._tell()
            if self._meanwhile is not None:
                await self._meanwhile(file)
            async with file.chunks() as chunks:
                content = b"".join([piece async for piece in chunks])
            assert len(content) == file.size
            self.files[file.key] = content
            self.stamps[file.key] = file.stamp
        finally:
            self.active.discard(file.key)
        await self._tell()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what the store has fulfils a condition."""
        async with self._news:
            await self._news.wait_for(condition)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()
