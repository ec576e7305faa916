"""The connections of ``Workspaces``: opened when first used, with the credentials it was given."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING, TypedDict

import attrs
from yarl import URL

from ..concurrency import SingleFlight
from ..errors import ConfigError
from ..retry import RetryPolicy
from ..threads import run_blocking
from ..transport import ClientSession, Credentials, FixedCredentials, Transport, open_session
from .errors import map_error
from .models import StorageKey
from .naming import content_type_of
from .service import PlatformService
from .tokens import SessionTokens

if TYPE_CHECKING:
    from .objects import ContentType, Objects

DEFAULT_REGION = "garage"
_PUBLIC_API = "api.reson.tech"
_PUBLIC_STORE = URL("https://s3.reson.tech")
_API_LABEL = "api"
_KEY = re.compile(r"rsk_(live|dev)_[!-~]+")
_TRUE = frozenset({"1", "true", "yes", "on"})


class ConnectOptions(TypedDict, total=False):
    """Name the options of ``Workspaces``; see there."""

    api_key: str | None
    email: str | None
    password: str | None
    s3_url: str | URL | None
    s3_region: str
    access_key_id: str | None
    secret_access_key: str | None
    bucket: str | None
    ui_url: str | URL | None
    allow_http: bool | None
    retry: RetryPolicy | None


def root_url(url: str | URL, what: str, allow_http: bool | None) -> URL:
    """Return the root of a service.

    Raises:
        ValueError: it is no address of the web, or credentials would travel in clear.
    """
    found = URL(url)
    if found.scheme not in ("http", "https") or not found.host:
        raise ValueError(
            f"{what} {str(found.with_user(None) if found.user else found)!r} is not the address of "
            "a service; write it like https://api.reson.tech"
        )
    if allow_http is None:
        allow_http = os.environ.get("RESON_ALLOW_HTTP", "").lower() in _TRUE
    if found.scheme == "http" and not allow_http and not is_loopback(found.host):
        raise ValueError(
            f"{what} {found.host} is asked for without TLS, so keys would travel in clear; use "
            "https, or give allow_http=True (RESON_ALLOW_HTTP=1) in a network that you trust"
        )
    return found.with_user(None).with_query(None).with_fragment(None)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def store_url(api_url: URL, s3_url: str | URL | None, allow_http: bool | None) -> URL | None:
    """Return the root of the object store: what is given, or that of the public platform (§1)."""
    if s3_url is None:
        return _PUBLIC_STORE if api_url.host == _PUBLIC_API else None
    return root_url(s3_url, "s3_url", allow_http)


def web_url(api_url: URL, ui_url: str | URL | None) -> URL | None:
    """Return the root of the web interface: the host of the API without its label (§4.1).

    The local platform has its pages where its API is.
    """
    if ui_url is not None:
        return URL(ui_url)
    if is_loopback(api_url.host or ""):
        return api_url
    label, _, rest = (api_url.host or "").partition(".")
    return api_url.with_host(rest).with_path("/") if label == _API_LABEL and rest else None


class Login:
    """Hold what one signs in with: a key of the platform, or an account.

    Raises:
        ValueError: neither is complete, or both are given, or the key is none.
    """

    def __init__(self, api_key: str | None, email: str | None, password: str | None) -> None:
        account = email is not None or password is not None
        if (api_key is not None) == account or (account and not (email and password)):
            raise ValueError(
                "sign in with api_key, or with email and password: one of them, and complete"
            )
        if api_key is not None and not _KEY.fullmatch(api_key):
            raise ValueError(
                "api_key is not a key of the platform: they begin with rsk_live_ or rsk_dev_"
            )
        self._api_key = api_key
        self._email, self._password = email or "", password or ""

    def credentials(self, bare: Transport) -> Credentials:
        """Return what signs requests; *bare* reaches the platform without it."""
        if self._api_key is not None:
            return FixedCredentials.bearer(self._api_key)
        return SessionTokens(self._email, self._password, bare)


@attrs.frozen
class StoreSettings:
    """Say where the user's bucket is; ``bucket`` None is looked up."""

    url: URL | None
    region: str
    key: StorageKey | None
    bucket: str | None


