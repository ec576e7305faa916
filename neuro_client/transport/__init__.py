"""The request path to any HTTP service; the only place where the HTTP library is used."""

from .answer import Answer
from .auth import Credentials, FixedCredentials
from .client import Body, Options, Params, Transport
from .mapping import (
    Failure,
    MapError,
    build_error,
    map_error,
    never_connected,
    redact,
    retry_after,
    status_class,
)
from .session import DEFAULT_TIMEOUT, ClientSession, ClientTimeout, TraceConfig, open_session
from .websocket import WebSocket

__all__ = [
    "DEFAULT_TIMEOUT",
    "Answer",
    "Body",
    "ClientSession",
    "ClientTimeout",
    "Credentials",
    "Failure",
    "FixedCredentials",
    "MapError",
    "Options",
    "Params",
    "TraceConfig",
    "Transport",
    "WebSocket",
    "build_error",
    "map_error",
    "never_connected",
    "open_session",
    "redact",
    "retry_after",
    "status_class",
]
