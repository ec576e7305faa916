"""The monitoring service (platform-monitoring): logs, telemetry, signals and capacity."""

from __future__ import annotations

from aiohttp import web

from ..base import Platform, Service
from .control import ControlHandlers
from .logs import LogHandlers
from .top import TopHandler

_ROOT = "/api/v1/monitoring/{cluster}/jobs"


def create(platform: Platform) -> Service:
    """Describe the service."""
    logs = LogHandlers(platform)
    control = ControlHandlers(platform)
    one = _ROOT + "/{id}"
    return Service(
        name="monitoring",
        routes=[
            web.get(_ROOT + "/capacity", control.capacity, allow_head=False),
            web.post(_ROOT + "/available", control.capacity),
            web.get(one + "/log_ws", logs.websocket, allow_head=False),
            web.get(one + "/log", logs.plain, allow_head=False),
            web.delete(one + "/log", logs.delete),
            web.get(one + "/top", TopHandler(platform).answer, allow_head=False),
            web.post(one + "/kill", control.kill),
        ],
    )
