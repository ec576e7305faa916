"""Jobs on whole buckets: copies, transforms, inventories (aistore.md §7.2, §16.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .. import wire
from ..models import BucketInventory
from ..versions import INVENTORY, require
from .addresses import BucketAddress


class BucketJobs(BucketAddress):
    """Start what the cluster does with all of a bucket."""

    async def copy(
        self,
        to_bck: BucketAddress,
        prefix_filter: str = "",
        prepend: str = "",
        dry_run: bool = False,
        force: bool = False,
        *,
        latest: bool = False,
        sync: bool = False,
        num_workers: int | None = None,
        continue_on_error: bool = False,
        recursive: bool = True,
    ) -> str:
        """Copy all objects, or those that begin with a prefix; return the id of the job.

        For ``AIStore.job`` that id is one, also where the cluster starts several jobs. The options
        at the end are for servers of today: ``latest`` copies the newest remote versions, ``sync``
        also removes from ``to_bck`` what is gone here.

        Raises:
            ErrBusy: a rename or rebalance is going on, unless ``force``.
            NotSupportedError: the server is too old for an option.
        """
        if sync and prepend:
            raise ValueError("sync keeps the names of the objects, so nothing can be prepended")
        value = _copying(prefix_filter, prepend, dry_run, force)
        value |= _newer(latest, sync, num_workers, continue_on_error, recursive)
        return await self.start_job("POST", "copy-bck", value, {"bck_to": to_bck.get_path()})

    async def transform(
        self,
        etl_name: str,
        to_bck: BucketAddress,
        timeout: str = "5m",
        prefix_filter: str = "",
        prepend: str = "",
        ext: Mapping[str, str] | None = None,
        force: bool = False,
        dry_run: bool = False,
        *,
        latest: bool = False,
        sync: bool = False,
        num_workers: int | None = None,
        continue_on_error: bool = False,
        recursive: bool = True,
        etl_pipeline: Sequence[str] = (),
    ) -> str:
        """Copy all objects through an ETL; return the id of the job.

        ``ext`` maps extensions of the objects to those of their copies. The ETLs of
        ``etl_pipeline`` follow one after another. See `copy` about the other options.
        """
        if sync and prepend:
            raise ValueError("sync keeps the names of the objects, so nothing can be prepended")
        value = _copying(prefix_filter, prepend, dry_run, force)
        value |= _newer(latest, sync, num_workers, continue_on_error, recursive)
        if etl_pipeline:
            value["pipeline"] = list(etl_pipeline)
        value |= {"id": etl_name, "request_timeout": timeout}
        if ext is not None:
            value["ext"] = dict(ext)
        return await self.start_job("POST", "etl-bck", value, {"bck_to": to_bck.get_path()})

    # Inventories

    async def create_inventory(
        self,
        name: str = "",
        prefix: str = "",
        *,
        names_per_chunk: int | None = None,
        force: bool = False,
    ) -> str:
        """Write down the names of a remote bucket for fast listings; return the id of the job.

        ``force`` replaces one of this name. Needs a server from 4.3 on.

        Raises:
            InvalidBckProvider: the bucket is not remote, and needs none.
            ConflictError: there is one of this name.
        """
        self.verify_cloud_bucket()  # the targets of server 5.0 die of another one (§22.29)
        await require(self.requests, "An inventory", INVENTORY)
        value: dict[str, Any] = {
            key: text for key, text in (("name", name), ("prefix", prefix)) if text
        }
        if names_per_chunk is not None:
            value["names_per_chunk"] = names_per_chunk
        if force:
            value["force"] = True
        return await self.start_job("POST", "create-inventory", value)

    async def show_inventory(self, name: str = "") -> dict[str, BucketInventory]:
        """Return the inventories of the bucket, or one, by name."""
        await require(self.requests, "An inventory", INVENTORY)
        answer = await self.make_request("GET", "show-inventory", _named(name))
        return wire.read_inventories(wire.document(await answer.read(), "the inventories"))

    async def destroy_inventory(self, name: str = "") -> None:
        """Remove an inventory, or all of the bucket."""
        await require(self.requests, "An inventory", INVENTORY)
        await self.make_request("DELETE", "destroy-inventory", _named(name))


def _named(name: str) -> dict[str, str]:
    return {"name": name} if name else {}


def _copying(prefix: str, prepend: str, dry_run: bool, force: bool) -> dict[str, Any]:
    return {"prefix": prefix, "prepend": prepend, "dry_run": dry_run, "force": force}


def _newer(
    latest: bool, sync: bool, workers: int | None, goes_on: bool, recursive: bool
) -> dict[str, Any]:
    """Return what only servers of today know, if it was asked for (aistore.md §15)."""
    asked = {
        "latest-ver": latest,
        "synchronize": sync,
        "coer": goes_on,
        "non-recurs": not recursive,
    }
    found: dict[str, Any] = {name: True for name, wanted in asked.items() if wanted}
    if workers is not None:
        found["num-workers"] = workers
    return found
