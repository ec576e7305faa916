"""Runs in memory, on a real platform: what its pages show is known to the letter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from aiohttp import web

from neuro_client.local import LocalPlatform, services
from neuro_client.local.pages import (
    Meter,
    PageFile,
    PageRefusal,
    PageRow,
    Pages,
    RunPage,
    add_pages,
)
from neuro_client.local.services.base import Platform, Service

BEGIN = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
NAME = "sample"
CONTENT = b"epoch,loss\n1,0.5\n"


@attrs.define
class Source:
    """Hold the runs of one user, the oldest first."""

    owner: str = "user"
    runs: dict[str, RunPage] = attrs.field(factory=dict)
    broken: str = ""

    def add(self, name: str, state: str = "running", **changes: object) -> str:
        """Add a run and return its id."""
        id = f"run {len(self.runs) + 1}"
        created = BEGIN + timedelta(hours=len(self.runs))
        run = RunPage(id=id, name=name, state=state, created=created)
        self.runs[id] = attrs.evolve(run, **changes)  # type: ignore[arg-type]
        return id

    async def list(self, user: str) -> Sequence[PageRow]:
        if self.broken:
            raise OSError(self.broken)
        if user != self.owner:
            return []
        rows = [PageRow(run.id, run.name, run.state, run.created) for run in self.runs.values()]
        return rows[::-1]

    async def read(self, user: str, id: str) -> RunPage:
        if user != self.owner:
            raise KeyError(id)
        return self.runs[id]

    async def submit_again(self, user: str, id: str) -> str:
        run = await self.read(user, id)
        if not run.can_submit_again:
            raise PageRefusal(f"{run.name} is still <running>")
        return self.add(run.name, "pending", can_submit_again=True)


@attrs.define
class Sample:
    """Be a service with pages, a listener of its own, and a file to download."""

    source: Source = attrs.field(factory=Source)
    found: Pages | None = None
    platform: LocalPlatform | None = None

    @property
    def pages(self) -> Pages:
        """Return the pages, which there are once the platform runs."""
        assert self.found is not None
        return self.found

    def create(self, platform: Platform) -> Service:
        """Build the service."""
        self.found = add_pages(
            "/dashboard",
            self.source,
            title="Samples",
            items="runs",
            platform=platform,
            base=lambda: platform.listener(NAME),
        )
        routes = [*self.pages.routes, web.get("/file.csv", self._file)]
        return Service(NAME, routes, own_listener=True, public=("/dashboard", "/file.csv"))

    async def _file(self, request: web.Request) -> web.Response:
        return web.Response(body=CONTENT, content_type="text/csv")

    def full(self) -> str:
        """Add a finished run with all that a page can show; return its id."""
        assert self.platform is not None
        file = str(self.platform.listener(NAME) / "file.csv")
        return self.source.add(
            "full & <b>bold</b>",
            "succeeded",
            finished=BEGIN + timedelta(minutes=5),
            log_tail="first\n<script>alert(1)</script>\nlast line",
            files=(
                PageFile("out/loss.csv", len(CONTENT), file),
                PageFile("odd", 5 * 2**30, "javascript:alert(1)"),
            ),
            meter=Meter(3 * 2**30, 4 * 2**30),
            can_submit_again=True,
            message="it was done",
        )


@asynccontextmanager
async def sample_platform(data: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Sample]:
    """Run a platform with the sample service among its own."""
    sample = Sample()
    patch.setattr(services, "SERVICES", (*services.SERVICES, sample.create))
    async with LocalPlatform(data, port=0) as platform:
        sample.platform = platform
        yield sample
