"""Buckets: made, removed, full, asked from browsers, and what is not there."""

from __future__ import annotations

from pathlib import Path

from neuro_client.local.services.s3.control import Grant

from .files import named_files, stored_files
from .test_uploads import Upload, etag
from .wire import BUCKET, Wire

PATH = f"/{BUCKET}/key"
MIB = 2**20
CORS = b"""<CORSConfiguration><CORSRule><AllowedOrigin>https://*.example</AllowedOrigin>
<AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>
<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>
<MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>"""


async def test_made_and_removed(wire: Wire) -> None:
    key = await wire.platform.s3.create_key({}, may_create_buckets=True)
    maker = wire.evolve(key=key)
    for name, told in [
        ("new", (200, "")),
        ("new", (409, "BucketAlreadyOwnedByYou")),
        (BUCKET, (409, "BucketAlreadyExists")),
        ("No", (400, "InvalidBucketName")),
        ("a", (400, "InvalidBucketName")),
        ("a..b", (400, "InvalidBucketName")),
        ("a" * 64, (400, "InvalidBucketName")),
    ]:
        answer = await maker.call("PUT", f"/{name}")
        assert answer.status == told[0], name
        assert answer.status == 200 or answer.code == told[1]
    assert (await wire.call("PUT", "/other")).told == (403, "AccessDenied")
    assert (await maker.call("GET", "/")).texts("Buckets/Bucket/Name") == ["new"]
    assert (await maker.call("PUT", "/new/key")).status == 200
    assert (await maker.call("DELETE", "/new")).told == (409, "BucketNotEmpty")
    await maker.call("DELETE", "/new/key")
    await Upload.begin(maker, "/new/key")
    assert (await maker.call("DELETE", "/new")).status == 204
    for method in ("GET", "PUT"):
        answer = await maker.call(method, "/new/key")
        assert answer.told == (404, "NoSuchBucket")
    head = await maker.call("HEAD", "/new")
    assert (head.status, head.body) == (404, b"")


async def test_where_it_is(wire: Wire) -> None:
    head = await wire.call("HEAD", f"/{BUCKET}")
    assert (head.status, head.headers["x-amz-bucket-region"]) == (200, "local")
    answer = await wire.call("GET", f"/{BUCKET}?location=")
    assert (answer.xml.tag, answer.xml.text) == ("LocationConstraint", "local")
    answer = await wire.call("GET", f"/{BUCKET}?versioning=")
    assert (answer.status, list(answer.xml)) == (200, [])
    await wire.platform.s3.create_bucket("other", flavour="garage")
    key = await wire.platform.s3.create_key({"other": Grant(read=True)}, prefix="GK")
    garage = wire.evolve(key=key, region="garage")
    assert (await garage.call("GET", "/other?location=")).xml.text == "garage"


async def test_quota_of_bytes(wire: Wire, tmp_path: Path) -> None:
    await wire.platform.s3.set_quotas(BUCKET, 3 * MIB, None)
    await wire.put("key", b"x" * (2 * MIB))
    full = (403, "QuotaExceeded")
    other = f"/{BUCKET}/other"
    assert (await wire.call("PUT", other, body=b"x" * (MIB + 1))).told == full
    assert (await wire.call("PUT", PATH, body=b"x" * (3 * MIB + 1))).told == full
    assert (await wire.call("PUT", other, {"x-amz-copy-source": PATH})).told == full
    await wire.put("key", b"x" * (3 * MIB))
    assert (await wire.call("PUT", other, body=b"x")).told == full
    await wire.platform.s3.set_quotas(BUCKET, MIB, None)
    await wire.put("key", b"x" * (2 * MIB))  # still too full, and no larger than before
    upload = await Upload.begin(wire, other)
    assert (await upload.part(1, b"x")).told == full
    await wire.platform.s3.set_quotas(BUCKET, None, None)
    await wire.put("other", b"x" * (2 * MIB))
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")


