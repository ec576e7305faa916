"""How to reach a cluster: arguments, then the variables that AIStore's users know."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping, Sequence

import attrs
from yarl import URL

from ...errors import ConfigError
from ...retry import RetryPolicy

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 20.0
POOL = 100

_TRUE = frozenset({"1", "t", "true", "y", "yes", "on"})

Timeout = float | tuple[float | None, float | None] | None


@attrs.frozen
class Settings:
    """Hold what a client needs to connect; it can be pickled and used in another process.

    Times are in seconds, None for no limit. ``headers`` go with every request.
    """

    endpoints: Sequence[str]
    token: str | None = attrs.field(default=None, repr=False)
    skip_verify: bool = False
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    connect_timeout: float | None = CONNECT_TIMEOUT
    read_timeout: float | None = READ_TIMEOUT
    max_pool_size: int = POOL
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    direct_reads: bool = True
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)

    @property
    def endpoint(self) -> str:
        """Return the proxy to ask first."""
        return self.endpoints[0]

    def tls(self) -> ssl.SSLContext | None:
        """Make the context of encrypted connections, None for the usual one; blocks."""
        if not (self.skip_verify or self.ca_cert or self.client_cert):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_cert)
            if self.client_cert:
                context.load_cert_chain(self.client_cert, self.client_key)
        except OSError as error:  # an SSLError is one too
            files = ", ".join(filter(None, (self.ca_cert, self.client_cert, self.client_key)))
            raise ConfigError(
                f"the certificates cannot be loaded ({files}): {error.strerror or error}"
            ) from error
        if self.skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def check_endpoint(text: str) -> str:
    """Return the root of a proxy without a slash at its end; ``ValueError`` if it is none."""
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"{text!r} is not the address of a proxy; write http://HOST:PORT")
    return str(url.with_query(None).with_fragment(None)).rstrip("/")


def both_timeouts(
    timeout: Timeout, environ: Mapping[str, str]
) -> tuple[float | None, float | None]:
    """Return the limits for connecting and for the pause between two reads."""
    if isinstance(timeout, tuple):
        return timeout[0] or None, timeout[1] or None
    if timeout is not None:
        return timeout or None, timeout or None
    return (
        _seconds("AIS_CONNECT_TIMEOUT", CONNECT_TIMEOUT, environ),
        _seconds("AIS_READ_TIMEOUT", READ_TIMEOUT, environ),
    )


def _seconds(name: str, default: float, environ: Mapping[str, str]) -> float | None:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value < 0:
        raise ConfigError(f"{name} must be a number of seconds, not {text!r}")
    return value or None


def _count(name: str, default: int, environ: Mapping[str, str]) -> int:
    text = environ.get(name)
    if not text:
        return default
    if not text.isdigit() or not int(text):
        raise ConfigError(f"{name} must be a positive number, not {text!r}")
    return int(text)


def resolve(
    endpoint: str | Sequence[str] | None,
    *,
    token: str | None,
    skip_verify: bool | None,
    ca_cert: str | None,
    client_cert: str | tuple[str, str] | None,
    client_key: str | None,
    timeout: Timeout,
    max_pool_size: int | None,
    retry: RetryPolicy | None,
    direct_reads: bool,
    headers: Mapping[str, str] | None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Put the settings together: argument, environment, default.

    Raises:
        ConfigError: no endpoint, or a variable that makes no sense.
        ValueError: an endpoint that is no address.
    """
    found = endpoint or environ.get("AIS_ENDPOINT")
    if not found:
        raise ConfigError("No AIStore endpoint: give the URL of a proxy, or set AIS_ENDPOINT")
    if isinstance(client_cert, tuple):
        client_cert, client_key = client_cert
    connect, read = both_timeouts(timeout, environ)
    if skip_verify is None:
        skip_verify = environ.get("AIS_SKIP_VERIFY_CRT", "").lower() in _TRUE
    if max_pool_size is not None and max_pool_size < 1:
        raise ValueError(f"max_pool_size must be positive, not {max_pool_size}")
    return Settings(
        endpoints=tuple(map(check_endpoint, [found] if isinstance(found, str) else found)),
        token=token or environ.get("AIS_AUTHN_TOKEN") or None,
        skip_verify=skip_verify,
        ca_cert=ca_cert or environ.get("AIS_CLIENT_CA") or None,
        client_cert=client_cert or environ.get("AIS_CRT") or None,
        client_key=client_key or environ.get("AIS_CRT_KEY") or None,
        connect_timeout=connect,
        read_timeout=read,
        max_pool_size=max_pool_size or _count("AIS_MAX_CONN_POOL", POOL, environ),
        retry=retry or RetryPolicy(base=0.2),
        direct_reads=direct_reads,
        headers=dict(headers or {}),
    )
