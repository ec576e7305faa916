"""What is done by azure-storage-blob itself: signatures, listings and lists of blocks.

The only module that imports the library, which is an optional extra; `azure` loads it in a thread.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob import (
    BlobBlock,
    ContainerSasPermissions,
    ContentSettings,
    generate_container_sas,
)
from azure.storage.blob.aio import BlobPrefix, ContainerClient
from yarl import URL

from ..errors import ConfigError, ProtocolError, TransportError, TransportTimeoutError
from ..transport import ClientSession
from .azure_errors import answer_error, without_secrets
from .provider import Blob, Prefix

Observe = Callable[[str | None], None]
"""Be told the ``Date`` of an answer."""

_ERRORS = 300
SIGNED_FOR = timedelta(days=1)
"""Life of a signature that is made here, long enough for a clock that is hours off."""


def sign(endpoint: str, container: str, account_key: str) -> str:
    """Make a SAS token for all that a provider does, of the key of a storage account."""
    url = URL(endpoint)
    # An emulator has the account's name in the path, the service has it in the host.
    account = url.path.strip("/") or (url.host or "").partition(".")[0]
    try:
        base64.b64decode(account_key, validate=True)
        return generate_container_sas(
            account,
            container,
            account_key=account_key,
            permission=ContainerSasPermissions(
                read=True, add=True, create=True, write=True, delete=True, list=True
            ),
            expiry=datetime.now(UTC) + SIGNED_FOR,
        )
    except (AzureError, ValueError) as error:
        raise ConfigError(
            f"the credential of the bucket {container} is neither a SAS token nor the key of a "
            "storage account; import the bucket again with a valid one"
        ) from error


def open_client(session: ClientSession, endpoint: str, container: str, sas: str) -> ContainerClient:
    """Return a client that makes one attempt for each call over *session*; it holds nothing."""
    return ContainerClient(
        endpoint,
        container,
        credential=AzureSasCredential(sas),
        transport=AioHttpTransport(
            session=session,
            session_owner=False,
            connection_timeout=session.timeout.sock_connect,
            read_timeout=session.timeout.sock_read,
        ),
        retry_total=0,
        permit_redirects=False,
    )


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """Turn the errors of the library into ours."""
    try:
        yield
    except (ServiceRequestTimeoutError, ServiceResponseTimeoutError) as error:
        raise TransportTimeoutError(f"{what}: no answer in time; try again later") from error
    except (ServiceRequestError, ServiceResponseError, IncompleteReadError, OSError) as error:
        raise TransportError(f"{what}: {without_secrets(str(error))}; try again later") from error
    except HttpResponseError as error:
        answer: Any = error.response
        if answer is None or answer.status_code < _ERRORS:
            raise _unreadable(what) from error
        raise answer_error(what, answer.status_code, answer.headers, answer.body()) from error
    except (AzureError, ValueError, TypeError, AttributeError) as error:
        # The library stumbles in several ways over an answer of another kind of service.
        raise _unreadable(what) from error


def _unreadable(what: str) -> ProtocolError:
    return ProtocolError(
        f"{what}: the answer cannot be read; check the storage endpoint of the bucket"
    )


@attrs.frozen
class Page:
    """Hold one answer to a listing; ``marker`` is where the next one begins, None at the end."""

    items: Sequence[Blob | Prefix]
    marker: str | None


async def list_page(
    client: ContainerClient,
    prefix: str,
    marker: str | None,
    size: int,
    *,
    folders: bool,
    observe: Observe,
) -> Page:
    """List up to *size* keys from *marker* on."""
    options: dict[str, Any] = {
        "name_starts_with": prefix or None,
        "results_per_page": size,
        "raw_response_hook": lambda answer: observe(answer.http_response.headers.get("Date")),
    }
    pages = (client.walk_blobs(**options) if folders else client.list_blobs(**options)).by_page(
        marker
    )
    items = [_item(item) async for item in await anext(pages)]
    return Page(items, getattr(pages, "continuation_token", None))


def _item(found: Any) -> Blob | Prefix:
    if isinstance(found, BlobPrefix):
        return Prefix(found.name)
    return Blob(
        found.name,
        found.size,
        # Quoted in headers, where conditions are made of it; not in listings.
        f'"{found.etag.strip(chr(34))}"' if found.etag else None,
        found.last_modified,
        found.creation_time,
    )


@attrs.frozen
class Blocks:
    """Hold the sizes of a blob's blocks by id: those it is made of, in order, and the others."""

    committed: Mapping[str, int]
    waiting: Mapping[str, int]


async def list_blocks(client: ContainerClient, key: str) -> Blocks:
    """Return the blocks of a blob; one that has neither kind does not exist."""
    committed, waiting = await client.get_blob_client(key).get_block_list("all")
    return Blocks(
        {block.id: block.size for block in committed}, {block.id: block.size for block in waiting}
    )


async def commit(
    client: ContainerClient, key: str, ids: Sequence[str], conditions: Mapping[str, str]
) -> None:
    """Make a blob of blocks that have arrived."""
    await client.get_blob_client(key).commit_block_list(
        [BlobBlock(block_id=id) for id in ids],
        content_settings=ContentSettings(content_type="application/octet-stream"),
        headers=dict(conditions),
    )
