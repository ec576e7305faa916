"""Turn refusals of the platform and of its object store into one exception of ours (§4.2, §9.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from ..errors import (
    AuthenticationError,
    AuthorizationError,
    IllegalArgumentError,
    QuotaExceededError,
    ResponseError,
)
from ..transport import Failure, build_error

_MAX_TEXT = 2000
_QUOTA_CODE = "quota_exceeded"
_QUOTA = re.compile(r"quota is reached", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")
_SIZES = 3
_FORBIDDEN = 403
_BAD_REQUEST = 400
_CLOCK = ("too old", "too far in the future", "too skewed")


class PlatformError(ResponseError):
    """Report an answer of the platform that says no; also of our class of its status.

    ``code`` is the platform's slug (``invalid_api_key``, ``role_required`` …), ``hint`` what it
    advises, None where it does not.
    """

    hint: str | None = None
    _kind: type[ResponseError] = ResponseError

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self._kind, self.args, self.__dict__)


_classes: dict[type[ResponseError], type[PlatformError]] = {}


def _class_of(kind: type[ResponseError]) -> type[PlatformError]:
    """Return the class that is both the platform's and ours of a status, made once."""
    found = _classes.get(kind)
    if found is not None:
        return found
    facts = {"__doc__": kind.__doc__, "__module__": __name__, "_kind": kind}
    _classes[kind] = found = type(f"Platform{kind.__name__}", (PlatformError, kind), facts)
    return found


def _restored(
    kind: type[ResponseError], args: tuple[Any, ...], facts: Mapping[str, Any]
) -> PlatformError:
    error = _class_of(kind)(*args)
    error.__dict__.update(facts)
    return error


def map_error(failure: Failure) -> Exception:
    """Return the exception of an error answer of the platform; its body may be anything."""
    payload = _json_object(failure.body)
    code = payload.get("code")
    hint = payload.get("hint")
    text = _text(failure, payload)
    if hint:
        text += f" — {hint}"
    plain = build_error(failure, text, code=None if code is None else str(code))
    facts = {**plain.__dict__, "hint": _optional(hint)}
    if failure.status == _FORBIDDEN and (code == _QUOTA_CODE or _QUOTA.search(text)):
        where = f"{plain.method} {plain.url} answered {plain.status}"
        told = f"{text} ({where}; remove something, or ask for a higher limit)"
        return _with_numbers(_restored(QuotaExceededError, (told,), facts), text)
    return _restored(type(plain), plain.args, facts)


def _optional(value: Any) -> str | None:
    return None if value is None else str(value)


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(failure: Failure, payload: Mapping[str, Any]) -> str:
    told = payload.get("message") or payload.get("error") or payload.get("code")
    if isinstance(told, list):
        told = "; ".join(str(item) for item in told)
    if told:
        return str(told).strip()[:_MAX_TEXT]
    if "html" in failure.headers.get("Content-Type", ""):
        return "an HTML page instead of an answer of the platform"
    text = failure.body.decode("utf-8", "replace").strip()
    return text[:_MAX_TEXT] or "an empty answer"


_ADVICE = {
    "no such key": "the access key is not known there; it was rotated or is mistyped: look at the "
    "access keys in the platform's settings, or call rotate_key()",
    "signature": "the secret key does not fit the access key; correct secret_access_key",
}
"""What to do by words of a 403, whose code is the same for everything."""


def refine(error: Exception) -> Exception:
    """Tell apart what the store refuses with the same code: quota, wrong key, clock, no right.

    Answers to HEAD have no body, so of them only the status is known (§5).
    """
    message = message_of(getattr(error, "body", None))
    if isinstance(error, QuotaExceededError):
        return _with_numbers(error, message)
    if isinstance(error, IllegalArgumentError) and error.status == _BAD_REQUEST:
        if any(words in message.lower() for words in _CLOCK):
            return _again(error, "the clock of this machine is wrong; set it right")
        return error
    if not isinstance(error, AuthorizationError) or error.status != _FORBIDDEN:
        return error
    if _QUOTA.search(message):
        return _with_numbers(QuotaExceededError(*error.args, **facts_of(error)), message)
    for words, advice in _ADVICE.items():
        if words in message.lower():
            return _again(error, advice)
    return error


def facts_of(error: ResponseError) -> dict[str, Any]:
    """Return the facts of an error, for another one about the same answer."""
    names = ("status", "code", "request_id", "method", "url", "body")
    return {name: getattr(error, name) for name in names}


def _again(error: ResponseError, advice: str) -> ResponseError:
    told = str(error).partition("; these credentials")[0]
    found = AuthenticationError(f"{told}; {advice}", **facts_of(error))
    found.__cause__ = error.__cause__
    return found


def _with_numbers(error: ResponseError, message: str) -> ResponseError:
    """Read the limits out of the message: most, used and needed for bytes, most for objects."""
    assert isinstance(error, QuotaExceededError)
    numbers = [int(text) for text in _NUMBER.findall(message)]
    if len(numbers) == _SIZES:
        error.limit, error.used, error.needed = numbers
    elif len(numbers) == 1:
        error.limit = numbers[0]
    return error


def message_of(body: str | None) -> str:
    """Return what an error document of the store says, empty if it is none."""
    try:
        return ElementTree.fromstring(body or "").findtext("Message") or ""
    except ElementTree.ParseError:
        return ""
