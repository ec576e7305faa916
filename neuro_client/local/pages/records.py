"""What the pages of a service show, and where they get it from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import attrs


@attrs.frozen
class PageRow:
    """Name a run in the list of all; ``state`` is a word for people."""

    id: str
    name: str
    state: str
    created: datetime


@attrs.frozen
class PageFile:
    """Name a file of a run; ``url`` lets whoever has it download the file, without signing in."""

    name: str
    size: int
    url: str


@attrs.frozen
class Meter:
    """Tell how many bytes a user has stored, and how many may be; None is no limit."""

    used: int
    quota: int | None = None


@attrs.frozen
class RunPage:
    """Hold all that the page of one run shows.

    A run without ``finished`` goes on, so its page is loaded anew by itself. ``log_tail`` has the
    last lines, ``message`` why it is in its state.
    """

    id: str
    name: str
    state: str
    created: datetime
    finished: datetime | None = None
    log_tail: str = ""
    files: Sequence[PageFile] = ()
    meter: Meter | None = None
    can_submit_again: bool = False
    message: str = ""


class PageRefusal(Exception):
    """Report why a run cannot be submitted again; the text is shown to the user."""


class PageSource(Protocol):
    """Answer what a user may see; a service has one for its pages."""

    async def list(self, user: str) -> Sequence[PageRow]:
        """Return the user's runs, the newest first."""
        ...

    async def read(self, user: str, id: str) -> RunPage:
        """Return a run; ``KeyError`` if there is none that the user may see."""
        ...

    async def submit_again(self, user: str, id: str) -> str:
        """Start the same once more and return the new id.

        ``KeyError`` if there is no such run, `PageRefusal` if it cannot be done.
        """
        ...
