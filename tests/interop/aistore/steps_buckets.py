"""Buckets and lists; runs in the environment of the published SDK, not in ours."""

# mypy: ignore-errors

from __future__ import annotations

import json

import requests
from aistore.sdk import ListObjectFlag, Namespace
from aistore.sdk.errors import AISError, ErrBckAlreadyExists, ErrBckNotFound, InvalidBckProvider
from steps_shared import Given, expected


class BucketSteps(Given):
    """Use buckets."""

    def step_bucket_life(self) -> None:
        bucket = self.unmade()
        with expected(AISError):
            bucket.head()
        bucket.create()
        bucket.create(exist_ok=True)
        with expected(ErrBckAlreadyExists):
            bucket.create()
        props = json.loads(bucket.head()["Ais-Bucket-Props"])
        assert props["checksum"]["type"] == "xxhash2"
        assert (bucket.provider.value, bucket.namespace) == ("ais", None)
        assert bucket.client is not None
        assert bucket.get_path() == f"ais/@#/{bucket.name}/"
        assert bucket.as_model().name == bucket.name
        assert bucket.qparam["provider"] == "ais"
        with expected(InvalidBckProvider):
            bucket.verify_cloud_bucket()
        answer = bucket.make_request("GET", "list", value={"prefix": ""})
        assert answer.json()["entries"] is None
        bucket.delete()
        bucket.delete(missing_ok=True)
        with expected(ErrBckNotFound):
            bucket.delete()

    def step_namespaces(self) -> None:
        space = Namespace(name="space")
        bucket = self.client.bucket("same", namespace=space).create()
        other = self.client.bucket("same").create()
        self.put(bucket, {"a": b"in the namespace"})
        assert self.names(other) == []
        assert self.read(bucket, "a") == b"in the namespace"
        bucket.delete()
        other.delete()

    def step_rename_and_copy(self) -> None:
        bucket = self.bucket()
        old = bucket.name
        self.put(bucket, {"a.jpg": b"a", "b/c": b"c", "x": b"x"})
        self.done(bucket.rename(f"{old}-renamed"))
        assert bucket.name == f"{old}-renamed"
        assert self.names(bucket) == ["a.jpg", "b/c", "x"]
        copy = self.unmade()
        self.done(bucket.copy(copy, prefix_filter="b/", prepend="p-"))
        assert self.names(copy) == ["p-b/c"]
        self.done(bucket.copy(copy, ext={"jpg": "txt"}, dry_run=True))
        assert self.names(copy) == ["p-b/c"]

    def step_summary(self) -> None:
        bucket = self.bucket()
        self.put(bucket, {"a": b"12345", "b": b"1"})
        summary = bucket.summary()
        assert int(summary["ObjCount"]["obj_count_present"]) == 2, summary
        _, info = bucket.info()
        assert int(info["ObjCount"]["obj_count_present"]) == 2, info

    def step_lists(self) -> None:
        bucket = self.bucket()
        names = [f"d/o{number:02}" for number in range(26)] + ["top"]
        self.put(bucket, {name: name.encode() for name in names})
        page = bucket.list_objects(page_size=9)
        assert len(page.entries) == 9 and page.continuation_token == "d/o08"
        more = bucket.list_objects(
            page_size=9, uuid=page.uuid, continuation_token=page.continuation_token
        )
        assert more.entries[0].name == "d/o09"
        assert [entry.name for entry in bucket.list_objects_iter(page_size=9)] == names
        assert self.names(bucket, page_size=9) == names
        assert self.names(bucket, prefix="t") == ["top"]
        assert self.names(bucket, start_after="d/o24") == ["d/o25", "top"]
        flags = [ListObjectFlag.NO_RECURSION]
        assert self.names(bucket, flags=flags) == ["d/", "top"]
        full = bucket.list_all_objects(props="name,size,checksum,atime,version,copies,location")
        assert (full[0].size, full[0].version, full[0].copies) == (5, "1", 1)
        assert full[0].is_cached() and full[0].is_ok() and full[0].location.startswith("t[")
        objects = list(bucket.list_all_objects_iter())
        assert [found.name for found in objects] == names
        assert objects[0].props_cached.size == 5
        urls = list(bucket.list_urls(prefix="top"))
        assert requests.get(urls[0], timeout=10).content == b"top"

    def step_archives_in_lists(self) -> None:
        bucket = self.bucket()
        self.put(bucket, {"a": b"1", "b": b"22"})
        bucket.objects(obj_names=["a", "b"]).archive("shard.tar")
        self.client.job(job_kind="archive")
        for _ in range(100):
            if "shard.tar" in self.names(bucket):
                break
        found = [entry.name for entry in bucket.list_archive("shard.tar")]
        assert found == ["shard.tar/a", "shard.tar/b"], found

    def step_put_files(self) -> None:
        folder = self.folder / "files"
        (folder / "sub").mkdir(parents=True)
        (folder / "one.txt").write_bytes(b"1")
        (folder / "sub" / "two.txt").write_bytes(b"2")
        bucket = self.bucket()
        assert bucket.put_files(folder, dry_run=True, verbose=False)
        assert self.names(bucket) == []
        bucket.put_files(folder, recursive=True, prepend="p/", verbose=False)
        assert self.names(bucket) == ["p/one.txt", "p/sub/two.txt"]

    def step_inventory(self) -> None:
        bucket = self.bucket()
        self.put(bucket, {"a": b"1"})
        self.done(bucket.create_inventory(name="nightly"))
        assert len(bucket.show_inventory()) == 1
        assert len(bucket.list_all_objects(inventory_name="nightly")) == 1
        bucket.destroy_inventory(name="nightly")
        assert len(bucket.show_inventory()) == 0

    def step_cloud_bucket(self) -> None:
        cloud = self.cloud()
        cloud.verify_cloud_bucket()
        assert self.names(cloud) == ["big", "r/one", "r/two"]
        assert self.read(cloud, "r/one") == b"one"
        cached = [ListObjectFlag.CACHED]
        assert self.names(cloud, flags=cached) == ["r/one"]
        job = cloud.objects(obj_names=["r/two"]).prefetch()
        self.done(job)
        assert self.names(cloud, flags=cached) == ["r/one", "r/two"]
        self.done(cloud.objects(obj_names=["r/two"]).evict())
        assert self.names(cloud, flags=cached) == ["r/one"]
        big = cloud.object("big")
        job = big.blob_download()
        assert self.client.job(job).wait_single_node(timeout=20, verbose=False).success
        assert self.names(cloud, flags=cached) == ["big", "r/one"]
        cloud.evict(keep_md=True)
        assert self.names(cloud, flags=cached) == []
        assert self.read(cloud, "r/one") == b"one"
        cloud.evict()
        assert len(self.names(cloud)) == 3
