"""Signatures: what is signed cannot be changed, and nothing else is let in."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, unquote

import attrs
import pytest

from .conftest import ALL
from .wire import BUCKET, Wire, clock

pytestmark = pytest.mark.thorough

PATH = f"/{BUCKET}/a%20key"
MEAN = ["a b/c+d", "ü/€/😀", "~-_.", "%25", "a=b&c;d,e:f@g!$*'()", "a//b/./c/../d", "\t\n\x7f"]


async def test_keys_of_any_characters(wire: Wire) -> None:
    for key in MEAN:
        path = f"/{BUCKET}/{quote(key)}"
        assert (await wire.call("PUT", path, body=key.encode())).status == 200, key
        assert (await wire.call("GET", path)).body == key.encode()
        assert (await wire.send("GET", wire.presigned("GET", path))).body == key.encode()
    listed = await wire.call("GET", f"/{BUCKET}?list-type=2&encoding-type=url")
    keys = [unquote(key) for key in listed.texts("Contents/Key")]
    assert keys == sorted(MEAN, key=str.encode)


async def test_changed_after_signing(wire: Wire) -> None:
    path = f"{PATH}?x-id=PutObject"
    headers = wire.signed("PUT", path, {"x-amz-meta-a": "1", "Content-Type": "a/b"}, b"body")
    for method, other, changes, body in [
        ("POST", path, {}, b"body"),
        ("PUT", f"/{BUCKET}/b%20key?x-id=PutObject", {}, b"body"),
        ("PUT", f"{PATH}?x-id=Other", {}, b"body"),
        ("PUT", PATH, {}, b"body"),
        ("PUT", path, {"x-amz-meta-a": "2"}, b"body"),
        ("PUT", path, {"Content-Type": "a/c"}, b"body"),
        ("PUT", path, {"Authorization": headers["Authorization"][:-4] + "0000"}, b"body"),
        ("PUT", path, {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}, b"body"),
    ]:
        answer = await wire.send(method, other, headers | changes, body)
        assert answer.told == (403, "SignatureDoesNotMatch"), (method, other, changes)
    added = await wire.send("PUT", path, headers | {"x-amz-meta-b": "1"}, b"body")
    assert added.told == (403, "AccessDenied")
    changed = await wire.send("PUT", path, headers, b"boby")
    assert changed.told == (400, "XAmzContentSHA256Mismatch")
    assert (await wire.get("a%20key")).told == (404, "NoSuchKey")
    assert (await wire.send("PUT", path, headers, b"body")).status == 200


async def test_presigned(wire: Wire) -> None:
    assert (await wire.send("PUT", wire.presigned("PUT", PATH), body=b"one")).status == 200
    good = wire.presigned("GET", PATH)
    assert (await wire.send("GET", good)).body == b"one"
    assert (await wire.send("HEAD", good)).status == 403
    assert (await wire.send("DELETE", good)).told == (403, "SignatureDoesNotMatch")
    longer = good.replace("X-Amz-Expires=60", "X-Amz-Expires=61")
    assert (await wire.send("GET", longer)).told == (403, "SignatureDoesNotMatch")
    more = await wire.send("GET", f"{good}&response-content-type=a%2Fb")
    assert more.told == (403, "SignatureDoesNotMatch")
    unsigned = await wire.send("GET", good, {"x-amz-checksum-mode": "ENABLED"})
    assert unsigned.told == (403, "AccessDenied")
    with clock(timedelta(seconds=-62)):
        late = wire.presigned("GET", PATH)
    assert (await wire.send("GET", late)).told == (403, "AccessDenied")
    with clock(timedelta(hours=2)):
        early = wire.presigned("GET", PATH)
    assert (await wire.send("GET", early)).told == (403, "AccessDenied")


async def test_presigned_of_garage(garage: Wire) -> None:
    await garage.put("a%20key", b"one")
    assert (await garage.send("GET", garage.presigned("GET", PATH))).body == b"one"
    with clock(timedelta(seconds=-62)):
        late = garage.presigned("GET", PATH)
    assert (await garage.send("GET", late)).told == (400, "InvalidRequest")
    for expires in (0, 604_801):
        answer = await garage.send("GET", garage.presigned("GET", PATH, expires))
        assert answer.told == (400, "InvalidRequest")


async def test_presigned_headers_must_be_sent(wire: Wire) -> None:
    headers = {"Content-Type": "text/plain", "x-amz-meta-a": "1"}
    path = wire.presigned("PUT", PATH, headers=headers)
    assert (await wire.send("PUT", path, body=b"x")).told == (403, "SignatureDoesNotMatch")
    assert (await wire.send("PUT", path, headers, b"x")).status == 200
    assert (await wire.get("a%20key")).headers["x-amz-meta-a"] == "1"


async def test_region_and_clock(wire: Wire) -> None:
    answer = await wire.evolve(region="eu-west-1").call("GET")
    assert answer.told == (400, "AuthorizationHeaderMalformed")
    assert answer.xml.findtext("Region") == "local"
    for minutes, status in ((-14, 200), (14, 200), (-16, 403), (16, 403)):
        with clock(timedelta(minutes=minutes)):
            answer = await wire.call("GET")
        assert answer.status == status
        assert status == 200 or answer.code == "RequestTimeTooSkewed"


@pytest.mark.thorough
async def test_region_and_clock_of_garage(garage: Wire) -> None:
    answer = await garage.evolve(region="us-east-1").call("GET")
    assert answer.told == (400, "AuthorizationHeaderMalformed")
    assert answer.xml.findtext("Region") == "garage"
    for hours, status in ((-23, 200), (23, 200), (-25, 403), (25, 403)):
        with clock(timedelta(hours=hours)):
            assert (await garage.call("GET")).status == status


async def test_keys(wire: Wire) -> None:
    s3 = wire.platform.s3
    key = await s3.create_key({BUCKET: ALL})
    other = wire.evolve(key=key)
    assert (await other.call("GET")).status == 200
    await s3.delete_key(key.access_key_id)
    assert (await other.call("GET")).told == (403, "InvalidAccessKeyId")
    swapped = wire.evolve(key=await s3.create_key({}))
    assert (await swapped.call("GET")).told == (403, "AccessDenied")
    await s3.set_grants(swapped.key.access_key_id, {BUCKET: ALL})  # type: ignore[union-attr]
    assert (await swapped.call("GET")).status == 200
    await s3.set_grants(swapped.key.access_key_id, {})  # type: ignore[union-attr]
    assert (await swapped.call("GET")).told == (403, "AccessDenied")


async def test_garage_has_one_word_for_all(garage: Wire) -> None:
    assert garage.key is not None
    wrong = attrs.evolve(garage.key, secret_access_key="0" * 64)
    assert (await garage.evolve(key=wrong).call("GET")).told == (403, "AccessDenied")
    unknown = attrs.evolve(garage.key, access_key_id="GK" + "0" * 24)
    answer = await garage.evolve(key=unknown).call("GET")
    assert answer.told == (403, "AccessDenied")
    assert "No such key" in answer.xml.findtext("Message", "")
    assert answer.xml.findtext("Resource") == f"/{BUCKET}"


async def test_session_tokens(wire: Wire) -> None:
    key = await wire.platform.s3.create_key({BUCKET: ALL}, expires_in=60, prefix="ASIA")
    session = wire.evolve(key=key)
    assert (await session.call("PUT", PATH, body=b"x")).status == 200
    assert (await wire.send("GET", session.presigned("GET", PATH))).body == b"x"
    for token in (None, "wrong", "ü€"):
        changed = session.evolve(key=attrs.evolve(key, session_token=token))
        assert (await changed.call("GET")).told == (400, "InvalidToken"), token
    assert wire.key is not None
    needless = wire.evolve(key=attrs.evolve(wire.key, session_token="x"))
    assert (await needless.call("GET")).told == (400, "InvalidToken")
    short = await wire.platform.s3.create_key({BUCKET: ALL}, expires_in=-1)
    assert (await wire.evolve(key=short).call("GET")).told == (400, "ExpiredToken")


async def test_what_is_no_signature(wire: Wire) -> None:
    good = wire.signed("GET", f"/{BUCKET}")
    parts = good["Authorization"]
    for header in ["", "Basic abc", "AWS a:b", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 x", "ü",
                   parts.replace("/s3/", "/"), parts.replace("Signature=", "S="),
                   parts.replace("aws4_request", "aws5"), parts.replace("host;", "")]:  # fmt: skip
        answer = await wire.send("GET", f"/{BUCKET}", good | {"Authorization": header})
        assert answer.status in (400, 403) and answer.code, header
    odd = parts[: parts.rindex("=") + 1] + "ü"
    answer = await wire.send("GET", f"/{BUCKET}", good | {"Authorization": odd})
    assert answer.told == (403, "SignatureDoesNotMatch")
    for name in ("X-Amz-Date", "X-Amz-Content-SHA256"):
        left = {key: value for key, value in good.items() if key != name}
        assert (await wire.send("GET", f"/{BUCKET}", left)).status in (400, 403)
    presigned = wire.presigned("GET", f"/{BUCKET}")
    for old, new in [
        ("X-Amz-Expires=60", "X-Amz-Expires="),
        ("X-Amz-Expires=60", "X-Amz-Expires=-1"),
        ("X-Amz-Expires=60", f"X-Amz-Expires={'9' * 5000}"),
        ("X-Amz-Expires=60", "X-Amz-Expires=%D9%A3"),
        ("X-Amz-Date=2", "X-Amz-Date=9"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=MD5"),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
    ]:
        answer = await wire.send("GET", presigned.replace(old, new))
        assert answer.status in (400, 403) and answer.code, new[:40]
    credential = wire.key.access_key_id  # type: ignore[union-attr]
    for date in ("99991231T235959Z", "00010101T000000Z", "%00", "%FF"):
        path = (
            f"/{BUCKET}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-SignedHeaders=host"
            f"&X-Amz-Credential={credential}%2F{date[:8]}%2Flocal%2Fs3%2Faws4_request"
            f"&X-Amz-Date={date}&X-Amz-Expires=604800&X-Amz-Signature=0"
        )
        assert (await wire.send("GET", path)).status in (400, 403), date
