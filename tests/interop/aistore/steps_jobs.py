"""Groups, jobs, transforms, sorting, batches; runs in the environment of the published SDK."""

# mypy: ignore-errors

from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime, timedelta

from aistore.sdk import Etl
from aistore.sdk.dsort import DsortAlgorithm, DsortFramework, DsortShardsGroup
from aistore.sdk.errors import AISError, ErrObjNotFound
from aistore.sdk.etl import ETLConfig
from aistore.sdk.multiobj import ObjectRange
from steps_shared import TODAY, Given, expected


def packed(contents: dict[str, bytes]) -> bytes:
    """Make a tar."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


class JobSteps(Given):
    """Start jobs and wait for them."""

    def filled(self) -> object:
        bucket = self.bucket()
        self.put(bucket, {f"o{number:02}": b"x" * number for number in range(12)})
        return bucket

    def step_groups(self) -> None:
        bucket, other = self.filled(), self.bucket()
        group = bucket.objects(obj_range=ObjectRange("o", 1, 3, pad_width=2))
        assert group.list_names() == ["o01", "o02", "o03"]
        assert len(list(group.list_urls())) == 3
        assert group.client is not None
        assert [found.name for found in group.list_all_objects_iter()] == ["o01", "o02", "o03"]
        for job in group.copy(other, prepend="c/"):
            assert self.client.job(job).wait_for_idle(timeout=20, verbose=False).success
        assert self.names(other) == ["c/o01", "c/o02", "c/o03"]
        for job in bucket.objects(obj_template="o{04..06}").archive("a.tar", to_bck=other):
            assert self.client.job(job).wait(timeout=20, verbose=False).success
        with tarfile.open(fileobj=io.BytesIO(self.read(other, "a.tar"))) as tar:
            assert tar.getnames() == ["o04", "o05", "o06"]
        self.done(bucket.objects(obj_names=["o01", "o02"]).delete())
        assert len(self.names(bucket)) == 10

    def step_jobs(self) -> None:
        bucket = self.filled()
        begun = datetime.now(UTC) - timedelta(seconds=5)
        job = self.client.job(bucket.copy(self.unmade()), job_kind="copy-bck")
        assert job.wait(timeout=20, verbose=False).success
        assert job.job_id and job.job_kind == "copy-bck"
        assert job.status().end_time
        assert len(job.get_details().list_snapshots()) == 2
        assert job.get_total_time() is not None
        assert any(snap.id == job.job_id for snap in job.get_within_timeframe(begun))
        started = self.client.job(job_kind="lru").start()
        self.client.job(started).abort()
        rebalance = self.client.job(job_kind="rebalance").start()
        assert rebalance.startswith("g")
        with expected(AISError):
            self.client.job("nobody").status()

    def step_etl(self) -> None:
        bucket, other = self.bucket(), self.bucket()
        self.put(bucket, {"a.txt": b"small"})
        etl = self.client.etl("upper-case")
        assert etl.name == "upper-case"
        Etl.validate_etl_name("upper-case")
        from aistore.sdk.etl.webserver.http_multi_threaded_server import HTTPMultiThreadedServer

        @etl.init_class()
        class Upper(HTTPMultiThreadedServer):
            def transform(self, data: bytes, *_: object) -> bytes:
                return data.upper()

        with expected(AISError):
            etl.init(image="example/image:latest", command="run")
        assert [info.id for info in self.client.cluster().list_etls()] == ["upper-case"]
        assert etl.view().init_msg.name == "upper-case"
        assert self.read(bucket, "a.txt", etl=ETLConfig("upper-case")) == b"SMALL"
        self.done(bucket.transform("upper-case", other, ext={"txt": "up"}))
        assert self.read(other, "a.up") == b"SMALL"
        group = bucket.objects(obj_names=["a.txt"])
        job = group.transform(other, "upper-case", prepend="g/")
        assert self.client.job(job).wait_for_idle(timeout=20, verbose=False).success
        assert self.read(other, "g/a.txt") == b"SMALL"
        self.done(bucket.inspect("upper-case"))
        job = group.inspect("upper-case")
        assert self.client.job(job).wait_for_idle(timeout=20, verbose=False).success
        assert etl.pipeline is not None
        assert len(etl.logs()) == 2
        etl.stop()
        etl.start()
        etl.stop()
        etl.delete()
        if not TODAY:
            spec = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: pod-etl\n"
            self.client.etl("pod-etl").init_spec(spec)
            self.client.etl("pod-etl").delete()

    def step_dsort(self) -> None:
        bucket, other = self.bucket(), self.bucket()
        self.put(
            bucket,
            {
                f"in-{number}.tar": packed({f"r{9 - number}.txt": b"t", f"r{9 - number}.cls": b"1"})
                for number in range(4)
            },
        )
        spec = DsortFramework(
            input_shards=DsortShardsGroup(
                bck=bucket.as_model(),
                role="input",
                format=ObjectRange("in-", 0, 3),
                extension=".tar",
            ),
            output_shards=DsortShardsGroup(
                bck=other.as_model(),
                role="output",
                format=ObjectRange("out-", 0, 9),
                extension=".tar",
            ),
            algorithm=DsortAlgorithm(),
            description="sort",
            output_shard_size="1KB",
        )
        dsort = self.client.dsort()
        job = dsort.start(spec)
        assert dsort.dsort_id == job and job.startswith("srt-")
        assert dsort.wait(timeout=20, verbose=False)
        info = dsort.get_job_info()
        assert all(one.metrics.shard_creation.finished for one in info.values())
        with tarfile.open(fileobj=io.BytesIO(self.read(other, self.names(other)[0]))) as tar:
            assert tar.getnames()[0].startswith("r6.")
        dsort.abort()

    def step_batch(self) -> None:
        bucket = self.filled()
        self.put(bucket, {"sh.tar": packed({"b.txt": b"inside"})})
        batch = self.client.batch(["o03", "missing", "o01"], bucket=bucket)
        batch.add("sh.tar", archpath="b.txt", opaque=b"id4")
        assert len(batch.requests_list) == 4
        found = [bytes(data) for _, data in batch.get()]
        assert found == [b"xxx", b"", b"x", b"inside"], found
        batch.clear()
        assert batch.requests_list == []
        whole = self.client.batch(["o03", "missing"], bucket=bucket, streaming_get=False)
        told = [(out.obj_name, bytes(data), bool(out.err_msg)) for out, data in whole.get()]
        assert told == [("o03", b"xxx", False), ("missing", b"", True)], told
        strict = self.client.batch(
            ["missing"], bucket=bucket, streaming_get=False, cont_on_err=False
        )
        with expected(AISError, ErrObjNotFound):
            list(strict.get())
