"""What a running job uses, as messages of one WebSocket (jobs.md §7)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ProtocolError
from ..transport import Transport
from .models import JobTelemetry
from .wire import decode_telemetry


@scoped_iterator
async def stream_telemetry(
    transport: Transport, url: URL, job_id: str
) -> AsyncIterator[JobTelemetry]:
    """Yield telemetry until the server closes the socket.

    Raises:
        ValueError: the socket closed before the first message.
        RuntimeError: a message is binary.
    """
    received = False
    async with transport.websocket(url) as socket:
        while (message := await socket.receive()) is not None:
            if not isinstance(message, str):
                raise RuntimeError(
                    f"The telemetry of job {job_id} holds a binary message; "
                    "something other than the monitoring service answered"
                )
            if message:
                received = True
                yield decode_telemetry(_load(message, job_id))
    if not received:
        raise ValueError(
            f"Job {job_id} gives no telemetry because it is not running; "
            "see client.jobs.status() for its state"
        )


def _load(message: str, job_id: str) -> object:
    try:
        decoded: object = json.loads(message)
    except ValueError:
        raise ProtocolError(
            f"A telemetry message of job {job_id} with {len(message)} characters is not JSON"
        ) from None
    return decoded
