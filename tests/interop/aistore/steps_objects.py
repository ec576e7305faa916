"""Objects; runs in the environment of the published SDK, not in ours."""

# mypy: ignore-errors

from __future__ import annotations

import io
import os
import tarfile

import requests
from aistore.sdk import ArchiveConfig
from aistore.sdk.archive_config import ArchiveMode
from aistore.sdk.errors import AISError, ErrObjNotFound
from steps_shared import TODAY, Given, expected

ODD_NAMES = (
    "plain",
    "deep/er/name",
    "sp ace%+#?é/x",
    "ünï/çødé/名前",
    "marks!'()*,;:@&=$~",
)


class ObjectSteps(Given):
    """Use objects."""

    def step_read_and_write(self) -> None:
        bucket = self.bucket()
        found = bucket.object("dir/one")
        assert (found.bucket_name, found.name) == (bucket.name, "dir/one")
        assert found.bucket_provider.value == "ais"
        assert found.uname == f"ais/@#/{bucket.name}/dir/one"
        assert found.query_params["provider"] == "ais"
        with expected(ErrObjNotFound):
            found.get_reader().read_all()
        with expected(AISError):
            self.head(found)
        body = os.urandom(300_000)
        answer = found.get_writer().put_content(body)
        assert answer.headers["Ais-Version"] == "1"
        reader = found.get_reader()
        assert bytes(reader.read_all()) == body
        assert reader.attributes.size == len(body)
        assert reader.head().checksum_type == "xxhash2"
        assert b"".join(found.get_reader(chunk_size=10_000)) == body
        assert found.get_reader().raw().read() == body
        assert self.read(bucket, "dir/one", byte_range="bytes=5-9") == body[5:10]
        with found.get_reader().as_file() as file:
            assert file.readable() and not file.closed
            assert file.read(7) == body[:7]
            assert file.read() == body[7:]
            file.close()
        written = io.BytesIO()
        found.get_reader(writer=written).read_all()
        assert written.getvalue() == body
        assert requests.get(found.get_url(), timeout=10).content == body
        assert found.props.size == len(body) and found.props_cached is not None
        found.delete()
        with expected(ErrObjNotFound):
            found.delete()

    def step_parallel_and_direct(self) -> None:
        bucket = self.bucket()
        body = os.urandom(5_000_000)
        self.put(bucket, {"large": body})
        assert self.read(bucket, "large", num_workers=4) == body
        assert self.read(bucket, "large", direct=True) == body

    def step_odd_names(self) -> None:
        bucket = self.bucket()
        for name in ODD_NAMES:
            self.put(bucket, {name: name.encode()})
            assert self.read(bucket, name) == name.encode(), name
            assert self.head(bucket.object(name)).size == len(name.encode())
        assert self.names(bucket) == sorted(ODD_NAMES, key=str.encode)
        for name in ODD_NAMES:
            bucket.object(name).delete()

    def step_properties(self) -> None:
        bucket = self.bucket()
        found = bucket.object("one")
        writer = found.get_writer()
        file = self.folder / "file"
        file.write_bytes(b"from a file")
        writer.put_file(file)
        writer.set_custom_props({"a": "1", "b": "x y"})
        writer.set_custom_props({"c": "3"})
        assert self.head(found, "custom").custom_metadata == {"a": "1", "b": "x y", "c": "3"}
        writer.set_custom_props({"d": "4"}, replace_existing=True)
        assert self.head(found, "custom").custom_metadata == {"d": "4"}
        if not TODAY:
            assert found.head()["Ais-Name"] == "one"

    def step_append(self) -> None:
        bucket = self.bucket()
        writer = bucket.object("log").get_writer()
        handle = writer.append_content(b"one ")
        handle = writer.append_content(b"two", handle)
        assert self.names(bucket) == []
        writer.append_content(b"", handle, flush=True)
        assert self.read(bucket, "log") == b"one two"
        with bucket.object("file").get_writer().as_file() as file:
            file.write(b"a")
            file.flush()
            file.write(b"b")
            file.close()
        assert self.read(bucket, "file") == b"ab"

    def step_multipart(self) -> None:
        bucket = self.bucket()
        upload = bucket.object("parts").multipart_upload().create()
        upload.add_part(2).put_content(b"world")
        upload.add_part(1).put_content(b"hello ")
        assert self.names(bucket) == []
        upload.complete()
        assert self.read(bucket, "parts") == b"hello world"
        given_up = bucket.object("never").multipart_upload().create()
        given_up.add_part(1).put_content(b"x")
        given_up.abort()
        assert self.names(bucket) == ["parts"]

    def step_copy(self) -> None:
        bucket, other = self.bucket(), self.bucket()
        self.put(bucket, {"a b": b"text"})
        bucket.object("a b").copy(other.object("copy/of it"))
        assert self.read(other, "copy/of it") == b"text"

    def step_archive_reads(self) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for name in ("a.txt", "b.txt", "c.bin"):
                entry = tarfile.TarInfo(name)
                entry.size = len(name)
                tar.addfile(entry, io.BytesIO(name.encode()))
        bucket = self.bucket()
        self.put(bucket, {"shard.tar": packed.getvalue()})
        one = ArchiveConfig(archpath="b.txt")
        assert self.read(bucket, "shard.tar", archive_config=one) == b"b.txt"
        some = ArchiveConfig(regex="txt", mode=ArchiveMode.SUFFIX)
        found = self.read(bucket, "shard.tar", archive_config=some)
        with tarfile.open(fileobj=io.BytesIO(found)) as tar:
            assert tar.getnames() == ["a.txt", "b.txt"]

    def step_promote(self) -> None:
        bucket = self.bucket()
        bucket.object("one").promote(str(self.promote / "f1"))
        assert self.read(bucket, "one") == b"promoted 1"
        job = bucket.object("pr").promote(str(self.promote))
        self.done(job)
        assert self.names(bucket) == ["one", "prf1", "prf2"]
