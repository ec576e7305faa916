"""The client of MinIO for Python, with its own signer, against the S3 endpoint."""

# mypy: ignore-errors

from __future__ import annotations

import io
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from minio import Minio
from minio.commonconfig import ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from shared import (
    MIB,
    ODD_KEYS,
    PART,
    Scenario,
    expected,
    plain_get,
    plain_put,
    refused_plainly,
    run,
    same,
    tree,
)


class MinioPython(Scenario):
    def client(self, **changed):
        opening = {**self.given, **changed}
        return Minio(
            urlsplit(self.endpoint).netloc,
            access_key=opening["access_key_id"],
            secret_key=opening["secret_access_key"],
            session_token=opening.get("session_token"),
            secure=False,
            region=self.region,
        )

    def read(self, key, **span):
        answer = self.client().get_object(bucket_name=self.bucket, object_name=key, **span)
        try:
            return answer.read()
        finally:
            answer.close()
            answer.release_conn()

    def put(self, key, body, **more):
        return self.client().put_object(
            bucket_name=self.bucket, object_name=key, data=io.BytesIO(body), **more
        )

    def step_objects(self) -> None:
        client = self.client()
        bodies = {self.key(f"objects/{name}"): name.encode() * 50 for name in ODD_KEYS}
        for key, body in bodies.items():
            put = self.put(key, body, length=len(body), metadata={"who": "minio"})
            head = client.stat_object(bucket_name=self.bucket, object_name=key)
            same((head.size, head.etag), (len(body), put.etag))
            same(head.metadata["x-amz-meta-who"], "minio")
            same((self.read(key), self.read(key, offset=3, length=7)), (body, body[3:10]))
        found = list(
            client.list_objects(
                bucket_name=self.bucket, prefix=self.key("objects/"), recursive=True
            )
        )
        same([one.object_name for one in found], sorted(bodies, key=str.encode))
        tops = client.list_objects(bucket_name=self.bucket, prefix=self.key("objects/"))
        same(
            {one.object_name for one in tops if one.is_dir},
            {self.key(f"objects/{name.partition('/')[0]}/") for name in ODD_KEYS if "/" in name},
        )
        first, *rest = bodies
        client.remove_object(bucket_name=self.bucket, object_name=first)
        with expected(S3Error, "NoSuchKey"):
            client.stat_object(bucket_name=self.bucket, object_name=first)
        several = [DeleteObject(key) for key in rest]
        same(list(client.remove_objects(bucket_name=self.bucket, delete_object_list=several)), [])
        same(list(client.list_objects(bucket_name=self.bucket, prefix=self.key("objects/"))), [])

    def step_parts(self) -> None:
        key, body = self.key("parts"), self.body()
        assert self.put(key, body, length=len(body), part_size=PART).etag.endswith("-3")
        same(self.read(key), body)
        assert self.put(key, body, length=-1, part_size=PART).etag.endswith("-3")
        back = self.local("parts.back")
        self.client().fget_object(bucket_name=self.bucket, object_name=key, file_path=str(back))
        same(back.read_bytes(), body)

    def step_copy(self) -> None:
        client, origin, target = self.client(), self.key("copy/a ü%"), self.key("copy/b +#")
        body = self.body(11 * MIB)
        self.put(origin, body, length=len(body))
        source = CopySource(bucket_name=self.bucket, object_name=origin)
        client.copy_object(bucket_name=self.bucket, object_name=target, source=source)
        same(self.read(target), body)
        halves = [
            ComposeSource(bucket_name=self.bucket, object_name=origin, offset=start, length=size)
            for start, size in ((0, 6 * MIB), (6 * MIB, len(body) - 6 * MIB))
        ]
        client.compose_object(bucket_name=self.bucket, object_name=target, sources=halves)
        same(self.read(target), body)

    def step_presign(self) -> None:
        names = {"bucket_name": self.bucket, "object_name": self.key("signed/a b+ü")}
        plain_put(self.client().presigned_put_object(**names), b"by an address")
        got = self.client().presigned_get_object(**names)
        same(plain_get(got), b"by an address")
        refused_plainly(got.replace("signed", "other"), 403)

    def step_sync(self) -> None:
        client, wanted = self.client(), tree(self.source)
        for name in wanted:
            client.fput_object(
                bucket_name=self.bucket,
                object_name=self.key(f"tree/{name}"),
                file_path=str(self.source / name),
                part_size=PART,
            )
        for prefix in (self.key("tree/"), "ours/"):
            place = self.local(f"back-{prefix.replace('/', '-')}")
            found = client.list_objects(bucket_name=self.bucket, prefix=prefix, recursive=True)
            for item in found:
                if not item.object_name.endswith("/"):
                    path = place / item.object_name.removeprefix(prefix)
                    client.fget_object(
                        bucket_name=self.bucket, object_name=item.object_name, file_path=str(path)
                    )
            same(tree(place), wanted)

    def step_refusals(self) -> None:
        names = {"bucket_name": self.bucket, "object_name": self.key("refused")}
        with expected(S3Error, "SignatureDoesNotMatch"):
            self.client(secret_access_key="wrong").get_object(**names)
        with expected(S3Error, "AccessDenied"):
            self.client(**self.given["reader"]).put_object(
                **names, data=io.BytesIO(b"never"), length=5
            )
        with expected(S3Error, "NoSuchKey"):
            self.client().get_object(**names)
        with expected(S3Error, "AccessDenied"):
            list(self.client().list_objects(bucket_name=self.given["foreign_bucket"]))


if __name__ == "__main__":
    run(MinioPython)
