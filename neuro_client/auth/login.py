"""The ways to log in; each returns a complete login and writes nothing.

Facts: config-and-auth.md §3 and §4.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs
from yarl import URL

from ..config import store
from ..config.models import Login, ServerConfig, Token
from ..config.wire import server_config_from_answer
from ..errors import AuthError, ConfigError, ResponseError
from ..transport import Transport
from .oauth import Pkce, authorization_url, exchange_code
from .tokens import static_token

LOGIN_TIMEOUT = 60.0

ShowBrowser = Callable[[URL], Awaitable[None]]
GetCode = Callable[[URL], Awaitable[str]]


async def fetch_server_config(transport: Transport, url: URL, token: str | None) -> ServerConfig:
    """Read the platform's configuration, the user's part too when a token is given.

    Raises:
        AuthError: the token was not accepted.
        ConfigError: the answer is not the one of a platform (a ``RuntimeError``).
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = await transport.send("GET", url / "config", headers=headers, ok=(200,))
    except ResponseError as error:
        raise ConfigError(
            f"{url} does not answer like a platform: {error}; check the URL, it normally ends "
            "in /api/v1"
        ) from error
    server = server_config_from_answer(await answer.json())
    if token and not server.authorized:
        raise AuthError(f"{url} does not accept the token; log in again with a valid one")
    return server


async def login_by_browser(
    transport: Transport, url: URL, show_browser: ShowBrowser, timeout: float = LOGIN_TIMEOUT
) -> Login:
    """Log in through the user's browser: authorization code with PKCE."""
    server = await fetch_server_config(transport, url, None)
    if server.clusters:
        # A platform that tells its clusters to anybody has no OAuth: a token of our own will do.
        return build_login(url, server, static_token(standalone_token()))
    # Only this way to log in needs a web server, and its import costs more than all of ours.
    from .callback import callback_page

    pkce = Pkce.generate()
    async with callback_page(server.auth.callback_urls, server.auth.success_redirect_url) as page:
        await show_browser(authorization_url(server.auth, pkce, page.url))
        code = await page.code(timeout)
        redirect_uri = page.url
    token = await exchange_code(transport, server.auth, pkce, code, redirect_uri)
    return await _finish(transport, url, token)


async def login_by_code(transport: Transport, url: URL, get_code: GetCode) -> Login:
    """Log in on a machine without a browser: the user brings the code from another one."""
    server = await fetch_server_config(transport, url, None)
    pkce = Pkce.generate()
    redirect_uri = server.auth.headless_callback_url
    code = await get_code(authorization_url(server.auth, pkce, redirect_uri))
    if not code:
        raise AuthError("No code was given; open the address again and copy the code shown there")
    token = await exchange_code(transport, server.auth, pkce, code, redirect_uri)
    return await _finish(transport, url, token)


async def login_by_token(transport: Transport, url: URL, token: str) -> Login:
    """Log in with a token that was issued elsewhere; it is kept as non-expiring.

    The token of a service account comes with its cluster and address around it; it is taken out.
    """
    with suppress(ConfigError):  # any other is the token itself
        token = parse_passed_config(token).token
    return await _finish(transport, url, static_token(token))


@attrs.frozen
class PassedConfig:
    """Hold what a job started with ``pass_config`` is given."""

    token: str = attrs.field(repr=False)
    cluster: str
    url: URL
    org_name: str | None = None


def parse_passed_config(text: str) -> PassedConfig:
    """Decode the value of the environment variable.

    Raises:
        ConfigError: it is malformed or a key is missing; the value itself is not repeated.
    """
    try:
        data = json.loads(base64.b64decode(text, validate=True))
        return PassedConfig(
            token=_text(data, "token"),
            cluster=_text(data, "cluster"),
            url=URL(_text(data, "url")),
            org_name=data.get("org_name"),
        )
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        missing = f" (no {error})" if isinstance(error, KeyError) else ""
        raise ConfigError(
            f"The passed configuration cannot be read{missing}; it must be base64 of a JSON object "
            "with token, cluster and url, as a job started with pass_config gets it"
        ) from None


def build_login(url: URL, server: ServerConfig, token: Token) -> Login:
    """Make the record to store: the first cluster and its first organisation are current."""
    first = next(iter(server.clusters.values()), None)
    return Login(
        auth=server.auth,
        token=token,
        url=url,
        admin_url=server.admin_url,
        version=store.FORMAT_VERSION,
        cluster_name=first.name if first else None,
        org_name=first.orgs[0] if first and first.orgs else None,
        clusters=server.clusters,
    )


def standalone_token() -> str:
    """Make the token of a deployment without OAuth: a JWT under its well-known key."""
    header = _segment({"alg": "HS256", "typ": "JWT"})
    payload = _segment({"https://platform.neuromation.io/user": "user"})
    signature = hmac.new(b"neuro", f"{header}.{payload}".encode(), hashlib.sha256).digest()
    return f"{header}.{payload}.{_base64(signature)}"


async def _finish(transport: Transport, url: URL, token: Token) -> Login:
    server = await fetch_server_config(transport, url, token.access)
    return build_login(url, server, token)


def _text(data: dict[str, object], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def _segment(content: dict[str, str]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
