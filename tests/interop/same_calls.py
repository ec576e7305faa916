"""Make the same calls on buckets with either library and print what they answer.

    python same_calls.py PACKAGE CONFIG FOLDER BUCKET

The bucket and the files of FOLDER are the same for both; keys, which differ, are only counted.
"""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from yarl import URL

KEYS = ("tree/a", "tree/d/e", "tree/d/", "tree/b%20c", "absent")
URIS = ("", "/", "/tree", "/tree/", "/tr", "/tree/d/", "/tree/b c", "/absent", "/absent/")
PATTERNS = (
    "", "*", "**", "**/", "tree", "tree/", "tree/*", "t*/*", "**/e", "**/d/*", "**/d/**", "tree/**",
    "tree/**/e", "tree/**/", "tree/*/", "t*/", "tree/d/**", "tree/b*", "*/a", "absent*", "**/ü/*",
    "*/**/f", "tree/d**",
)  # fmt: skip


class Events:
    """Note what a transfer tells; of its steps, whose sizes each client chooses, nothing."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def note(self, kind: str, data: Any) -> None:
        addresses = (getattr(data, name, None) for name in ("src", "dst", "uri"))
        self.seen.append([kind, *(str(one) for one in addresses if one is not None)])

    def __getattr__(self, kind: str) -> Any:
        if kind == "step":
            return lambda data: None
        return lambda data: self.note(kind, data)


def progress(package: Any, name: str) -> Any:
    """Make a progress of the package's own kind that notes everything."""
    base, events = getattr(package, name), Events()

    def method(kind: str) -> Any:
        return lambda self, data: getattr(events, kind)(data)

    kinds = [kind for kind in dir(base) if not kind.startswith("_")]
    made = type("Noting", (base,), {kind: method(kind) for kind in kinds})()
    return made, events


