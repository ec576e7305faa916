"""Requests about tasks: create, read, list, cancel, logs (§4)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from .accounts import User
from .answers import Refusal, invalid, json_object, not_found, timestamp
from .control import TaskControl
from .models import Task
from .objects import Objects
from .submission import check_fields, check_workspace, job_path

_MOST = 1000


class Tasks:
    """Answer requests about tasks; each user sees his own."""

    def __init__(
        self,
        control: TaskControl,
        objects: Callable[[User], Awaitable[Objects]],
        now: Callable[[], float],
    ) -> None:
        self.control = control
        self.objects = objects
        self._now = now

    async def create(self, request: web.Request, user: User) -> web.Response:
        """Answer POST /api/tasks."""
        task = await self.submit(user, await json_object(request))
        return web.json_response(_as_task(task), status=201)

    async def submit(self, user: User, body: Mapping[str, Any]) -> Task:
        """Make a task of a request for one; raises 400."""
        fields = check_fields(body)
        shards = await check_workspace(fields, await self.objects(user))
        task = Task(
            id=str(uuid.uuid4()),
            username=user.username,
            name=fields["name"],
            path=job_path(fields),
            request=fields,
            shards=tuple(shards),
            created_at=self._now(),
        )
        await self.control.create(task)
        return task

    async def get(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/tasks/{id}."""
        return web.json_response(_as_task(await self._found(request, user, "task")))

    async def cancel(self, request: web.Request, user: User) -> web.Response:
        """Answer POST /api/tasks/{id}/cancel, an extension of the local platform."""
        task = await self._found(request, user, "task")
        try:
            ended = await self.control.cancel(task)
        except ValueError as error:
            raise Refusal(409, "conflict", str(error)) from None
        return web.json_response(_as_task(ended), status=202)

    async def logs(self, request: web.Request, user: User) -> web.StreamResponse:
        """Answer GET /api/tasks/{id}/logs, an extension; ranges of bytes can be asked for."""
        task = await self._found(request, user, "task")
        path = self.control.launcher.log(task)
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if not await asyncio.to_thread(path.is_file):
            return web.Response(headers=headers)
        return web.FileResponse(path, headers=headers)

    async def job(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/customer/dashboard/jobs/{id}."""
        return web.json_response(_as_job(await self._found(request, user, "job")))

    async def jobs(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/customer/dashboard/jobs, the newest first."""
        offset, limit = _number(request, "offset", 0), _number(request, "limit", _MOST)
        found = await self.control.store.page(user.username, offset, min(limit, _MOST))
        return web.json_response([_as_job(task) for task in found])

    async def jobs_nvflare(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/customer/dashboard/listJobsNvflare."""
        wanted = request.query.get("job_id", "")
        if wanted:
            task = await self.control.get(wanted, user.username)
            found = [] if task is None else [task]
        else:
            found = await self.control.store.page(user.username, 0, _MOST)
        detailed = request.query.get("detailed", "") == "true"
        return web.json_response({"jobs": [_as_nvflare(task, detailed) for task in found]})

    async def stats_nvflare(self, request: web.Request, user: User) -> web.Response:
        """Answer GET /api/customer/dashboard/showStatsNvflare."""
        if request.query.get("target_type", "server") not in ("server", "client"):
            raise invalid("target_type must be server or client")
        wanted = request.query.get("target_job_id") or request.query.get("job_id", "")
        task = await self.control.get(wanted, user.username)
        if task is None:
            raise not_found(f"job {wanted}")
        status = await self.control.launcher.status(task)
        return web.json_response(
            {name: status.get(name) for name in ("current_round", "num_rounds")}
        )

    async def _found(self, request: web.Request, user: User, what: str) -> Task:
        task_id = request.match_info["id"]
        task = await self.control.get(task_id, user.username)
        if task is None:
            raise not_found(f"{what} {task_id}")
        return task


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise invalid(f"{name} must be a whole number")
    return int(text)


def _times(task: Task) -> dict[str, Any]:
    return {
        "createdAt": timestamp(task.created_at),
        "startedAt": timestamp(task.started_at),
        "finishedAt": timestamp(task.finished_at),
        "reason": task.reason,
        "jobPath": task.path,
    }


def _as_task(task: Task) -> dict[str, Any]:
    return {"id": task.id, "name": task.name, "status": task.state, **_times(task)}


def _as_job(task: Task) -> dict[str, Any]:
    return {"jobId": task.id, "jobName": task.name, "state": task.shown, **_times(task)}


def _as_nvflare(task: Task, detailed: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"job_id": task.id}
    if detailed:
        told |= {
            "job_name": task.name,
            "status": task.state,
            "submit_time": timestamp(task.created_at),
        }
    return told
