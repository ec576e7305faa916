"""Signature Version 4: read it off a request, and compute what it should be.

From the public description of Amazon's signing process; garage-workspace.md §9.1.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from urllib.parse import parse_qsl, quote, unquote_to_bytes

import attrs

from .errors import GARAGE, S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_TIME = "%Y%m%dT%H%M%SZ"
_MOMENT = re.compile("([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_PLAIN = re.compile("[A-Za-z0-9/._~-]*")
_KEYS = 256
_MAX_EXPIRES = 7 * 24 * 3600
_SKEW = {"aws": timedelta(minutes=15), GARAGE: timedelta(hours=24)}


@attrs.frozen
class Signature:
    """Hold what a request says about its signature."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: Sequence[str]
    signature: str
    moment: datetime
    payload: str
    expires: int | None = None

    @property
    def scope(self) -> str:
        """Return the scope that the key is derived for."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def presigned(self) -> bool:
        """Tell whether it came in the query."""
        return self.expires is not None


@attrs.frozen(slots=False)
class Received:
    """Hold a request as it came: the raw path and query, and the headers in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]

    @cached_property
    def parameters(self) -> list[tuple[str, str]]:
        """Return the decoded query, in order."""
        if not self.query:
            return []
        return parse_qsl(self.query.replace("+", "%2B"), keep_blank_values=True)


