"""boto3 as it is delivered: its transfer manager with its defaults, ten threads."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .blobs import Account, Remote, account_of, files_below, is_folder, newer, place_of
from .task import Order, Stopwatch, play

# Not installed where this file is checked.
boto3: Any = importlib.import_module("boto3")
transfer: Any = importlib.import_module("boto3.s3.transfer")


class Boto3:
    """Move files with a transfer manager, by default that of the client."""

    def __init__(self, account: Account, manager: Any = None) -> None:
        self._bucket = account.bucket_name
        self._client = boto3.session.Session(
            account.access_key_id, account.secret_access_key, region_name=account.region_name
        ).client("s3", endpoint_url=account.endpoint_url)
        self._manager = manager or transfer.create_transfer_manager(
            self._client, transfer.TransferConfig()
        )

    def up_blobs(self, local: Path, prefix: str) -> None:
        """Upload a directory."""
        self._up(files_below(local, prefix))

    def sync_blobs(self, local: Path, prefix: str) -> None:
        """Upload what is newer than its object."""
        self._up(newer(local, prefix, self._there(prefix)))

    def down_blobs(self, local: Path, prefix: str) -> None:
        """Download a directory."""
        self._finish(
            self._manager.download(self._bucket, key, str(place_of(key, prefix, local)))
            for key in self._there(prefix)
        )

    def up_blob(self, local: Path, key: str) -> None:
        """Upload a file."""
        self._up([(local, key)])

    def down_blob(self, local: Path, key: str) -> None:
        """Download a file."""
        self._finish([self._manager.download(self._bucket, key, str(local))])

    def _there(self, prefix: str) -> dict[str, Remote]:
        pages = self._client.get_paginator("list_objects_v2")
        return {
            item["Key"]: Remote(item["Size"], item["LastModified"])
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{prefix}/")
            for item in page.get("Contents", ())
            if not is_folder(item["Key"])
        }

    def _up(self, files: Iterable[tuple[Path, str]]) -> None:
        self._finish(self._manager.upload(str(path), self._bucket, key) for path, key in files)

    def _finish(self, futures: Iterable[Any]) -> None:
        for future in list(futures):
            future.result()


async def run(order: Order, stopwatch: Stopwatch, peer: Boto3) -> None:
    """Do one piece of work."""
    method = getattr(peer, order.work.replace("-", "_"))
    with stopwatch:
        method(Path(order.local), order.remote)


async def work(order: Order, stopwatch: Stopwatch) -> None:
    """Do one piece of work."""
    await run(order, stopwatch, Boto3(account_of(order.config)))


if __name__ == "__main__":
    play(work)
