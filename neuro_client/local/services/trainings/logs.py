"""The logs of trainings, which the cluster's own API serves (runai-trainings.md §7.8).

Without a ``pod`` the log is that of the first place of the training: all its pods and their runs,
one after another, so that its times only grow.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

import attrs
from aiohttp import web

from ...runners.records import RecordReader
from ..base import Platform
from ..monitoring.sockets import send_all
from .answers import Refusal, moment
from .calls import Call, may
from .control import TrainingControl
from .filters import boolean, number
from .ledger import WATCHED
from .models import STOPPED, Pod, Workload
from .render import FRAMEWORK, TYPE

_FIRST_PAUSE, _LAST_PAUSE = 0.02, 0.25
_ENDLESS = 2**53


@attrs.frozen
class Options:
    """What a reader asked for."""

    pod: str | None
    follow: bool
    timestamps: bool
    previous: bool
    since: float | None
    tail: int | None
    limit: int


def options(query: Mapping[str, str]) -> Options:
    """Read the query; raises 400."""
    since = None
    if query.get("sinceTime"):
        since = moment(query["sinceTime"], "sinceTime")
    elif query.get("since"):
        since = time.time() - number(query, "since", 0, 0, _ENDLESS)
    tail = number(query, "tail", 0, 0, _ENDLESS) if query.get("tail") else None
    return Options(
        pod=query.get("pod") or None,
        follow=boolean(query, "follow"),
        timestamps=boolean(query, "timestamps"),
        previous=boolean(query, "previous"),
        since=since,
        tail=tail,
        limit=number(query, "limitBytes", _ENDLESS, 1, _ENDLESS),
    )


class ClusterApi:
    """Answer requests to the API of a cluster."""

    def __init__(self, platform: Platform, control: TrainingControl) -> None:
        self._platform = platform
        self._control = control

    async def status(self, call: Call) -> web.Response:
        """Tell that the cluster is there."""
        return web.json_response({"status": "OK"})

    async def logs(self, call: Call) -> web.StreamResponse:
        """Send the log over a WebSocket, or as text where none is asked for."""
        stream = await self._stream(call, options(call.query))
        async with aclosing(stream) as chunks:
            if call.request.headers.get("Upgrade", "").lower() == "websocket":
                return await send_all(call.request, chunks)
            return await _send_text(call.request, chunks, {})

    async def download(self, call: Call) -> web.StreamResponse:
        """Send the log as a file."""
        wanted = attrs.evolve(options(call.query), follow=False)
        stream = await self._stream(call, wanted)
        name = f'attachment; filename="{call.parts["name"]}.log"'
        async with aclosing(stream) as chunks:
            return await _send_text(call.request, chunks, {"Content-Disposition": name})

    async def _stream(self, call: Call, wanted: Options) -> AsyncGenerator[bytes, None]:
        parts = call.parts
        project = self._control.org.project_named(parts["project"])
        if project is None or (parts["type"], parts["framework"]) != (TYPE, FRAMEWORK):
            raise Refusal(404, f"There is no {call.request.path}")
        may(call.caller, project.id, change=False)
        workload = await self._control.store.named(project.id, parts["name"])
        if workload is None:
            raise Refusal(404, f"There is no workload {parts['name']} in {project.name}")
        workload = self._control.ledger.live.get(workload.id, workload)
        if call.query.get("container", workload.name) not in ("", workload.name):
            raise Refusal(404, f"There is no container {call.query['container']}")
        if wanted.pod is not None and not _chosen(workload, wanted):
            raise Refusal(404, f"Workload {workload.name} has no pod {wanted.pod}")
        return LogStream(self._platform, self._control, workload.id, wanted).chunks()


async def _send_text(
    request: web.Request, chunks: AsyncGenerator[bytes, None], headers: Mapping[str, str]
) -> web.StreamResponse:
    kind = {"Content-Type": "text/plain; charset=utf-8"}
    response = web.StreamResponse(headers={**kind, **headers})
    response.enable_chunked_encoding()
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


class LogStream:
    """Produce the text of one reader at the reader's own pace."""

    def __init__(
        self, platform: Platform, control: TrainingControl, workload_id: str, wanted: Options
    ) -> None:
        self._platform = platform
        self._control = control
        self._id = workload_id
        self._wanted = wanted
        self._line_open = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the text that was asked for, no more than the limit."""
        left = self._wanted.limit
        async with aclosing(self._tail()) as texts:
            async for text in texts:
                if text:
                    yield text[:left]
                left -= len(text)
                if left <= 0:
                    return

    async def _tail(self) -> AsyncGenerator[bytes, None]:
        """Yield the last lines of what is there, then what comes."""
        tail = self._wanted.tail
        kept: deque[bytes] | None = None if tail is None else deque([b""], maxlen=tail + 1)
        async with aclosing(self._all()) as texts:
            async for text in texts:
                if kept is None:
                    if text:
                        yield text
                elif text:
                    first, *lines = text.split(b"\n")
                    kept[-1] += first
                    kept.extend(lines)
                else:
                    yield _last(kept)
                    kept = None
        if kept is not None:
            yield _last(kept)

    async def _all(self) -> AsyncGenerator[bytes, None]:
        """Yield the text of all runs; nothing at all, once, when the present is reached."""
        state = self._platform.state
        done, caught_up = 0, False
        async with state.watch(WATCHED, self._id) as changes:
            while (workload := await self._control.ledger.get(self._id)) is not None:
                runs = _runs(workload, self._wanted)
                if done < len(runs):
                    async for text in self._run(*runs[done]):
                        if text or not caught_up:
                            yield text
                        caught_up = caught_up or not text
                    # A run that an earlier platform only meant to start is started again.
                    again = await self._control.ledger.get(self._id)
                    done += again is None or runs[done] in _runs(again, self._wanted)
                elif not self._wanted.follow or self._is_over(workload):
                    return
                else:
                    if not caught_up:
                        yield b""
                        caught_up = True
                    await anext(changes)

    def _is_over(self, workload: Workload) -> bool:
        if workload.gone or self._wanted.previous:
            return True
        pods = _chosen(workload, self._wanted)
        if any(self._control.pods.attended(pod.id) for pod in pods):
            return False
        if self._wanted.pod is not None:
            return all(pod.finished for pod in pods)
        return workload.finished or workload.phase == STOPPED

    async def _run(self, pod_id: str, run_id: str, run: int) -> AsyncGenerator[bytes, None]:
        """Yield the text of one run until it has ended and all is read."""
        reader = RecordReader(
            self._control.pods.runner.log_path(run_id, run),
            self._wanted.timestamps,
            self._wanted.since,
        )
        pause, fresh = _FIRST_PAUSE, True
        while True:
            ended = not self._writes(pod_id, run)
            text = await asyncio.to_thread(reader.read)
            if text:
                if fresh and self._line_open:  # the run before ended inside a line
                    yield b"\n"
                yield text
                fresh, self._line_open = False, reader.line_open
                pause = _FIRST_PAUSE
            elif text is None:
                if ended or not self._wanted.follow:
                    return
                yield b""
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, _LAST_PAUSE)

    def _writes(self, pod_id: str, run: int) -> bool:
        workload = self._control.ledger.live.get(self._id)
        pod = None if workload is None else workload.pod(pod_id)
        present = pod is not None and pod.run == run
        return present and self._control.pods.attended(pod_id)


def _chosen(workload: Workload, wanted: Options) -> list[Pod]:
    if wanted.pod is not None:
        return [pod for pod in workload.pods if wanted.pod in (pod.name, pod.id)]
    return [pod for pod in workload.pods if pod.index == 0]


def _runs(workload: Workload, wanted: Options) -> list[tuple[str, str, int]]:
    """List the runs whose text is wanted: pod, name at the runner, number."""
    found = [
        (pod.id, pod.run_id, run) for pod in _chosen(workload, wanted) for run in range(pod.run + 1)
    ]
    return found[-2:-1] if wanted.previous else found


def _last(kept: deque[bytes]) -> bytes:
    """Join lines; the last one is what follows the final line feed."""
    lines = list(kept)
    return b"\n".join(lines[1:] if lines[-1] and len(lines) == kept.maxlen else lines)
