"""What the contenders are measured in: a platform, the ways to it, and files to move."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import psutil
from yarl import URL

from neuro_client.testing.login import login

ROOT = Path(__file__).parents[2]
LOOPBACK = "loopback"
DISTANT = "20 ms"
LINKS = (LOOPBACK, DISTANT)
_ONE_WAY = "0.01"
_START_TIME = 60.0
_YEAR = 365 * 86400


@attrs.frozen
class Link:
    """Name a way to the platform, with a login that leads along it."""

    name: str
    api: URL
    config: Path


@attrs.frozen
class World:
    """Hold a running platform and the ways to it; ``folder`` is for files."""

    folder: Path
    ready: dict[str, Any]
    process: psutil.Process
    links: dict[str, Link]

    @property
    def token(self) -> str:
        """Return the user's token."""
        return str(self.ready["token"])

    def home(self, link: Link) -> str:
        """Return the URL of the user's home on the storage."""
        return f"{link.api}/storage/{self.ready['cluster']}/{self.ready['username']}"

    def platform_cpu(self) -> float:
        """Return the seconds of processor that the platform has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def call(self, method: str, path: str, query: str) -> bytes:
        """Ask the storage service directly, outside of what is measured."""
        request = urllib.request.Request(
            f"{self.home(self.links[LOOPBACK])}/{path}?{query}",
            method=method,
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request) as answer:
            content: bytes = answer.read()
            return content

    def remove(self, path: str) -> None:
        """Remove a file or a tree from the storage."""
        self.call("DELETE", path, "op=DELETE&recursive=true")

    def remote_content(self, path: str) -> tuple[int, int]:
        """Return how many files there are below a path of the storage, and their bytes."""
        status = json.loads(self.call("GET", path, "op=GETFILESTATUS"))["FileStatus"]
        if status["type"] == "FILE":
            return 1, int(status["length"])
        files = size = 0
        listing = json.loads(self.call("GET", path, "op=LISTSTATUS"))
        for item in listing["FileStatuses"]["FileStatus"]:
            more = (1, item["length"])
            if item["type"] == "DIRECTORY":
                more = self.remote_content(f"{path}/{item['path']}")
            files, size = files + more[0], size + more[1]
        return files, size


def local_content(path: Path) -> tuple[int, int]:
    """Return how many files there are at a path, and their bytes."""
    found = [path] if path.is_file() else [item for item in path.rglob("*") if item.is_file()]
    return len(found), sum(item.stat().st_size for item in found)


def remove_local(path: Path) -> None:
    """Remove a file or a tree."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def make_tree(folder: Path, files: int, folders: int, sizes: Sequence[int]) -> Path:
    """Write ``files`` files of random content and old age, evenly over ``folders`` folders."""
    chance = random.Random(files)
    old = time.time() - _YEAR
    for number in range(files):
        place = folder / f"folder-{number % folders}"
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"file-{number}"
        path.write_bytes(chance.randbytes(chance.choice(sizes)))
        os.utime(path, (old, old))
    return folder


def make_file(path: Path, size: int) -> Path:
    """Write a file of random content, the same MiB again and again."""
    block = random.Random(size).randbytes(2**20)
    with open(path, "wb") as file:
        for offset in range(0, size, len(block)):
            file.write(block[: size - offset])
    return path


@contextmanager
def world(links: Sequence[str] = LINKS, *, where: str | None = None) -> Iterator[World]:
    """Start a platform in a process of its own, and a proxy that stands for the distance."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=where) as name:
        folder = Path(name)
        with _platform(folder) as (process, ready):
            api = URL(ready["api_url"])
            ways = {LOOPBACK: api}
            with _proxy(api) as distant:
                if DISTANT in links:
                    ways[DISTANT] = distant
                yield World(
                    folder,
                    ready,
                    psutil.Process(process.pid),
                    {name: _link(folder, ready, name, url) for name, url in ways.items()},
                )


def _link(folder: Path, ready: dict[str, Any], name: str, url: URL) -> Link:
    config = folder / f"login {name}"
    asyncio.run(login(ready, config, through=url))
    return Link(name, url, config)


@contextmanager
def _platform(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    ready = folder / "ready.json"
    command = [sys.executable, "-m", "neuro_client.local", "up", "--port", "0"]
    command += ["--data", str(folder / "platform"), "--ready-file", str(ready)]
    with started(command) as process:
        deadline = time.monotonic() + _START_TIME
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The platform did not start")
            time.sleep(0.02)
        yield process, json.loads(ready.read_text("utf-8"))


@contextmanager
def _proxy(api: URL) -> Iterator[URL]:
    command = [sys.executable, "-m", "neuro_client.testing.proxy", str(api), "--delay", _ONE_WAY]
    with started(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield URL(process.stdout.readline().decode().strip())


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block is left."""
    options.setdefault("stdout", subprocess.DEVNULL)
    process = subprocess.Popen(command, cwd=ROOT, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
