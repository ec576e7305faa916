"""Uploads in parts that began although nobody was told: the answer with their id got lost."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from ..concurrency import finish
from ..errors import NeuroError
from ..retry import is_transient
from ..transfer import Skew
from .s3_calls import Calls

_CLEAN_UP = 10.0


@asynccontextmanager
async def nothing_lost(calls: Calls, key: str, skew: Skew) -> AsyncIterator[None]:
    """Begin an upload of *key* in the block; if no answer comes, drop what may have begun.

    Who initiated an upload, S3 does not tell. Those of exactly this key are taken for the lost one
    that began since the block did, by the service's clock; one of a rival in the same second meets
    the same fate, and its client begins anew.
    """
    start = time.time() - skew.max_diff
    try:
        yield
    except NeuroError as error:
        if is_transient(error):
            await finish(_drop(calls, key, start), _CLEAN_UP)
        raise


async def _drop(calls: Calls, key: str, start: float) -> None:
    with suppress(NeuroError):  # the error that led here is the one to report
        listed = await calls.call(
            f"look for a lost upload of {key!r}", "list_multipart_uploads", Prefix=key
        )
        for found in listed.get("Uploads", ()):
            # Some services tell the time in whole seconds.
            if found["Key"] == key and found["Initiated"].timestamp() >= math.floor(start):
                await calls.call(
                    f"abort a lost upload of {key!r}",
                    "abort_multipart_upload",
                    Key=key,
                    UploadId=found["UploadId"],
                )
