"""Write one object in parts (aistore.md §16.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self

from ...concurrency import finish
from ...errors import ResourceNotFound
from ...retry import NEVER, RetryPolicy
from .. import wire
from ..versions import MULTIPART, new_in
from .content import Content, Source

if TYPE_CHECKING:
    from .object import Object

ABORT_TIME = 10.0


class MultipartUpload:
    """Send parts in any order and side by side; they become the object with `complete`.

    Entered, it is created, and completed at the end of the block, or aborted by an error.
    """

    def __init__(self, target: Object, upload_id: str = "") -> None:
        self._object = target
        self._numbers: set[int] = set()
        self.upload_id = upload_id

    async def __aenter__(self) -> Self:
        return await self.create()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            async with ending(self):
                await self.complete()
        else:
            await finish(self.abort(), ABORT_TIME)

    async def create(self) -> Self:
        """Begin the upload.

        Raises:
            NotSupportedError: the server is older than 4.0.
        """
        requests = self._object.bucket.requests
        async with new_in(requests, "An upload in parts", MULTIPART):
            action = wire.action("mpt-upload")
            call = self._object.call("POST", action=action, idempotent=False)
            self.upload_id = wire.job_id(await (await self._object.send(call)).read())
        return self

    async def put_part(
        self,
        number: int,
        content: Source,
        size: int | None = None,
        *,
        retry: RetryPolicy | None = None,
    ) -> Mapping[str, str]:
        """Send part ``number``, from 1; sending it again replaces it."""
        if number < 1:
            raise ValueError(f"parts are numbered from 1, not {number}")
        params = {"uploadId": self._id(), "partNumber": str(number)}
        call = self._object.call("PUT", params=params, content=Content(content, size))
        answer = await self._object.send(call, retry=retry)
        self._numbers.add(number)
        return answer.headers

    async def complete(self, numbers: list[int] | None = None) -> None:
        """Join the parts, by default those sent from here, in the order of their numbers."""
        chosen = sorted(self._numbers if numbers is None else numbers)
        value = [{"part-number": number, "etag": ""} for number in chosen]
        action = wire.action("mpt-complete", value)
        params = {"uploadId": self._id()}
        # Not repeated: after a lost answer the upload is gone, and the object there.
        call = self._object.call("POST", params=params, action=action, idempotent=False)
        await self._object.send(call)

    async def abort(self) -> None:
        """Drop what has been sent; an upload that is gone is no error."""
        action = wire.action("mpt-abort")
        call = self._object.call("DELETE", params={"uploadId": self._id()}, action=action)
        try:
            await self._object.send(call, retry=NEVER)
        except ResourceNotFound:
            return

    def _id(self) -> str:
        if not self.upload_id:
            raise RuntimeError("the upload has not begun; call create() first")
        return self.upload_id


@asynccontextmanager
async def ending(upload: MultipartUpload) -> AsyncGenerator[None]:
    """Abort an upload that the block could not complete."""
    try:
        yield
    except BaseException:
        await finish(upload.abort(), ABORT_TIME)
        raise
