"""Trace ids of the platform: one id for a client or for a request, a fresh span for each request.

Facts: config-and-auth.md §1 (tracing headers, trace id format).
"""

from __future__ import annotations

import random
import time
from contextvars import ContextVar

current_trace_id: ContextVar[str | None] = ContextVar("neuro_client_trace_id", default=None)
"""Trace id for requests of the current task and its children; None gives each request its own."""


def gen_trace_id() -> str:
    """Return 32 hex digits of which the first 8 are the current Unix time in seconds."""
    # Ids must differ, not be secret; the system's generator costs more than the rest of a request's
    # headers.
    return f"{int(time.time()) & 0xFFFFFFFF:08x}{random.getrandbits(96):024x}"


def trace_headers(trace_id: str | None = None, sampled: bool | None = None) -> dict[str, str]:
    """Build the tracing headers of one request.

    The id is the given one, else the task's ``current_trace_id``, else a fresh one. ``sampled``
    None leaves the decision to the server.
    """
    trace = trace_id or current_trace_id.get() or gen_trace_id()
    span = f"{random.getrandbits(64):016x}"
    decision = "" if sampled is None else str(int(sampled))
    return {"b3": f"{trace}-{span}", "sentry-trace": f"{trace}-{span}-{decision}"}
