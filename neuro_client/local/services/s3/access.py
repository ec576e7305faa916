"""Who makes a request, and what the keys and buckets let him do."""

from __future__ import annotations

import time
from collections.abc import Mapping

import attrs
from aiohttp import web

from .errors import S3Error, no_bucket
from .models import Bucket, Grant
from .signing import Received, Signature, check_signature, read_signature, same
from .store import S3Store

MAX_KEY = 1024


@attrs.frozen
class Caller:
    """Hold who signed a request; nobody has no key id."""

    access_key_id: str = ""
    grants: Mapping[str, Grant] = attrs.field(factory=dict)
    may_create_buckets: bool = False
    signature: Signature | None = None
    derived_key: bytes = attrs.field(default=b"", repr=False)


@attrs.frozen
class Call:
    """Hold one request: what it names, who makes it, and what it says."""

    request: web.Request
    received: Received
    bucket_name: str
    key: str
    found: Bucket | None
    caller: Caller
    parameters: Mapping[str, str]

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, in lower case."""
        return self.received.headers

    @property
    def bucket(self) -> Bucket:
        """Return the bucket; ``NoSuchBucket`` if there is none."""
        if self.found is None:
            raise no_bucket(self.bucket_name)
        return self.found

    def reading(self) -> Bucket:
        """Return the bucket if it may be read."""
        bucket = self.bucket
        if not (bucket.public or self._grant(bucket).read):
            raise denied()
        return bucket

    def writing(self) -> Bucket:
        """Return the bucket if it may be written to."""
        bucket = self.bucket
        if not self._grant(bucket).write:
            raise denied()
        return bucket

    def owning(self) -> Bucket:
        """Return the bucket if it may be changed itself."""
        bucket = self.bucket
        if not self._grant(bucket).owner:
            raise denied()
        return bucket

    def _grant(self, bucket: Bucket) -> Grant:
        return self.caller.grants.get(bucket.name, Grant())

    def integer(self, name: str, default: int, least: int = 0, most: int | None = None) -> int:
        """Return a number of the query; ``InvalidArgument`` for anything else."""
        text = self.parameters.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 12) or int(text) < least:
            raise S3Error("InvalidArgument", f"{name} cannot be {text[:40]!r}", ArgumentName=name)
        return int(text) if most is None else min(int(text), most)


def denied() -> S3Error:
    """Return the error that something is not allowed."""
    return S3Error("AccessDenied", "Access Denied")


def check_key(key: str) -> None:
    """Refuse a key that is too long."""
    if len(key.encode("utf-8", "surrogateescape")) > MAX_KEY:
        raise S3Error("KeyTooLongError", "Your key is too long")


async def identify(store: S3Store, received: Received, flavour: str, region: str) -> Caller:
    """Return who signed a request; refuse a signature that does not hold."""
    signature = read_signature(received)
    if signature is None:
        return Caller()
    found = await store.access(signature.access_key_id)
    if found is None:
        raise S3Error(
            "InvalidAccessKeyId",
            f"No such key: {signature.access_key_id}. The AWS Access Key Id you provided does not "
            "exist in our records.",
            AWSAccessKeyId=signature.access_key_id,
        )
    key = found.key
    derived = check_signature(received, signature, key.secret_access_key, region, flavour)
    token = received.headers.get("x-amz-security-token")
    if token is None and received.query:
        token = dict(received.parameters).get("X-Amz-Security-Token")
    if key.session_token is not None:
        if token is None or not same(key.session_token, token):
            raise S3Error("InvalidToken", "The provided token is malformed or otherwise invalid.")
        if key.expires_at is not None and time.time() >= key.expires_at:
            raise S3Error("ExpiredToken", "The provided token has expired.")
    elif token is not None:
        raise S3Error("InvalidToken", "The provided token is malformed or otherwise invalid.")
    return Caller(key.access_key_id, found.grants, found.may_create_buckets, signature, derived)


def lower_headers(request: web.Request) -> dict[str, str]:
    """Return the headers in lower case; several of one name are joined."""
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        name = name.lower()
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
