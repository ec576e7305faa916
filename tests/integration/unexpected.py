"""Fail the tests of a service in which the platform met something that it did not expect."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_fails(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which the platform met something unexpected.

    The HTTP library also tells of requests that it refuses itself, and of broken connections.
    """
    yield
    bad = [
        record.getMessage()
        for record in (*caplog.get_records("setup"), *caplog.get_records("call"))
        if record.levelno >= logging.ERROR and record.name.startswith("neuro_client")
    ]
    assert bad == []
