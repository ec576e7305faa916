"""What a provider keeps of uploads that have not ended, asked with its own client."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.session import get_session

from .kit import Program


def unfinished(program: Program, bucket: str) -> list[str]:
    """Return the keys of a bucket's unfinished uploads."""
    with _provider(program, bucket) as (client, name):
        listed = client.list_multipart_uploads(Bucket=name)
    return [item["Key"] for item in listed.get("Uploads", [])]


def abort_all(program: Program, bucket: str) -> None:
    """Drop a bucket's unfinished uploads, as somebody else may."""
    with _provider(program, bucket) as (client, name):
        for item in client.list_multipart_uploads(Bucket=name)["Uploads"]:
            client.abort_multipart_upload(Bucket=name, Key=item["Key"], UploadId=item["UploadId"])


@contextmanager
def _provider(program: Program, bucket: str) -> Iterator[tuple[Any, str]]:
    (found,) = program.document("bucket", "credentials", "temporary", bucket)["credentials"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what botocore brings along
        client = get_session().create_client(
            "s3",
            region_name=found["region_name"],
            endpoint_url=found["endpoint_url"],
            aws_access_key_id=found["access_key_id"],
            aws_secret_access_key=found["secret_access_key"],
            aws_session_token=found["session_token"],
        )
    try:
        yield client, found["bucket_name"]
    finally:
        client.close()
