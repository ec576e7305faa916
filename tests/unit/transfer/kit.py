"""Stores that fail on purpose, an observer that writes down what it is told, sample trees."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from yarl import URL

from neuro_client.concurrency import scoped_iterator
from neuro_client.retry import RetryPolicy
from neuro_client.transfer import (
    AbstractRecursiveFileProgress,
    Body,
    Chunk,
    MemoryStore,
    ObjectStore,
    Part,
    Side,
    StorageProgressComplete,
    StorageProgressEnterDir,
    StorageProgressFail,
    StorageProgressLeaveDir,
    StorageProgressStart,
    StorageProgressStep,
    TransferOptions,
    Upload,
)
from neuro_client.transfer.store import Announce

QUICK = RetryPolicy(attempts=4, base=0.0001, cap=0.001)


def options(**values: object) -> TransferOptions:
    """Return options with small parts and no waiting."""
    return TransferOptions(**{"part_size": 1000, "retry": QUICK, **values})  # type: ignore[arg-type]


def side(store: ObjectStore, key: str = "", scheme: str = "memory", place: str = "") -> Side:
    """Return a store as an end of a transfer; one with a *place* keeps a journal."""
    base = URL(f"{scheme}://host/") / key if key else URL(f"{scheme}://host")

    def url(path: str) -> URL:
        return base / path if path else base

    return Side(store, key, url, url, place=place)


class Diary(AbstractRecursiveFileProgress):
    """Write every event down."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def start(self, data: StorageProgressStart) -> None:
        self.events.append(("start", data))

    def complete(self, data: StorageProgressComplete) -> None:
        self.events.append(("complete", data))

    def step(self, data: StorageProgressStep) -> None:
        self.events.append(("step", data))

    def enter(self, data: StorageProgressEnterDir) -> None:
        self.events.append(("enter", data))

    def leave(self, data: StorageProgressLeaveDir) -> None:
        self.events.append(("leave", data))

    def fail(self, data: StorageProgressFail) -> None:
        self.events.append(("fail", data))

    def names(self, *kinds: str) -> list[tuple[str, str]]:
        """Return kind and source path of the events, all or of some kinds."""
        return [
            (kind, data.src.path.lstrip("/"))  # type: ignore[attr-defined]
            for kind, data in self.events
            if not kinds or kind in kinds
        ]

    def check(self) -> None:
        """Check the order that holds for every transfer (storage.md §13.5)."""
        open_dirs: set[str] = set()
        files: dict[str, int] = {}
        busy: set[str] = set()
        for kind, data in self.events:
            path = data.src.path  # type: ignore[attr-defined]
            parent = path.rpartition("/")[0]
            if kind == "enter":
                assert not open_dirs or parent in open_dirs or (parent or "/") in open_dirs, path
                open_dirs.add(path)
            elif kind == "leave":
                assert not [other for other in open_dirs if other.startswith(f"{path}/")], path
                assert not [name for name in busy if name.startswith(f"{path}/")], path
                open_dirs.remove(path)
            elif kind == "fail":
                assert not [name for name in files if name.rpartition("/")[0] == parent], path
            elif kind == "start":
                assert path not in files, path
                files[path] = 0
                busy.add(path)
            elif kind == "step":
                assert isinstance(data, StorageProgressStep)
                assert files[path] < data.current <= data.size, path
                files[path] = data.current
            else:
                assert isinstance(data, StorageProgressComplete)
                assert files[path] == data.size, path
                busy.remove(path)


class FlakyStore(MemoryStore):
    """Raise what `fail` says before or within a call; count the calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.fail: Callable[[str, str, int], Exception | None] = lambda what, key, n: None

    def _called(self, what: str, key: str) -> None:
        self.calls[what] += 1
        error = self.fail(what, key, self.calls[what])
        if error is not None:
            raise error

    @scoped_iterator
    async def get(
        self, key: str, *, start: int = 0, end: int | None = None, version: str | None = None
    ) -> AsyncIterator[Chunk]:
        self._called("get", key)
        async with super().get(key, start=start, end=end, version=version) as chunks:
            async for chunk in chunks:
                for offset in range(0, len(chunk), 100):
                    yield chunk[offset : offset + 100]
                    self._called("chunk", key)

    async def put(self, key: str, body: bytes) -> None:
        self._called("put", key)
        await super().put(key, body)

    async def begin(
        self, key: str, size: int, *, keep: int = 0, announce: Announce | None = None
    ) -> Upload:
        self._called("begin", key)
        return await super().begin(key, size, keep=keep, announce=announce)

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        self._called("put_part", upload.key)
        part = await super().put_part(upload, number, offset, body)
        self._called("stored", upload.key)
        return part

    async def make_dir(self, key: str) -> None:
        self._called("make_dir", key)
        await super().make_dir(key)


def content(size: int) -> bytes:
    """Return bytes that do not repeat with the part size."""
    return bytes(range(251)) * (size // 251) + bytes(range(size % 251))


def plant(root: Path, tree: dict[str, bytes | None]) -> Path:
    """Write files; None makes a directory."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in tree.items():
        path = root / name
        if data is None:
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return root


def grown(root: Path) -> dict[str, bytes | None]:
    """Read what `plant` writes; directories that have children are left out."""
    found: dict[str, bytes | None] = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            found[path.relative_to(root).as_posix()] = path.read_bytes()
        elif not any(path.iterdir()):
            found[path.relative_to(root).as_posix()] = None
    return found
