"""Refusals in the form of the cluster (aistore.md §3)."""

from __future__ import annotations

import json

from aiohttp import hdrs, web


class AISError(Exception):
    """Refuse a request; ``tcode`` is the stable name of the kind, empty where there is none."""

    def __init__(self, status: int, message: str, tcode: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.tcode = tcode


def bad_request(message: str, tcode: str = "") -> AISError:
    """Return the refusal of what makes no sense."""
    return AISError(400, message, tcode)


def unsupported(message: str, status: int = 501) -> AISError:
    """Return the refusal of what this server does not have."""
    return AISError(status, message, "ErrUnsupp")


def not_found(what: str) -> AISError:
    """Return the refusal of something that is not there."""
    return AISError(404, f"{what} does not exist", "ErrNotFound")


def answer_of(
    error: AISError, request: web.Request, node: str, *, with_tcode: bool = True
) -> web.Response:
    """Build the answer: a JSON body, or for HEAD the same in a header."""
    document: dict[str, object] = {}
    if error.tcode and with_tcode:
        document["tcode"] = error.tcode
    document |= {
        "message": error.message,
        "method": request.method,
        "url_path": request.path,
        "remote_addr": _remote(request),
        "caller": "",
        "node": node,
        "status": error.status,
    }
    text = json.dumps(document, separators=(",", ":"))
    if request.method == hdrs.METH_HEAD:
        return web.Response(status=error.status, headers={"Hdr-Error": text})
    return web.Response(
        status=error.status,
        body=f"{text}\n".encode(),
        headers={hdrs.CONTENT_TYPE: "application/json", "X-Content-Type-Options": "nosniff"},
    )


def _remote(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    return f"{peer[0]}:{peer[1]}" if peer else ""
