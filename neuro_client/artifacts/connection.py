"""The connections of ``Artifacts``: opened when first used."""

from __future__ import annotations

import functools
from typing import TypedDict

from yarl import URL

from ..retry import NEVER, RetryPolicy
from ..transport import ClientSession, Credentials, FixedCredentials, Transport, open_session
from .errors import map_error, map_link_error

DEFAULT_URL = "https://platform.grid.ai"


class ConnectOptions(TypedDict, total=False):
    """Name the options of ``Artifacts``; see there."""

    user_id: str
    api_key: str
    cluster_id: str | None
    retry: RetryPolicy | None


def root_url(url: str | URL) -> URL:
    """Return the root of a control plane; ``ValueError`` if it is no address of the web."""
    found = URL(url)
    if found.scheme not in ("http", "https") or not found.host:
        raise ValueError(
            f"{str(found.with_user(None) if found.user else found)!r} is not the address of a "
            f"control plane; write it like {DEFAULT_URL}"
        )
    return found.with_user(None).with_query(None).with_fragment(None)


class Connection:
    """Open one session and its Transports on first use, and close them."""

    def __init__(self, url: URL, user_id: str, api_key: str, retry: RetryPolicy | None) -> None:
        if not user_id or not api_key:
            raise ValueError("sign in with both user_id and api_key")
        self.url = url
        self.user_id = user_id
        self._api_key = api_key
        self._retry = retry
        self._session: ClientSession | None = None
        self._closed = False

    def _open_session(self) -> ClientSession:
        if self._closed:
            raise RuntimeError("The connection to the control plane is closed; open another one")
        if self._session is None:
            self._session = open_session()
        return self._session

    @functools.cached_property
    def transport(self) -> Transport:
        """Return the request path of the control plane, opened now; needs a running loop.

        Raises:
            RuntimeError: it was closed.
        """
        return self._made(FixedCredentials.basic(self.user_id, self._api_key), self._retry)

    @functools.cached_property
    def graphql(self) -> Transport:
        """Return the request path of the older interface, whose headers sign in (§8)."""
        return self._made(None, self._retry)

    @property
    def graphql_headers(self) -> dict[str, str]:
        """Return what signs in to the older interface."""
        return {"X-Grid-User": self.user_id, "X-Grid-Key": self._api_key}

    @functools.cached_property
    def links(self) -> Transport:
        """Return the request path of links, which are signed in by themselves; nothing is retried:
        the engine does.
        """
        return Transport(
            None,
            None,
            map_error=map_link_error,
            retry=NEVER,
            session=self._open_session(),
            trace=None,
        )

    def _made(self, credentials: Credentials | None, retry: RetryPolicy | None) -> Transport:
        return Transport(
            self.url,
            credentials,
            map_error=map_error,
            retry=retry,
            session=self._open_session(),
            trace=None,
        )

    async def close(self) -> None:
        """Close every connection; calling it again does nothing."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
