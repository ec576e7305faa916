"""Turn error answers of the control plane and of links into exceptions of ours (§3.4, §5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import AuthorizationError
from ..transport import Failure, build_error
from ..transport.mapping import json_object

_MAX_TEXT = 2000
_TAGS = re.compile(rb"<(Code|Message)>([^<]{0,2000})</\1>")
_EXPIRED = frozenset({"ExpiredToken", "RequestExpired", "TokenRefreshRequired"})


class LinkExpiredError(AuthorizationError):
    """Report a link of an artifact that is not accepted, also not when it is a new one."""


def map_error(failure: Failure) -> Exception:
    """Return the exception of an answer of the control plane, in the style of gRPC gateways."""
    payload = json_object(failure.body) or {}
    code = payload.get("code")
    return build_error(failure, _text(failure, payload), code=None if code is None else str(code))


def _text(failure: Failure, payload: Mapping[str, Any]) -> str:
    details = payload.get("details")
    if isinstance(details, list) and len(details) == 1 and isinstance(details[0], dict):
        told = details[0].get("message") or payload.get("message")
    else:
        told = payload.get("message")
    if told:
        return str(told)[:_MAX_TEXT]
    if "html" in failure.headers.get("Content-Type", ""):
        return "an HTML page instead of an answer of the control plane"
    return failure.body.decode("utf-8", "replace").strip()[:_MAX_TEXT] or "an empty answer"


def map_link_error(failure: Failure) -> Exception:
    """Return the exception of a link, whose answers are those of S3."""
    told = {
        key.decode(): text.decode("utf-8", "replace") for key, text in _TAGS.findall(failure.body)
    }
    code = told.get("Code")
    text = told.get("Message") or failure.body.decode("utf-8", "replace").strip()[:_MAX_TEXT]
    error = build_error(failure, text or "an empty answer", code=code)
    if failure.status not in (401, 403) and code not in _EXPIRED:
        return error
    return LinkExpiredError(
        f"A link is not accepted any more: {text or 'an empty answer'} ({failure.method} "
        f"{error.url} answered {failure.status}); list again for a new one",
        status=error.status,
        code=code,
        request_id=error.request_id,
        method=error.method,
        url=error.url,
        body=error.body,
    )
