"""Settings of the environment, redirects that lead nowhere, contents that are sent."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from yarl import URL

from neuro_client.aistore import AIStore
from neuro_client.aistore.connection.redirects import Hops, destination, is_signed
from neuro_client.aistore.objects.content import Content
from neuro_client.aistore.objects.reader import ByteRange
from neuro_client.config.services import AIStoreSettings
from neuro_client.errors import ChecksumMismatchError, ConfigError, ProtocolError
from neuro_client.transport import Answer

ASKED = URL("http://proxy:8080/v1/objects/b/o?provider=ais")


class Redirect:
    """Be as much of an answer as a redirect is."""

    status = 307

    def __init__(self, location: str | None) -> None:
        self.headers = {} if location is None else {"Location": location}


def going(location: str | None, asked: URL = ASKED) -> URL:
    return destination(asked, "PUT", cast("Answer", Redirect(location)))


def test_the_address_is_taken_as_it_is() -> None:
    text = "http://127.0.0.1:8081/v1/objects/b/%C3%A9%25+a?z=1&a=%2f&pid=p&utm=dn09"
    assert str(going(text)) == text
    assert going("http://t/a b\xe9?x=|") == URL("http://t/a%20b%C3%A9?x=%7C", encoded=True)
    assert str(going("/v1/other?x=1")) == "http://proxy:8080/v1/other?x=1"
    assert str(going("http://[::1]:51081/v1?pid=a")) == "http://[::1]:51081/v1?pid=a"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        (None, "without a Location"),
        ("", "without a Location"),
        ("nowhere", "nowhere"),
        ("//other/x", "other"),
        ("ftp://host/x", "ftp"),
        ("http://", "http://"),
        ("http://host:99999/x", "99999"),
        ("https://host:8443/x", "to https"),
    ],
)
def test_a_redirect_to_nowhere_is_named(location: str | None, told: str) -> None:
    with pytest.raises(ProtocolError, match=told):
        going(location)


def test_encryption_is_not_left() -> None:
    with pytest.raises(ProtocolError, match="from https to http"):
        going("http://host:1/x", URL("https://proxy/x"))


def test_circles_and_long_ways_end() -> None:
    hops = Hops("GET")
    with pytest.raises(ProtocolError, match="circles"):
        hops.next(ASKED, cast("Answer", Redirect(str(ASKED))))
    hops = Hops("GET")
    asked = ASKED
    with pytest.raises(ProtocolError, match="5 hops"):
        for number in range(10):
            asked = hops.next(asked, cast("Answer", Redirect(f"http://t{number}:1/x")))


def test_signatures_are_seen_in_the_address() -> None:
    assert not is_signed(URL("http://t/v1/objects/vpams=/x?provider=ais&pid=1&utm=u", encoded=True))
    assert is_signed(URL("http://t/o?pid=1&vpams=4&x=n&u=s", encoded=True))
    assert not is_signed(URL("http://t/o", encoded=True))


ENVIRONMENT = {
    "AIS_ENDPOINT": "http://env:51080",
    "AIS_AUTHN_TOKEN": "env-token",
    "AIS_CONNECT_TIMEOUT": "1.5",
    "AIS_READ_TIMEOUT": "0",
    "AIS_MAX_CONN_POOL": "7",
    "AIS_CLIENT_CA": "/ca",
    "AIS_CRT": "/crt",
    "AIS_CRT_KEY": "/key",
    "AIS_SKIP_VERIFY_CRT": "True",
}


def test_the_environment_fills_what_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    found = AIStore().requests.settings
    assert (found.endpoint, found.token) == ("http://env:51080", "env-token")
    assert (found.connect_timeout, found.read_timeout) == (1.5, None)
    assert (found.max_pool_size, found.skip_verify) == (7, True)
    assert (found.ca_cert, found.client_cert, found.client_key) == ("/ca", "/crt", "/key")
    given = AIStore(
        "https://a/", token="t", timeout=(2, 5), max_pool_size=3, skip_verify=False,
        client_cert=("/c", "/k"), ca_cert="/b",
    ).requests.settings  # fmt: skip
    assert (given.endpoint, given.token, given.ca_cert) == ("https://a", "t", "/b")
    assert (given.connect_timeout, given.read_timeout) == (2, 5)
    assert (given.max_pool_size, given.skip_verify) == (3, False)
    assert (given.client_cert, given.client_key) == ("/c", "/k")


def test_what_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="AIS_ENDPOINT"):
        AIStore()
    for wrong in ("host:8080", "ftp://host", "http://"):
        with pytest.raises(ValueError, match="address"):
            AIStore(wrong)
    with pytest.raises(ValueError, match="max_pool_size"):
        AIStore("http://a", max_pool_size=0)
    for name, value in (("AIS_READ_TIMEOUT", "-1"), ("AIS_MAX_CONN_POOL", "many")):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            with pytest.raises(ConfigError, match=name):
                AIStore("http://a")


def test_defaults_end_every_wait() -> None:
    found = AIStore("http://a").requests.settings
    assert (found.connect_timeout, found.read_timeout) == (3, 20)
    assert found.direct_reads and not found.skip_verify


async def test_certificates_that_are_missing_are_told() -> None:
    client = AIStore("https://localhost:1", ca_cert="/no/such/ca.pem")
    with pytest.raises(ConfigError, match=r"/no/such/ca\.pem"):
        await client.cluster().get_info()


async def test_a_client_can_be_pickled_and_hides_its_token() -> None:
    client = AIStore("http://a", token="hush", headers={"X-Key": "hush"})
    again = pickle.loads(pickle.dumps(client))
    assert again.requests.settings == client.requests.settings
    assert "hush" not in repr(client) + repr(client.requests.settings)
    settings = AIStoreSettings(url="http://b", token="t", skip_verify=True)
    made = AIStore.from_settings(settings).requests.settings
    assert (made.endpoint, made.token, made.skip_verify) == ("http://b", "t", True)
    await client.close()
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.cluster().get_info()


def test_one_range_is_read_as_servers_do() -> None:
    assert ByteRange.read("bytes=0-99").header() == "bytes=0-99"
    assert ByteRange.read("5-").header() == "bytes=5-"
    assert ByteRange.read("bytes=-3") == ByteRange(None, 3)
    for wrong in ("", "bytes=", "-", "5-4", "0-1,3-4", "x-y"):
        with pytest.raises(ValueError):
            ByteRange.read(wrong)


async def two() -> AsyncIterator[bytes]:
    yield b"one"
    yield b"two"


async def sent(content: Content) -> bytes:
    body: Any = content.body()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    return b"".join([bytes(chunk) async for chunk in body])


async def test_a_content_is_sent_as_often_as_it_can_be() -> None:
    data = bytes(range(256)) * 10_000
    for source in (data, bytearray(data), memoryview(data)):
        content = Content(source)
        assert content.size == len(data)
        assert await sent(content) == await sent(content) == data
        await content.close()
    again = Content(two, 6)
    assert await sent(again) == await sent(again) == b"onetwo" and again.replayable
    once = Content(two(), 6)
    story = (once.replayable, await sent(once), once.replayable)
    assert story == (True, b"onetwo", False)
    with pytest.raises(RuntimeError, match="read already"):
        await sent(once)


async def test_a_content_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not 4"):
        Content(b"123", 4)
    for size in (5, 7):
        content = Content(two, size)
        with pytest.raises(ValueError, match="announced"):
            await sent(content)
        assert isinstance(content.error, ValueError)
    with pytest.raises(TypeError, match="str"):
        Content("text")  # type: ignore[arg-type]


async def test_a_damaged_content_is_found() -> None:
    for content in (Content(b"hello world"), Content(two, 6)):
        await sent(content)
        with pytest.raises(ChecksumMismatchError, match="ais://b/o"):
            await content.compare("xxhash2", "0" * 16, "ais://b/o")
    passed = Content(two)
    await sent(passed)
    await passed.compare("md5", "not computed on the way", "x")
    await Content(b"hello world").compare("xxhash", "45AB6734B21E6968", "x")
