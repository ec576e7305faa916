"""Open the AIStore cluster of the settings, and read its URIs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click
from yarl import URL

from ..aistore import AIStore, Bucket
from ..aistore.names import AIS, PROVIDERS
from ..config.paths import config_dir
from ..config.services import AIStoreSettings, Services
from ..errors import ConfigError
from ..threads import run_blocking
from ..uris import child
from . import errors
from .session import usage_errors
from .settings import Settings

SCHEMES = PROVIDERS
"""Of URIs: an own bucket has ``ais:``, a cloud's its provider."""


@asynccontextmanager
async def open_aistore(settings: Settings) -> AsyncIterator[AIStore]:
    """Open what the settings name; no login to a platform is needed.

    Raises:
        NotLoggedIn: a setting is missing.
    """
    services = await run_blocking(lambda: Services.read(config_dir(settings.config)))
    try:
        found = AIStore.from_settings(services.settings(AIStoreSettings))
    except ConfigError as error:
        raise errors.NotLoggedIn(str(error)) from error
    async with found:
        yield found


def read_uri(ais: AIStore, text: str, *, in_bucket: bool = False) -> tuple[Bucket, str]:
    """Return the bucket and the name that a user wrote, ``ais:BUCKET/NAME``.

    A cloud's bucket has its provider as the scheme. Names are taken as they are typed.
    """
    with usage_errors():
        bucket, key = ais.parse_url(text)
    if in_bucket and not key.strip("/"):
        raise click.UsageError(f"{text} is a whole bucket; name what is in it")
    return bucket, key


def as_url(ais: AIStore, text: str) -> URL:
    """Make the URL of what a user wrote."""
    bucket, key = read_uri(ais, text)
    url = URL(f"{AIS}://{bucket.name}", encoded=True)
    for name in key.strip("/").split("/") if key.strip("/") else ():
        url = child(url, name)
    return url if bucket.provider == AIS else url.with_query(provider=bucket.provider)
