"""When a failed call is tried again, and after which pause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.errors import (
    AuthenticationError,
    ClientError,
    ConfigError,
    IllegalArgumentError,
    ProtocolError,
    RateLimitError,
    ResourceNotFound,
    ServerError,
    ServerNotAvailable,
    TransportError,
    TransportTimeoutError,
)
from neuro_client.retry import NEVER, RetryPolicy, is_transient


@given(st.integers(1, 60), st.floats(0, 1))
def test_pauses_are_bounded_and_jittered(attempt: int, chance: float) -> None:
    policy = RetryPolicy(attempts=100, base=0.1, cap=8.0, random=lambda: chance)
    pause = policy.delay(attempt)
    assert pause is not None
    assert 0 <= pause <= min(8.0, 0.1 * 2.0 ** (attempt - 1))


def test_attempts_are_counted_with_the_first() -> None:
    policy = RetryPolicy(attempts=3)
    assert policy.delay(1) is not None
    assert policy.delay(2) is not None
    assert policy.delay(3) is None
    assert NEVER.delay(1) is None


def test_retry_after_is_obeyed_up_to_a_bound() -> None:
    policy = RetryPolicy(max_retry_after=60.0, random=lambda: 0.0)
    assert policy.delay(1, ServerNotAvailable("busy", retry_after=7.0)) == 7.0
    assert policy.delay(1, RateLimitError("slow down", retry_after=60.0)) == 60.0
    assert policy.delay(1, RateLimitError("slow down", retry_after=61.0)) is None
    assert policy.delay(1, ServerNotAvailable("busy")) == 0.0


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (TransportError("cut"), True),
        (TransportTimeoutError("slow"), True),
        (ServerNotAvailable("busy", status=503), True),
        (RateLimitError("slow down", status=429), True),
        (ServerError("broken", status=500), True),
        (IllegalArgumentError("timed out", status=408), True),
        (IllegalArgumentError("wrong", status=400), False),
        (ResourceNotFound("gone", status=404), False),
        (AuthenticationError("who", status=401), False),
        (ClientError("no", status=405), False),
        (ProtocolError("odd"), False),
        (ConfigError("none"), False),
        (OSError("disk"), False),
        (ValueError("bad"), False),
    ],
)
def test_what_is_worth_another_attempt(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient
