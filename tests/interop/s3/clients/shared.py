"""What the scenarios of all S3 clients share; runs in their environments, not in ours."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import sys
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MIB = 2**20
PART = 5 * MIB
ODD_KEYS = (
    "plain",
    "deep/er/key",
    "sp ace",
    "plus+and%41percent",
    "ünï/çødé/名前",
    "marks!'()*,;:@&=$~",
    "what?#then",
    "double//slash",
)


class Scenario:
    """Hold what a client is given; every method named ``step_…`` is one step."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.given = given
        self.endpoint = given["endpoint_url"]
        self.region = given["region_name"]
        self.bucket = given["bucket_name"]
        self.prefix = given["prefix"]
        self.source = Path(given["source"])
        self.folder = Path(given["folder"])
        self.folder.mkdir(parents=True)

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}"

    def local(self, name: str, content: bytes | None = None) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
        return path

    def body(self, size: int = 12 * MIB + 345) -> bytes:
        return os.urandom(size)


def tree(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def same(got: Any, wanted: Any) -> None:
    """Compare; long contents are not printed."""
    if got != wanted:
        short = [
            text if len(text) < 500 else f"{text[:500]}…" for text in (repr(got), repr(wanted))
        ]
        raise AssertionError(f"{short[0]}\n  instead of {short[1]}")


def plain_get(url: str, **headers: str) -> bytes:
    """Read an address as somebody without credentials."""
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return answer.read()


def plain_put(url: str, content: bytes) -> None:
    """Write to an address as somebody without credentials."""
    request = urllib.request.Request(url, content, method="PUT")
    with urllib.request.urlopen(request, timeout=30) as answer:
        same(answer.status, 200)


def refused_plainly(url: str, status: int) -> None:
    """Check that an address does not open."""
    try:
        plain_get(url)
    except urllib.error.HTTPError as error:
        same(error.code, status)
        return
    raise AssertionError(f"{url} opened")


@contextlib.contextmanager
def expected(kind: type[BaseException], *words: str) -> Any:
    """Check that a call fails, and with which words."""
    try:
        yield
    except kind as error:
        text = f"{error} {getattr(error, 'code', '')}"
        if not any(word in text for word in words):
            raise AssertionError(f"{text} names none of {words}") from error
        return
    raise AssertionError(f"no {kind.__name__} with {' or '.join(words)}")


def run(cls: type[Scenario]) -> None:
    """Run all steps of a scenario with what stands on the standard input; print what failed."""
    scenario = cls(json.load(sys.stdin))
    failed: dict[str, str] = {}
    steps = sorted(name for name in dir(scenario) if name.startswith("step_"))
    for name in steps:
        try:
            done = getattr(scenario, name)()
            if inspect.isawaitable(done):
                asyncio.run(done)
        except Exception:
            failed[name] = traceback.format_exc()
    json.dump({"steps": steps, "failed": failed}, sys.stdout)
