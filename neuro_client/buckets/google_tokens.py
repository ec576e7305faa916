"""Access tokens for Google: those of the bucket service, or made with a service account's key."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import attrs
from yarl import URL

from ..errors import AuthenticationError, ConfigError
from ..threads import run_blocking
from ..transport import ClientSession, Failure, Transport, build_error
from ..wire import structure
from .credentials import BucketCredentialSource
from .models import BucketCredentials, BucketProvider
from .provider import CredentialSource

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 3600
_TOKEN = "access_token"
_KEY = "key_data"
_REFUSED = (400, 401)


class Tokens:
    """Be the credentials of a Transport: the token of the moment as a bearer."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source
        self._last: Mapping[str, str] = {}

    async def authorization(self, *, min_ttl: float = 0.0) -> str:
        """Return the header; the source sees to it that the token is good for minutes."""
        self._last = await self._source.current()
        return _bearer(self._last)

    async def renew(self, rejected: str) -> bool:
        """Get another token than the rejected one, once for all requests it was sent with."""
        if _bearer(self._last) != rejected:
            return True
        self._last = await self._source.renew(self._last)
        return _bearer(self._last) != rejected


def _bearer(values: Mapping[str, str]) -> str:
    token = values.get(_TOKEN, "")
    return f"Bearer {token}" if token else ""


def open_tokens(
    credentials: CredentialSource, values: Mapping[str, str], session: ClientSession
) -> Tokens:
    """Choose where tokens come from by what *values*, the present credentials, have.

    Raises:
        ConfigError: there is neither a token nor a key.
    """
    if values.get(_TOKEN):
        return Tokens(credentials)
    if values.get(_KEY):
        maker = _TokenMaker(credentials, session)
        return Tokens(BucketCredentialSource(maker.make))
    raise ConfigError(
        f"the credentials of the Google bucket have neither {_TOKEN!r} nor {_KEY!r}; "
        "import the bucket again with the key of a service account"
    )


@attrs.frozen
class _Token:
    access_token: str
    expires_in: int = _LIFE


class _TokenMaker:
    """Exchange a signed request for an access token, as service accounts do."""

    def __init__(self, credentials: CredentialSource, session: ClientSession) -> None:
        self._credentials = credentials
        self._transport = Transport(map_error=_failure, session=session, trace=None)

    async def make(self) -> BucketCredentials:
        """Ask for a token with the key that the bucket was imported with."""
        values = await self._credentials.current()
        assertion, address = await run_blocking(_assertion, values[_KEY], time.time())
        answer = await self._transport.json(
            "POST",
            URL(address),
            body=urlencode({"grant_type": _GRANT, "assertion": assertion}).encode("ascii"),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            retry=None,
            redirects=False,
        )
        token = structure(answer, _Token)
        expires = datetime.now(UTC) + timedelta(seconds=token.expires_in)
        found = {_TOKEN: token.access_token, "expire_time": expires.isoformat()}
        return BucketCredentials("", BucketProvider.GCP, found)


def _assertion(key_data: str, now: float) -> tuple[str, str]:
    """Sign a request for a token; return it with the address it is for."""
    try:
        from google.auth import crypt, jwt
    except ImportError as error:
        raise ConfigError(
            "the key of a Google service account needs the package google-auth; "
            "run: pip install 'neuro_client[google]'"
        ) from error
    modules: tuple[Any, Any] = crypt, jwt
    try:
        info = json.loads(base64.b64decode(key_data))
        signer = modules[0].RSASigner.from_service_account_info(info)
        issuer, address = str(info["client_email"]), str(info["token_uri"])
    except (ValueError, KeyError, TypeError):  # without its text, which may have parts of the key
        raise ConfigError(
            f"{_KEY!r} of the Google bucket is not a service account's key file in base64; "
            "import the bucket again"
        ) from None
    claims = {
        "iss": issuer,
        "scope": _SCOPE,
        "aud": address,
        "iat": int(now),
        "exp": int(now) + _LIFE,
    }
    return modules[1].encode(signer, claims).decode("ascii"), address


def _failure(failure: Failure) -> Exception:
    text = failure.body.decode("utf-8", "replace")[:500]
    error = build_error(failure, f"cannot get an access token for the service account: {text}")
    if failure.status not in _REFUSED:
        return error
    return AuthenticationError(
        f"{error}; check that the key was not revoked and that the clock of this machine is right",
        status=failure.status,
        method=failure.method,
        url=error.url,
        body=error.body,
    )
