"""Our client against golden answers of S3: it sends the golden request and reads the answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from neuro_client.buckets.provider import Provider
from neuro_client.buckets.s3 import open_s3
from neuro_client.transport import open_session
from tests.integration.buckets.bench import Source

from ..golden import Recorded, recording
from ..test_samples import SOURCE
from .client_calls import CALLS, UPLOAD
from .golden import S3Sample, body_of, document, s3_samples

pytestmark = pytest.mark.contract

REGION = {"aws": "local", "garage": "garage"}
VALUES = {"bucket": "golden-bucket", "upload": UPLOAD}
MADE = [sample for sample in s3_samples() if "client" not in sample.document]
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=AKIAGOLDEN/[0-9]{8}/([a-z]+)/s3/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=[0-9a-f]{64}"
)
KEYS = {"source", "flavour", "there", "upload", "signer", "request", "response"} | {
    *("optional", "exact", "varies", "client", "local", "garage")
}


@asynccontextmanager
async def provider_at(root: URL, sample: S3Sample) -> AsyncIterator[Provider]:
    """Open the bucket of the samples."""
    missing = sample.document["request"]["path"].startswith("/no-such-bucket")
    credentials = {
        "bucket_name": "no-such-bucket" if missing else VALUES["bucket"],
        "endpoint_url": str(root).rstrip("/"),
        "region_name": REGION[sample.flavour],
        "access_key_id": "AKIAGOLDEN",
        "secret_access_key": "golden-secret",
        "session_token": "golden-token",
    }
    async with open_session() as session, open_s3(Source(credentials), session) as provider:
        yield provider


def check_request(sample: S3Sample, recorded: Recorded, values: Mapping[str, str]) -> None:
    """Compare a recorded request with the golden one, and look at its signature."""
    golden = sample.request(values)
    assert recorded.method == golden["method"]
    # A bucket's own address is the same with and without a slash behind it.
    whole = golden["path"].count("/") == 1
    assert (recorded.path.removesuffix("/") if whole else recorded.path) == golden["path"]
    assert sorted(recorded.query) == sorted((key, value) for key, value in golden.get("query", []))
    for key, value in golden.get("headers", {}).items():
        assert recorded.headers.get(key) == value, key
    if "xml" in golden:
        assert document(recorded.body) == document(body_of(golden))
    else:
        assert recorded.body == body_of(golden)
    signed = _SIGNED.fullmatch(recorded.headers["Authorization"])
    assert signed is not None, recorded.headers["Authorization"]
    assert signed[1] == REGION[sample.flavour]
    # garage-workspace.md §9.1: the host and every header of S3's own.
    own = {name.lower() for name in recorded.headers if name.lower().startswith("x-amz-")}
    assert {"host", *own} <= set(signed[2].split(";"))
    assert recorded.headers["x-amz-security-token"] == "golden-token"


@pytest.mark.parametrize("sample", MADE, ids=lambda sample: sample.call)
async def test_the_client_speaks_as_the_facts_say(sample: S3Sample) -> None:
    async with recording(sample) as (root, recorder):
        recorder.values = VALUES
        async with provider_at(root, sample) as provider:
            await CALLS[sample.call](provider)
        # A condition is first tried on a key of its own, and an abort is asked for twice.
        check_request(sample, recorder.requests[-1], recorder.values)


def test_samples_are_well_formed_and_every_call_has_one() -> None:
    for sample in s3_samples():
        assert SOURCE.fullmatch(sample.document["source"]), sample.name
        assert sample.document.keys() <= KEYS, sample.name
        assert {"method", "path"} <= sample.document["request"].keys(), sample.name
    assert sorted(sample.call for sample in MADE) == sorted(CALLS)
