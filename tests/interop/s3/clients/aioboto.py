"""aioboto3 against the S3 endpoint; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import aioboto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
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

IN_PARTS = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)


class AioBoto(Scenario):
    def open(self, kind="client", **changed):
        opening = {**self.given, **changed}
        return getattr(aioboto3.Session(), kind)(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=opening["access_key_id"],
            aws_secret_access_key=opening["secret_access_key"],
            aws_session_token=opening.get("session_token"),
            config=Config(retries={"max_attempts": 1}),
        )

    async def step_objects(self) -> None:
        async with self.open() as s3:
            bodies = {self.key(f"objects/{name}"): name.encode() * 50 for name in ODD_KEYS}
            async with asyncio.TaskGroup() as group:
                for key, body in bodies.items():
                    group.create_task(
                        s3.put_object(
                            Bucket=self.bucket, Key=key, Body=body, Metadata={"who": "aioboto"}
                        )
                    )
            for key, body in bodies.items():
                head = await s3.head_object(Bucket=self.bucket, Key=key)
                same((head["ContentLength"], head["Metadata"]), (len(body), {"who": "aioboto"}))
                got = await s3.get_object(Bucket=self.bucket, Key=key, Range="bytes=2-")
                same(await got["Body"].read(), body[2:])
        async with self.open("resource") as resource:
            bucket = await resource.Bucket(self.bucket)
            found = [one.key async for one in bucket.objects.filter(Prefix=self.key("objects/"))]
            same(set(found), set(bodies))
            await bucket.objects.filter(Prefix=self.key("objects/")).delete()
        async with self.open() as s3:
            listed = await s3.list_objects_v2(Bucket=self.bucket, Prefix=self.key("objects/"))
            same(listed["KeyCount"], 0)
            with expected(ClientError, "404"):
                await s3.head_object(Bucket=self.bucket, Key=self.key("objects/plain"))

    async def step_parts(self) -> None:
        body, back = self.body(), io.BytesIO()
        names = {"Bucket": self.bucket, "Key": self.key("parts")}
        async with self.open() as s3:
            await s3.upload_fileobj(io.BytesIO(body), *names.values(), Config=IN_PARTS)
            assert (await s3.head_object(**names))["ETag"].endswith('-3"')
            await s3.download_fileobj(*names.values(), back, Config=IN_PARTS)
            same(back.getvalue(), body)
            begun = await s3.create_multipart_upload(**names)
            await s3.abort_multipart_upload(**names, UploadId=begun["UploadId"])
            listed = await s3.list_multipart_uploads(Bucket=self.bucket, Prefix=names["Key"])
            same(listed.get("Uploads", []), [])

    async def step_copy(self) -> None:
        body = self.body(11 * MIB)
        origin = {"Bucket": self.bucket, "Key": self.key("copy/origin ü%")}
        target = {"Bucket": self.bucket, "Key": self.key("copy/target")}
        async with self.open() as s3:
            await s3.put_object(**origin, Body=body)
            await s3.copy(origin, *target.values(), Config=IN_PARTS)
            got = await s3.get_object(**target)
            same(await got["Body"].read(), body)
            await s3.copy_object(**target, CopySource=origin)
            head = await s3.head_object(**target)
            same(head["ContentLength"], len(body))

    async def step_presign(self) -> None:
        names = {"Bucket": self.bucket, "Key": self.key("signed/a b+ü")}
        async with self.open() as s3:
            put = await s3.generate_presigned_url("put_object", Params=names)
            got = await s3.generate_presigned_url("get_object", Params=names)
        await asyncio.to_thread(plain_put, put, b"by an address")
        same(await asyncio.to_thread(plain_get, got), b"by an address")
        await asyncio.to_thread(refused_plainly, got.replace("signed", "other"), 403)

    async def step_sync(self) -> None:
        wanted = tree(self.source)
        async with self.open() as s3:
            async with asyncio.TaskGroup() as group:
                for name in wanted:
                    group.create_task(
                        s3.upload_file(
                            str(self.source / name), self.bucket, self.key(f"tree/{name}")
                        )
                    )
            for prefix in (self.key("tree/"), "ours/"):
                place = self.local(f"back-{prefix.replace('/', '-')}")
                pages = s3.get_paginator("list_objects_v2").paginate(
                    Bucket=self.bucket, Prefix=prefix, PaginationConfig={"PageSize": 3}
                )
                async for page in pages:
                    for item in page["Contents"]:
                        if not item["Key"].endswith("/"):
                            path = place / item["Key"].removeprefix(prefix)
                            path.parent.mkdir(parents=True, exist_ok=True)
                            await s3.download_file(self.bucket, item["Key"], str(path))
                same(tree(place), wanted)

    async def step_refusals(self) -> None:
        names = {"Bucket": self.bucket, "Key": self.key("refused")}
        async with self.open(secret_access_key="wrong") as s3:
            with expected(ClientError, "SignatureDoesNotMatch"):
                await s3.get_object(**names)
        async with self.open(**self.given["reader"]) as s3:
            with expected(ClientError, "AccessDenied"):
                await s3.put_object(**names, Body=b"never")
        async with self.open() as s3:
            with expected(ClientError, "NoSuchKey"):
                await s3.get_object(**names)
            with expected(ClientError, "AccessDenied"):
                await s3.list_objects_v2(Bucket=self.given["foreign_bucket"])


if __name__ == "__main__":
    run(AioBoto)
