"""The ``client.secrets`` subsystem: values that jobs get and nobody reads (public-api.md §11).

Facts: disks-secrets-images-users-accounts.md §2.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator

import attrs
from yarl import URL

from .concurrency import scoped_iterator
from .config import Config
from .errors import IllegalArgumentError
from .json_service import address, chosen_org, listed, resource_uri
from .models import UNSET, Unset
from .transport import Transport

_KEY = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_RESERVED = "---neuro---"
_LONGEST_TEXT = 2**20


@attrs.frozen
class Secret:
    """Name a secret; its value is never given back."""

    key: str
    owner: str
    cluster_name: str
    org_name: str | None

    @property
    def uri(self) -> URL:
        """Return ``secret://cluster[/org]/owner/key``."""
        return resource_uri("secret", self.cluster_name, self.org_name, self.owner, self.key)


@attrs.frozen
class _Secret:
    key: str
    owner: str
    org_name: str | None = None


class Secrets:
    """Keep secrets for jobs; obtained as ``client.secrets``.

    ``cluster_name`` None is the current cluster, ``org_name`` UNSET the current organisation and
    None no organisation.
    """

    def __init__(self, transport: Transport, config: Config) -> None:
        self._transport = transport
        self._config = config

    def _url(self, cluster_name: str | None, *path: str) -> URL:
        cluster = self._config.get_cluster(cluster_name or self._config.cluster_name)
        return address(cluster.secrets_url, *path)

    @scoped_iterator
    async def list(
        self, cluster_name: str | None = None, *, org_name: str | None | Unset = UNSET
    ) -> AsyncIterator[Secret]:
        """Iterate over the secrets that the user can use, of all organisations unless one is given.

        None as ``org_name`` gives those outside of any organisation.
        """
        cluster = cluster_name or self._config.cluster_name
        async with listed(self._transport, self._url(cluster), _Secret) as secrets:
            async for found in secrets:
                secret = Secret(found.key, found.owner, cluster, found.org_name or None)
                if isinstance(org_name, Unset) or org_name == secret.org_name:
                    yield secret

    async def add(
        self,
        key: str,
        value: bytes,
        cluster_name: str | None = None,
        org_name: str | None | Unset = UNSET,
    ) -> None:
        """Keep a value under *key*, in the place of an earlier one.

        Raises:
            ValueError: the key is not 1 to 253 of ``A-Z a-z 0-9 _ - .``, or is a reserved one; the
                value is empty, or longer than 768 KiB.
        """
        _check_key(key)
        body = {
            "key": key,
            "value": _encoded(value),
            "org_name": chosen_org(self._config, org_name),
        }
        content = json.dumps(body).encode()

        async def pieces() -> AsyncIterator[bytes]:
            yield content  # large ones are not sent in one piece

        await self._transport.send(
            "POST",
            self._url(cluster_name),
            body=pieces,
            headers={"Content-Type": "application/json", "Content-Length": str(len(content))},
            # A second time replaces the value by itself.
            idempotent=True,
        )

    async def rm(
        self,
        key: str,
        cluster_name: str | None = None,
        org_name: str | None | Unset = UNSET,
    ) -> None:
        """Remove a secret; ``ResourceNotFound`` if there is none."""
        _check_key(key)
        org = chosen_org(self._config, org_name)
        await self._transport.send(
            "DELETE",
            self._url(cluster_name, key),
            params={"org_name": org} if org else None,
            idempotent=False,
        )


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key) or key == "." or key.startswith("..") or key.lower() == _RESERVED:
        raise IllegalArgumentError(
            f"{key!r} cannot be the key of a secret: 1 to 253 of A-Z, a-z, 0-9, '_', '-' and '.', "
            f"not '.', nothing that begins with '..', not {_RESERVED!r}"
        )


def _encoded(value: bytes) -> str:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"the value of a secret is bytes, not {type(value).__name__}")
    text = base64.b64encode(value).decode("ascii")
    if not text:
        raise IllegalArgumentError("the value of a secret cannot be empty")
    if len(text) > _LONGEST_TEXT:
        raise IllegalArgumentError(
            f"the value of a secret may have {_LONGEST_TEXT // 4 * 3} bytes, "
            f"not {memoryview(value).nbytes}"
        )
    return text
