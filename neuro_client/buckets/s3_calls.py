"""Calls of aiobotocore on a bucket: one client for each set of credentials."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..errors import AuthError
from .provider import CredentialSource
from .s3_client import client_error, open_client
from .s3_requests import Requests
from .s3_signing import Address


class Calls:
    """Make calls over the connections of *requests*; *stack* closes the clients."""

    def __init__(
        self, requests: Requests, credentials: CredentialSource, stack: AsyncExitStack
    ) -> None:
        self._requests = requests
        self._credentials = credentials
        self._stack = stack
        self._opening = asyncio.Lock()
        self._client: tuple[Mapping[str, str], Any] | None = None

    async def call(self, what: str, name: str, **parameters: Any) -> Any:
        """Call the method *name*; once more if it was refused and there are new credentials."""
        values = await self._credentials.current()
        try:
            return await self._attempt(what, name, parameters, values)
        except AuthError:
            renewed = await self._credentials.renew(values)
            if renewed is values:
                raise
        return await self._attempt(what, name, parameters, renewed)

    async def _attempt(
        self, what: str, name: str, parameters: Mapping[str, Any], values: Mapping[str, str]
    ) -> Any:
        client = await self._open(values)
        bucket = values["bucket_name"]
        try:
            return await getattr(client, name)(Bucket=bucket, **parameters)
        except (ClientError, BotoCoreError) as error:
            raise client_error(f"cannot {what} in {bucket}", error) from error

    async def _open(self, values: Mapping[str, str]) -> Any:
        async with self._opening:
            if self._client is None or self._client[0] is not values:
                opening = open_client(self._requests.transport, Address.of(values), values)
                self._client = (values, await self._stack.enter_async_context(opening))
            return self._client[1]
