"""Pages for people: what a service of the platform has, in a browser, without JavaScript.

A service gives `add_pages` a `PageSource` and adds the routes to its own; their prefix must be
among its ``public`` ones. A user comes in by a link, as ``neuro-client local dashboard`` prints.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from yarl import URL

from .records import Meter, PageFile, PageRefusal, PageRow, PageSource, RunPage
from .sign_ins import SignIns
from .views import Dashboard, Pages

if TYPE_CHECKING:
    from ..services.base import Platform

__all__ = [
    "Dashboard",
    "Meter",
    "PageFile",
    "PageRefusal",
    "PageRow",
    "PageSource",
    "Pages",
    "RunPage",
    "SignIns",
    "add_pages",
]


def add_pages(
    prefix: str,
    source: PageSource,
    *,
    title: str,
    platform: Platform,
    base: Callable[[], URL],
    items: str = "jobs",
) -> Pages:
    """Make the pages of a source: the list at ``prefix``, a run at ``prefix/items/{id}``.

    ``base`` returns the root of the listener that serves them, when it has its port. The platform's
    dashboard, where users come in, lists the pages too.
    """
    return platform.dashboard.add(prefix, source, title=title, base=base, items=items)
