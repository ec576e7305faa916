"""Golden requests against the S3 endpoint of the local platform, and against a real Garage."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import attrs
import pytest

from neuro_client.local import LocalPlatform
from neuro_client.local.services.s3.control import Grant, Key
from tests.adversity.luck import FULL
from tests.integration.buckets import garage
from tests.integration.local_s3.wire import Answer, Remote, Wire, clock

from ..golden import shape_errors
from .golden import S3Sample, body_of, document, s3_samples

pytestmark = [pytest.mark.contract, pytest.mark.slow]

_MADE_UP = {"aws": "AKIAAAAAAAAAAAAAAAAA", "garage": "GK000000000000000000000000"}


@attrs.frozen
class Place:
    """Hold an endpoint, an owner's key and a reader's, and a bucket for one sample."""

    owner: Wire
    reader: Key | None
    bucket: str

    @property
    def secret(self) -> str:
        """Return the secret of the owner."""
        assert self.owner.key is not None
        return self.owner.key.secret_access_key


async def prepared(sample: S3Sample, place: Place) -> dict[str, str]:
    """Put in place what the sample needs; return the placeholders' values."""
    wire, root = place.owner, f"/{place.bucket}"
    for key, text in sample.document.get("there", {}).items():
        headers = {"Content-Type": "text/plain", "x-amz-checksum-crc32": _crc32(text.encode())}
        answer = await wire.call("PUT", f"{root}/{quote(key)}", headers, text.encode())
        assert answer.status == 200, answer.body
    values = {"bucket": place.bucket}
    if (upload := sample.document.get("upload")) is not None:
        path = f"{root}/{upload['key']}"
        begun = {"x-amz-checksum-algorithm": "CRC32"}
        answer = await wire.call("POST", f"{path}?uploads=", begun)
        assert answer.status == 200, answer.body
        [values["upload"]] = answer.texts("UploadId")
        for number, text in enumerate(upload["parts"], 1):
            target = f"{path}?partNumber={number}&uploadId={quote(values['upload'])}"
            headers = {"x-amz-checksum-crc32": _crc32(text.encode())}
            assert (await wire.call("PUT", target, headers, text.encode())).status == 200
    return values


def _crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


async def sent(sample: S3Sample, place: Place, golden: Mapping[str, Any]) -> Answer:
    """Send the golden request, signed as the sample says."""
    signer = sample.signer
    wire = place.owner.evolve(region=signer.get("region", place.owner.region))
    match signer.get("key"):
        case "none":
            wire = wire.evolve(key=None)
        case "reader":
            wire = wire.evolve(key=place.reader)
        case "unknown":
            wire = wire.evolve(key=Key(_MADE_UP[sample.flavour], place.secret))
    if "secret" in signer:
        assert wire.key is not None
        wire = wire.evolve(key=Key(wire.key.access_key_id, hashlib.sha256(b"no").hexdigest()))
    query = urlencode([tuple(pair) for pair in golden.get("query", [])], quote_via=quote)
    path = f"{golden['path']}?{query}" if query else golden["path"]
    with clock(timedelta(seconds=-signer.get("ago", 0))):
        if "presigned" in signer:
            presigned = wire.presigned(golden["method"], path, signer["presigned"])
            return await wire.send(golden["method"], presigned)
        return await wire.call(golden["method"], path, golden.get("headers"), body_of(golden))


def wrong(sample: S3Sample, golden: Mapping[str, Any], answer: Answer) -> list[str]:
    """Name what is wrong with an answer."""
    if answer.status != golden["status"]:
        return [f"status {answer.status} instead of {golden['status']}: {answer.body[:300]!r}"]
    errors = []
    varies = {"Content-Type", *sample.document.get("varies", ())}
    for name, value in golden.get("headers", {}).items():
        live = answer.headers.get(name)
        if live is None or (live != value and name not in varies):
            errors.append(f"{name} is {live!r} instead of {value!r}")
    if "xml" not in sample.document["response"]:
        same = answer.body == body_of(golden)
        return errors if same else [*errors, f"the body is {answer.body[:300]!r}"]
    if not answer.body:
        return [*errors, "there is no document"]
    return errors + shape_errors(
        document(body_of(golden)),
        document(answer.body),
        optional=sample.document.get("optional", ()),
        exact=sample.document.get("exact", ()),
    )


async def replayed(samples: Sequence[S3Sample], places: Any) -> dict[str, list[str]]:
    """Send every golden request to a bucket of its own; return what is wrong, by sample."""
    errors = {}
    for number, sample in enumerate(samples):
        place = await places(sample, f"golden-{number}")
        values = await prepared(sample, place)
        answer = await sent(sample, place, sample.request(values))
        if found := wrong(sample, sample.response(values), answer):
            errors[sample.name] = found
    return errors


async def test_the_endpoint_speaks_as_the_facts_say(tmp_path: Path) -> None:
    samples = [sample for sample in s3_samples() if "local" not in sample.document]
    async with (
        LocalPlatform(tmp_path / "platform", port=0) as platform,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):

        async def places(sample: S3Sample, bucket: str) -> Place:
            control, prefix = platform.s3, "GK" if sample.flavour == "garage" else "AKIA"
            await control.create_bucket(bucket, flavour=sample.flavour)
            owner = await control.create_key({bucket: Grant(True, True, True)}, prefix=prefix)
            reader = await control.create_key({bucket: Grant(read=True)}, prefix=prefix)
            region = control.region if sample.flavour == "aws" else "garage"
            return Place(Wire(platform, session, owner, region), reader, bucket)

        errors = await replayed(samples, places)
    assert not errors, json.dumps(errors, indent=2)


if FULL:

    async def test_garage_speaks_as_the_facts_say() -> None:
        program = garage.find()
        if program is None:
            pytest.skip(garage.ABSENT)
        samples = [
            sample
            for sample in s3_samples()
            if sample.flavour == "garage"
            and "garage" not in sample.document
            and sample.document["response"]["status"] != 503
        ]
        with garage.garage_node(program) as node:
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                remote = Remote.at(node.url)
                key = Key(node.key_id, node.secret)

                async def places(sample: S3Sample, name: str) -> Place:
                    bucket = await node.make_bucket(session)
                    reader = await node.make_reader(session, bucket)
                    owner = Wire(remote, session, key, garage.REGION)
                    return Place(owner, Key(*reader), bucket)

                errors = await replayed(samples, places)
        assert not errors, json.dumps(errors, indent=2)
