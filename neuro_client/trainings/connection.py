"""The connections of ``Trainings``: opened when first used, with the credentials it was given."""

from __future__ import annotations

from typing import TypedDict

from yarl import URL

from ..retry import RetryPolicy
from ..transport import ClientSession, Credentials, FixedCredentials, Transport, open_session
from .errors import map_error
from .polling import Pace
from .service import ControlPlane
from .tokens import (
    USER_CLIENT_ID,
    GrantedTokens,
    TokenEndpoint,
    application_grants,
    user_grants,
)


class ConnectOptions(TypedDict, total=False):
    """Name the options of ``Trainings``; see there."""

    client_id: str | None
    client_secret: str | None
    username: str | None
    password: str | None
    token: str | None
    cluster_url: str | None
    token_endpoint: TokenEndpoint
    api_version: str
    retry: RetryPolicy | None
    pace: Pace | None


def root_url(url: str | URL) -> URL:
    """Return the root of a control plane; ``ValueError`` if it is no address of the web."""
    found = URL(url)
    if found.scheme not in ("http", "https") or not found.host:
        raise ValueError(
            f"{str(found.with_user(None) if found.user else found)!r} is not the address of a "
            "control plane; write it like https://app.run.ai"
        )
    return found.with_user(None).with_query(None).with_fragment(None)


class Login:
    """Hold what one signs in with: an application, a user, or a token that is ready.

    Raises:
        ValueError: none of the three is complete, or there are several.
    """

    def __init__(
        self,
        *,
        client_id: str | None,
        client_secret: str | None,
        username: str | None,
        password: str | None,
        token: str | None,
        endpoint: TokenEndpoint,
    ) -> None:
        ways = [
            token is not None,
            username is not None or password is not None,
            client_secret is not None,
        ]
        if sum(ways) != 1 or (ways[1] and not (username and password)):
            raise ValueError(
                "sign in with client_id and client_secret, or with username and password, or "
                "with a token: one of them, and complete"
            )
        if ways[2] and not client_id:
            raise ValueError("client_secret goes with a client_id")
        self._token = token
        if username and password:
            self._grants = user_grants(username, password, client_id or USER_CLIENT_ID, endpoint)
        elif client_id and client_secret:
            self._grants = application_grants(client_id, client_secret, endpoint)
        else:
            self._grants = ()

    def credentials(self, bare: Transport) -> Credentials:
        """Return what signs requests; *bare* reaches the control plane without it."""
        if self._token is not None:
            return FixedCredentials.bearer(self._token)
        return GrantedTokens(self._grants, bare)


class Connection:
    """Open one session and its Transports on first use, and close them."""

    def __init__(self, url: URL, login: Login, retry: RetryPolicy | None) -> None:
        self.url = url
        self._login = login
        self._retry = retry
        self._session: ClientSession | None = None
        self._transport: Transport | None = None
        self._closed = False

    @property
    def transport(self) -> Transport:
        """Return the request path, opened now if it is not; needs a running loop.

        Raises:
            RuntimeError: it was closed.
        """
        if self._closed:
            raise RuntimeError("The connection to the control plane is closed; open another one")
        if self._transport is None:
            self._session = open_session()
            bare = self._open(None)
            self._transport = self._open(self._login.credentials(bare))
        return self._transport

    def _open(self, credentials: Credentials | None) -> Transport:
        return Transport(
            self.url,
            credentials,
            map_error=map_error,
            retry=self._retry,
            session=self._session,
            trace=None,
        )

    @property
    def control(self) -> ControlPlane:
        """Return what makes single requests."""
        return ControlPlane(self.transport, self.url)

    async def close(self) -> None:
        """Close every connection; calling it again does nothing."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
