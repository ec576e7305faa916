"""The published library on buckets and on sharing them; runs in its environment, not in ours."""

# mypy: ignore-errors

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import Any

import neuro_sdk
from botocore.exceptions import ClientError
from neuro_sdk import Action, Bucket, Permission
from sdk_shared import Given, all_of, expected, tree
from yarl import URL

MIB = 2**20


class BucketSteps(Given):
    """Each coroutine named ``step_…`` is a scenario; they run in the order of their names."""

    async def step_buckets(self) -> None:
        async with self.client() as client:
            buckets = client.buckets
            made = await buckets.create("records")
            assert (made.name, made.owner, made.cluster_name) == ("records", "user", "default")
            assert made.provider is Bucket.Provider.MINIO, made
            assert str(made.uri) == "blob://default/user/records"
            assert not made.public and not made.imported and made.org_name is None
            assert await buckets.get("records") == made == await buckets.get(made.id)
            assert await buckets.get("records", bucket_owner="user") == made
            assert made in await all_of(buckets.list())
            unnamed = await buckets.create()
            assert (unnamed.name, str(unnamed.uri)) == (None, f"blob://default/user/{unnamed.id}")
            await buckets.rm(unnamed.id)
            for taken in ("records", "Bad Name"):
                with expected(neuro_sdk.IllegalArgumentError):
                    await buckets.create(taken)
            with expected(neuro_sdk.ResourceNotFound):
                await buckets.get("absent")
            there = await buckets.create("records", cluster_name="second")
            assert there.id in [one.id for one in await all_of(buckets.list("second"))]
            await buckets.rm("records", cluster_name="second")
            ours = await buckets.create("records-of-team", org_name="team")
            assert str(ours.uri) == "blob://default/team/user/records-of-team"
            await buckets.rm(ours.id)
            await buckets.put_blob("records", "full", b"full")
            with expected(neuro_sdk.IllegalArgumentError):
                await buckets.rm("records")
            await buckets.delete_blob("records", "full")
            await buckets.rm("records")
            with expected(neuro_sdk.ResourceNotFound):
                await buckets.get("records")

    async def step_bucket_credentials(self) -> None:
        async with self.client() as client:
            buckets = client.buckets
            made = await buckets.create("opened")
            opening = await buckets.request_tmp_credentials("opened")
            assert (opening.bucket_id, opening.provider) == (made.id, made.provider)
            assert opening.credentials["session_token"] and opening.credentials["expiration"]
            keys = await buckets.persistent_credentials_create([made.id], "keys")
            assert (keys.name, keys.owner, keys.read_only) == ("keys", "user", False)
            assert keys.credentials[0].credentials["secret_access_key"]
            reading = await buckets.persistent_credentials_create([made.id], read_only=True)
            assert reading.read_only and reading.name is None
            assert await buckets.persistent_credentials_get("keys") == keys
            assert await buckets.persistent_credentials_get(reading.id) == reading
            found = await all_of(buckets.persistent_credentials_list())
            assert keys in found and reading in found
            with expected(neuro_sdk.IllegalArgumentError):
                await buckets.persistent_credentials_create([made.id], "keys")
            imported = await self.imported(buckets, keys)
            assert imported.imported and imported.name == "mirror"
            await buckets.put_blob("mirror", "through", b"the mirror")
            assert (await buckets.head_blob("opened", "through")).size == 10
            with expected(neuro_sdk.IllegalArgumentError):
                await buckets.persistent_credentials_create([imported.id])
            await buckets.rm("mirror")
            assert (await buckets.head_blob("opened", "through")).size == 10
            await buckets.persistent_credentials_rm("keys")
            await buckets.persistent_credentials_rm(reading.id)
            with expected(neuro_sdk.ResourceNotFound):
                await buckets.persistent_credentials_get("keys")
            await buckets.delete_blob("opened", "through")
            await buckets.rm("opened")

    async def imported(self, buckets: Any, keys: Any) -> Any:
        """Register the bucket of *keys* once more, as one made elsewhere."""
        opening = dict(keys.credentials[0].credentials)
        place = opening.pop("bucket_name")
        return await buckets.import_external(Bucket.Provider.MINIO, place, opening, "mirror")

    async def step_public_buckets(self) -> None:
        async with self.client() as client:
            buckets = client.buckets
            await buckets.create("everybodys")
            uri = URL("blob:everybodys/note")
            await buckets.put_blob("everybodys", "note", b"for all")
            signed = await buckets.make_signed_url(uri, 60)
            assert opened(signed) == (200, b"for all")
            plain = signed.with_query(None)
            assert opened(plain)[0] == 403
            assert (await buckets.set_public_access("everybodys", True)).public
            assert opened(plain) == (200, b"for all")
            assert not (await buckets.set_public_access("everybodys", False)).public
            assert opened(plain)[0] == 403
            with expected(neuro_sdk.IllegalArgumentError):
                await buckets.make_signed_url(uri, 8 * 24 * 3600)
            await buckets.blob_rm(uri)
            await buckets.rm("everybodys")

    async def step_blobs(self) -> None:
        bodies = {"a b%41/ü": b"odd", "dir/b.txt": b"b", "dir/sub/c.txt": b"c", "a.txt": b""}
        async with self.client() as client:
            buckets = client.buckets
            made = await buckets.create("blobs")
            for key, body in bodies.items():
                await buckets.put_blob("blobs", key, body)
                entry = await buckets.head_blob(made.id, key)
                assert (entry.key, entry.size, entry.is_file()) == (key, len(body), True)
                assert await self.read(buckets, key) == body
            large = os.urandom(23 * MIB)

            async def pieces() -> Any:
                for start in range(0, len(large), MIB):
                    yield large[start : start + MIB]

            await buckets.put_blob("blobs", "large", pieces())
            assert await self.read(buckets, "large") == large
            assert await self.read(buckets, "large", 20 * MIB) == large[20 * MIB :]
            root = URL("blob:blobs")
            found = await all_of(buckets.list_blobs(root, recursive=True))
            assert sorted(one.key for one in found) == sorted([*bodies, "large"])
            assert all(one.modified_at for one in found)
            tops = await all_of(buckets.list_blobs(root))
            assert sorted(one.key for one in tops) == ["a b%41/", "a.txt", "dir/", "large"]
            assert {one.key for one in tops if one.is_dir()} == {"a b%41/", "dir/"}
            assert len(await all_of(buckets.list_blobs(root, recursive=True, limit=2))) == 2
            for pattern, wanted in GLOBS.items():
                matched = await all_of(buckets.glob_blobs(URL(f"blob:blobs/{pattern}")))
                assert [one.key for one in matched] == wanted, (pattern, matched)
            assert await buckets.blob_is_dir(URL("blob:blobs/dir"))
            assert not await buckets.blob_is_dir(URL("blob:blobs/large"))
            totals = await all_of(buckets.get_disk_usage("blobs"))
            assert totals[-1].total_bytes == len(large) + 5 and totals[-1].object_count == 5
            with expected(neuro_sdk.ResourceNotFound):
                await buckets.head_blob("blobs", "absent")
            await buckets.delete_blob("blobs", "large")
            await buckets.delete_blob("blobs", "large")
            with expected(FileNotFoundError):
                await buckets.blob_rm(URL("blob:blobs/large"))
            with expected(IsADirectoryError):
                await buckets.blob_rm(URL("blob:blobs/dir"))
            await buckets.blob_rm(root, recursive=True)
            assert await all_of(buckets.list_blobs(root, recursive=True)) == []
            await buckets.rm("blobs")
            with expected(neuro_sdk.IllegalArgumentError):
                await all_of(buckets.list_blobs(root))

    async def read(self, buckets: Any, key: str, offset: int = 0) -> bytes:
        return b"".join(await all_of(buckets.fetch_blob("blobs", key, offset)))

    async def step_blob_transfers(self) -> None:
        source, back = self.folder / "blobs", self.folder / "blobs-back"
        for name, size in (("a", 0), ("b c", 10), ("d/e", 12 * MIB), ("d/ü/f", 1024)):
            path = source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(os.urandom(size))
        (source / "nothing").mkdir()
        async with self.client() as client:
            buckets = client.buckets
            await buckets.create("moved")
            there = URL("blob:moved/tree")
            await buckets.upload_dir(URL(source.as_uri()), there)
            await buckets.upload_dir(URL(source.as_uri()), there, update=True)
            await buckets.download_dir(there, URL(back.as_uri()))
            assert tree(back) == tree(source) and (back / "nothing").is_dir()
            (back / "d/e").write_bytes((source / "d/e").read_bytes()[: 5 * MIB])
            await buckets.download_dir(there, URL(back.as_uri()), continue_=True)
            assert tree(back) == tree(source)
            one = self.folder / "one-blob"
            await buckets.upload_file(URL((source / "d/e").as_uri()), URL("blob:moved/one"))
            await buckets.download_file(URL("blob:moved/one"), URL(one.as_uri()))
            assert one.read_bytes() == (source / "d/e").read_bytes()
            with expected(NotADirectoryError):
                await buckets.upload_dir(URL(source.as_uri()), URL("blob:moved/one"))
            with expected(IsADirectoryError):
                await buckets.upload_file(URL(one.as_uri()), there)
            with expected(FileNotFoundError):
                await buckets.download_file(URL("blob:moved/absent"), URL(one.as_uri()))
            await buckets.blob_rm(URL("blob:moved"), recursive=True)
            await buckets.rm("moved")

    async def step_shared_buckets(self) -> None:
        async with self.client() as client, await self.as_bob() as bob:
            made = await client.buckets.create("shared")
            await client.buckets.put_blob("shared", "note", b"first")
            uri = URL("blob://default/user/shared")
            with expected(neuro_sdk.AuthorizationError):
                await bob.buckets.get("shared", bucket_owner="user")
            with expected(neuro_sdk.IllegalArgumentError, neuro_sdk.AuthorizationError):
                await all_of(bob.buckets.list_blobs(uri))
            assert made.id not in [one.id for one in await all_of(bob.buckets.list())]
            await client.users.share("bob", Permission(uri, Action.READ))
            shares = await client.users.get_shares("user", "blob")
            assert [(one.user, one.permission.uri) for one in shares] == [("bob", uri)], shares
            assert uri in [one.uri for one in await bob.users.get_acl("bob", "blob")]
            assert made.id in [one.id for one in await all_of(bob.buckets.list())]
            assert [one.key for one in await all_of(bob.buckets.list_blobs(uri))] == ["note"]
            got = bob.buckets.fetch_blob("shared", "note", bucket_owner="user")
            assert b"".join(await all_of(got)) == b"first"
            with expected(ClientError):  # the error of the S3 library, as it comes
                await bob.buckets.put_blob("shared", "note", b"never", bucket_owner="user")
            with expected(neuro_sdk.AuthorizationError):
                await bob.buckets.rm("shared", bucket_owner="user")
            await client.users.share("bob", Permission(uri, Action.WRITE))
            await bob.buckets.put_blob("shared", "note", b"by bob", bucket_owner="user")
            entry = await client.buckets.head_blob("shared", "note")
            assert entry.size == 6
            await client.users.revoke("bob", uri)
            with expected(neuro_sdk.AuthorizationError):
                await bob.buckets.get("shared", bucket_owner="user")
            await client.buckets.delete_blob("shared", "note")
            await client.buckets.rm("shared")

    async def step_roles(self) -> None:
        async with self.client() as client:
            users, role = client.users, "user/readers"
            await users.add(role)
            assert role in await users.get_subroles("user")
            await users.share(role, Permission(URL("blob://default/user/roles"), Action.READ))
            await users.remove(role)
            assert role not in await users.get_subroles("user")


# Patterns and what they find among the blobs above, in order (buckets.md §8).
GLOBS = {
    "*": ["a b%41/", "dir/", "a.txt", "large"],
    "*.txt": ["a.txt"],
    "dir/*": ["dir/sub/", "dir/b.txt"],
    "d*/*.txt": ["dir/b.txt"],
    "**/*.txt": ["a.txt", "dir/b.txt", "dir/sub/c.txt"],
}


def opened(url: URL) -> tuple[int, bytes]:
    """Open an address without credentials."""
    try:
        with urllib.request.urlopen(str(url), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, b""
