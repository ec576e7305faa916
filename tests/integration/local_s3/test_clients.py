"""Whole flows of a published client, with the checksums of today and those of before."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from botocore.exceptions import ClientError

from neuro_client.local import LocalPlatform

from .conftest import ALL, s3_client
from .wire import BUCKET

pytestmark = pytest.mark.thorough

MIB = 2**20


async def content(s3: Any, key: str, **options: Any) -> bytes:
    answer = await s3.get_object(Bucket=BUCKET, Key=key, **options)
    async with answer["Body"] as body:
        return bytes(await body.read())


@pytest.mark.thorough
@pytest.mark.parametrize("flavour", ["aws", "garage"])
@pytest.mark.parametrize("old", [False, True])
async def test_objects_come_back_whole(platform: LocalPlatform, flavour: str, old: bool) -> None:
    await platform.s3.create_bucket(BUCKET, flavour=flavour)
    key = await platform.s3.create_key(
        {BUCKET: ALL}, expires_in=60, prefix="GK" if flavour == "garage" else "ASIA"
    )
    async with s3_client(platform, key, old=old) as s3:
        for size in (0, 1, MIB, 3 * MIB + 7):
            data = (b"0123456789abcde" * (size // 15 + 1))[:size]
            put = await s3.put_object(Bucket=BUCKET, Key="ä b/ü+%", Body=data, ContentType="a/b")
            head = await s3.head_object(Bucket=BUCKET, Key="ä b/ü+%")
            assert await content(s3, "ä b/ü+%") == data
            assert put["ETag"] == head["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
            assert (head["ContentLength"], head["ContentType"]) == (size, "a/b")
            assert ("ChecksumCRC32" in put) is not old
        listed = await s3.list_objects_v2(Bucket=BUCKET)
        assert [found["Key"] for found in listed["Contents"]] == ["ä b/ü+%"]
        removed = await s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "ä b/ü+%"}]})
        assert [found["Key"] for found in removed["Deleted"]] == ["ä b/ü+%"]


@pytest.mark.thorough
@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256"])
async def test_uploads_in_parts(s3: Any, algorithm: str) -> None:
    upload = await s3.create_multipart_upload(Bucket=BUCKET, Key="big", ChecksumAlgorithm=algorithm)
    where = {"Bucket": BUCKET, "Key": "big", "UploadId": upload["UploadId"]}
    bodies = {1: b"a" * (5 * MIB), 7: b"b" * 10}
    parts = []
    for number, body in bodies.items():
        put = await s3.upload_part(
            **where, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm
        )
        name = f"Checksum{algorithm}"
        parts.append({"PartNumber": number, "ETag": put["ETag"], name: put[name]})
    listed = await s3.list_parts(**where)
    assert [part["PartNumber"] for part in listed["Parts"]] == [1, 7]
    await s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
    assert await content(s3, "big") == b"".join(bodies.values())
    assert (await s3.list_multipart_uploads(Bucket=BUCKET)).get("Uploads", []) == []


async def test_refusals(s3: Any) -> None:
    for call, options, code in [
        (s3.get_object, {"Key": "none"}, "NoSuchKey"),
        (s3.head_object, {"Key": "none"}, "404"),
        (s3.abort_multipart_upload, {"Key": "none", "UploadId": "x"}, "NoSuchUpload"),
        (s3.get_bucket_acl, {}, "NotImplemented"),
    ]:
        with pytest.raises(ClientError) as caught:
            await call(Bucket=BUCKET, **options)
        assert caught.value.response["Error"]["Code"] == code
