"""Transforms: what was asked for is recorded; given Python code runs in a process of its own (§14).

The stand-in runs no containers. A transform that came as code, or as a class in the environment of
its runtime, is run on each object by ``transform_process.py``; another one cannot be run.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web

from . import checksums
from .bodies import store_bytes
from .content import Content
from .errors import AISError, not_found, unsupported
from .models import Bucket, Object

RUNNING, ABORTED = "Running", "Aborted"
_PROGRAM = Path(__file__).with_name("transform_process.py")
_TAIL = 2000
_CLASS = "ETL_CLASS_PAYLOAD"


@attrs.define(eq=False)
class Etl:
    """Hold a transform; ``given`` is the body it came with."""

    name: str
    given: Mapping[str, Any]
    job: str
    stage: str = RUNNING
    objects: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    errors: list[dict[str, Any]] = attrs.field(factory=list)
    log: str = ""

    @property
    def instructions(self) -> dict[str, Any] | None:
        """Return what a process needs to run it; None if it cannot be run here."""
        if code := self.given.get("code"):
            return {
                "code": code,
                "io": str(self.given.get("communication", "")).startswith("io"),
                "chunk_size": self.given.get("chunk_size") or 0,
                "function": (self.given.get("funcs") or {}).get("transform", "transform"),
            }
        runtime = self.given.get("runtime")
        variables = runtime.get("env") if isinstance(runtime, Mapping) else None
        for variable in variables or []:
            if variable.get("name") == _CLASS:
                return {"class": variable.get("value", "")}
        return None


class Transforms:
    """Find and run transforms."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster

    def need(self, name: str, status: int = 404) -> Etl:
        """Return a transform that runs."""
        if not self._cluster.etl:
            raise unsupported("ETL is not supported by this server", status)
        etl: Etl | None = self._cluster.etls.get(name)
        if etl is None:
            raise not_found(f"etl job {name}")
        if etl.stage != RUNNING:
            raise AISError(404, f"etl job {name} is not running", "ErrNotFound")
        return etl

    async def inline(self, request: web.Request, name: str, data: bytes) -> bytes:
        """Transform what a request is about; a pipeline of others may follow."""
        names = [name, *filter(None, request.query.get("etl_pipeline", "").split(","))]
        path = request.path.partition("/objects/")[2]
        for one in names:
            etl = self.need(one, 501)
            data = await self.run(etl, data, path, request.query.get("etl_args", ""))
        return data

    async def run(self, etl: Etl, data: bytes, path: str, arguments: str = "") -> bytes:
        """Transform bytes; 500 with the end of what the code said if it fails."""
        instructions = etl.instructions
        if instructions is None:
            raise AISError(
                500,
                f"etl job {etl.name}: the local platform runs no containers, only Python code that "
                "comes with the transform",
                "ErrETL",
            )
        process = await asyncio.create_subprocess_exec(
            self._cluster.etl_python or sys.executable,
            str(_PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
        )
        head = json.dumps({**instructions, "path": path, "arguments": arguments}).encode()
        try:
            out, told = await process.communicate(head + b"\n" + data)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = told.decode("utf-8", "replace")[-_TAIL:]
        etl.log = (etl.log + text)[-_TAIL:]
        if process.returncode:
            etl.errors.append({"obj_name": path, "msg": text, "ecode": 500})
            raise AISError(500, f"etl job {etl.name} failed on {path}: {text}", "ErrETL")
        etl.objects += 1
        etl.bytes_in += len(data)
        etl.bytes_out += len(out)
        return out

    async def copy(
        self, source: Bucket, found: Object, target: Bucket, name: str, etls: Sequence[str]
    ) -> Object:
        """Copy an object, through transforms if there are any."""
        if not etls:
            return await self._content.copy(source, found, target, name)
        data = await self._content.read(source, found)
        for one in etls:
            data = await self.run(self.need(one), data, f"{source.bck.name}/{found.name}")
        return await self.store(target, name, data)

    async def store(self, target: Bucket, name: str, data: bytes) -> Object:
        """Write bytes as an object."""
        kind = target.checksum_type
        digests = {kind: checksums.new(kind)}
        received = await asyncio.to_thread(store_bytes, self._content.files, data, digests)
        return await self._content.write(target, name, received.body(kind))


def as_text(value: str) -> str:
    """Return what a log endpoint gives for a text."""
    return base64.b64encode(value.encode()).decode()
