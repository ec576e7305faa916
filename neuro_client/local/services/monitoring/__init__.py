"""The monitoring service (platform-monitoring): what goes on in jobs, what reaches in."""

from __future__ import annotations

from aiohttp import web

from ..base import Platform, Service
from .control import ControlHandlers
from .logs import LogHandlers
from .ports import PortHandler
from .saving import SaveHandler
from .streams import StreamHandlers
from .top import TopHandler

_ROOT = "/api/v1/monitoring/{cluster}/jobs"


def create(platform: Platform) -> Service:
    """Describe the service."""
    logs = LogHandlers(platform)
    control = ControlHandlers(platform)
    streams = StreamHandlers(platform)
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
            web.get(one + "/attach", streams.attach, allow_head=False),
            web.get(one + "/exec", streams.exec, allow_head=False),
            web.get(one + "/port_forward/{port}", PortHandler(platform).forward, allow_head=False),
            web.post(one + "/save", SaveHandler(platform).save),
        ],
    )
