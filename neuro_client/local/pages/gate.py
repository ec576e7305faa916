"""Let browsers in that have signed in, and tell the others how to."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web
from yarl import URL

from ..requests import read_form
from .rendering import page, style
from .sign_ins import SESSION_LIFETIME, Session, SignIns

View = Callable[[web.Request, Session], Awaitable[web.StreamResponse]]
FormView = Callable[[web.Request, Session, Mapping[str, str]], Awaitable[web.StreamResponse]]
Route = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """Guard the pages below ``prefix``.

    ``base`` tells the root of their listener, ``home`` the page that leads to all of a platform.

    ``routes`` sign in and out and give the style sheet. Their prefix must be ``public`` in the
    service: a browser brings no token.
    """

    def __init__(
        self,
        prefix: str,
        base: Callable[[], URL],
        home: Callable[[], URL],
        sign_ins: SignIns,
    ) -> None:
        self.prefix = prefix
        self._base = base
        self._home = home
        self._sign_ins = sign_ins
        self.routes: Sequence[web.AbstractRouteDef] = (
            web.get(f"{prefix}/sign-in", self._sign_in),
            web.post(f"{prefix}/sign-out", self.posted(self._sign_out)),
            web.get(f"{prefix}/style.css", _style),
        )

    def url(self, path: str) -> URL:
        """Return the address of a page of the same listener."""
        return self._base().join(URL(path, encoded=True))

    def sign_in_link(self, user: str, path: str | None = None) -> URL:
        """Make a link that signs a user in, once and within five minutes, and leads to ``path``.

        Raises:
            ValueError: the path is none of the gate's pages.
        """
        path = path or self.prefix
        if path != self.prefix and not path.startswith(f"{self.prefix}/"):
            raise ValueError(f"{path!r} is no page below {self.prefix!r}")
        secret = self._sign_ins.new_link(user, path)
        return self.url(f"{self.prefix}/sign-in").with_query(secret=secret)

    def signed_in(self, view: View) -> Route:
        """Show a page to those who have signed in."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            session = self._session(request)
            return self._refusal() if session is None else await view(request, session)

        return guarded

    def posted(self, view: FormView) -> Route:
        """Take a form from those who have signed in, if it comes from one of their pages."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            session = self._session(request)
            if session is None:
                return self._refusal()
            form = await read_form(request)
            token = form.get("token", "").encode("utf-8", "replace")
            if not hmac.compare_digest(token, session.form_token.encode()):
                return self.problem(
                    403, "This form is not valid", "Go back, load the page anew and try again."
                )
            return await view(request, session, form)

        return guarded

    def problem(
        self, status: int, title: str, text: str, session: Session | None = None
    ) -> web.Response:
        """Show what is wrong."""
        return self.page("problem.html", status, session=session, title=title, text=text)

    def page(
        self, template: str, status: int = 200, session: Session | None = None, **values: object
    ) -> web.Response:
        """Render a page with its frame."""
        return page(
            template,
            status,
            session=session,
            prefix=self.prefix,
            home=str(self._home()),
            **values,
        )

    def _session(self, request: web.Request) -> Session | None:
        return self._sign_ins.session(request.cookies.get(self._sign_ins.cookie))

    def _refusal(self) -> web.Response:
        response = self.page("signed_out.html", 401, title="Sign in")
        response.headers["WWW-Authenticate"] = 'Bearer realm="Dashboard"'
        return response

    async def _sign_in(self, request: web.Request) -> web.Response:
        found = self._sign_ins.redeem(request.query.get("secret", ""))
        if found is None:
            return self.problem(
                403,
                "This link does not work",
                "It was used before, or it is too old. Every link works once, within five minutes.",
            )
        value, path = found
        # A redirect would still belong to the site that the link was followed from, and the
        # cookie would not be sent; a page of ours that leads on is our own site.
        response = self.page("signed_in.html", title="Signed in", path=path)
        response.set_cookie(
            self._sign_ins.cookie,
            value,
            max_age=int(SESSION_LIFETIME),
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response

    async def _sign_out(
        self, request: web.Request, session: Session, form: Mapping[str, str]
    ) -> web.Response:
        self._sign_ins.end(request.cookies.get(self._sign_ins.cookie))
        response = self.problem(200, "Signed out", "You can close this page.")
        response.del_cookie(self._sign_ins.cookie)
        return response


async def _style(request: web.Request) -> web.Response:
    return style()
