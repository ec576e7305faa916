"""Drive the published commands of buckets and of sharing."""

from __future__ import annotations

import asyncio
import os
import re
import urllib.request

from .running import Program, tree


class BlobCommands(Program):
    """Each ``step_…`` is one scenario."""

    async def step_buckets(self) -> None:
        """Make, import, show, open and remove buckets and credentials."""
        made = await self.neuro_says("blob mkbucket", "--name", "records")
        bucket_id = found(r"bucket-[0-9a-f-]{36}", made)
        assert "records" in await self.neuro_says("blob lsbucket", "--long-format")
        shown = await self.neuro_says("blob statbucket", "records")
        assert bucket_id in shown and "minio" in shown, shown
        await self.neuro_says("blob mkbucket", "--name", "records", code=65)
        await self.neuro_says("blob statbucket", "absent", code=72)
        keys = await self.neuro_says("blob mkcredentials", "--name", "keys", "records")
        opening = {
            name: found(rf"{name}\W+([^\s│]+)", keys)
            for name in (
                "bucket_name", "access_key_id", "secret_access_key", "endpoint_url", "region_name",
            )
        }  # fmt: skip
        assert "keys" in await self.neuro_says("blob lscredentials")
        assert opening["access_key_id"] in await self.neuro_says("blob statcredentials", "keys")
        note = self.folder / "note"
        note.write_text("through the mirror")
        await self.neuro_says(
            "blob importbucket", "--name", "mirror", "--provider", "aws",
            "--provider-bucket-name", opening["bucket_name"],
            "--aws-access-key-id", opening["access_key_id"],
            "--aws-secret-access-key", opening["secret_access_key"],
            "--aws-endpoint-url", opening["endpoint_url"],
            "--aws-region-name", opening["region_name"],
        )  # fmt: skip
        await self.neuro_says("blob cp", str(note), "blob:mirror/note")
        assert "note" in await self.neuro_says("blob ls", "blob:records")
        await self.neuro_says("blob rmbucket", "mirror")
        signed = await self.neuro_says("blob sign-url", "--expires", "5m", "blob:records/note")
        assert await opened(found(r"http://\S+", signed)) == b"through the mirror"
        await self.neuro_says("blob set-bucket-publicity", "records", "public")
        assert await opened(found(r"http://[^\s?]+", signed)) == b"through the mirror"
        await self.neuro_says("blob set-bucket-publicity", "records", "private")
        await self.neuro_says("blob rmcredentials", "keys")
        await self.neuro_says("blob statcredentials", "keys", code=72)
        await self.neuro_says("blob rmbucket", "records", code=65)
        await self.neuro_says("blob rmbucket", "--force", "records")
        assert bucket_id not in await self.neuro_says("blob lsbucket")

    async def step_blobs(self) -> None:
        """Copy files and folders up and down, list, match, count and remove them."""
        source, back = self.folder / "blobs", self.folder / "blobs-back"
        (source / "deep").mkdir(parents=True)
        (source / "small").write_bytes(b"small")
        (source / "deep" / "large").write_bytes(os.urandom(12_000_000))
        await self.neuro_says("blob mkbucket", "--name", "blobs")
        await self.neuro_says("blob cp", "-r", str(source), "blob:blobs/one")
        await self.neuro_says("blob cp", "-r", "-u", "-T", str(source), "blob:blobs/one")
        await self.neuro_says("blob cp", "-r", "-T", "blob:blobs/one", str(back))
        for name in ("small", "deep/large"):
            assert (back / name).read_bytes() == (source / name).read_bytes()
        (back / "deep" / "large").write_bytes((source / "deep" / "large").read_bytes()[:5_000_000])
        await self.neuro_says(
            "blob cp", "--continue", "blob:blobs/one/deep/large", str(back / "deep" / "large")
        )
        assert tree(back) == tree(source)
        listed = await self.neuro_says("blob ls", "-l", "-r", "blob:blobs")
        assert "one/small" in listed and "12000000" in listed.replace(",", ""), listed
        assert "blobs" in await self.neuro_says("blob ls")
        matched = await self.neuro_says("blob glob", "--full-uri", "blob:blobs/**/sm*")
        assert matched.split() == ["blob://default/user/blobs/one/small"], matched
        assert "12" in await self.neuro_says("blob du", "blobs")
        await self.neuro_says("blob rm", "blob:blobs/one/small")
        await self.neuro_says("blob rm", "blob:blobs/one", code=72)
        await self.neuro_says("blob rm", "-r", "blob:blobs/one")
        assert (await self.neuro_says("blob ls", "blob:blobs")).strip() == ""
        await self.neuro_says("blob rmbucket", "blobs")

    async def step_sharing(self) -> None:
        """Give rights, list them, and take them back."""
        if not await self.platform.access.exists("ann"):
            await self.platform.add_user("ann")
        assert "storage" in await self.neuro_says("acl ls")
        given = "blob:given"
        for give, verb in (("share", "read"), ("acl grant", "write")):
            await self.neuro_says(give, given, "ann", verb)
            shown = await self.neuro_says("acl ls", "--shared")
            assert given in shown and verb in shown and "ann" in shown, shown
            await self.neuro_says("acl revoke", given, "ann")
            assert given not in await self.neuro_says("acl ls", "--shared")
        await self.neuro_says("acl add-role", "user/readers")
        assert "user/readers" in await self.neuro_says("acl list-roles")
        await self.neuro_says("acl remove-role", "user/readers")
        assert "user/readers" not in await self.neuro_says("acl list-roles")


def found(pattern: str, text: str) -> str:
    """Return what a pattern finds, its group if it has one."""
    match = re.search(pattern, text)
    assert match is not None, f"no {pattern} in:\n{text}"
    return match[match.lastindex or 0]


async def opened(url: str) -> bytes:
    """Open an address without credentials."""
    with await asyncio.to_thread(urllib.request.urlopen, url, timeout=30) as answer:
        return bytes(await asyncio.to_thread(answer.read))