class _BucketSource:
    """Give the credentials of the bucket, and others once the key was rotated."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._values: Mapping[str, str] | None = None
        self._flights: SingleFlight[Mapping[str, str]] = SingleFlight()

    def use(self, key: StorageKey) -> None:
        """Sign with another key from now on."""
        if self._values is not None:
            self._values = {**self._values, **_key_values(key)}

    async def current(self) -> Mapping[str, str]:
        """Return the credentials; the name of the bucket is looked up the first time."""
        return self._values or await self._flights.run("", self._look_up)

    async def renew(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        """Return those of a key that has replaced the refused one, else the same."""
        return await self.current()

    async def _look_up(self) -> Mapping[str, str]:
        connection = self._connection
        bucket = await connection.bucket()
        url, key = connection.store_access()  # only now: the key may have been rotated meanwhile
        self._values = {
            "bucket_name": bucket,
            "endpoint_url": str(url).rstrip("/"),
            "region_name": connection.store.region,
            **_key_values(key),
        }
        return self._values


def _key_values(key: StorageKey) -> Mapping[str, str]:
    return {
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key,
    }


class Connection:
    """Open one session and what speaks over it on first use, and close them."""

    def __init__(
        self, url: URL, login: Login, store: StoreSettings, retry: RetryPolicy | None
    ) -> None:
        self.url = url
        self.store = store
        self._login = login
        self._retry = retry
        self._session: ClientSession | None = None
        self._transport: Transport | None = None
        self._source = _BucketSource(self)
        self._bucket = store.bucket
        self._stack = AsyncExitStack()
        self._flights: SingleFlight[str] = SingleFlight()
        self._closed = False

    @property
    def session(self) -> ClientSession:
        """Return the session, opened now if it is not; needs a running loop.

        Raises:
            RuntimeError: it was closed.
        """
        if self._closed:
            raise RuntimeError("The connection to the platform is closed; open another one")
        if self._session is None:
            self._session = open_session()
        return self._session

    @property
    def transport(self) -> Transport:
        """Return the request path to the platform's API."""
        session = self.session
        if self._transport is None:
            bare = self._open(session, None)
            self._transport = self._open(session, self._login.credentials(bare))
        return self._transport

    def _open(self, session: ClientSession, credentials: Credentials | None) -> Transport:
        return Transport(
            self.url,
            credentials,
            map_error=map_error,
            retry=self._retry,
            session=session,
            trace=None,
        )

    @property
    def service(self) -> PlatformService:
        """Return what makes single requests."""
        return PlatformService(self.transport, self.url)

    async def bucket(self) -> str:
        """Return the name of the user's bucket, looked up once."""
        if self._bucket is None:
            self._bucket = await self._flights.run("", self.service.bucket)
        return self._bucket

    def store_access(self) -> tuple[URL, StorageKey]:
        """Return where the bucket is and the key to it.

        Raises:
            ConfigError: one of them is not known; says where to put it.
        """
        missing = [
            name
            for name, value in (("s3_url", self.store.url), ("access_key_id", self.store.key))
            if value is None
        ]
        if self.store.url is None or self.store.key is None:
            raise ConfigError(
                f"The bucket needs {' and '.join(missing)}, which the platform's web page shows; "
                "give them to Workspaces.connect, put them into the table [workspaces] of "
                "services.toml, or set RESON_S3_URL, RESON_ACCESS_KEY_ID and "
                "RESON_SECRET_ACCESS_KEY"
            )
        return self.store.url, self.store.key

    def use_key(self, key: StorageKey) -> None:
        """Sign requests to the bucket with another key."""
        self.store = attrs.evolve(self.store, key=key)
        self._source.use(key)

    async def objects(self, content_type: ContentType | None = None) -> Objects:
        """Return what speaks to the bucket and writes objects of these types."""
        self.store_access()
        module = await run_blocking(import_module, f"{__package__}.objects")
        found: Objects = module.Objects(
            self._source, self.session, self._stack, content_type or content_type_of
        )
        await found.bucket()  # refused here, it is not taken for an error of the store
        return found

    async def close(self) -> None:
        """Close every connection; calling it again does nothing."""
        self._closed = True
        session, self._session = self._session, None
        await self._stack.aclose()
        if session is not None:
            await session.close()
