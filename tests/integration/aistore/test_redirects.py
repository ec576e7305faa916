"""Two hops: what the proxy is asked, what the target gets, and every way this goes wrong (§2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from neuro_client.aistore import AIStore, Bucket, ErrBadCksum, ErrObjNotFound, Job
from neuro_client.errors import (
    AuthorizationError,
    ChecksumMismatchError,
    NotSupportedError,
    ProtocolError,
    ServerError,
    ServerNotAvailable,
    TransportError,
)
from neuro_client.retry import RetryPolicy

from .nodes import SUM, Node, answer, failing, hang_up, location, nodes, to

FAST = RetryPolicy(attempts=4, base=0.001)
HELLO = b"hello world"


@asynccontextmanager
async def opened(
    *names: str, direct_reads: bool = False, token: str | None = None
) -> AsyncIterator[tuple[list[Node], Bucket]]:
    async with nodes("proxy", *names) as found:
        async with AIStore.connect(
            found[0].url, retry_config=FAST, direct_reads=direct_reads, token=token
        ) as client:
            yield found, client.bucket("b1")


def counted(data: bytes, passes: list[int]) -> Callable[[], AsyncIterator[bytes]]:
    """Make a stream that counts how often it is begun."""

    async def stream() -> AsyncIterator[bytes]:
        passes.append(1)
        for offset in range(0, len(data), 5):
            yield data[offset : offset + 5]

    return stream


async def test_a_body_goes_once_and_to_the_target_only() -> None:
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(answer(headers=SUM))
        passes: list[int] = []
        headers = await bucket.object("dir/sp ace%+#?é").put(counted(HELLO, passes), 11)
        assert headers["Ais-Checksum-Value"] == SUM["Ais-Checksum-Value"]
        assert passes == [1]
        [first], [second] = proxy.asked, target.asked
        path = "/v1/objects/b1/dir/sp%20ace%25%2B%23%3F%C3%A9?provider=ais"
        assert (first.method, first.target, first.body, first.length) == ("PUT", path, b"", "0")
        assert "Expect" not in first.headers and "Transfer-Encoding" not in first.headers
        assert second.target == f"{path}&pid=OwDp8080&utm=dn093eszk73b"
        assert (second.body, second.length) == (HELLO, "11")
        # Of unknown length it is sent in chunks; nothing at all has a length.
        await bucket.object("o").put(counted(HELLO, passes))
        assert target.asked[-1].headers["Transfer-Encoding"] == "chunked"
        empty = {"Ais-Checksum-Type": "xxhash2", "Ais-Checksum-Value": "ef46db3751d8e999"}
        target.plan(answer(headers=empty))
        await bucket.object("o").put_content(b"")
        assert (target.asked[-1].body, target.asked[-1].length) == (b"", "0")


async def test_an_action_goes_to_both() -> None:
    async with opened("target", token="hush") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(answer())
        await bucket.object("o").rename("new")
        await bucket.object("o").set_custom_props({"k": "v"})
        assert [one.body for one in proxy.asked] == [one.body for one in target.asked]
        assert proxy.asked[0].body == b'{"action":"rename-obj","name":"new","value":null}'
        assert proxy.methods == target.methods == ["POST", "PATCH"]
        # A token is for proxies; the redirect is the target's permission (§1.3).
        assert {one.headers.get("Authorization") for one in proxy.asked} == {"Bearer hush"}
        assert {one.headers.get("Authorization") for one in target.asked} == {None}
        target.plan(answer(body=b"blb-1"))
        assert await bucket.object("o").blob_download() == "blb-1"
        assert "Authorization" not in target.asked[0].headers


async def test_reads_and_heads_follow_with_their_headers() -> None:
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(answer(206, b"ll", {"Content-Range": "bytes 2-3/11", **SUM}))
        reader = bucket.object("o").get(byte_range="bytes=2-3")
        assert await reader.read_all() == b"ll"
        assert target.asked[0].headers["Range"] == "bytes=2-3"
        assert target.asked[0].headers["Accept-Encoding"] == "identity"
        target.plan(answer(headers={"Ais-Version": "3"}))
        assert (await bucket.object("o").head())["Ais-Version"] == "3"
        assert target.methods == ["HEAD"]
        # The page in a redirect of GET is read: both connections were kept.
        assert len({one.headers["Host"] for one in proxy.asked}) == 1


async def test_a_signed_cluster_gets_the_length_but_not_the_content_at_the_proxy() -> None:
    """aistore.md §2.4, rule 2."""
    marks = "pid=p&utm=u&vpams=4&x=nonce&u=signature"
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target, marks))
        target.plan(answer(headers=SUM))
        await bucket.object("o").put_content(HELLO)
        assert [one.length for one in proxy.asked] == ["0", "11"]
        assert proxy.asked[1].headers["Expect"] == "100-continue"
        assert [one.body for one in target.asked] == [HELLO]
        # From now on it is known.
        passes: list[int] = []
        await bucket.object("o").put(counted(HELLO, passes), 11)
        assert [one.length for one in proxy.asked[2:]] == ["11"]
        assert passes == [1]
        with pytest.raises(NotSupportedError, match="size"):
            await bucket.object("o").put(counted(HELLO, passes))
        # A signature holds once: another attempt needs another one.
        target.plan(failing(503), answer(headers=SUM))
        proxy.plan(to(target, marks))
        await bucket.object("o").put_content(HELLO)
        assert len(proxy.asked) == len(target.asked) == 2


async def test_a_refused_signature_makes_the_client_announce_the_length() -> None:
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(failing(401), answer(headers=SUM))
        await bucket.object("o").put_content(HELLO)
        assert [one.length for one in proxy.asked] == ["0", "11"]
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(failing(403))
        with pytest.raises(AuthorizationError):
            await bucket.object("o").put_content(HELLO)
        assert len(target.asked) == 2


async def test_an_address_serves_again_after_a_trouble_of_the_target() -> None:
    """aistore.md §2.4, rule 9."""
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(failing(503), failing(500), answer(headers=SUM))
        await bucket.object("o").put_content(HELLO)
        assert (len(proxy.asked), len(target.asked)) == (1, 3)
        # 404 at such an address: the object may have moved, the proxy knows.
        proxy.plan(to(target))
        target.plan(failing(503), failing(404), answer(body=HELLO, headers=SUM))
        assert await bucket.object("o").get().read_all() == HELLO
        assert (len(proxy.asked), len(target.asked)) == (2, 3)
        # 404 at a fresh address is one.
        proxy.plan(to(target))
        target.plan(failing(404, "t[x]: ais://b1/o does not exist", "ErrNotFound"))
        with pytest.raises(ErrObjNotFound):
            await bucket.object("o").get()
        assert (len(proxy.asked), len(target.asked)) == (1, 1)


async def test_what_will_not_help_is_not_tried_again() -> None:
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        for handler, error in (
            (failing(500, "bad", "ErrBadCksum"), ErrBadCksum),
            (failing(507, "full", "ErrCapExceeded"), ServerError),
            (failing(501, "no", "ErrUnsupp"), NotSupportedError),
        ):
            target.plan(handler)
            with pytest.raises(error):
                await bucket.object("o").put_content(HELLO)
            assert len(target.asked) == 1
        # A job may have been started by the first attempt.
        target.plan(failing(503))
        with pytest.raises(ServerNotAvailable):
            await bucket.object("o").rename("new")
        assert len(target.asked) == 1


async def test_a_stream_is_never_sent_twice() -> None:
    async with opened("target") as ([proxy, target], bucket):
        passes: list[int] = []
        stream = counted(HELLO, passes)
        proxy.plan(failing(503), to(target))
        target.plan(answer(headers=SUM))
        await bucket.object("o").put(stream(), 11)  # not begun when the proxy failed
        assert passes == [1]
        proxy.plan(to(target))
        target.plan(failing(503), answer(headers=SUM))
        with pytest.raises(Exception, match="503"):
            await bucket.object("o").put(stream(), 11)
        assert (passes, len(target.asked)) == ([1, 1], 1)
        # What can be begun anew is.
        target.plan(failing(503), answer(headers=SUM))
        await bucket.object("o").put(stream, 11)
        assert (passes, len(target.asked)) == ([1, 1, 1, 1], 2)


async def test_an_error_of_the_stream_itself_is_what_is_raised() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hello"
        raise LookupError("the source is gone")

    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(answer(headers=SUM))
        with pytest.raises(LookupError, match="the source is gone"):
            await bucket.object("o").put(broken, 11)
        for size in (10, 12):
            with pytest.raises(ValueError, match="announced"):
                await bucket.object("o").put(counted(HELLO, []), size)


async def test_damage_on_the_way_is_found_in_both_directions() -> None:
    wrong = {**SUM, "Ais-Checksum-Value": "0123456789abcdef"}
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(answer(headers=wrong))
        for content in (HELLO, counted(HELLO, [])):
            with pytest.raises(ChecksumMismatchError, match="ais://b1/o"):
                await bucket.object("o").put(content)
        target.plan(answer(body=HELLO, headers=wrong))
        with pytest.raises(ChecksumMismatchError, match="ais://b1/o"):
            await bucket.object("o").get().read_all()
        with pytest.raises(ChecksumMismatchError):
            async with bucket.object("o").get() as reader:
                async for _ in reader:
                    pass
        # The checksum of the whole says nothing about a part.
        target.plan(answer(206, b"ll", {"Content-Range": "bytes 2-3/11", **wrong}))
        assert await bucket.object("o").get(byte_range="2-3").read_all() == b"ll"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "without a Location"),
        ("nowhere", "'nowhere'"),
        ("https://127.0.0.1:9/v1", "https"),
    ],
)
async def test_a_redirect_to_nowhere_is_named(text: str | None, told: str) -> None:
    async with opened() as ([proxy], bucket):
        proxy.plan(location(text))
        with pytest.raises(ProtocolError, match=told):
            await bucket.object("o").put_content(HELLO)
        assert len(proxy.asked) == 1


async def test_an_address_that_cannot_be_reached_is_named_with_a_remedy() -> None:
    async with opened("target") as ([proxy, target], bucket):
        gone = target.url.removeprefix("http://")
        await target.stop()
        proxy.plan(to(target))
        with pytest.raises(TransportError, match=rf"{gone}.*advertise"):
            await bucket.object("o").put_content(HELLO)
        assert len(proxy.asked) == FAST.attempts  # it was asked each time for another target


async def test_redirects_in_circles_end() -> None:
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        target.plan(location(f"{target.url}/v1/objects/b1/o?again"))
        for work in (bucket.object("o").put_content(HELLO), bucket.object("o").head()):
            with pytest.raises(ProtocolError, match="circles"):
                await work
        proxy.plan(location(f"{proxy.url}/v1/objects/b1/o?provider=ais"))
        with pytest.raises(ProtocolError, match="circles"):
            await bucket.object("o").get()


async def test_something_else_than_a_proxy_is_told() -> None:
    async with opened() as ([server], bucket):
        server.plan(answer(body=b"thanks"))
        with pytest.raises(ProtocolError, match="no AIStore proxy"):
            await bucket.object("o").put_content(HELLO)
        # A proxy may give the object itself (reverse proxying).
        server.plan(answer(body=HELLO, headers=SUM))
        assert await bucket.object("o").get().read_all() == HELLO
        server.plan(answer(body=b"<html>", headers={"Content-Type": "text/html"}))
        with pytest.raises(ProtocolError, match="not JSON"):
            await bucket.requests.fetch_map()


async def test_a_delete_whose_answer_was_lost_is_done() -> None:
    async with opened("target") as ([proxy, target], bucket):
        proxy.plan(to(target))
        # The HTTP library makes a second attempt of its own.
        target.plan(hang_up(), hang_up(), failing(404, "ais://b1/o doesn't exist"))
        await bucket.object("o").delete()
        target.plan(failing(404, "ais://b1/o doesn't exist"))
        with pytest.raises(ErrObjNotFound):
            await bucket.object("o").delete()


async def test_what_must_not_happen_twice_is_sent_once() -> None:
    async with opened("target") as ((proxy, target), bucket):
        calls: list[Callable[[], Awaitable[object]]] = [
            Job(bucket.requests, job_kind="lru").start,
            bucket.objects(["a"]).delete,
            lambda: bucket.objects(obj_template="a{1..2}").archive("x.tar"),
        ]
        for call in calls:
            # A connection that was good until now breaks when the server has read it all.
            proxy.plan(answer(), hang_up())
            await bucket.head()
            with pytest.raises(TransportError):
                await call()
            assert len(proxy.asked) == 2 and proxy.asked[-1].body
        for piece, flush in ((b"piece", False), (b"", True)):
            proxy.plan(to(target))
            target.plan(answer(), hang_up())
            await bucket.object("o").head()
            with pytest.raises(TransportError):
                await bucket.object("o").append_content(piece, "handle", flush)
            assert [one.body for one in target.asked] == [b"", piece]