async def test_quota_of_objects(wire: Wire) -> None:
    await wire.platform.s3.set_quotas(BUCKET, None, 1)
    await wire.put("key")
    await wire.put("key", b"again")
    answer = await wire.call("PUT", f"/{BUCKET}/other")
    assert answer.told == (403, "QuotaExceeded")


async def test_quotas_of_garage(garage: Wire, tmp_path: Path) -> None:
    await garage.platform.s3.set_quotas(BUCKET, 10, 1)
    answer = await garage.call("PUT", PATH, body=b"x" * 11)
    assert answer.told == (403, "AccessDenied")
    assert "Bucket size quota is reached" in answer.xml.findtext("Message", "")
    upload = await Upload.begin(garage)
    assert (await upload.part(1, b"x" * 11)).status == 200  # counted at the end
    assert (await upload.complete((1, etag(b"x" * 11)))).told == (403, "AccessDenied")
    assert (await upload.parts()).told == (404, "NoSuchUpload")
    await garage.put("key")
    answer = await garage.call("PUT", f"/{BUCKET}/other")
    assert "Object quota is reached" in answer.xml.findtext("Message", "")
    assert stored_files(tmp_path / "data") == named_files(tmp_path / "data")


async def test_other_sites(wire: Wire) -> None:
    path = f"/{BUCKET}?cors="
    assert (await wire.call("GET", path)).told == (404, "NoSuchCORSConfiguration")
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    assert (await wire.send("OPTIONS", PATH, asked)).told == (403, "AccessDenied")
    assert (await wire.call("PUT", path, body=CORS)).status == 200
    assert (await wire.call("GET", path)).texts("CORSRule/MaxAgeSeconds") == ["60"]
    answer = await wire.send(
        "OPTIONS", PATH, asked | {"Access-Control-Request-Headers": "X-Amz-Date, x-amz-meta-a"}
    )
    assert answer.status == 200
    for name, value in {
        "Allow-Origin": "https://a.example",
        "Allow-Methods": "GET, PUT",
        "Allow-Headers": "x-amz-date, x-amz-meta-a",
        "Max-Age": "60",
        "Expose-Headers": "ETag",
    }.items():
        assert answer.headers[f"Access-Control-{name}"] == value
    for changes in (
        {"Origin": "https://example"},
        {"Access-Control-Request-Method": "DELETE"},
        {"Access-Control-Request-Headers": "authorization"},
    ):
        assert (await wire.send("OPTIONS", PATH, asked | changes)).status == 403, changes
    await wire.put("key")
    found = await wire.get("key", Origin="https://b.example")
    assert found.headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert "Access-Control-Allow-Origin" not in (await wire.get("key", Origin="http://x")).headers
    assert (await wire.call("DELETE", path)).status == 204
    assert (await wire.send("OPTIONS", PATH, asked)).status == 403
    for body in (
        b"<x/>",
        b"",
        CORS.replace(b"AllowedOrigin", b"Other"),
        CORS.replace(b">60<", b">60\r\nSet-Cookie: a=b<"),
        CORS.replace(b">ETag<", b">\n<"),
    ):
        assert (await wire.call("PUT", path, body=body)).status == 400, body


MISSING = [
    ("GET", f"/{BUCKET}?acl="),
    ("PUT", f"/{BUCKET}?acl="),
    ("PUT", f"/{BUCKET}?versioning="),
    ("PUT", f"/{BUCKET}?policy="),
    ("PUT", f"/{BUCKET}?website="),
    ("GET", f"/{BUCKET}?versions="),
    ("PUT", f"{PATH}?tagging="),
    ("PUT", f"{PATH}?acl="),
    ("GET", f"{PATH}?versionId=1"),
    ("GET", f"{PATH}?attributes="),
    ("POST", f"{PATH}?restore="),
    ("POST", f"/{BUCKET}"),
]


async def test_what_is_not_there(wire: Wire) -> None:
    await wire.put("key", b"before")
    for method, path in MISSING:
        answer = await wire.call(method, path, body=b"x" if method == "PUT" else b"")
        assert answer.told == (501, "NotImplemented"), (method, path)
    assert await wire.read("key") == b"before"
