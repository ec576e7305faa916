"""From an exception to a message and an exit code."""

from __future__ import annotations

import traceback

import click

from ..errors import (
    AuthError,
    AuthorizationError,
    ClientError,
    ConfigError,
    IllegalArgumentError,
    NeuroError,
    RateLimitError,
    ResourceNotFound,
    ServerError,
    TransferError,
    TransportError,
)

DONE = 0
FAILED = 1
USAGE = 2
NOT_LOGGED_IN = 3
NOT_FOUND = 4
REFUSED = 5
TIMED_OUT = 124
NEVER_STARTED = 125
INTERRUPTED = 130
BROKEN_PIPE = 141

_SHOWN_FAILURES = 10


class NotLoggedIn(ConfigError):
    """Report that a command needs a login and there is none."""


class CommandFailed(NeuroError):
    """Report a failure in words and with a code that only the command knows."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


# The first row that fits decides, so a class stands before its bases.
_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (NotLoggedIn, NOT_LOGGED_IN),
    (AuthorizationError, REFUSED),
    (AuthError, NOT_LOGGED_IN),
    (ClientError, REFUSED),
    (ResourceNotFound, NOT_FOUND),
    (RateLimitError, FAILED),
    (ServerError, FAILED),
    (IllegalArgumentError, REFUSED),
    # A silent server is no time-out that the user set.
    (TransportError, FAILED),
    (TimeoutError, TIMED_OUT),
    (FileNotFoundError, NOT_FOUND),
    (PermissionError, REFUSED),
    (KeyboardInterrupt, INTERRUPTED),
    (BrokenPipeError, BROKEN_PIPE),
)
_EXPECTED = (NeuroError, OSError, ValueError, RuntimeError)


def exit_code(error: BaseException) -> int:
    """Return the code that a command ends with after ``error``."""
    if isinstance(error, CommandFailed):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


def message(error: BaseException) -> str:
    """Say in words what went wrong."""
    if isinstance(error, TransferError) and error.failures:
        shown = [f"  {key}: {message(e)}" for key, e in error.failures[:_SHOWN_FAILURES]]
        more = len(error.failures) - len(shown)
        if more:
            shown.append(f"  and {more} more")
        return "\n".join([str(error), *shown])
    if isinstance(error, OSError) and not isinstance(error, NeuroError) and error.strerror:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return ": ".join([" -> ".join(names), error.strerror] if names else [error.strerror])
    if not isinstance(error, _EXPECTED):
        return (
            f"{type(error).__name__}: {error}\n"
            "This is a defect of the program; --debug shows where it happened"
        )
    return str(error) or type(error).__name__


def report(error: BaseException, *, debug: bool) -> None:
    """Print the message to stderr, with ``debug`` after the traceback."""
    if debug:
        traceback.print_exception(error)
    click.echo(f"Error: {_harmless(message(error))}", err=True)


def _harmless(text: str) -> str:
    """Replace what could steer the terminal; names of files and answers of servers may."""
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
