"""The pages of a service: a list of runs, and one page for each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from aiohttp import web
from yarl import URL

from .gate import Gate
from .records import PageRefusal, PageRow, PageSource
from .rendering import load
from .sign_ins import Session, SignIns

_MOST_ROWS = 500
_MOST_FORMS = 1000


class Pages:
    """Show what a source has; ``routes`` go into the service's own."""

    def __init__(self, gate: Gate, source: PageSource, title: str, items: str) -> None:
        self.title = title
        self._gate = gate
        self._source = source
        self._items = items
        self._one_by_one = asyncio.Lock()
        self._submitted: dict[str, str] = {}
        prefix = gate.prefix
        below = f"{prefix}/{items}"
        self.routes: Sequence[web.AbstractRouteDef] = (
            *gate.routes,
            web.get(prefix, gate.signed_in(self._list)),
            web.get(f"{prefix}/", gate.signed_in(self._list)),
            web.get(f"{below}/{{id}}", gate.signed_in(self._read)),
            web.post(f"{below}/{{id}}/submit-again", gate.posted(self._submit_again)),
        )

    @property
    def url(self) -> URL:
        """Return the address of the list."""
        return self._gate.url(self._gate.prefix)

    def run_url(self, id: str) -> URL:
        """Return the address of a run's page."""
        return self._gate.url(self.run_path(id))

    def run_path(self, id: str) -> str:
        """Return the path of a run's page."""
        return f"{self._gate.prefix}/{self._items}/{quote(id, safe='')}"

    def sign_in_link(self, user: str, path: str | None = None) -> URL:
        """Make a link that signs a user in once, within five minutes, and leads to ``path``."""
        return self._gate.sign_in_link(user, path)

    async def rows(self, user: str) -> Sequence[PageRow]:
        """Return the runs of a user, the newest first."""
        return await self._source.list(user)

    async def _list(self, request: web.Request, session: Session) -> web.Response:
        rows = await self._source.list(session.user)
        return self._gate.page(
            "list.html",
            session=session,
            title=self.title,
            rows=[(row, self.run_path(row.id)) for row in rows[:_MOST_ROWS]],
            left_out=max(len(rows) - _MOST_ROWS, 0),
            items=self._items,
        )

    async def _read(self, request: web.Request, session: Session) -> web.Response:
        id = request.match_info["id"]
        try:
            run = await self._source.read(session.user, id)
        except KeyError:
            return self._missing(id, session)
        path = self.run_path(id)
        return self._gate.page(
            "run.html",
            session=session,
            title=self.title,
            run=run,
            path=path,
            items=self._items,
            again=f"{path}/submit-again",
            once=secrets.token_urlsafe(12),
            refresh=run.finished is None and request.query.get("refresh") != "off",
        )

    async def _submit_again(
        self, request: web.Request, session: Session, form: Mapping[str, str]
    ) -> web.Response:
        id = request.match_info["id"]
        # A button that is pressed twice sends its form twice; that must not make two runs.
        once = f"{session.form_token} {id} {form['once']}" if form.get("once") else ""
        try:
            async with self._one_by_one:
                new = self._submitted.get(once)
                if new is None:
                    new = await self._source.submit_again(session.user, id)
                    self._remember(once, new)
        except KeyError:
            return self._missing(id, session)
        except PageRefusal as error:
            return self._gate.problem(409, "This cannot be submitted again", str(error), session)
        raise web.HTTPSeeOther(URL(self.run_path(new), encoded=True))

    def _remember(self, once: str, new: str) -> None:
        if once:
            self._submitted[once] = new
        while len(self._submitted) > _MOST_FORMS:
            del self._submitted[next(iter(self._submitted))]

    def _missing(self, id: str, session: Session) -> web.Response:
        return self._gate.problem(404, "Not found", f"You have nothing named {id!r} here.", session)


class Dashboard:
    """Know all pages of a platform, and who has signed in to them: one link opens all."""

    def __init__(self, home: Callable[[], URL]) -> None:
        self.sign_ins = SignIns()
        self.pages: list[Pages] = []
        self._home = home

    async def prepare(self) -> None:
        """Read what the pages are made of, before the first one is asked for."""
        await asyncio.to_thread(load)

    def gate(self, prefix: str, base: Callable[[], URL]) -> Gate:
        """Make a gate to pages below ``prefix`` of the listener at ``base``."""
        return Gate(prefix, base, self._home, self.sign_ins)

    def add(
        self, prefix: str, source: PageSource, *, title: str, base: Callable[[], URL], items: str
    ) -> Pages:
        """Make the pages of a source; see `add_pages`."""
        pages = Pages(self.gate(prefix, base), source, title, items)
        self.pages.append(pages)
        return pages
