"""Lists of objects, page by page, as JSON or msgpack (aistore.md §10, §22.11-15)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import attrs
import msgpack  # type: ignore[import-untyped]
from aiohttp import hdrs, web

from . import archives
from .access import check_list_access
from .content import Content, same_version
from .errors import AISError, bad_request
from .jobs import Job
from .messages import Message, json_answer, number_of, text_of
from .models import Bucket, Object
from .remote import RemoteObject
from .store import LAST

_FIELDS = {
    "prefix",
    "pagesize",
    "uuid",
    "props",
    "continuation_token",
    "flags",
    "target",
    "start_after",
    "time_format",
    "hdr",
}
_CACHED, _ARCH_DIR, _NAME_ONLY, _NAME_SIZE = 1 << 0, 1 << 3, 1 << 4, 1 << 5
_DONT_ADD, _NOT_CACHED, _ONLY_REMOTE = 1 << 8, 1 << 9, 1 << 10
_NO_RECURSION, _DIFF, _NO_DIRS = 1 << 11, 1 << 12, 1 << 13
_IS_CACHED, _IN_ARCHIVE, _IS_DIR, _IS_ARCHIVE = 1 << 6, 1 << 7, 1 << 8, 1 << 9
_CHANGED, _GONE, _CHUNKED = 1 << 10, 1 << 11, 1 << 13
_PAGE = 10_000
_MOST = {"azure": 5000, "aws": 1000, "gcp": 1000, "oci": 1000}
_SHORT = {
    "checksum": "cs",
    "atime": "a",
    "version": "v",
    "location": "t",
    "custom-md": "m",
    "size": "s",
    "copies": "c",
    "flags": "f",
    "name": "n",
}
_RFC_3339 = "2006-01-02T15:04:05"


@attrs.frozen
class Asked:
    """Hold what a list was asked for."""

    prefix: str
    size: int
    after: str
    flags: int
    props: str
    time_format: str

    def wants(self, name: str) -> bool:
        """Tell whether a property is asked for; matching is by part of the text."""
        return name in self.props


@attrs.frozen
class Found:
    """Hold a name of a list: a directory, or an object here, in the backend, or in both."""

    name: str
    here: Object | None = None
    there: RemoteObject | None = None


class Listing:
    """Answer lists."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster

    async def answer(self, request: web.Request, message: Message, bucket: Bucket) -> web.Response:
        """Answer with one page."""
        fields = message.fields(_FIELDS)
        check_list_access(bucket)
        asked = self._read(fields, bucket)
        if (target := text_of(fields, "target")) and target not in {
            node.id for node in self._cluster.targets
        }:
            raise AISError(404, f"node {target} does not exist", "errNodeNotFound")
        uuid = text_of(fields, "uuid") or self._cluster.jobs.new_id("list")
        self._note(uuid, bucket)
        if bucket.bck.is_remote:
            found, token = await self._remote_page(bucket, asked)
        else:
            found, token = await self._own_page(bucket, asked)
        entries = [self._entry(one, asked) for one in found]
        if asked.flags & _ARCH_DIR:
            entries = await self._with_members(bucket, found, entries, asked)
        if "application/msgpack" in request.headers.get(hdrs.ACCEPT, ""):
            return _packed(uuid, token, entries)
        return _as_json(uuid, token, entries)

    def _note(self, uuid: str, bucket: Bucket) -> None:
        """Leave the idle job that every list leaves."""
        job = self._cluster.jobs.find(uuid)
        if job is None:
            job = self._cluster.jobs.add(Job(uuid, "list", bucket.bck))
        job.ended = job.started
        job.active = time.monotonic()

    def _read(self, fields: Mapping[str, Any], bucket: Bucket) -> Asked:
        flags = fields.get("flags", "0")
        if not isinstance(flags, str):
            raise bad_request('failed to unmarshal list value: "flags" is not a string')
        if not flags.isascii() or (flags and not flags.isdigit()):
            raise bad_request(f"invalid list flags {flags!r}")
        number = int(flags[:20] or 0)
        remote = bucket.bck.is_remote
        if not remote and number & _DIFF:
            raise bad_request(
                f"cannot compare {bucket.bck} with a remote bucket", "ErrNotRemoteBck"
            )
        if not remote and number & _NOT_CACHED and self._cluster.version >= (3, 28):
            raise bad_request(f"{bucket.bck} has nothing that is not cached", "ErrNotRemoteBck")
        after = text_of(fields, "start_after")
        if after and remote:
            raise bad_request(f"start_after is not supported for {bucket.bck}")
        size = number_of(fields, "pagesize")
        if size < 0:
            raise bad_request("negative page size")
        most = _MOST.get(bucket.bck.provider, _PAGE)
        size = min(size or most, most) if remote else size or _PAGE
        props = text_of(fields, "props")
        if not props:
            props = "name,size,checksum,atime" if number & _CACHED else "name,size"
        return Asked(
            text_of(fields, "prefix"),
            size,
            max(after, text_of(fields, "continuation_token")),
            number,
            props,
            text_of(fields, "time_format"),
        )

    # Pages

    async def _own_page(self, bucket: Bucket, asked: Asked) -> tuple[list[Found], str]:
        after = _behind(asked.after)
        if not asked.flags & _NO_RECURSION:
            page = await self._content.store.page(bucket, asked.prefix, after, asked.size)
            found = [Found(one.name, one) for one in page]
            return found, found[-1].name if len(found) == asked.size else ""
        found = []
        while len(found) < asked.size:
            page = await self._content.store.page(bucket, asked.prefix, after)
            if not page:
                return _directories_first(found), ""
            for one in page:
                if len(found) == asked.size:
                    break
                after = one.name
                if folder := _folder(one.name, asked.prefix):
                    found.append(Found(folder))
                    after = folder + LAST
                    break
                found.append(Found(one.name, one))
        return _directories_first(found), found[-1].name

    async def _remote_page(self, bucket: Bucket, asked: Asked) -> tuple[list[Found], str]:
        names: dict[str, Found] = {}
        if not asked.flags & (_CACHED | _ARCH_DIR):
            there = await asyncio.to_thread(self._content.remote.list, bucket.bck, asked.prefix)
            names = {one.name: Found(one.name, None, one) for one in there}
        if bucket.id:
            async for here in self._content.all(bucket, asked.prefix):
                old = names.get(here.name, Found(here.name))
                names[here.name] = attrs.evolve(old, here=here)
        if asked.flags & _NOT_CACHED:
            names = {name: one for name, one in names.items() if one.here is None}
        after, found = _behind(asked.after), list[Found]()
        for name in sorted(names, key=lambda name: name.encode("utf-8", "surrogateescape")):
            if after and name <= after:
                continue
            if len(found) == asked.size:
                return _directories_first(found), found[-1].name
            folder = _folder(name, asked.prefix) if asked.flags & _NO_RECURSION else ""
            if folder:
                after = folder + LAST
                if not asked.flags & _NO_DIRS:
                    found.append(Found(folder))
                continue
            found.append(names[name])
        return _directories_first(found), ""

    # Entries

    def _entry(self, one: Found, asked: Asked) -> dict[str, Any]:
        if one.name.endswith("/"):
            return {"name": one.name, "flags": _IS_DIR}
        entry: dict[str, Any] = {"name": one.name, "flags": self._flags(one, asked)}
        if asked.flags & _NAME_ONLY:
            return entry
        entry["size"] = one.here.size if one.here else one.there.size if one.there else 0
        if asked.flags & _NAME_SIZE:
            return entry
        version = one.here.version if one.here else one.there.version if one.there else ""
        if asked.wants("version"):
            entry["version"] = version
        if one.here is not None:
            entry |= self._details(one.here, asked)
        elif one.there is not None and asked.wants("custom"):
            entry["custom-md"] = _custom(one.there.custom("remote"))
        return entry

    def _details(self, here: Object, asked: Asked) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if asked.wants("checksum"):
            found["checksum"] = here.body.checksum
        if asked.wants("atime"):
            found["atime"] = _time(here.accessed, asked.time_format)
        if asked.wants("copies"):
            found["copies"] = 1
        if asked.wants("location") or asked.wants("target_url") or asked.wants("node"):
            place = f"{self._cluster.folder}/{here.target}"
            found["location"] = f"t[{here.target}]:mp[{place}, sda, ssd]"
        told = dict(here.custom) if asked.wants("custom") else {}
        if asked.wants("etag"):
            told["ETag"] = here.etag.strip('"')
        if asked.wants("last-modified"):
            told["LastModified"] = formatdate(here.modified / 1e9, usegmt=True)
        if told:
            found["custom-md"] = _custom(told)
        return found

    def _flags(self, one: Found, asked: Asked) -> int:
        flags = 0
        if one.here is not None:
            flags |= _IS_CACHED
            if one.here.body.chunks:
                flags |= _CHUNKED
            if asked.flags & _DIFF and one.there is None:
                flags |= _GONE
            if asked.flags & _DIFF and one.there and not same_version(one.here, one.there):
                flags |= _CHANGED
        if asked.flags & _ARCH_DIR and archives.kind_in(one.name):
            flags |= _IS_ARCHIVE
        return flags

    async def _with_members(
        self,
        bucket: Bucket,
        found: Sequence[Found],
        entries: Sequence[dict[str, Any]],
        asked: Asked,
    ) -> list[dict[str, Any]]:
        expanded = []
        for one, entry in zip(found, entries, strict=True):
            expanded.append(entry)
            kind = archives.kind_in(one.name)
            if one.here is None or not kind:
                continue
            data = await self._content.read(bucket, one.here)
            inside = await asyncio.to_thread(archives.names, data, kind)
            for name, size in sorted(inside):
                member: dict[str, Any] = {"name": f"{one.name}/{name}"}
                if not asked.flags & _NAME_ONLY:
                    member["size"] = size
                expanded.append(member | {"flags": _IS_CACHED | _IN_ARCHIVE})
        return expanded


