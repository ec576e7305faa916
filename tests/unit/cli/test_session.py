"""Which errors tell of wrong usage, and which of an answer."""

from __future__ import annotations

import click
import pytest

from neuro_client import errors as tree
from neuro_client.cli.session import usage_errors


@pytest.mark.parametrize("error", [ValueError("words"), tree.IllegalArgumentError("words")])
def test_what_was_not_even_sent_is_wrong_usage(error: ValueError) -> None:
    with pytest.raises(click.UsageError, match="words"), usage_errors():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        tree.IllegalArgumentError("refused", status=400),
        tree.ResourceNotFound("missing", status=404),
        tree.ConflictError("taken", status=409),
        tree.ServerNotAvailable("down", status=503),
        tree.ProtocolError("unreadable"),
        tree.NDJSONError("broke off"),
    ],
)
def test_what_a_server_said_stays_what_it_is(error: ValueError) -> None:
    with pytest.raises(type(error)) as caught, usage_errors():
        raise error
    assert caught.value is error
