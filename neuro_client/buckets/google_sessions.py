"""Uploads to Google in one resumable session, part after part.

A session takes multiples of 256 KiB until its end. What is left over of a part is held here until
the next one comes, so parts may have any size, and the object appears with `complete` only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import attrs
from yarl import URL

from ..errors import ProtocolError, ResourceNotFound, ServerNotAvailable
from ..transfer import Body, Part, Upload
from ..transport import Answer
from ..wire import structure
from .google_checks import etag_of, receipt
from .google_requests import OCTETS, Record, Requests
from .google_sending import Outgoing

QUANTUM = 256 * 1024
_AT = "session"
_UNFINISHED = 308
_DONE = (200, 201)
_RANGE = re.compile(r"bytes=0-(\d+)")


@attrs.define
class _Progress:
    """Know how far a session is: ``held`` ends where the next part begins."""

    end: int = 0
    held: bytes = b""
    persisted: int | None = 0
    """None when an attempt broke off, so that the service has to be asked."""

    def since(self, position: int) -> bytes | None:
        """Return what was held from *position* on, None if that begins behind it."""
        first = self.end - len(self.held)
        return self.held[position - first :] if first <= position else None


class Sessions:
    """Write objects in sessions, one upload in each."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._progress: dict[str, _Progress] = {}

    async def begin(self, key: str, size: int, conditions: Mapping[str, str]) -> Upload:
        """Open a session; *conditions* are checked when the object is made."""
        url = self._requests.upload(key, "resumable", **conditions)
        headers = {"Content-Type": "application/json", "X-Upload-Content-Type": OCTETS}
        if size:
            headers["X-Upload-Content-Length"] = str(size)
        async with self._requests.send("POST", url, headers=headers, body=b"{}") as answer:
            await answer.read()
            location = answer.headers.get("Location")
        if not location:
            raise ProtocolError(
                f"cannot write {self._requests.bucket}/{key!r}: the answer names no session; "
                "check that the endpoint is Google's"
            )
        # The host stays ours: the access token goes nowhere else, and a proxy is kept.
        at = URL(location, encoded="%" in location).raw_path_qs
        id = hashlib.sha256(at.encode()).hexdigest()[:32]
        self._progress[id] = _Progress()
        return Upload(key, id, size, serial=True, state={_AT: at, **conditions})

    async def put_part(self, upload: Upload, number: int, offset: int, body: Body) -> Part:
        """Send what makes whole multiples, and hold the rest."""
        progress = self._progress.setdefault(upload.id, _Progress(persisted=None))
        persisted = progress.persisted
        if persisted is None:
            persisted = await self._arrived(upload)
        lead = progress.since(persisted) if persisted < offset else b""
        if lead is None or persisted + len(lead) < offset:
            raise ProtocolError(
                f"the upload of {upload.key!r} has {persisted} bytes and cannot go on at {offset}; "
                "begin it again"
            )
        lead = lead[: offset - persisted] if persisted < offset else b""
        skip = min(max(0, persisted - offset), body.size)
        size = (len(lead) + body.size - skip) // QUANTUM * QUANTUM
        made: list[Outgoing] = []

        def outgoing() -> Outgoing:
            made.append(Outgoing(body, size, lead=lead, skip=skip))
            return made[-1]

        if size:
            progress.persisted = None
            await self._send(upload, persisted, size, outgoing)
        else:
            await outgoing().drain()
        persisted += size
        progress.end = max(offset + body.size, persisted)
        progress.held = bytes(made[-1].rest)
        progress.persisted = persisted
        return Part(number, offset, body.size, receipt(made[-1].digest, str(body.size)))

    async def _send(
        self, upload: Upload, first: int, size: int, body: Callable[[], Outgoing]
    ) -> None:
        headers = {
            "Content-Type": OCTETS,
            "Content-Length": str(size),
            "Content-Range": f"bytes {first}-{first + size - 1}/*",
        }
        url = self._url(upload)
        async with self._requests.send(
            "PUT", url, ok=(_UNFINISHED,), headers=headers, body=body
        ) as answer:
            await answer.read()
        if (persisted := _persisted(answer)) != first + size:
            raise ServerNotAvailable(
                f"cannot write {self._requests.bucket}/{upload.key!r}: Google took {persisted} "
                f"bytes instead of {first + size}; try again later"
            )

    async def _ask(self, upload: Upload, total: str = "*") -> int | Record:
        """Return how many bytes have arrived, or the object if they were all."""
        ok = (_UNFINISHED, *_DONE)
        headers = {"Content-Range": f"bytes */{total}"}
        url = self._url(upload)
        async with self._requests.send("PUT", url, ok=ok, headers=headers, body=b"") as answer:
            if answer.status == _UNFINISHED:
                await answer.read()
                return _persisted(answer)
            return structure(await answer.json(), Record)

    async def _arrived(self, upload: Upload) -> int:
        found = await self._ask(upload)
        if isinstance(found, Record):
            raise ProtocolError(
                f"the upload of {upload.key!r} ended with {found.size} bytes before all were sent; "
                "begin it again"
            )
        return found

    async def parts(self, upload: Upload, known: Sequence[Part]) -> Sequence[Part]:
        """Return the *known* parts that have arrived to their last byte."""
        persisted = await self._arrived(upload)
        self._progress[upload.id] = _Progress(persisted, b"", persisted)
        return [
            part
            for part in known
            if part.offset + part.size <= persisted and etag_of(part) == str(part.size)
        ]

    async def complete(self, upload: Upload, total: int) -> Record:
        """Send what is held, which ends the session; after a lost answer, find it has ended."""
        progress = self._progress.setdefault(upload.id, _Progress(persisted=None))
        persisted = progress.persisted
        if persisted is None:
            found = await self._ask(upload, str(total))
            if isinstance(found, Record):
                return found
            persisted = found
        rest = progress.since(persisted) if persisted < progress.end else b""
        if rest is None or persisted + len(rest) != total:
            raise ProtocolError(
                f"the upload of {upload.key!r} has {persisted} of {total} bytes; "
                "send what is missing, or begin it again"
            )
        progress.persisted = None
        place = f"{persisted}-{total - 1}" if rest else "*"
        headers = {"Content-Type": OCTETS, "Content-Range": f"bytes {place}/{total}"}
        url = self._url(upload)
        async with self._requests.send(
            "PUT", url, ok=_DONE, headers=headers, body=rest, slow=True
        ) as answer:
            return structure(await answer.json(), Record)

    async def abort(self, upload: Upload) -> None:
        """Cancel the session, which Google confirms with an error of its own kind."""
        self.forget(upload)
        with suppress(ResourceNotFound):
            async with self._requests.send("DELETE", self._url(upload), ok=(200, 204)):
                pass

    def forget(self, upload: Upload) -> None:
        """Drop what is held for an upload that has ended."""
        self._progress.pop(upload.id, None)

    def _url(self, upload: Upload) -> URL:
        return self._requests.at(str(upload.state[_AT]))


def _persisted(answer: Answer) -> int:
    match = _RANGE.fullmatch(answer.headers.get("Range", ""))
    # Emulators say 0-0 for nothing, where Google says nothing.
    return int(match[1]) + 1 if match and match[1] != "0" else 0
