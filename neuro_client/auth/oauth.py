"""The two calls of OAuth's token endpoint, and PKCE.

Facts: config-and-auth.md §4.1 and §5.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from urllib.parse import urlencode

import attrs
from yarl import URL

from ..config.models import AuthConfig, Token
from ..errors import AuthError, ProtocolError, ResponseError
from ..transport import Transport
from ..wire import structure
from .tokens import token_from_answer

_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/x-www-form-urlencoded",
}


@attrs.frozen
class Pkce:
    """Hold the verifier of one login; the challenge is derived from it."""

    verifier: str = attrs.field(repr=False)

    @classmethod
    def generate(cls) -> Pkce:
        """Make a fresh one of 32 random bytes."""
        return cls(_unpadded(secrets.token_bytes(32)))

    @property
    def challenge(self) -> str:
        """Return the S256 challenge."""
        return _unpadded(hashlib.sha256(self.verifier.encode("ascii")).digest())


@attrs.frozen
class _TokenAnswer:
    access_token: str
    expires_in: float
    refresh_token: str | None = None


def authorization_url(auth: AuthConfig, pkce: Pkce, redirect_uri: URL) -> URL:
    """Build the address that the user's browser opens."""
    return auth.auth_url.with_query(
        {
            "response_type": "code",
            "code_challenge": pkce.challenge,
            "code_challenge_method": "S256",
            "client_id": auth.client_id,
            "redirect_uri": _bare(redirect_uri),
            "scope": "offline_access",
            "audience": auth.audience,
        }
    )


async def exchange_code(
    transport: Transport, auth: AuthConfig, pkce: Pkce, code: str, redirect_uri: URL
) -> Token:
    """Turn the code of a finished browser login into a token; ``AuthError`` if refused."""
    answer = await _post(
        transport,
        auth,
        {
            "grant_type": "authorization_code",
            "code_verifier": pkce.verifier,
            "code": code,
            "client_id": auth.client_id,
            "redirect_uri": _bare(redirect_uri),
        },
        idempotent=False,
    )
    if answer.refresh_token is None:
        raise ProtocolError("The token endpoint's answer has no refresh_token")
    return token_from_answer(
        answer.access_token, answer.expires_in, answer.refresh_token, time.time()
    )


async def refresh_token(transport: Transport, auth: AuthConfig, refresh: str) -> Token:
    """Get a new access token; the refresh token stays the same. ``AuthError`` if refused."""
    answer = await _post(
        transport,
        auth,
        {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": auth.client_id},
        idempotent=True,
    )
    return token_from_answer(answer.access_token, answer.expires_in, refresh, time.time())


async def _post(
    transport: Transport, auth: AuthConfig, form: dict[str, str], *, idempotent: bool
) -> _TokenAnswer:
    try:
        document = await transport.json(
            "POST",
            auth.token_url,
            body=urlencode(form).encode("ascii"),
            headers=_HEADERS,
            idempotent=idempotent,
        )
    except ResponseError as error:
        # The answer's body may repeat what was sent, so only its status is told.
        raise AuthError(
            f"The login at {auth.token_url.host} was refused with status {error.status}; "
            "run `neuro-client logout`, then log in again",
            status=error.status,
            method=error.method,
            url=error.url,
        ) from None
    return structure(document, _TokenAnswer)


def _bare(url: URL) -> str:
    """Format a redirect address without the slash that stands for an empty path."""
    return str(url).removesuffix("/") if url.path in ("", "/") else str(url)


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
