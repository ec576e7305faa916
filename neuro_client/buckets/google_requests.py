"""Requests to Google Cloud Storage: addresses, conditions, records (buckets.md §6.3)."""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from urllib.parse import quote, unquote

import attrs
from yarl import URL

from ..errors import ConfigError, PreconditionFailedError, ProtocolError, TransportError
from ..transfer import Chunk
from ..transfer.skew import ClockSkew
from ..transport import Answer, ClientSession, Failure, Options, Transport
from ..wire import structure
from .google_checks import CRC32C, MD5
from .google_errors import hidden, read_failure
from .google_tokens import Tokens
from .provider import Blob

DEFAULT_ENDPOINT = "https://storage.googleapis.com"
EMULATOR = "STORAGE_EMULATOR_HOST"
OCTETS = "application/octet-stream"
_VERBS = {"GET": "read", "POST": "write", "PUT": "write", "DELETE": "remove"}
_PATIENCE = 300.0
_GENERATION = re.compile(r'"?(\d+)"?')


@attrs.frozen
class Record:
    """Describe an object as the JSON API does; ``generation`` changes with the content."""

    name: str
    size: str = "0"
    generation: str = ""
    timeCreated: datetime | None = None
    crc32c: str | None = None
    md5Hash: str | None = None

    def blob(self) -> Blob:
        """Return the common form; a generation is made once, so both times are the same."""
        if not self.size.isdigit():
            raise ProtocolError(f"the size of {self.name!r} is not a number")
        etag = f'"{self.generation}"' if self.generation else None
        return Blob(self.name, int(self.size), etag, self.timeCreated, self.timeCreated)

    @property
    def checksums(self) -> dict[str, str]:
        """Return the checksums there are, under the names of ``x-goog-hash``."""
        found = {CRC32C: self.crc32c, MD5: self.md5Hash}
        return {name: value for name, value in found.items() if value}


def endpoint_of(values: Mapping[str, str]) -> URL:
    """Return where the service is: by the credentials, for an emulator by its variable."""
    text = values.get("endpoint_url") or os.environ.get(EMULATOR) or DEFAULT_ENDPOINT
    if "://" not in text:
        text = f"http://{text}"
    url = URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigError(f"the endpoint {text!r} of the Google bucket is not an http(s) URL")
    return url.origin()


def conditions(if_match: str | None, if_none_match: str | None) -> dict[str, str]:
    """Translate ETags, which are generations in quotes; "*" stands for any object."""
    found: dict[str, str] = {}
    if if_match == "*":
        found["ifGenerationNotMatch"] = "0"
    elif if_match is not None:
        generation = generation_of(if_match)
        if generation is None:
            raise PreconditionFailedError(
                f"no object of a Google bucket has the ETag {if_match!r}; look at it again"
            )
        found["ifGenerationMatch"] = generation
    if if_none_match == "*":
        found["ifGenerationMatch"] = "0"
    elif if_none_match is not None and (generation := generation_of(if_none_match)) is not None:
        found["ifGenerationNotMatch"] = generation
    return found


def generation_of(etag: str) -> str | None:
    """Return the generation in an ETag, None for one that no object can have."""
    match = _GENERATION.fullmatch(etag)
    return match[1] if match else None


class Requests:
    """Send single requests that concern one bucket; nothing is tried again but a renewed token."""

    def __init__(self, bucket: str, endpoint: URL, tokens: Tokens, session: ClientSession) -> None:
        self.bucket = bucket
        self._endpoint = str(endpoint).rstrip("/")
        self._transport = Transport(
            credentials=tokens, map_error=self._failure, session=session, trace=None
        )
        self.skew = ClockSkew()

    def objects(self, **query: str) -> URL:
        """Return the address of the listing."""
        return self._url(f"/storage/v1/b/{_coded(self.bucket)}/o", query)

    def object(self, key: str, **query: str) -> URL:
        """Return the address of an object in the JSON API."""
        return self._url(f"/storage/v1/b/{_coded(self.bucket)}/o/{_coded(key)}", query)

    def upload(self, key: str, kind: str, **query: str) -> URL:
        """Return the address that writes an object; *kind* names the protocol."""
        path = f"/upload/storage/v1/b/{_coded(self.bucket)}/o"
        return self._url(path, {"uploadType": kind, "name": key, **query})

    def xml(self, key: str, **query: str) -> URL:
        """Return the address of an object in the XML API."""
        return self._url(f"/{_coded(self.bucket)}/{_coded(key)}", query)

    def at(self, path: str) -> URL:
        """Return the address of a path with its query, as `path_of` gave it."""
        return URL(self._endpoint + path, encoded=True)

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        pairs = (f"{_coded(name)}={_coded(text)}" if text else name for name, text in query.items())
        text = "&".join(pairs)
        return self.at(f"{path}?{text}" if text else path)

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: URL,
        *,
        ok: tuple[int, ...] = (200,),
        headers: Mapping[str, str] | None = None,
        body: bytes | Callable[[], AsyncIterator[Chunk]] | None = None,
        slow: bool = False,
    ) -> AsyncIterator[Answer]:
        """Open the answer to one request, stored bytes as they are; 308 is no redirect here.

        *slow* is what the service may think about for minutes.
        """
        options: Options = {
            "headers": {"Accept-Encoding": "identity", **(headers or {})},
            "body": body,
            "ok": ok,
            "retry": None,
            "redirects": False,
            "decompress": False,
        }
        if slow:
            options["read_timeout"] = _PATIENCE
        before = time.time()
        with self._explained(method, url):
            async with self._transport.request(method, url, **options) as answer:
                self.skew.observe(before, time.time(), answer.headers.get("Date"))
                yield answer

    async def record(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Callable[[], AsyncIterator[Chunk]] | None = None,
    ) -> Record:
        """Send one request that is answered by the record of an object."""
        async with self.send(method, url, headers=headers, body=body) as answer:
            return structure(await answer.json(), Record)

    @contextmanager
    def _explained(self, method: str, url: URL) -> Iterator[None]:
        """Say in front of a failure what was tried, and nowhere the id of an upload."""
        try:
            yield
        except (TransportError, ProtocolError) as error:
            cause = error.__cause__
            if hidden(str(cause)) != str(cause):
                cause = None
            raise type(error)(f"{self._what(method, url)}: {hidden(str(error))}") from cause

    def _failure(self, failure: Failure) -> Exception:
        return read_failure(self._what(failure.method, failure.url), failure)

    def _what(self, method: str, url: URL) -> str:
        """Name what a request is about; keys are one component of the path, or in the query."""
        verb = _VERBS.get(method, "use")
        key = url.query.get("name")
        if key is None and url.raw_path.endswith("/o"):
            return f"cannot {'list' if verb == 'read' else verb} {self.bucket}"
        if key is None:
            key = unquote(url.raw_path.rpartition("/")[2])
        return f"cannot {verb} {self.bucket}/{key!r}"


def _coded(text: str) -> str:
    return quote(text, safe="")
