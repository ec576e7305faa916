"""The platform under attack, in a process of its own, and raw exchanges with it.

Nothing here goes through an HTTP client: those would mend what is sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import attrs

PATIENCE = 10.0
"""Seconds after which a request counts as hung."""
_PAUSE = 0.3
"""Seconds after which a sender gives up on a platform that waits for more."""
_LEFT = "ClientConnectionResetError"
ROOT = Path(__file__).parents[3]
# What each user keeps, and what lies beside the data; none may turn up where it does not belong.
OTHERS_SECRET = b"canary-of-the-other-user"
OUTSIDE_SECRET = b"canary-beside-the-data"


@attrs.frozen
class Answer:
    """Hold one answer; ``raw`` is all that came, head included."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    @property
    def json(self) -> Any:
        """Return the body as JSON; it must be declared as such."""
        assert self.headers["content-type"].startswith("application/json"), self.raw
        return json.loads(self.body)


@attrs.frozen
class Target:
    """Know the platform: its port, its data, what is beside them, and the users' tokens."""

    port: int
    tokens: dict[str, str]
    data: Path
    log: Path

    @classmethod
    @contextmanager
    def start(cls, folder: Path, *, jobs: int) -> Iterator[Self]:
        """Run a platform with its data in ``folder/data``, and canaries all around.

        Each user may have so many unfinished ``jobs``.
        """
        log, data = folder.with_name(f"{folder.name}.log"), folder / "data"
        program = ["-W", "default", "-m", "tests.adversity.platform.serve"]
        command = [sys.executable, *program, str(data), str(jobs)]
        home = folder.with_name(f"{folder.name}.home")
        home.mkdir()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "HOME": str(home)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = json.loads(process.stdout.readline() or log.read_text())
            target = cls(said["port"], said["tokens"], data, log)
            target.lay_canaries()
            yield target
            process.stdin.close()
            assert process.wait(30) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            _remove(folder)

    def home(self, username: str) -> Path:
        """Return a user's home on the cluster that is attacked."""
        return self.data / "storage" / "default" / username

    def lay_canaries(self) -> None:
        """Put secrets where nobody may get at them, and what tells that all is well."""
        for path in (self.data.parent / "canary", self.data / "canary"):
            path.write_bytes(OUTSIDE_SECRET)
        self.home("other").joinpath("secret").write_bytes(OTHERS_SECRET)
        self.data.joinpath("storage/second/user/well").write_bytes(b"well")

    def clear_home(self) -> None:
        """Leave one plain file in the user's home."""
        home = self.home("user")
        _remove(home)
        home.mkdir()
        home.joinpath("plain").write_bytes(b"plain text")

    def around(self) -> dict[str, tuple[int, int, bytes]]:
        """Describe what no request of the user's may change: outside, and the other's homes."""
        found = {}
        storage = self.data / "storage"
        homes = [storage / name / "other" for name in ("default", "second")]
        homes += [storage / name / "acme" / "other" for name in ("default", "second")]
        watched = [self.data.parent, *homes]
        for top in watched:
            for place, folders, names in os.walk(top):
                if Path(place) == top == self.data.parent:
                    folders.remove(self.data.name)
                for path in (Path(place, name) for name in (".", *names)):
                    status = path.lstat()
                    content = path.read_bytes() if path.is_file() else b""
                    found[str(path)] = (status.st_mtime_ns, status.st_mode, content)
        for path in (self.data, storage):
            names = sorted(name for name in os.listdir(path) if not name.startswith("state.db"))
            found[f"{path}/*"] = (0, 0, "\n".join(names).encode())
        return found

    def head(
        self, method: str, path: str, *lines: str, user: str | None = "user", host: str = "x"
    ) -> bytes:
        """Return the first lines of a request, to be followed by a body."""
        sent = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
        if user is not None:
            sent.append(f"Authorization: Bearer {self.tokens[user]}")
        return "\r\n".join([*sent, "", ""]).encode("utf-8", "surrogateescape")

    async def send(self, request: bytes, *, finish: bool = False) -> list[Answer]:
        """Send bytes, and return the answers once the platform hangs up.

        With ``finish`` the sender gives up on a platform that waits for more.
        """
        received = bytearray()
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)

            async def receive() -> None:
                with suppress(ConnectionError):
                    while chunk := await reader.read(2**16):
                        received.extend(chunk)

            try:
                async with asyncio.TaskGroup() as group:
                    receiving = group.create_task(receive())
                    # The platform may refuse and hang up before it has read everything.
                    with suppress(ConnectionError):
                        writer.write(request)
                        await writer.drain()
                        if finish and not (await asyncio.wait([receiving], timeout=_PAUSE))[0]:
                            writer.write_eof()
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
        return list(answers(bytes(received)))

    async def call(
        self,
        method: str,
        path: str,
        *lines: str,
        user: str | None = "user",
        host: str = "x",
        body: bytes = b"",
    ) -> Answer:
        """Send one well-formed request and return its one answer."""
        if body:
            lines = (*lines, f"Content-Length: {len(body)}")
        [answer] = await self.send(self.head(method, path, *lines, user=user, host=host) + body)
        return answer

    async def check_well(self, mark: int) -> None:
        """Fail unless the platform serves as ever, and has logged no trouble since ``mark``."""
        answer = await self.call("GET", "/api/v1/storage/second/user/well")
        assert (answer.status, answer.body) == (200, b"well"), answer.raw
        await asyncio.to_thread(self.check_log, mark)

    def check_log(self, mark: int) -> None:
        """Fail if the platform has logged trouble since the log was ``mark`` bytes long."""
        text = self.log.read_bytes()[mark:].decode("utf-8", "replace")
        for trouble in ("never retrieved", "never awaited", "ResourceWarning", "Unclosed"):
            assert trouble not in text, text
        for trace in text.split("Traceback (most recent call last):\n")[1:]:
            # The HTTP library logs what it cannot parse, and who has left; that is no trouble of
            # the platform's.
            last = next(line for line in trace.splitlines() if not line.startswith(" "))
            assert "_request_parser.feed_data(" in trace or _LEFT in last, trace


def _remove(folder: Path) -> None:
    """Remove a tree that may be deeper than Python can go."""
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def answers(received: bytes) -> Iterator[Answer]:
    """Split what a connection carried into answers; all of it must be HTTP."""
    while received:
        head, separator, rest = received.partition(b"\r\n\r\n")
        assert separator, received
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        version, status, *_ = first.split(" ", 2)
        assert re.fullmatch(r"HTTP/\d\.\d", version), received
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon, received
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body, left = _unchunked(rest)
        else:
            size = int(headers.get("content-length", "0"))
            body, left = rest[:size], rest[size:]
        yield Answer(int(status), headers, body, received[: len(received) - len(left)])
        received = left


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body += data[:length]
        data = data[length + 2 :]
        if not length:
            return body, data