def read_signature(request: Received) -> Signature | None:
    """Read the signature of a request; None for an anonymous one."""
    header = request.headers.get("authorization")
    if header is None:
        parameters = dict(request.parameters)
        if "X-Amz-Algorithm" in parameters:
            return _of_query(parameters)
        if not ({"Signature", "AWSAccessKeyId"} & parameters.keys()):
            return None
    if header is None or not header.startswith(f"{ALGORITHM} "):
        raise S3Error(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use "
            f"{ALGORITHM}.",
        )
    fields: dict[str, str] = {}
    for item in header[len(ALGORITHM) :].split(","):
        name, _, value = item.strip().partition("=")
        fields[name] = value
    payload = request.headers.get("x-amz-content-sha256")
    if payload is None:
        raise S3Error(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    try:
        moment = _moment(request.headers["x-amz-date"])
        return _signature(
            fields["Credential"], fields["SignedHeaders"], fields["Signature"], moment, payload
        )
    except (KeyError, ValueError):
        raise S3Error(
            "AuthorizationHeaderMalformed", "The authorization header that you provided is invalid."
        ) from None


def _of_query(parameters: Mapping[str, str]) -> Signature:
    try:
        if parameters["X-Amz-Algorithm"] != ALGORITHM:
            raise ValueError
        expires = int(parameters["X-Amz-Expires"])
        found = _signature(
            parameters["X-Amz-Credential"],
            parameters["X-Amz-SignedHeaders"],
            parameters["X-Amz-Signature"],
            _moment(parameters["X-Amz-Date"]),
            parameters.get("X-Amz-Content-Sha256", UNSIGNED),
        )
    except (KeyError, ValueError):
        raise S3Error(
            "InvalidRequest", "The query parameters of the signature are incomplete or wrong"
        ) from None
    if not 1 <= expires <= _MAX_EXPIRES:
        raise S3Error("InvalidRequest", "X-Amz-Expires must be between 1 and 604800 seconds")
    return attrs.evolve(found, expires=expires)


def _signature(
    credential: str, signed: str, signature: str, moment: datetime, payload: str
) -> Signature:
    key_id, date, region, service, end = credential.rsplit("/", 4)
    if end != "aws4_request" or date != _stamp(moment)[:8]:
        raise ValueError
    return Signature(key_id, date, region, service, signed.split(";"), signature, moment, payload)


@functools.lru_cache(_KEYS)  # the requests of a second share it
def _moment(text: str) -> datetime:
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError
    year, month, day, hour, minute, second = map(int, match.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def check_signature(
    request: Received, found: Signature, secret: str, region: str, flavour: str
) -> bytes:
    """Refuse a request that is not signed by *secret*, now; return the derived key."""
    _check_time(found, flavour)
    if found.region != region:
        raise S3Error(
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; the region '{found.region}' is wrong; "
            f"expecting '{region}'",
            Region=region,
        )
    _check_signed_headers(request, found)
    key = derived_key(secret, found.date, found.region, found.service)
    text = string_to_sign(found, canonical_request(request, found))
    if not same(_hmac(key, text).hex(), found.signature):
        raise S3Error(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            AWSAccessKeyId=found.access_key_id,
            SignatureProvided=found.signature,
        )
    return key


def same(expected: str, given: str) -> bool:
    """Compare secrets in constant time, whatever characters somebody sends."""
    return hmac.compare_digest(
        expected.encode("utf-8", "surrogateescape"), given.encode("utf-8", "surrogateescape")
    )


def _check_time(found: Signature, flavour: str) -> None:
    now = datetime.now(UTC)
    if found.expires is not None:
        if now - found.moment > timedelta(seconds=found.expires):
            if flavour == GARAGE:
                raise S3Error("InvalidRequest", "Date is too old")
            raise S3Error("AccessDenied", "Request has expired", ServerTime=now.isoformat())
        if found.moment - now > _SKEW[flavour]:
            raise S3Error("AccessDenied", "Request is not yet valid", ServerTime=now.isoformat())
        return
    if abs(now - found.moment) > _SKEW[flavour]:
        raise S3Error(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            RequestTime=found.moment.strftime(_TIME),
            ServerTime=now.isoformat(),
        )


def _check_signed_headers(request: Received, found: Signature) -> None:
    needed = {"host", *(name for name in request.headers if name.startswith("x-amz-"))}
    if not needed <= set(found.signed_headers):
        raise S3Error(
            "AccessDenied", "There were headers present in the request which were not signed"
        )


def canonical_request(request: Received, found: Signature) -> str:
    """Return the form of a request that is signed."""
    pairs = sorted(
        (_quoted(name), _quoted(value))
        for name, value in request.parameters
        if name != "X-Amz-Signature"
    )
    headers = "".join(
        f"{name}:{' '.join(request.headers.get(name, '').split())}\n"
        for name in found.signed_headers
    )
    return "\n".join(
        (
            request.method,
            _canonical_path(request.path),
            "&".join(f"{name}={value}" for name, value in pairs),
            headers,
            ";".join(found.signed_headers),
            found.payload,
        )
    )


def _canonical_path(path: str) -> str:
    return path if _PLAIN.fullmatch(path) else quote(unquote_to_bytes(path), safe="/-_.~")


def string_to_sign(found: Signature, canonical: str) -> str:
    """Return the text that the derived key signs."""
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
    return "\n".join((ALGORITHM, _stamp(found.moment), found.scope, digest))


@functools.lru_cache(_KEYS)
def _stamp(moment: datetime) -> str:
    return moment.strftime(_TIME)


@functools.lru_cache(_KEYS)
def derived_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Return the key of a day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = _hmac(key, part)
    return key


def chunk_signature(key: bytes, found: Signature, previous: str, digest: str) -> str:
    """Return the signature of one chunk of a signed stream, by the SHA-256 of its bytes."""
    empty = hashlib.sha256().hexdigest()
    text = "\n".join(
        (
            f"{ALGORITHM}-PAYLOAD",
            _stamp(found.moment),
            found.scope,
            previous,
            empty,
            digest,
        )
    )
    return _hmac(key, text).hex()


def trailer_signature(key: bytes, found: Signature, previous: str, trailer: bytes) -> str:
    """Return the signature of the trailer, each line ``name:value`` and a line feed."""
    digest = hashlib.sha256(trailer).hexdigest()
    text = "\n".join((f"{ALGORITHM}-TRAILER", _stamp(found.moment), found.scope, previous, digest))
    return _hmac(key, text).hex()


def presigned_query(
    access_key_id: str,
    secret: str,
    region: str,
    host: str,
    path: str,
    method: str,
    expires: int,
    more: Mapping[str, str] | None = None,
    moment: datetime | None = None,
) -> str:
    """Return the query that lets whoever has the address make one kind of request.

    ``more`` are the parameters of the request itself; ``moment`` is when it is signed, now without.
    """
    now = moment or datetime.now(UTC)
    found = Signature(
        access_key_id, now.strftime("%Y%m%d"), region, "s3", ["host"], "", now, UNSIGNED, expires
    )
    parameters = {
        **(more or {}),
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{access_key_id}/{found.scope}",
        "X-Amz-Date": now.strftime(_TIME),
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": "host",
    }
    query = "&".join(f"{name}={_quoted(value)}" for name, value in sorted(parameters.items()))
    request = Received(method, path, query, {"host": host})
    text = string_to_sign(found, canonical_request(request, found))
    key = derived_key(secret, found.date, region, found.service)
    return f"{query}&X-Amz-Signature={_hmac(key, text).hex()}"


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="-_.~")


def _hmac(key: bytes, text: str) -> bytes:
    # Not the function for one digest, which lets all other threads go first.
    return hmac.new(key, text.encode("utf-8", "surrogateescape"), "sha256").digest()
