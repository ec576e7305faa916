"""The registry's calls: what a path means, and the answers (OCI distribution)."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import hdrs, web
from yarl import URL

from ..base import Platform
from .access import Rights, authenticate
from .errors import RegistryError
from .files import Files
from .names import check_digest, check_name, check_tag, is_digest
from .store import Manifest, Repositories
from .uploads import Uploads

_VERSION = {"Docker-Distribution-API-Version": "registry/2.0"}
_MAX_MANIFEST = 4 * 2**20
_PAGE = 100
_PATH = re.compile(
    r"/v2/(?P<name>.+)/(?:(?P<tags>tags)/list"
    r"|(?P<kind>manifests|referrers)/(?P<reference>[^/]+)"
    r"|blobs/uploads/(?P<upload>[^/]*)"
    r"|blobs/(?P<blob>[^/]+))"
)

Answer = Callable[[web.Request, str, str], Awaitable[web.StreamResponse]]


class Handlers:
    """Answer the requests to one cluster's registry."""

    def __init__(self, platform: Platform, cluster: str, files: Files) -> None:
        self._platform = platform
        self._files = files
        self._rights = Rights(platform, cluster)
        self._repositories: Repositories | None = None
        self._uploads: Uploads | None = None
        self._cluster = cluster

    async def open(self) -> None:
        """Take the state, which is there once the platform starts."""
        self._repositories = Repositories(self._platform.state, self._cluster, self._files)
        self._uploads = Uploads(self._files, self._repositories)
        await self._repositories.sweep()

    @property
    def repositories(self) -> Repositories:
        """Return the repositories."""
        assert self._repositories is not None
        return self._repositories

    @property
    def uploads(self) -> Uploads:
        """Return the uploads."""
        assert self._uploads is not None
        return self._uploads

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request below ``/v2/``."""
        try:
            response = await self._answer(request)
        except RegistryError as error:
            response = error.answer()
        if not response.prepared:
            response.headers.update(_VERSION)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        username = await authenticate(self._platform, request)
        if request.path in ("/v2", "/v2/"):
            return web.json_response({})
        if request.path == "/v2/_catalog":
            return await self._catalog(request, username)
        match = _PATH.fullmatch(request.path)
        if match is None:
            raise RegistryError("NAME_INVALID", f"{request.path} is no path of a registry")
        repository = check_name(match["name"])
        reading = request.method in ("GET", "HEAD")
        await self._rights.require(username, repository, "read" if reading else "write")
        answers, subject = self._answers(match, username)
        answer = answers.get(request.method)
        if answer is None:
            raise RegistryError(
                "UNSUPPORTED", f"{request.method} is not possible here", Allow=", ".join(answers)
            )
        return await answer(request, repository, subject)

    def _answers(self, match: re.Match[str], username: str) -> tuple[dict[str, Answer], str]:
        if match["tags"]:
            return {"GET": self._tags}, ""
        if match["kind"] == "referrers":
            return {"GET": self._referrers}, check_digest(match["reference"])
        if match["kind"] == "manifests":
            reference = match["reference"]
            check = check_digest if is_digest(reference) else check_tag
            manifests: dict[str, Answer] = {
                "GET": self._get_manifest,
                "HEAD": self._get_manifest,
                "PUT": self._put_manifest,
                "DELETE": self._delete_manifest,
            }
            return manifests, check(reference)
        if match["blob"]:
            blobs: dict[str, Answer] = {
                "GET": self._get_blob,
                "HEAD": self._get_blob,
                "DELETE": self._delete_blob,
            }
            return blobs, check_digest(match["blob"])
        if match["upload"]:
            return {
                "GET": self._upload_status,
                "PATCH": self._append,
                "PUT": self._finish,
                "DELETE": self._abandon,
            }, match["upload"]
        return {"POST": self._begin}, username

    # -- lists ----------------------------------------------------------------------------------

    async def _catalog(self, request: web.Request, username: str) -> web.Response:
        names = await self._rights.readable(username, await self.repositories.names())
        return _page(request, "repositories", names)

    async def _tags(self, request: web.Request, repository: str, _: str) -> web.Response:
        return _page(request, "tags", await self.repositories.tags(repository), name=repository)

    async def _referrers(self, request: web.Request, repository: str, digest: str) -> web.Response:
        found = await self.repositories.referrers(repository, digest)
        wanted = request.query.get("artifactType")
        entries = [_descriptor(manifest) for manifest in found]
        if wanted:
            entries = [entry for entry in entries if entry.get("artifactType") == wanted]
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": entries,
        }
        headers = {"OCI-Filters-Applied": "artifactType"} if wanted else {}
        return web.Response(
            text=json.dumps(index), content_type=str(index["mediaType"]), headers=headers
        )

    # -- manifests ------------------------------------------------------------------------------

    async def _get_manifest(
        self, request: web.Request, repository: str, reference: str
    ) -> web.Response:
        manifest = await self.repositories.manifest(repository, reference)
        headers = {
            hdrs.CONTENT_TYPE: manifest.media_type,
            "Docker-Content-Digest": manifest.digest,
            hdrs.ETAG: f'"{manifest.digest}"',
        }
        return web.Response(body=manifest.content, headers=headers)

    async def _put_manifest(
        self, request: web.Request, repository: str, reference: str
    ) -> web.Response:
        if (request.content_length or 0) > _MAX_MANIFEST:
            raise RegistryError("TOO_LARGE", f"A manifest has at most {_MAX_MANIFEST} bytes")
        content = await request.read()
        kind = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip()
        digest, subject = await self.repositories.put_manifest(repository, reference, kind, content)
        headers = {"Docker-Content-Digest": digest}
        if subject is not None:
            headers["OCI-Subject"] = subject
        return _created(f"/v2/{repository}/manifests/{digest}", headers)

    async def _delete_manifest(
        self, request: web.Request, repository: str, reference: str
    ) -> web.Response:
        if is_digest(reference):
            await self.repositories.delete_manifest(repository, reference)
        else:
            await self.repositories.delete_tag(repository, reference)
        return web.Response(status=202)

    # -- blobs ----------------------------------------------------------------------------------

    async def _get_blob(
        self, request: web.Request, repository: str, digest: str
    ) -> web.StreamResponse:
        path = self._files.blob(digest)
        if not await self.repositories.has_blob(repository, digest):
            raise RegistryError("BLOB_UNKNOWN", f"{repository} has no blob {digest}")
        headers = {
            "Docker-Content-Digest": digest,
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.ACCEPT_RANGES: "bytes",
        }
        return web.FileResponse(path, headers=headers, chunk_size=2**20)

    async def _delete_blob(
        self, request: web.Request, repository: str, digest: str
    ) -> web.Response:
        if not await self.repositories.remove_blob(repository, digest):
            raise RegistryError("BLOB_UNKNOWN", f"{repository} has no blob {digest}")
        return web.Response(status=202)

    # -- uploads --------------------------------------------------------------------------------

    async def _begin(self, request: web.Request, repository: str, username: str) -> web.Response:
        mount, source = request.query.get("mount"), request.query.get("from")
        if mount and source:
            await self._rights.require(username, check_name(source), "read")
            if await self.uploads.mount(repository, source, check_digest(mount)):
                return _blob_created(repository, mount)
        upload = await self.uploads.begin(repository)
        digest = request.query.get("digest")
        if digest:
            await self.uploads.finish(repository, upload, digest, request)
            return _blob_created(repository, digest)
        return _progress(202, repository, upload, 0)

    async def _upload_status(
        self, request: web.Request, repository: str, upload: str
    ) -> web.Response:
        size = await self.uploads.size(repository, upload)
        return _progress(204, repository, upload, size)

    async def _append(self, request: web.Request, repository: str, upload: str) -> web.Response:
        size = await self.uploads.append(repository, upload, request)
        return _progress(202, repository, upload, size)

    async def _finish(self, request: web.Request, repository: str, upload: str) -> web.Response:
        digest = request.query.get("digest", "")
        await self.uploads.finish(repository, upload, digest, request)
        return _blob_created(repository, digest)

    async def _abandon(self, request: web.Request, repository: str, upload: str) -> web.Response:
        await self.uploads.abandon(repository, upload)
        return web.Response(status=204)


def _page(request: web.Request, field: str, names: Sequence[str], **more: str) -> web.Response:
    text = request.query.get("n", str(_PAGE))
    if not text.isascii() or not text.isdigit():
        raise RegistryError("UNSUPPORTED", f"n must be a number, not {text!r}")
    size = min(int(text[:6]), 10_000)
    last = request.query.get("last", "")
    after = [name for name in names if name > last]
    page = after[:size]
    headers = {}
    if page and len(after) > size:
        target = URL(request.path).with_query(last=page[-1], n=str(size))
        headers[hdrs.LINK] = f'<{target}>; rel="next"'
    return web.json_response({**more, field: page}, headers=headers)


def _descriptor(manifest: Manifest) -> dict[str, Any]:
    document = json.loads(manifest.content)
    config = document.get("config") or {}
    entry: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.content),
    }
    if kind := document.get("artifactType") or config.get("mediaType"):
        entry["artifactType"] = kind
    if document.get("annotations"):
        entry["annotations"] = document["annotations"]
    return entry


def _created(location: str, headers: dict[str, str]) -> web.Response:
    return web.Response(status=201, headers={hdrs.LOCATION: location, **headers})


def _blob_created(repository: str, digest: str) -> web.Response:
    location = f"/v2/{repository}/blobs/{digest}"
    return _created(location, {"Docker-Content-Digest": digest})


def _progress(status: int, repository: str, upload: str, size: int) -> web.Response:
    headers = {
        hdrs.LOCATION: f"/v2/{repository}/blobs/uploads/{upload}",
        "Docker-Upload-UUID": upload,
        "Range": f"0-{max(size - 1, 0)}",
    }
    return web.Response(status=status, headers=headers)