def told(value: Any) -> Any:
    """Turn an answer into what JSON can say."""
    if isinstance(value, (list, tuple)):
        return [told(one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    kind = type(value).__name__
    if kind == "Bucket":
        return [
            value.id, value.name, value.owner, value.cluster_name, value.org_name,
            value.provider.value, value.created_at.isoformat(), value.imported, value.public,
            str(value.uri),
        ]  # fmt: skip
    if kind in ("BlobObject", "BlobCommonPrefix"):
        modified = value.modified_at and round(float(value.modified_at.timestamp()))
        return [
            kind, value.key, value.name, str(value.uri), value.size, value.is_dir(),
            value.is_file(), modified, value.bucket.id,
        ]  # fmt: skip
    if kind == "BucketUsage":
        return [value.total_bytes, value.object_count]
    if kind in ("BucketCredentials", "PersistentBucketCredentials"):
        return [value.__class__.__name__, str(value).count("access_key_id")]
    return value if isinstance(value, (bool, int, str, type(None))) else str(value)


async def all_of(listing: Any) -> list[Any]:
    async with listing as items:
        return [item async for item in items]


class Calls:
    """Make the calls and note each answer, or the kinds of the error."""

    def __init__(self, package: Any, buckets: Any, folder: Path, name: str) -> None:
        self.package = package
        self.buckets = buckets
        self.folder = folder
        self.name = name
        self.answers: dict[str, Any] = {}

    async def note(self, label: str, call: Any) -> None:
        try:
            self.answers[label] = {"answer": told(await call)}
        except Exception as error:
            kinds = [kind.__name__ for kind in type(error).__mro__]
            self.answers[label] = {"error": kinds, "errno": getattr(error, "errno", None)}

    async def records(self) -> None:
        buckets = self.buckets
        await self.note("list", all_of(buckets.list()))
        await self.note("list elsewhere", all_of(buckets.list("second")))
        for name in (self.name, "absent", "bucket-absent", ""):
            await self.note(f"get {name}", buckets.get(name))
            await self.note(f"usage {name}", all_of(buckets.get_disk_usage(name)))
            if name:
                await self.note(f"opening {name}", buckets.request_tmp_credentials(name))
        await self.note("get of nobody", buckets.get(self.name, bucket_owner="nobody"))
        await self.note("create taken", buckets.create(self.name))
        await self.note("create misnamed", buckets.create("No Name"))
        await self.note("remove full", buckets.rm(self.name))
        await self.note("public", buckets.set_public_access(self.name, True))
        await self.note("private", buckets.set_public_access(self.name, False))
        await self.note("credentials", all_of(buckets.persistent_credentials_list()))
        await self.note("no credentials", buckets.persistent_credentials_get("absent"))
        await self.note("rm credentials", buckets.persistent_credentials_rm("absent"))
        await self.note("bad credentials", buckets.persistent_credentials_create(["bucket-0"]))

    async def blobs(self) -> None:
        buckets, root = self.buckets, f"blob:{self.name}"
        for key in KEYS:
            await self.note(f"head {key}", buckets.head_blob(self.name, key))
        for key in KEYS[:2]:
            await self.note(f"fetch {key}", self.content(buckets.fetch_blob(self.name, key)))
            await self.note(f"rest {key}", self.content(buckets.fetch_blob(self.name, key, 5)))
        for uri in URIS:
            address = URL(f"{root}{uri}")
            for deep in (False, True):
                listing = buckets.list_blobs(address, recursive=deep)
                await self.note(f"blobs {uri} {deep}", all_of(listing))
            await self.note(f"folder {uri}", buckets.blob_is_dir(address))
        limited = buckets.list_blobs(URL(root), recursive=True, limit=3)
        await self.note("limited", all_of(limited))
        for pattern in PATTERNS:
            matched = buckets.glob_blobs(URL(f"{root}/{pattern}"))
            await self.note(f"glob {pattern}", all_of(matched))
        for uri in ("storage:x", f"blob://second/user/{self.name}", "blob:absent/x"):
            await self.note(f"blobs {uri}", all_of(buckets.list_blobs(URL(uri))))

    async def content(self, fetching: Any) -> bytes:
        return b"".join(bytes(chunk) for chunk in await all_of(fetching))

    async def transfers(self) -> None:
        buckets, there = self.buckets, URL(f"blob:{self.name}/sent")
        source, back = (
            (self.folder / "source").as_uri(),
            self.folder / f"to-{self.package.__name__}",
        )
        calls = (
            ("upload_dir", source, there),
            ("upload_file", f"{source}/a", there / "one"),
            ("download_dir", there, back.as_uri()),
            ("download_file", there / "one", f"{back.as_uri()}/again"),
            ("upload_file", f"{source}/absent", there / "two"),
            ("upload_file", source, there / "two"),
            ("upload_file", f"{source}/a", there),
            ("upload_dir", f"{source}/a", there / "two"),
            ("upload_dir", source, there / "one"),
            ("download_file", there, back.as_uri()),
            ("download_file", there / "absent", f"{back.as_uri()}/absent"),
            ("download_dir", there / "absent", f"{back.as_uri()}/absent"),
        )
        for number, (method, src, dst) in enumerate(calls):
            whole = "AbstractRecursiveFileProgress" if "dir" in method else "AbstractFileProgress"
            noting, events = progress(self.package, whole)
            call = getattr(buckets, method)(URL(str(src)), URL(str(dst)), progress=noting)
            await self.note(f"{number} {method}", self.nothing(call))
            mine = [[part.replace(back.name, "back") for part in one] for one in events.seen]
            self.answers[f"{number} events"] = {"answer": sorted(mine)}
        files = {
            str(path.relative_to(back)): path.read_bytes().hex()[:100] if path.is_file() else None
            for path in back.rglob("*")
        }
        self.answers["downloaded"] = {"answer": files}
        for uri, deep in (("", False), ("/d/e", False), ("/absent", True), ("", True)):
            noting, events = progress(self.package, "AbstractDeleteProgress")
            call = buckets.blob_rm(URL(f"{there}{uri}"), recursive=deep, progress=noting)
            await self.note(f"rm {uri} {deep}", self.nothing(call))
            self.answers[f"rm events {uri} {deep}"] = {"answer": sorted(events.seen)}

    async def nothing(self, call: Any) -> None:
        await call  # ours tells how much it moved, the published one nothing


async def main(name: str, config: str, folder: str, bucket: str) -> None:
    package = importlib.import_module(name)
    async with package.get(path=Path(config)) as client:
        calls = Calls(package, client.buckets, Path(folder), bucket)
        await calls.records()
        await calls.blobs()
        await calls.transfers()
    json.dump(calls.answers, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
