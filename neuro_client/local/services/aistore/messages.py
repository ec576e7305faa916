"""Bodies of requests: ActionMsg with strict values, and plain objects read leniently (§1.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

import attrs
from aiohttp import hdrs, web

from .errors import bad_request

_TRUE = {"1", "t", "true", "y", "yes", "on"}
_FALSE = {"", "0", "f", "false", "n", "no", "off"}
_DURATION = re.compile(r"(?:[0-9.]+(?:ns|us|µs|ms|s|m|h))+|0")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNITS = "kmgt"


@attrs.frozen
class Message:
    """Hold an ActionMsg."""

    action: str
    name: str = ""
    value: Any = None

    def fields(self, allowed: Collection[str]) -> dict[str, Any]:
        """Return the value as an object; a member that is not known is refused."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise bad_request(f"failed to unmarshal {self.action} value: an object is expected")
        for name in self.value:
            if name not in allowed:
                raise bad_request(
                    f"failed to unmarshal {self.action} value: found unknown field: {name}"
                )
        return self.value


async def read_message(request: web.Request) -> Message:
    """Return the ActionMsg of the body; 400 without one."""
    document = await read_document(request)
    if not isinstance(document, dict) or not isinstance(document.get("action", ""), str):
        raise bad_request("failed to unmarshal action message: an object is expected")
    return Message(
        str(document.get("action") or ""), str(document.get("name") or ""), document.get("value")
    )


async def read_document(request: web.Request) -> Any:
    """Return the JSON of the body; 400 without any."""
    body = await request.read()
    if not body:
        raise bad_request(f'failed to unmarshal JSON request body of "{request.path}": EOF')
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"failed to unmarshal JSON request body: {error}") from None


async def read_lenient(request: web.Request) -> dict[str, Any]:
    """Return an object with the names of its members in lower case, empty without a body."""
    body = await request.read()
    if not body.strip():
        return {}
    document = await read_document(request)
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise bad_request("the request body is not an object")
    return {name.lower(): value for name, value in document.items()}


def json_answer(document: Any, *, plain: bool = False) -> web.Response:
    """Answer with JSON, which some endpoints say is plain text (§1.3)."""
    kind = "text/plain; charset=utf-8" if plain else "application/json"
    body = json.dumps(document, separators=(",", ":")).encode("utf-8", "surrogateescape")
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: kind})


def flag(query: Mapping[str, str], name: str) -> bool:
    """Return a boolean of the query."""
    text = query.get(name, "").lower()
    if text in _TRUE:
        return True
    if text not in _FALSE:
        raise bad_request(f'invalid value of "{name}": {text!r} is not a boolean')
    return False


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Return a member that is a text."""
    found = fields.get(name)
    if found is not None and not isinstance(found, str):
        raise bad_request(f'"{name}" is not a string')
    return found or ""


def number_of(fields: Mapping[str, Any], name: str) -> int:
    """Return a member that is a number, or a text that is one."""
    found = fields.get(name)
    try:
        return int(found or 0)
    except (TypeError, ValueError):
        raise bad_request(f'"{name}" is not a number') from None


def seconds_of(text: str) -> float:
    """Read a duration such as ``1h30m``."""
    if not _DURATION.fullmatch(text):
        raise bad_request(f'time: invalid duration "{text}"')
    parts = re.findall(r"([0-9.]+)([a-zµ]+)", text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def size_of(value: Any) -> int:
    """Read a size such as ``10KB`` or ``1MiB``, or a number."""
    match = re.fullmatch(r"([0-9.]+)\s*([kmgt]?)(i?)b?", str(value).strip().lower())
    if match is None:
        raise bad_request(f"invalid size {value!r}")
    power = _UNITS.index(match[2]) + 1 if match[2] else 0
    return int(float(match[1]) * 1024**power)
