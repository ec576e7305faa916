"""What is signed and what is read of S3, against botocore's own doing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from neuro_client.buckets.provider import Blob, Prefix
from neuro_client.buckets.s3_listing import Page, query_of, read_page
from neuro_client.buckets.s3_signing import UNSIGNED, Access
from neuro_client.errors import ProtocolError

VALUES = {
    "bucket_name": "b",
    "access_key_id": "key",
    "secret_access_key": "secret",
    "endpoint_url": "http://127.0.0.1:9000",
    "region_name": "here",
}
DAYS = (
    datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 1, 2, tzinfo=UTC),
    datetime(2026, 1, 1, 1, tzinfo=UTC),
)


class Stock(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    def payload(self, request: AWSRequest) -> str:
        return str(request.context["payload"])


@pytest.mark.parametrize("token", [None, "session token"])
def test_signatures_are_those_of_the_unchanged_signer(
    token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = VALUES if token is None else {**VALUES, "session_token": token}
    access = Access(values)
    stock = Stock(Credentials("key", "secret", token), "s3", "here")
    for day in DAYS:
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda day=day: day)
        for method, key, query, headers in (
            ("GET", "", query_of("a b/é", delimiter="/", token="t+/="), {}),
            ("GET", "a/b c~é", "", {"Range": "bytes=0-1", "If-Match": '"x"'}),
            ("PUT", "//x", "partNumber=1&uploadId=a%2Fb", {"x-amz-checksum-crc32": "AAAAAA=="}),
            ("POST", "k", "uploads=", {"Content-Type": "a/b", "Content-Length": "0"}),
        ):
            url = access.address.url(key, query)
            request = AWSRequest(method, url, headers=dict(headers))
            request.context["payload"] = UNSIGNED
            stock.add_auth(request)
            found = access.sign(method, url, headers, UNSIGNED)
            assert found == {str(name): str(value) for name, value in request.headers.items()}


def test_a_signer_does_not_show_its_secrets() -> None:
    access = Access({**VALUES, "session_token": "session"})
    access.sign("GET", access.address.url("k"), {}, UNSIGNED)
    assert "secret" not in repr(vars(access)["_signer"]) + repr(access)


LISTING = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult{space}><Name>b</Name>{coding}
<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>&quot;e&quot;</ETag>
<Size>12</Size><Owner><ID>x</ID></Owner></Contents>
<CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>{rest}</ListBucketResult>"""
SPACE = ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
LAST = "<IsTruncated>false</IsTruncated>"
CODED = "<EncodingType>url</EncodingType>"


def listing(**values: str) -> bytes:
    facts = {"space": SPACE, "coding": "", "rest": LAST, "key": "k", "time": ""}
    return LISTING.format(**{**facts, **values}).encode()


@pytest.mark.parametrize("space", [SPACE, ""])
@pytest.mark.parametrize(
    ("coding", "written", "key"),
    [(CODED, "a%2Bb+c%0A/%C3%A9", "a+b c\n/é"), ("", "a%2Bb+c", "a%2Bb+c"), (CODED, "é~", "é~")],
)
@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("2026-11-21T01:02:03.456Z", datetime(2026, 11, 21, 1, 2, 3, 456000, UTC)),
        ("2026-11-21T03:02:03+02:00", datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)),
        ("Sat, 21 Nov 2026 01:02:03 GMT", datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)),
        ("", None),
    ],
)
def test_a_page(
    space: str, coding: str, written: str, key: str, time: str, moment: datetime | None
) -> None:
    page = read_page(listing(space=space, coding=coding, key=written, time=time), "here")
    assert page == Page([Prefix("p/"), Blob(key, 12, '"e"', moment)], None)
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
    assert read_page(listing(rest=more), "here").next == "t"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>hello</body></html>",
        b"not xml",
        listing(rest="<IsTruncated>true</IsTruncated>"),
        listing(time="yesterday"),
        listing().replace(b"12", b"many"),
        listing().replace(b"Key>", b"Name>"),
        listing()[:-30],
    ],
)
def test_what_is_not_a_page_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"^cannot list"):
        read_page(body, "cannot list")


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, "encoding-type=url&list-type=2&prefix=a%20b%2F"),
        (
            {"delimiter": "/", "most": 7, "token": "+/="},
            "continuation-token=%2B%2F%3D&delimiter=%2F&encoding-type=url&list-type=2&max-keys=7"
            "&prefix=a%20b%2F",
        ),
        ({"after": "é~"}, "encoding-type=url&list-type=2&prefix=a%20b%2F&start-after=%C3%A9~"),
    ],
)
def test_what_asks_for_a_page(options: dict[str, Any], query: str) -> None:
    assert query_of("a b/", **options) == query
