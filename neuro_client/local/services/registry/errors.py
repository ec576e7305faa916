"""Refusals in the words of image registries (OCI distribution)."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

_STATUS = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DENIED": 403,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "RANGE_INVALID": 416,
    "SIZE_INVALID": 400,
    "TOO_LARGE": 413,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED": 405,
}


class RegistryError(Exception):
    """Refuse a request with one of the registry's codes."""

    def __init__(self, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(self) -> web.Response:
        """Build the answer."""
        body: dict[str, Any] = {"errors": [{"code": self.code, "message": str(self)}]}
        return web.Response(
            status=_STATUS[self.code],
            text=json.dumps(body),
            content_type="application/json",
            headers=self.headers,
        )
