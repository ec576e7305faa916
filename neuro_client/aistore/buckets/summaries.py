"""Properties and summaries of a bucket; the cluster counts while we ask again (§16.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...transport import Answer
from .. import wire
from ..errors import Timeout, UnexpectedHTTPStatusCode
from ..models import BucketInfo, BucketSummary

if TYPE_CHECKING:
    from .bucket import Bucket

_PAUSE, _GROWTH, _LONGEST = 0.2, 1.5, 10.0
_DONE, _PENDING = 200, (202, 206)


async def fetch_summary(
    bucket: Bucket, prefix: str, cached: bool, present: bool, timeout: float
) -> BucketSummary:
    """Have the cluster count a bucket, and wait for the result."""
    value = {"uuid": "", "prefix": prefix, "cached": cached, "present": present}

    async def ask() -> Answer:
        answer = await bucket.make_request("GET", "summary-bck", value)
        if answer.status in _PENDING and not value["uuid"]:
            value["uuid"] = wire.job_id(await answer.read())
        return answer

    answer = await _counted(ask, f"the summary of {bucket.uri}", timeout)
    found = wire.items(wire.document(await answer.read(), "the summary"), "the summary")
    return wire.read_summary(found[0]) if found else BucketSummary(bucket.as_model())


async def fetch_info(
    bucket: Bucket, summary: bool, remote: bool, presence: int, timeout: float
) -> BucketInfo:
    """Return the properties of a bucket, and its summary on request."""
    params = dict(bucket.qparam)
    if summary:
        params |= {"bsumm_remote": str(remote).lower(), "presence": str(presence)}

    async def ask() -> Answer:
        answer = await bucket.requests.request(
            "HEAD", f"buckets/{quote(bucket.name)}", params=params
        )
        if "Ais-Xaction-Id" in answer.headers:
            params["uuid"] = answer.headers["Ais-Xaction-Id"]
        return answer

    answer = await _counted(ask, f"the summary of {bucket.uri}", timeout)
    props = props_of(answer.headers)
    text = answer.headers.get("Ais-Bucket-Summ")
    if not summary or not text:
        return BucketInfo(props)
    return BucketInfo(props, wire.read_summary(_json_header(answer.headers, "Ais-Bucket-Summ")))


def props_of(headers: Mapping[str, str]) -> Mapping[str, Any]:
    """Read the properties of a bucket from the answer of HEAD."""
    return _json_header(headers, "Ais-Bucket-Props")


def _json_header(headers: Mapping[str, str], name: str) -> Mapping[str, object]:
    text = headers.get(name, "")
    return wire.mapping(wire.document(text.encode() or b"{}", name), name)


async def _counted(ask: Callable[[], Awaitable[Answer]], what: str, timeout: float) -> Answer:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    pause = _PAUSE
    while True:
        answer = await ask()
        if answer.status == _DONE:
            return answer
        if answer.status not in _PENDING:
            raise UnexpectedHTTPStatusCode([_DONE, *_PENDING], answer.status)
        if loop.time() + pause > deadline:
            raise Timeout(f"{what} was not ready within {timeout:g} s; ask again later")
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, _LONGEST)
