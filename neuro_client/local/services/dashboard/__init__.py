"""The page of the main listener that leads to all others, and the links that sign in to it.

A program with a token asks for a link by ``POST /dashboard/links``; a browser opens that.
"""

from __future__ import annotations

import logging
from typing import Any

from aiohttp import web

from ...errors import unauthorized
from ...pages.sign_ins import Session
from ...requests import caller_of
from ..base import Platform, Service

logger = logging.getLogger(__name__)

PREFIX = "/dashboard"
_ROWS = 5


def create(platform: Platform) -> Service:
    """Build the service."""
    home = _Home(platform)
    return Service(
        name="dashboard",
        routes=[
            *home.gate.routes,
            web.get(PREFIX, home.gate.signed_in(home.show)),
            web.post(f"{PREFIX}/links", home.new_link),
        ],
        public=(PREFIX,),
    )


class _Home:
    def __init__(self, platform: Platform) -> None:
        self._dashboard = platform.dashboard
        self.gate = platform.dashboard.gate(PREFIX, lambda: platform.url)

    async def show(self, request: web.Request, session: Session) -> web.Response:
        """Show the newest of everything there are pages for."""
        parts: list[dict[str, Any]] = []
        for pages in self._dashboard.pages:
            part: dict[str, Any] = {"title": pages.title, "url": str(pages.url), "problem": ""}
            try:
                rows = await pages.rows(session.user)
            except Exception as error:  # one that is broken must not hide the others
                logger.exception("The pages of %s cannot tell what there is", pages.title)
                rows, part["problem"] = (), str(error)
            part["rows"] = [(row, str(pages.run_url(row.id))) for row in rows[:_ROWS]]
            part["count"] = len(rows)
            parts.append(part)
        return self.gate.page("home.html", session=session, title="Dashboard", parts=parts)

    async def new_link(self, request: web.Request) -> web.Response:
        """Make a link for the user whose token came with the request."""
        caller = caller_of(request)
        if caller is None:
            raise unauthorized("Dashboard")
        link = self.gate.sign_in_link(caller.username)
        return web.json_response({"url": str(link)}, headers={"Cache-Control": "no-store"})