def _behind(token: str) -> str:
    """Return what all names of a directory come before, if the token is one."""
    return token + LAST if token.endswith("/") else token


def _folder(name: str, prefix: str) -> str:
    end = name.find("/", len(prefix))
    return name[: end + 1] if end >= 0 else ""


def _directories_first(found: list[Found]) -> list[Found]:
    """Put directories first; the last of the page stays, as its name is the token."""
    return sorted(found[:-1], key=lambda one: not one.name.endswith("/")) + found[-1:]


def _custom(values: Mapping[str, str]) -> str:
    return "[" + " ".join(f"{key}:{value}" for key, value in values.items()) + "]"


def _time(time_ns: int, form: str) -> str:
    when = datetime.fromtimestamp(time_ns // 10**9, UTC)
    if not form.startswith(_RFC_3339):
        return f"{when:%d %b %y %H:%M} UTC"
    rest = f".{time_ns % 10**9:09d}".rstrip("0").rstrip(".") if "." in form else ""
    return f"{when:%Y-%m-%dT%H:%M:%S}{rest}Z"


def _packed(uuid: str, token: str, entries: Sequence[Mapping[str, Any]]) -> web.Response:
    short = [{_SHORT[key]: value for key, value in one.items() if value} for one in entries]
    page = {
        "UUID": uuid,
        "ContinuationToken": token,
        "Entries": short or None,
        "Flags": 0,
    }
    return web.Response(
        body=msgpack.packb(page, unicode_errors="surrogateescape"),
        content_type="application/msgpack",
    )


def _as_json(uuid: str, token: str, entries: Sequence[Mapping[str, Any]]) -> web.Response:
    told = []
    for one in entries:
        entry = {key: value for key, value in one.items() if value}
        if "size" in entry:
            entry["size"] = str(entry["size"])
        told.append(entry)
    page = {"uuid": uuid, "continuation_token": token, "entries": told or None, "flags": 0}
    return json_answer(page)
