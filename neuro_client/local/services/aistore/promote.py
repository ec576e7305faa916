"""Files of the targets' machine that become objects (aistore.md §8.1)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

from .bodies import Received, store_copy
from .content import Content
from .errors import AISError, bad_request
from .jobs import Job
from .messages import Message, text_of
from .models import Bucket
from .names import object_name

_FIELDS = {"tid", "src", "obj", "rcr", "ovw", "dls", "notshr", "smps"}


class Promotion:
    """Copy files of the one allowed folder into a bucket."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._cluster = content.cluster

    async def start(self, bucket: Bucket, message: Message) -> str:
        """Promote a file at once, or a folder as a job whose id this returns."""
        fields = message.fields(_FIELDS)
        source = text_of(fields, "src") or message.name
        if message.name and message.name != source:
            raise bad_request(f'promote: name "{message.name}" differs from src "{source}"')
        tid = text_of(fields, "tid")
        if tid and tid not in {node.id for node in self._cluster.targets}:
            raise AISError(404, f'node "{tid}" does not exist', "errNodeNotFound")
        path = await asyncio.to_thread(self._allowed, source)
        name = text_of(fields, "obj")
        overwrite, delete = bool(fields.get("ovw")), bool(fields.get("dls"))
        if await asyncio.to_thread(path.is_dir):
            found = await asyncio.to_thread(
                lambda: list(_files(path, recursive=bool(fields.get("rcr"))))
            )

            async def work(job: Job) -> None:
                for inside, file in found:
                    await self._promote(
                        job, bucket, name + inside, file, overwrite=overwrite, delete=delete
                    )

            return self._cluster.jobs.start("promote", work, bck=bucket.bck).id
        job = Job("", "promote")
        await self._promote(
            job, bucket, name or path.name, path, overwrite=overwrite, delete=delete
        )
        return ""

    def _allowed(self, source: str) -> Path:
        root = self._cluster.promote_root
        path = Path(source)
        if not path.is_absolute() or {".", ".."} & set(source.split("/")):
            raise bad_request(f'invalid promote source "{source}"', "errInvalidPromoteSource")
        if self._cluster.version >= (5, 0):
            if not path.is_relative_to(root):
                raise bad_request(
                    f'invalid promote source "{source}": only files below {root} may be promoted',
                    "errInvalidPromoteSource",
                )
            places = [path, *path.parents]
            if any(one.is_symlink() for one in places if one.is_relative_to(root)):
                raise bad_request(
                    f'invalid promote source "{source}": a symbolic link',
                    "errInvalidPromoteSource",
                )
        if not path.exists():
            raise AISError(404, f'promote source "{source}" does not exist', "ErrNotFound")
        return path

    async def _promote(
        self, job: Job, bucket: Bucket, name: str, path: Path, *, overwrite: bool, delete: bool
    ) -> None:
        name = object_name(name)
        if not overwrite and await self._content.find(bucket, name) is not None:
            return
        received = await asyncio.to_thread(self._copied, path, bucket.checksum_type)
        found = await self._content.write(bucket, name, received.body(bucket.checksum_type))
        job.count(found.target, found.size)
        if delete:
            await asyncio.to_thread(os.unlink, path)

    def _copied(self, path: Path, kind: str) -> Received:
        with open(path, "rb") as file:
            return store_copy(self._content.files, file, kind)


def _files(folder: Path, *, recursive: bool) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path
