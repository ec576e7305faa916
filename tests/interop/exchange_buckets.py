"""Let the two clients work on the same buckets, and compare what they say."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from yarl import URL

import neuro_client

from .report import left_out
from .running import Published, execute, tree

_CALLS = Path(__file__).with_name("same_calls.py")


class BucketExchange(Published):
    """Each ``step_…`` hands something from one client to the other."""

    async def step_5_blobs(self) -> None:
        """Read what the other wrote, both ways."""
        source = self.folder / "blobs"
        write_files(source)
        async with neuro_client.get(path=self.ours) as client:
            buckets = client.buckets
            await self.published(self.ours, "blob", "mkbucket", "--name", "both")
            await buckets.upload_dir(source, URL("blob:both/by-us"))
            back = self.folder / "blobs-by-us"
            await self.published(self.ours, "blob", "cp", "-r", "-T", "blob:both/by-us", str(back))
            assert tree(back) == tree(source)
            again = ("blob", "cp", "-r", "-u", "-T", str(source))
            await self.published(self.ours, *again, "blob:both/by-them")
            await buckets.download_dir(URL("blob:both/by-them"), self.folder / "blobs-by-them")
            assert tree(self.folder / "blobs-by-them") == tree(source)
            await self.published(self.ours, "blob", "rm", "-r", "blob:both/by-us")
            await buckets.blob_rm(URL("blob:both/by-them"), recursive=True)
            async with buckets.get_disk_usage("both") as totals:
                assert [total async for total in totals] == []
            await self.published(self.ours, "blob", "rmbucket", "both")

    async def step_6_the_same_calls(self) -> None:
        """Make more than a hundred calls with each on the same data; the answers are the same."""
        folder = self.folder / "compared"
        write_files(folder / "source")
        (folder / "source" / "nothing").mkdir()
        async with neuro_client.get(path=self.ours) as client:
            buckets = client.buckets
            await buckets.create("compared")
            await buckets.upload_dir(folder / "source", URL("blob:compared/tree"))
            await buckets.put_blob("compared", "tree/b%20c", b"a percent code in the key itself")
            theirs = await self.answers(folder, self.python, "neuro_sdk")
            ours = await self.answers(folder, sys.executable, "neuro_client")
            await buckets.blob_rm(URL("blob:compared"), recursive=True)
            await buckets.rm("compared")
        assert len(theirs) > 100 and theirs.keys() == ours.keys()
        different = {label for label in theirs if not same(theirs[label], ours[label])}
        wanted = left_out()["same"].keys()
        for label in sorted(different - wanted):
            only = [_without(theirs[label], ours[label]), _without(ours[label], theirs[label])]
            print(f"  {label}\n    theirs {only[0]}\n    ours   {only[1]}")
        assert different == wanted, sorted(different ^ wanted)

    async def answers(self, folder: Path, python: str, package: str) -> dict[str, Any]:
        """Make the calls with one library."""
        words = (python, str(_CALLS), package, str(self.ours), str(folder), "compared")
        got = await execute(self.ours, *words)
        assert got.code == 0, got.text
        found: dict[str, Any] = json.loads(got.text)
        return found


def same(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Compare answers; an error of ours may be of a kind below theirs."""
    if "error" in theirs and "error" in ours:
        return theirs["error"][0] in ours["error"] and theirs["errno"] == ours["errno"]
    return theirs == ours


def _without(one: dict[str, Any], other: dict[str, Any]) -> object:
    """Return what only *one* says."""
    mine, yours = one.get("answer"), other.get("answer")
    if isinstance(mine, list) and isinstance(yours, list):
        return [item for item in mine if item not in yours]
    return one


def write_files(place: Path) -> None:
    """Make files of several sizes, one of them in parts, with names that need care."""
    for name, size in (("a", 0), ("b c", 10), ("d/e", 1000), ("d/ü/f", 12_000_000), ("p%c#d", 9)):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
