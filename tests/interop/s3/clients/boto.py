"""boto3, today's and an older one, against the S3 endpoint; runs in its environment."""

# mypy: ignore-errors

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import boto3
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


class Boto(Scenario):
    def client(self, opening=None, **options):
        opening = {**self.given, **(opening or {})}
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=opening["access_key_id"],
            aws_secret_access_key=opening["secret_access_key"],
            aws_session_token=opening.get("session_token"),
            config=Config(retries={"max_attempts": 1}, **options),
        )

    def step_objects(self) -> None:
        s3, names = self.client(), {"Bucket": self.bucket}
        for name in ODD_KEYS:
            key, body = self.key(f"objects/{name}"), name.encode() * 100
            put = s3.put_object(
                **names, Key=key, Body=body, Metadata={"who": "boto"}, ContentType="text/odd"
            )
            same(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"')
            head = s3.head_object(**names, Key=key)
            same((head["ContentLength"], head["ContentType"]), (len(body), "text/odd"))
            same((head["Metadata"], head["ETag"]), ({"who": "boto"}, put["ETag"]))
            same(s3.get_object(**names, Key=key)["Body"].read(), body)
            part = s3.get_object(**names, Key=key, Range="bytes=3-9")
            same(
                (part["Body"].read(), part["ContentRange"]), (body[3:10], f"bytes 3-9/{len(body)}")
            )
            same(s3.get_object(**names, Key=key, Range="bytes=-5")["Body"].read(), body[-5:])
            with expected(ClientError, "304"):
                s3.get_object(**names, Key=key, IfNoneMatch=put["ETag"])
            with expected(ClientError, "PreconditionFailed"):
                s3.get_object(**names, Key=key, IfMatch='"another"')
        listed = s3.list_objects_v2(**names, Prefix=self.key("objects/"))
        wanted = sorted((self.key(f"objects/{name}") for name in ODD_KEYS), key=str.encode)
        same([item["Key"] for item in listed["Contents"]], wanted)
        for operation in ("list_objects", "list_objects_v2"):
            pages = s3.get_paginator(operation).paginate(
                **names,
                Prefix=self.key("objects/"),
                Delimiter="/",
                PaginationConfig={"PageSize": 2},
            )
            found = [
                entry.get("Key") or entry.get("Prefix")
                for page in pages
                for entry in page.get("Contents", []) + page.get("CommonPrefixes", [])
            ]
            head = len(self.key("objects/"))
            same(set(found), {key[:head] + _first(key[head:]) for key in wanted})
            same(len(found), len(set(found)))
        s3.delete_object(**names, Key=wanted[0])
        with expected(ClientError, "404"):
            s3.head_object(**names, Key=wanted[0])
        with expected(ClientError, "NoSuchKey"):
            s3.get_object(**names, Key=wanted[0])
        gone = s3.delete_objects(**names, Delete={"Objects": [{"Key": key} for key in wanted]})
        same(sorted((one["Key"] for one in gone["Deleted"]), key=str.encode), wanted)
        same(s3.list_objects_v2(**names, Prefix=self.key("objects/"))["KeyCount"], 0)

    def step_parts(self) -> None:
        s3, names = self.client(), {"Bucket": self.bucket, "Key": self.key("parts")}
        body = self.body()
        path, back = self.local("parts", body), self.local("parts.back")
        s3.upload_file(str(path), self.bucket, names["Key"], Config=IN_PARTS)
        assert s3.head_object(**names)["ETag"].endswith('-3"')
        s3.download_file(self.bucket, names["Key"], str(back), Config=IN_PARTS)
        same(back.read_bytes(), body)
        begun = s3.create_multipart_upload(**names)["UploadId"]
        told = {**names, "UploadId": begun}
        parts = [
            {
                "PartNumber": number,
                "ETag": s3.upload_part(**told, PartNumber=number, Body=part)["ETag"],
            }
            for number, part in ((1, body[:PART]), (3, body[PART:]))
        ]
        found = [(one["PartNumber"], one["Size"]) for one in s3.list_parts(**told)["Parts"]]
        same(found, [(1, PART), (3, len(body) - PART)])
        listed = s3.list_multipart_uploads(Bucket=self.bucket, Prefix=names["Key"])["Uploads"]
        same([one["UploadId"] for one in listed], [begun])
        with expected(ClientError, "InvalidPart"):
            s3.complete_multipart_upload(**told, MultipartUpload={"Parts": parts[::-1]})
        s3.complete_multipart_upload(**told, MultipartUpload={"Parts": parts})
        same(s3.get_object(**names)["Body"].read(), body)
        told["UploadId"] = s3.create_multipart_upload(**names)["UploadId"]
        s3.upload_part(**told, PartNumber=1, Body=b"lost")
        s3.abort_multipart_upload(**told)
        with expected(ClientError, "NoSuchUpload"):
            s3.list_parts(**told)
        same(s3.get_object(**names)["Body"].read(), body)

    def step_copy(self) -> None:
        s3, target = self.client(), self.key("copy/größe + 2")
        for size in (0, 1000, 11 * MIB):
            body = self.body(size)
            origin = {"Bucket": self.bucket, "Key": self.key("copy/origin ü%")}
            s3.put_object(**origin, Body=body, Metadata={"size": str(size)})
            s3.copy(origin, self.bucket, target, Config=IN_PARTS)
            same(s3.get_object(Bucket=self.bucket, Key=target)["Body"].read(), body)
        s3.copy_object(
            CopySource={"Bucket": self.bucket, "Key": target}, Bucket=self.bucket, Key=target,
            Metadata={"new": "yes"}, MetadataDirective="REPLACE",
        )  # fmt: skip
        head = s3.head_object(Bucket=self.bucket, Key=target)
        same((head["Metadata"], head["ContentLength"]), ({"new": "yes"}, 11 * MIB))

    def step_presign(self) -> None:
        s3 = self.client()
        names = {"Bucket": self.bucket, "Key": self.key("signed/a b+ü")}
        plain_put(s3.generate_presigned_url("put_object", Params=names), b"by an address")
        got = s3.generate_presigned_url("get_object", Params=names)
        same(plain_get(got), b"by an address")
        same(plain_get(got, Range="bytes=3-4"), b"an")
        refused_plainly(got.replace("signed", "other"), 403)
        refused_plainly(got.partition("?")[0], 403)

    def step_sync(self) -> None:
        s3 = self.client()
        wanted = tree(self.source)
        for name in wanted:
            s3.upload_file(
                str(self.source / name), self.bucket, self.key(f"tree/{name}"), Config=IN_PARTS
            )
        for prefix in (self.key("tree/"), "ours/"):
            place = self.local(f"back-{prefix.replace('/', '-')}")
            pages = s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=prefix, PaginationConfig={"PageSize": 3}
            )
            for item in (item for page in pages for item in page["Contents"]):
                if not item["Key"].endswith("/"):
                    path = place / item["Key"].removeprefix(prefix)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    s3.download_file(self.bucket, item["Key"], str(path), Config=IN_PARTS)
            same(tree(place), wanted)

    def step_refusals(self) -> None:
        names = {"Bucket": self.bucket, "Key": self.key("refused")}
        with expected(ClientError, "SignatureDoesNotMatch"):
            self.client({"secret_access_key": "wrong"}).get_object(**names)
        with expected(ClientError, "InvalidAccessKeyId"):
            self.client({"access_key_id": "AKIAABSENTABSENT"}).get_object(**names)
        if self.given.get("session_token"):
            with expected(ClientError, "InvalidAccessKeyId", "InvalidToken"):
                self.client({"session_token": None}).get_object(**names)
            with expected(ClientError, "InvalidToken"):
                self.client({"session_token": "another"}).get_object(**names)
        reader = self.client(self.given["reader"])
        with expected(ClientError, "AccessDenied"):
            reader.put_object(**names, Body=b"never")
        with expected(ClientError, "NoSuchKey"):
            reader.get_object(**names)
        with expected(ClientError, "AccessDenied"):
            self.client().list_objects_v2(Bucket=self.given["foreign_bucket"])
        with expected(ClientError, "NoSuchBucket"):
            self.client().list_objects_v2(Bucket="there-is-none")


def _first(name: str) -> str:
    return name.partition("/")[0] + ("/" if "/" in name else "")


if __name__ == "__main__":
    run(Boto)
