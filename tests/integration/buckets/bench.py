"""What the checks of bucket providers work with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager

import attrs
import pytest

from neuro_client.buckets.provider import Blob, Prefix, Provider
from neuro_client.errors import NotSupportedError
from neuro_client.testing.proxy import FaultProxy
from neuro_client.transfer import Body, Part, Upload

_UNIT = 256 * 1024


class Source:
    """Give credentials; those of *renewed* one after the other when some are refused."""

    def __init__(self, values: Mapping[str, str], *renewed: Mapping[str, str]) -> None:
        self.values = values
        self.renewals = 0
        self.renewed = list(renewed)

    async def current(self) -> Mapping[str, str]:
        """Return the credentials of the moment."""
        return self.values

    async def renew(self, refused: Mapping[str, str]) -> Mapping[str, str]:
        """Return others than *refused*, as long as there are some."""
        self.renewals += 1
        if self.values is refused and self.renewed:
            self.values = self.renewed.pop(0)
        return self.values


@attrs.frozen
class Bench:
    """Hold a provider of an empty bucket and ways to disturb it.

    ``provider`` speaks through ``proxy``. ``absent`` is a provider of a bucket that does not exist.
    ``again`` opens one more provider of the same bucket, as another process would. ``unkept`` are
    letters that the service does not keep in keys; ``leading_slashes`` tells if it keeps those.
    """

    provider: Provider
    absent: Provider
    proxy: FaultProxy
    again: Callable[[], AbstractAsyncContextManager[Provider]]
    unkept: frozenset[str] = frozenset()
    leading_slashes: bool = True


Check = Callable[[Bench], Awaitable[None]]


async def read(
    provider: Provider,
    key: str,
    start: int = 0,
    end: int | None = None,
    *,
    if_match: str | None = None,
    if_none_match: str | None = None,
) -> bytes:
    """Return a range of an object."""
    async with provider.get(
        key, start=start, end=end, if_match=if_match, if_none_match=if_none_match
    ) as chunks:
        return b"".join([chunk async for chunk in chunks])


async def listing(
    provider: Provider, prefix: str = "", *, folders: bool = False, limit: int | None = None
) -> list[Blob | Prefix]:
    """Return a listing."""
    async with provider.list(prefix, folders=folders, limit=limit) as found:
        return [item async for item in found]


def content(size: int) -> bytes:
    """Return bytes of which no two neighbouring parts are the same."""
    pattern = b"".join(number.to_bytes(3, "big") for number in range(size // 3 + 1))
    return pattern[:size]


def unit(provider: Provider) -> int:
    """Return a size of parts that suits the service."""
    return max(_UNIT, provider.capabilities.min_part)


async def send(provider: Provider, upload: Upload, data: bytes, size: int) -> list[Part]:
    """Send all parts, the last ones first and at once where the service takes that."""
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    work = [(number, (number - 1) * size, piece) for number, piece in enumerate(pieces, 1)]
    if upload.serial or not provider.capabilities.random_parts:
        return [await provider.put_part(upload, n, at, Body.of(piece)) for n, at, piece in work]
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(provider.put_part(upload, n, at, Body.of(piece)))
            for n, at, piece in reversed(work)
        ]
    return sorted((task.result() for task in tasks), key=lambda part: part.number)


def remembered(upload: Upload) -> Upload:
    """Return the upload as a journal gives it back."""
    return Upload.from_json(json.loads(json.dumps(upload.to_json())))


async def conditional(work: Awaitable[None]) -> None:
    """Await a conditional write, and end the test where the service has none."""
    try:
        await work
    except NotSupportedError:
        pytest.skip("the service has no conditional writes")
