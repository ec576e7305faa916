"""Decide whether and when a failed call is tried again; no clock and no sleep of its own."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from .errors import RateLimitError, ResponseError, ServerError, ServerNotAvailable, TransportError

_REQUEST_TIMEOUT = 408


def is_transient(error: BaseException) -> bool:
    """Tell whether the same request may succeed later: no answer, 408, 429 or 5xx."""
    if isinstance(error, TransportError | ServerNotAvailable | RateLimitError | ServerError):
        return True
    return isinstance(error, ResponseError) and error.status == _REQUEST_TIMEOUT


@attrs.frozen
class RetryPolicy:
    """Spread attempts over time: exponential pauses with full jitter.

    All times are in seconds. ``attempts`` counts the first one too, so 1 means no retry. A server's
    ``Retry-After`` is obeyed up to ``max_retry_after``; a longer one ends the attempts at once,
    since the caller would otherwise seem to hang.
    """

    attempts: int = 5
    base: float = 0.1
    cap: float = 8.0
    max_retry_after: float = 60.0
    random: Callable[[], float] = attrs.field(default=random.random, eq=False, repr=False)

    def delay(self, attempt: int, error: BaseException | None = None) -> float | None:
        """Return the pause after failed attempt number ``attempt`` (from 1), None to give up."""
        if attempt >= self.attempts:
            return None
        jittered = min(self.cap, self.base * 2.0 ** (attempt - 1)) * self.random()
        asked = getattr(error, "retry_after", None)
        if asked is None:
            return jittered
        if asked > self.max_retry_after:
            return None
        return max(float(asked), jittered)


NEVER = RetryPolicy(attempts=1)
