"""Move a tree when told to, and say what has arrived: ``python -m tests.adversity.mover``.

Arguments: upload, download or list; the config folder; a local folder; a URI of the storage, or of
a bucket for all but list. It
prints "ready", waits for a line, then prints "done PATH" for each file that was acknowledged, and
"end" or "failed KIND: MESSAGE". ``list`` lists until its input ends, and prints "seen PATH SIZE".
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from yarl import URL

from neuro_client import Client, NeuroError, TransferOptions, get
from neuro_client.storage import FileStatusType
from neuro_client.transfer import NullProgress, StorageProgressComplete

PARTS = TransferOptions(part_size=2**20, files=4)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Acknowledged(NullProgress):
    """Tell the path, below ``root`` on the platform, of each file that has arrived."""

    def __init__(self, root: URL, tell: list[str] | None = None) -> None:
        self._root = root.path
        self._list = tell

    def complete(self, data: StorageProgressComplete) -> None:
        """Take note of a file."""
        far = data.src if data.dst.scheme == "file" else data.dst
        path = far.path.partition(f"/{self._root}/")[2]
        if self._list is None:
            _say(f"done {path}")
        else:
            self._list.append(path)


async def move(
    client: Client, action: str, near: Path, far: URL, progress: NullProgress | None = None
) -> None:
    """Upload or download a tree."""
    there = client.buckets if far.scheme == "blob" else client.storage
    if action == "upload":
        await there.upload_dir(near, far, options=PARTS, progress=progress)
    else:
        await there.download_dir(far, near, options=PARTS, progress=progress)


async def _watch(client: Client, far: URL, ended: asyncio.Future[str]) -> None:
    """List the tree again and again, until told to end."""
    seen: set[str] = set()
    while not ended.done():
        pending = [(far, "")]
        while pending:
            folder, below = pending.pop()
            async with client.storage.list(folder) as entries:
                async for entry in entries:
                    path = below + entry.name
                    if entry.type is FileStatusType.DIRECTORY:
                        pending.append((folder / entry.name, f"{path}/"))
                    elif (line := f"seen {path} {entry.size}") not in seen:
                        seen.add(line)
                        _say(line)


async def _main(action: str, config: Path, near: Path, far: URL) -> int:
    loop = asyncio.get_running_loop()
    async with get(path=config) as client:
        _say("ready")
        await loop.run_in_executor(None, sys.stdin.readline)
        try:
            if action == "list":
                await _watch(client, far, loop.run_in_executor(None, sys.stdin.readline))
            else:
                await move(client, action, near, far, Acknowledged(far))
        except (NeuroError, OSError) as error:
            _say(f"failed {type(error).__name__}: {error}")
            return 1
    _say("end")
    return 0


if __name__ == "__main__":
    sys.exit(
        asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), URL(sys.argv[4])))
    )
