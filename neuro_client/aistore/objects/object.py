"""One object of a bucket (aistore.md §8, §9, §16)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote

from ...errors import IllegalArgumentError
from ...retry import RetryPolicy
from ...transport import Answer
from .. import wire
from ..connection.attempts import ObjectCall, Route
from ..connection.requests import encoded
from ..errors import ErrObjNotFound
from ..names import check_object, query_string
from ..versions import COPY_OBJECT, require
from . import checksums
from .attributes import ObjectAttributes
from .content import Content, Source, file_content
from .files import ObjectFileReader, ObjectFileWriter
from .multipart import MultipartUpload
from .parallel import PART
from .reader import CHUNK, ByteRange, ObjectReader, Reading

if TYPE_CHECKING:
    from ..buckets.bucket import Bucket

_APPEND_HANDLE = "Ais-Append-Handle"
_ARCHIVE_MODES = {"append": "1", "append_or_create": "2"}


class Object:
    """Name an object; nothing is sent before a method is awaited."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        self._bucket = bucket
        self._name = check_object(name)

    def __repr__(self) -> str:
        return f"<Object {self.uri}>"

    @property
    def bucket(self) -> Bucket:
        """Return the bucket."""
        return self._bucket

    @property
    def name(self) -> str:
        """Return the name inside the bucket."""
        return self._name

    @property
    def uri(self) -> str:
        """Return how people and error texts write it."""
        return f"{self._bucket.uri}/{self._name}"

    @property
    def uname(self) -> str:
        """Return the full name inside the cluster."""
        return f"{self._bucket.get_path()}{self._name}"

    def call(
        self,
        method: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        action: object = None,
        content: Content | None = None,
        idempotent: bool = True,
    ) -> ObjectCall:
        """Describe a request about this object, for `RequestClient.send` and ``open``."""
        query = self._bucket.query
        if params:
            query = f"{query}&{query_string(params)}"
        return ObjectCall(
            method,
            f"{self._bucket.objects_path}{quote(self._name, safe='/')}",
            query,
            self.uname,
            headers or {},
            None if action is None else encoded(action),
            content,
            method in ("GET", "HEAD"),
            idempotent,
        )

    async def send(
        self, call: ObjectCall, *, retry: RetryPolicy | None = None, route: Route | None = None
    ) -> Answer:
        """Send a request about this object."""
        return await self._bucket.requests.send(call, retry=retry, route=route)

    # Reading

    async def head(
        self, props: str = "", *, latest: bool = False, presence: int | None = None
    ) -> Mapping[str, str]:
        """Return the headers that describe the object.

        ``props``, comma-separated, asks for those only, of servers from 4.2 on; older ones tell
        everything. ``latest`` compares a remote object with its origin: 409 if that is newer, 410
        if it is gone. ``presence`` is one of the codes of aistore.md §8.2.
        """
        params = {} if presence is None else {"presence": str(presence)}
        if latest:
            params["latest-ver"] = "true"
        if props:
            try:
                asked = self.call("HEAD", params={**params, "props": props})
                return (await self.send(asked)).headers
            except IllegalArgumentError as error:
                if error.status != 400:
                    raise
        return (await self.send(self.call("HEAD", params=params))).headers

    async def props(self) -> ObjectAttributes:
        """Describe the object."""
        return ObjectAttributes(await self.head())

    def get(
        self,
        archpath: str = "",
        chunk_size: int = CHUNK,
        etl_name: str | None = None,
        writer: BinaryIO | None = None,
        *,
        byte_range: str | None = None,
        latest: bool = False,
        archmime: str = "",
        archregx: str = "",
        archmode: str = "",
        etl_args: str = "",
        etl_pipeline: str = "",
        blob_download: bool = False,
        blob_chunk_size: str = "",
        blob_num_workers: int = 0,
        num_workers: int = 1,
        part_size: int = PART,
        max_resume: int = 5,
        retry: RetryPolicy | None = None,
    ) -> ObjectReader:
        """Read the object: await the result, or enter it with ``async with``.

        ``archpath`` reads one member of an archive; ``archregx`` with ``archmode`` several, as a
        TAR. ``writer`` gets all chunks in order when the reader is awaited. ``byte_range`` is
        ``bytes=FIRST-LAST``. With ``num_workers`` above 1 ranges of ``part_size`` bytes are read
        side by side. ``latest`` and ``blob_download`` are for remote objects.
        """
        if chunk_size < 1 or num_workers < 1 or part_size < 1 or max_resume < 0:
            raise ValueError("chunk_size, num_workers and part_size are 1 at least, max_resume 0")
        plain = not (archpath or archregx or etl_name or etl_pipeline)
        wanted = None if byte_range is None else ByteRange.read(byte_range)
        if wanted is not None and (archpath or archregx):
            raise ValueError("a member of an archive can be read as a whole only")
        if archpath and archregx:
            raise ValueError("name one member, archpath, or several, archregx: not both")
        if num_workers > 1 and (not plain or wanted is not None):
            raise ValueError("only a whole, stored object can be read by several workers")
        params = _given(
            archpath=archpath,
            archmime=archmime,
            archregx=archregx,
            archmode=archmode,
            etl_name=etl_name or "",
            etl_args=etl_args,
            etl_pipeline=etl_pipeline,
        )
        if latest:
            params["latest-ver"] = "true"
        fixed = _blob_headers(blob_chunk_size, blob_num_workers) if blob_download else {}
        return ObjectReader(
            self._bucket.requests,
            Reading(
                self.uri,
                lambda more: self.call("GET", params=params, headers={**fixed, **more}),
                lambda: self.call("HEAD"),
                plain,
                self._bucket.has_sums_of_parts,
                wanted,
                chunk_size,
                max_resume,
                num_workers,
                part_size,
                writer,
                retry,
                "application/x-tar" if archregx else "",
            ),
        )

    def get_url(self, archpath: str = "", etl_name: str | None = None) -> str:
        """Return the address at the proxy, for other programs."""
        params = _given(archpath=archpath, etl_name=etl_name or "")
        return str(self.call("GET", params=params).url(self._bucket.requests.endpoint))

    def open_reader(self, *, buffer_size: int = PART) -> ObjectFileReader:
        """Open the object like a file, to read and seek."""
        return ObjectFileReader(self, buffer_size)

    def open_writer(self, *, buffer_size: int = PART) -> ObjectFileWriter:
        """Open the object like a file that is written anew and appears when it is closed."""
        return ObjectFileWriter(self, buffer_size)

    # Writing

    async def put(
        self,
        content: Source,
        size: int | None = None,
        *,
        params: Mapping[str, str] | None = None,
        checksum: tuple[str, str] | None = None,
        retry: RetryPolicy | None = None,
    ) -> Mapping[str, str]:
        """Write the object from bytes, an asynchronous iterator, or a function that makes one.

        A function is called anew for another attempt; an iterator is sent once. ``size`` is that
        of a stream, if known. With ``checksum``, a kind and its value, the server refuses other
        content, and writes nothing if it has that content already. What the server says it has got
        is compared with what was sent.

        Raises:
            ChecksumMismatchError: the content was damaged on its way.
        """
        place = self._bucket.get_path()
        kinds = self._bucket.requests.checksum_types
        body = Content(content, size, kind=kinds.get(place, checksums.USUAL))
        headers = {}
        if checksum is not None:
            headers = {checksums.TYPE: checksum[0], checksums.VALUE: checksum[1]}
        call = self.call("PUT", params=params, headers=headers, content=body)
        answer = await self.send(call, retry=retry)
        kind = answer.headers.get(checksums.TYPE)
        value = answer.headers.get(checksums.VALUE)
        if kind and value:
            kinds[place] = kind
            await body.compare(kind, value, self.uri)
        return answer.headers

    async def put_content(self, content: bytes) -> Mapping[str, str]:
        """Write the object and return the headers of the answer."""
        return await self.put(content)

    async def put_file(self, path: str | Path | None = None) -> Mapping[str, str]:
        """Write the object from a file; ``ValueError`` if there is no regular one at ``path``."""
        if path is None:
            raise ValueError("which file? give a path")
        source, size = await file_content(Path(path))
        return await self.put(source, size)

    async def append_content(self, content: bytes, handle: str = "", flush: bool = False) -> str:
        """Append to what a handle stands for, "" for a new object, and return the next handle.

        The object appears with ``flush``. Appends are strictly one after the other, and a failed
        one cannot be repeated.
        """
        params = {"append_type": "append"}
        if handle:
            params["append_handle"] = handle
        if content or not flush:
            call = self.call("PUT", params=params, content=Content(content), idempotent=False)
            handle = (await self.send(call)).headers.get(_APPEND_HANDLE, "")
        if flush:
            params = {"append_type": "flush", "append_handle": handle}
            await self.send(self.call("PUT", params=params, content=Content(b""), idempotent=False))
            return ""
        return handle

    async def append_to_archive(
        self, archpath: str, content: bytes, *, mode: str = "append", archmime: str = ""
    ) -> Mapping[str, str]:
        """Write a member of this archive.

        ``mode`` is ``append`` for an archive that exists, ``append_or_create``, or ``create`` to
        begin a new one.
        """
        if mode != "create" and mode not in _ARCHIVE_MODES:
            raise ValueError(f"mode is create, {' or '.join(_ARCHIVE_MODES)}, not {mode!r}")
        if not archpath.strip("/"):
            raise ValueError("name the member of the archive")
        headers = {"Ais-Pine": _ARCHIVE_MODES[mode]} if mode in _ARCHIVE_MODES else {}
        params = _given(archpath=archpath, archmime=archmime)
        call = self.call(
            "PUT", params=params, headers=headers, content=Content(content), idempotent=False
        )
        return (await self.send(call)).headers

    def multipart_upload(self) -> MultipartUpload:
        """Write the object in parts, of any size and side by side; needs a server from 4.0 on."""
        return MultipartUpload(self)

    async def delete(self, *, retry: RetryPolicy | None = None) -> None:
        """Remove the object, of a remote bucket at its origin too."""
        route = Route()
        try:
            await self.send(self.call("DELETE"), retry=retry, route=route)
        except ErrObjNotFound:
            # An attempt whose answer was lost may have removed it.
            if not route.unsure:
                raise

    async def evict(self) -> None:
        """Drop the cluster's copy of a remote object; `InvalidBckProvider` for another."""
        self._bucket.verify_cloud_bucket()
        await self.send(self.call("DELETE", action={"action": "evict-listrange"}))

    async def copy(
        self, to_obj: Object, *, latest: bool = False, sync: bool = False, etl_name: str = ""
    ) -> None:
        """Copy the object inside the cluster."""
        await require(self._bucket.requests, "Copying one object", COPY_OBJECT)
        params = _given(object_to=to_obj.uname, etl_name=etl_name)
        if latest:
            params["latest-ver"] = "true"
        if sync:
            params["synchronize"] = "true"
        await self.send(self.call("PUT", params=params))

    async def rename(self, new_name: str) -> Object:
        """Rename the object, in buckets of the cluster itself only, and return the new one."""
        self._bucket.verify_ais_bucket()
        renamed = Object(self._bucket, new_name)
        action = wire.action("rename-obj", None, new_name)
        await self.send(self.call("POST", action=action, idempotent=False))
        return renamed

    async def set_custom_props(
        self, custom_metadata: Mapping[str, str], replace_existing: bool = False
    ) -> None:
        """Set metadata of yours; what is there stays unless ``replace_existing``."""
        params = {"set-new-custom": "true"} if replace_existing else {}
        action = wire.action("", dict(custom_metadata))
        await self.send(self.call("PATCH", params=params, action=action))

    async def check_lock(self) -> str:
        """Tell whether the object is ``free``, ``read``-locked or ``write``-locked."""
        action = wire.action("check-lock")
        try:
            answer = await self.send(self.call("POST", action=action))
        except IllegalArgumentError as error:
            if error.status != 423:
                raise
            return "write"
        return "read" if answer.status == 202 else "free"

    async def promote(
        self,
        path: str,
        target_id: str = "",
        recursive: bool = False,
        overwrite_dest: bool = False,
        delete_source: bool = False,
        src_not_file_share: bool = False,
    ) -> str:
        """Take over files that lie on the targets' own disks; return the id of a job, if any.

        The name of this object is that of a file, or what the names of a folder's files begin
        with, without a slash between (aistore.md §8.1).
        """
        value = {
            "tid": target_id,
            "src": path,
            "obj": self._name,
            "rcr": recursive,
            "ovw": overwrite_dest,
            "dls": delete_source,
            "notshr": src_not_file_share,
        }
        answer = await self._bucket.objects_request(wire.action("promote", value, path))
        return wire.job_id(await answer.read())

    async def blob_download(
        self, chunk_size: int | None = None, num_workers: int | None = None, latest: bool = False
    ) -> str:
        """Fetch a large remote object into the cluster in chunks; return the id of the job."""
        value: dict[str, object] = {}
        if chunk_size is not None:
            value["chunk-size"] = chunk_size
        if num_workers is not None:
            value["num-workers"] = num_workers
        if latest:
            value["latest-ver"] = True
        answer = await self._bucket.objects_request(wire.action("blob-download", value, self._name))
        return wire.job_id(await answer.read())


def _given(**params: str) -> dict[str, str]:
    return {key: value for key, value in params.items() if value}


def _blob_headers(chunk_size: str, num_workers: int) -> dict[str, str]:
    found = {"Ais-Blob-Download": "true"}
    if chunk_size:
        found["Ais-Blob-Chunk"] = chunk_size
    if num_workers:
        found["Ais-Blob-Workers"] = str(num_workers)
    return found
