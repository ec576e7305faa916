"""What the samples of storage need on the local platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from yarl import URL

from neuro_client.client import Client
from neuro_client.errors import ResourceNotFound

from ..golden import Prepare
from .calls import HOME, SPECIAL


@asynccontextmanager
async def tree(client: Client) -> AsyncIterator[Mapping[str, str]]:
    """Put a file, a file with a hard name, a full and an empty folder into a home of their own."""
    storage = client.storage
    for name in ("file", "dir", "empty", "a", "other"):
        with suppress(ResourceNotFound):
            await storage.rm(HOME / name, recursive=True)
    for folder in ("dir/sub", "empty"):
        await storage.mkdir(URL(f"{HOME}/{folder}"), parents=True, exist_ok=True)
    for file in (HOME / "file", HOME / "dir/inner", SPECIAL):
        await storage.create(file, b"hello")
    yield {}


NEEDING = (
    "create create_empty create_on_directory create_below_file mkdirs mkdirs_on_file "
    "mkdirs_below_file write write_missing write_on_directory open open_range open_rest "
    "open_past_the_end open_missing open_directory list list_empty list_missing list_file "
    "stat_file stat_directory stat_special_name stat_missing disk_usage rename rename_missing "
    "rename_file_onto_directory rename_directory_onto_file rename_directory_onto_full "
    "rename_into_itself delete delete_recursive delete_directory delete_missing"
)
PREPARE: Mapping[str, Prepare] = dict.fromkeys(NEEDING.split(), tree)
