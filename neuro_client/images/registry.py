"""Requests of one cluster's image registry (disks-secrets-images-users-accounts.md §3.2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from yarl import URL

from ..concurrency import scoped_iterator
from ..errors import ProtocolError
from ..transport import Answer, Credentials, Failure, FixedCredentials, Transport, build_error

PAGE = "30"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_OCI_INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPT = ", ".join((_MANIFEST, _INDEX, _OCI_MANIFEST, _OCI_INDEX))


class RegistryCredentials:
    """Give the platform's token as a password; the registry knows no bearer tokens.

    The registry looks at the token alone, whoever is named with it.
    """

    def __init__(self, tokens: Credentials, username: str) -> None:
        self._tokens = tokens
        self._username = username
        self._sent = ("", "")

    async def authorization(self, *, min_ttl: float = 0.0) -> str:
        """Return the Basic header of the present token."""
        bearer = await self._tokens.authorization(min_ttl=min_ttl)
        pair = FixedCredentials.basic(self._username, bearer.removeprefix("Bearer "))
        value = await pair.authorization()
        self._sent = (value, bearer)
        return value

    async def renew(self, rejected: str) -> bool:
        """Refresh the token after a refusal."""
        value, bearer = self._sent
        # A header that is not the last one was made of a token that is replaced already.
        return rejected != value or await self._tokens.renew(bearer)


def map_registry_error(failure: Failure) -> Exception:
    """Return the exception of a registry's answer, with its code: ``NAME_UNKNOWN`` and the like."""
    text, code = _first_error(failure.body)
    return build_error(failure, text or "the registry refused", code=code)


class Registry:
    """Speak to the registry at the root of *url*, whose own path does not matter."""

    def __init__(self, transport: Transport, url: URL) -> None:
        self._transport = transport
        self._root = url.origin()

    @scoped_iterator
    async def catalog(self) -> AsyncIterator[str]:
        """Yield the names of all repositories that the user may read."""
        async with self._pages(self._url("_catalog"), "repositories") as names:
            async for name in names:
                yield name

    @scoped_iterator
    async def tags(self, repository: str) -> AsyncIterator[str]:
        """Yield the tags of a repository."""
        async with self._pages(self._url(repository, "tags", "list"), "tags") as names:
            async for name in names:
                yield name

    async def digest(self, repository: str, tag: str) -> str:
        """Return the digest that a tag stands for."""
        url = self._manifest(repository, tag)
        answer = await self._transport.send("HEAD", url, headers={"Accept": ACCEPT})
        digest = answer.headers.get("Docker-Content-Digest", "")
        if not digest:
            raise ProtocolError(f"The registry did not tell the digest of {repository}:{tag}")
        return digest

    async def size(self, repository: str, tag: str) -> int:
        """Return the bytes of all layers of an image; of an index, those of all its images."""
        document = await self._document(repository, tag)
        if "manifests" not in document:
            return _layers_size(document)
        size = 0
        for image in document["manifests"]:
            size += _layers_size(await self._document(repository, str(image["digest"])))
        return size

    async def delete(self, repository: str, digest: str) -> None:
        """Remove an image by its digest, with all its tags."""
        await self._transport.send("DELETE", self._manifest(repository, digest), idempotent=False)

    async def _document(self, repository: str, reference: str) -> Mapping[str, Any]:
        url = self._manifest(repository, reference)
        answer = await self._transport.send("GET", url, headers={"Accept": ACCEPT})
        return await _json(answer)

    @scoped_iterator
    async def _pages(self, url: URL, field: str) -> AsyncIterator[str]:
        """Yield the names in a listing, page by page, until an empty page or no further link."""
        page: URL | None = url.with_query(n=PAGE)
        while page is not None:
            answer = await self._transport.send("GET", page)
            # A repository that lost its last tag has null for them.
            names = (await _json(answer)).get(field) or []
            for name in names:
                yield str(name)
            page = _next_page(page, answer.headers.get("Link", "")) if names else None

    def _manifest(self, repository: str, reference: str) -> URL:
        return self._url(repository, "manifests", reference)

    def _url(self, *path: str) -> URL:
        tail = "/".join(quote(part, safe="/:") for part in path)
        return URL(f"{self._root}/v2/{tail}", encoded=True)


def _next_page(page: URL, link: str) -> URL | None:
    target, _, relation = link.partition(">")
    if 'rel="next"' not in relation.replace("rel=next", 'rel="next"') or target[:1] != "<":
        return None
    following = page.join(URL(target[1:]))
    # The page size is asked for anew: a registry may leave it out of its link.
    following = following.update_query(n=PAGE)
    return following if following != page else None


def _layers_size(document: Mapping[str, Any]) -> int:
    try:
        return sum(int(layer["size"]) for layer in document["layers"])
    except (KeyError, TypeError, ValueError):
        kind = document.get("mediaType", "a document without a type")
        raise ProtocolError(f"The registry answered {kind}, which lists no layers") from None


async def _json(answer: Answer) -> Mapping[str, Any]:
    """Decode a document; registries give manifests a content type of their own."""
    return _object(await answer.read(), str(answer.url.path))


def _object(body: bytes, path: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ProtocolError(f"{path} of the registry is not a JSON object; check the registry URL")
    return document


def _first_error(body: bytes) -> tuple[str, str | None]:
    try:
        error = json.loads(body)["errors"][0]
        return str(error.get("message") or error["code"]), str(error["code"])
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return body.decode("utf-8", "replace").strip()[:2000], None
