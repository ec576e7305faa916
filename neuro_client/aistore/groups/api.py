"""Groups of objects, on which one job works (aistore.md §11.3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ...threads import run_blocking
from .care import Copying, check_archive, present, turn
from .names import (
    ObjectCollection,
    ObjectNames,
    ObjectRange,
    ObjectTemplate,
)

if TYPE_CHECKING:
    from ..buckets.bucket import Bucket

_log = logging.getLogger(__name__)


class ObjectGroup:
    """Name objects of a bucket by a list, a range or a template; exactly one of them.

    What starts a job returns its id at once; ``client.job(id)`` waits for it.

    Raises:
        ValueError: none or several of them were given, or no server would read them so.
        InvalidObjectRangeIndex: see `ObjectRange`.
    """

    def __init__(
        self,
        bck: Bucket,
        obj_names: Sequence[str] | None = None,
        obj_range: ObjectRange | None = None,
        obj_template: str | None = None,
    ) -> None:
        given = [one for one in (obj_names, obj_range, obj_template) if one is not None]
        if len(given) != 1:
            raise ValueError("give one of obj_names, obj_range and obj_template")
        self._bucket = bck
        self._objects: ObjectCollection
        if obj_names is not None:
            self._objects = ObjectNames(obj_names)
        elif obj_range is not None:
            if not isinstance(obj_range, ObjectRange):
                raise TypeError(f"obj_range is an ObjectRange, not {type(obj_range).__name__}")
            self._objects = obj_range
        else:
            assert obj_template is not None
            self._objects = ObjectTemplate(obj_template)

    def __repr__(self) -> str:
        return f"<ObjectGroup {self._bucket.uri} {self._objects}>"

    def __iter__(self) -> Iterator[str]:
        return iter(self._objects)

    @property
    def bucket(self) -> Bucket:
        """Return the bucket."""
        return self._bucket

    @property
    def objects(self) -> ObjectCollection:
        """Return what names the objects."""
        return self._objects

    def list_names(self) -> list[str]:
        """Return the names that the servers make of it, whether there are such objects or not.

        Raises:
            RuntimeError: it is a prefix, or a form without an end.
        """
        return list(self._objects)

    def list_urls(self, prefix: str = "", etl_name: str | None = None) -> Iterator[str]:
        """Yield the address at the proxy of each object whose name begins with a prefix."""
        for name in self._objects:
            if name.startswith(prefix):
                yield self._bucket.object(name).get_url(etl_name=etl_name)

    # Jobs

    async def delete(self, *, num_workers: int | None = None) -> str:
        """Delete the objects; return the id of the job.

        A name of a list that does not exist makes the job end with an error; the others are gone.
        """
        return await self._remove("delete-listrange", num_workers)

    async def evict(self, *, num_workers: int | None = None) -> str:
        """Drop the cluster's copies of remote objects; return the id of the job."""
        self._bucket.verify_cloud_bucket()
        return await self._remove("evict-listrange", num_workers)

    async def prefetch(
        self,
        *,
        continue_on_error: bool = False,
        latest: bool = False,
        num_workers: int | None = None,
        recursive: bool = True,
        blob_threshold: int | None = None,
        blob_chunk_size: int | None = None,
        blob_num_workers: int | None = None,
    ) -> str:
        """Fetch remote objects into the cluster; return the id of the job.

        Objects above ``blob_threshold`` bytes are fetched in chunks. Only newer servers know the
        options.
        """
        self._bucket.verify_cloud_bucket()
        options = _given(
            {
                "coer": continue_on_error,
                "latest-ver": latest,
                "num-workers": num_workers,
                "non-recurs": not recursive,
                "blob-threshold": blob_threshold,
                "blob-chunk-size": blob_chunk_size,
                "blob-num-workers": blob_num_workers,
            }
        )
        return await self._bucket.start_job(
            "POST", "prefetch-listrange", self._objects.get_value() | options
        )

    async def copy(
        self,
        to_bck: Bucket,
        prepend: str = "",
        continue_on_error: bool = False,
        dry_run: bool = False,
        force: bool = False,
        *,
        latest: bool = False,
        sync: bool = False,
        num_workers: int | None = None,
    ) -> str:
        """Copy the objects to another bucket; return the id of the job.

        ``prepend`` is put in front of the names. Servers take a second copy between two buckets
        for more work of the first, with the first one's ``prepend`` and ``dry_run``, until that has
        ended: a copy with others waits for it.

        Raises:
            Timeout: the earlier copy of this client did not end within five minutes.
        """
        value = self._copied(to_bck, prepend, continue_on_error, dry_run, force)
        value |= _given({"latest-ver": latest, "synchronize": sync, "num-workers": num_workers})
        return await self._copy("copy-listrange", to_bck, value)

    async def transform(
        self,
        to_bck: Bucket,
        etl_name: str,
        timeout: str = "5m",
        prepend: str = "",
        continue_on_error: bool = False,
        dry_run: bool = False,
        force: bool = False,
        *,
        num_workers: int | None = None,
    ) -> str:
        """Copy the objects through an ETL; return the id of the job. See `copy`.

        ``timeout`` is for each object, as ``5m`` or ``45s``.
        """
        value = self._copied(to_bck, prepend, continue_on_error, dry_run, force)
        value |= {"id": etl_name, "request_timeout": timeout}
        value |= _given({"num-workers": num_workers})
        return await self._copy("etl-listrange", to_bck, value)

    async def archive(
        self,
        archive_name: str,
        mime: str = "",
        to_bck: Bucket | None = None,
        include_source_name: bool = False,
        allow_append: bool = False,
        continue_on_err: bool = False,
        *,
        base_name_only: bool = False,
        recursive: bool = True,
    ) -> str:
        """Pack the objects into one archive, and return the id of the job.

        The name ends in ``.tar``, ``.tgz``, ``.tar.gz``, ``.zip`` or ``.tar.lz4``; ``mime``, if
        given, is that ending. Members are named as their objects, behind that of the bucket with
        ``include_source_name``. ``allow_append`` adds to an archive that exists.

        Raises:
            ErrObjNotFound: a name of a list does not exist: servers may break down on such an
                archive, so it is looked up. With ``continue_on_err`` it is left out.
        """
        check_archive(archive_name, mime)
        chosen = self._objects
        if isinstance(chosen, ObjectNames):
            chosen = await present(self._bucket, chosen, leave_out=continue_on_err)
        value = chosen.get_value() | {
            "archname": archive_name,
            "isbn": include_source_name,
            "aate": allow_append,
            "coer": continue_on_err,
            "tobck": (to_bck or self._bucket).as_model().as_dict(),
        }
        value |= _given({"mime": mime, "bnonly": base_name_only, "non-recurs": not recursive})
        return await self._bucket.start_job("PUT", "archive", value)

    async def _remove(self, action: str, num_workers: int | None) -> str:
        chosen = self._objects
        if isinstance(chosen, ObjectTemplate) and chosen.parsed.is_form:
            # Seen on a live server: it counts to 2^63 (aistore.md §22.32).
            raise ValueError(
                f"a removal by {str(chosen)!r} would never end; give a range such as {{0..99}}, or "
                f"the prefix {chosen.parsed.prefix!r}"
            )
        options = _given({"num-workers": num_workers})
        return await self._bucket.start_job("DELETE", action, chosen.get_value() | options)

    def _copied(
        self, to_bck: Bucket, prepend: str, goes_on: bool, dry_run: bool, force: bool
    ) -> dict[str, Any]:
        return self._objects.get_value() | {
            "prefix": "",
            "prepend": prepend,
            "dry_run": dry_run,
            "force": force,
            "tobck": to_bck.as_model().as_dict(),
            "coer": goes_on,
        }

    async def _copy(self, action: str, to_bck: Bucket, value: dict[str, Any]) -> str:
        if value["dry_run"]:
            await run_blocking(self._announce, to_bck, value["prepend"])
        between = Copying.of(self._bucket, to_bck, action, value)
        async with turn(self._bucket.requests, between):
            return await self._bucket.start_job("POST", action, value)

    def _announce(self, to_bck: Bucket, prepend: str) -> None:
        """Write to the log what would be copied, as far as only the names tell."""
        chosen = self._objects
        if isinstance(chosen, ObjectTemplate) and chosen.parsed.prefix is not None:
            _log.info("dry run: all that %s means, from %s", chosen, self._bucket.uri)
            return
        for name in chosen:
            _log.info(
                "dry run: %s/%s -> %s/%s%s", self._bucket.uri, name, to_bck.uri, prepend, name
            )


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were asked for; older servers refuse others, too (aistore.md §15)."""
    return {key: value for key, value in options.items() if value not in (None, False, "")}
