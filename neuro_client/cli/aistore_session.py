"""Open the AIStore cluster of the settings, and read its URIs."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import click
from yarl import URL

from ..aistore import AIStore, Bucket
from ..aistore.names import AIS, PROVIDERS
from ..config.services import AIStoreSettings
from ..uris import child
from .foreign import open_service
from .session import usage_errors
from .settings import Settings

SCHEMES = PROVIDERS
"""Of URIs: an own bucket has ``ais:``, a cloud's its provider."""


def open_aistore(settings: Settings) -> AbstractAsyncContextManager[AIStore]:
    """Open what the settings name; see `open_service`."""
    return open_service(settings, AIStoreSettings, AIStore.from_settings)


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
