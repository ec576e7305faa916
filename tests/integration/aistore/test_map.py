"""The map of the cluster: direct reads, moved objects, dead targets and proxies (§2.3, §2.5)."""

from __future__ import annotations

import pytest
from aiohttp import web

from neuro_client.aistore import AIStore, ErrObjNotFound
from neuro_client.aistore.connection.placement import owner
from neuro_client.errors import TransportError

from .nodes import SUM, Node, answer, failing, json_answer, nodes, smap, to
from .test_redirects import FAST, HELLO, opened


async def test_reads_go_to_the_owner_and_the_map_follows_the_cluster() -> None:
    async with opened("t0", "t1", direct_reads=True) as ([proxy, *targets], bucket):
        has: dict[str, Node] = {}

        def serving(node: Node) -> None:
            async def handle(_: Node, request: web.Request) -> web.StreamResponse:
                name = request.path.rpartition("/")[2]
                if has.get(name) is not node:
                    return await failing(404, f"ais://b1/{name} does not exist")(node, request)
                return web.Response(body=HELLO, headers=SUM)

            node.plan(handle)

        async def answering(node: Node, request: web.Request) -> web.StreamResponse:
            if request.path.endswith("/daemon"):
                return await json_answer(smap([proxy], members))(node, request)
            holder = has.get(request.path.rpartition("/")[2], members[0])
            return await to(holder)(node, request)

        members = targets
        proxy.plan(answering)
        for target in targets:
            serving(target)
        # One question for the map, then none: the client finds what the proxy would say.
        names = [f"o{number}" for number in range(20)]
        found = (await bucket.requests.fetch_map()).tmap
        for name in names:
            node = owner(f"ais/@#/b1/{name}", found.values())
            assert node is not None
            has[name] = targets[int(node.daemon_id[1])]
        proxy.asked.clear()
        for name in names:
            assert await bucket.object(name).get().read_all() == HELLO
        assert not proxy.asked
        assert all(target.asked for target in targets)
        # An object that moved: 404 there, the proxy knows, the map is fetched anew next time.
        moved = next(name for name in names if has[name] is targets[0])
        has[moved] = targets[1]
        assert await bucket.object(moved).get().read_all() == HELLO
        assert [one.target.partition("?")[0] for one in proxy.asked] == [f"/v1/objects/b1/{moved}"]
        proxy.asked.clear()
        await bucket.object(moved).head()
        assert proxy.asked[0].target.startswith("/v1/daemon?what=smap")
        # A missing object costs one question more, and is missing.
        proxy.asked.clear()
        with pytest.raises(ErrObjNotFound):
            await bucket.object("missing").head()
        # A dead target: the proxy knows who has its objects now.
        members = [targets[1]]
        await targets[0].stop()
        for name in names:
            has[name] = targets[1]
        for name in names:
            assert await bucket.object(name).get().read_all() == HELLO


async def test_a_target_that_wants_signatures_ends_direct_reads() -> None:
    async with opened("t0", direct_reads=True) as ([proxy, target], bucket):

        async def proxying(node: Node, request: web.Request) -> web.StreamResponse:
            if request.path.endswith("/daemon"):
                return await json_answer(smap([proxy], [target]))(node, request)
            return await to(target)(node, request)

        async def guarded(node: Node, request: web.Request) -> web.StreamResponse:
            ok = "pid" in request.query
            return await (answer(body=HELLO, headers=SUM) if ok else failing(403))(node, request)

        proxy.plan(proxying)
        target.plan(guarded)
        assert await bucket.object("o").get().read_all() == HELLO
        assert await bucket.object("o").get().read_all() == HELLO
        assert ["pid" in one.target for one in target.asked] == [False, True, True]


async def test_another_proxy_takes_over_from_a_dead_one() -> None:
    async with nodes("p0", "p1", "t0") as (first, second, target):
        for proxy in (first, second):

            async def handle(node: Node, request: web.Request) -> web.StreamResponse:
                if request.path.endswith("/daemon"):
                    return await json_answer(smap([first, second], [target]))(node, request)
                if "/buckets" in request.path:
                    return web.json_response([])
                return await to(target)(node, request)

            proxy.plan(handle)
        target.plan(answer(headers=SUM))
        async with AIStore.connect(first.url, retry_config=FAST, direct_reads=False) as client:
            await client.cluster().get_info()
            await first.stop()
            await client.bucket("b1").object("o").put_content(HELLO)
            assert await client.cluster().list_buckets() == []
            assert second.methods == ["PUT", "GET"]
            await client.bucket("b1").create()  # not idempotent, but nothing was sent before
        # Without a map there are the endpoints that were given.
        async with AIStore.connect([first.url, second.url], retry_config=FAST) as client:
            assert await client.cluster().list_buckets() == []
        async with AIStore.connect(first.url, retry_config=FAST) as client:
            with pytest.raises(TransportError, match="Cannot connect"):
                await client.cluster().list_buckets()
            assert not await client.cluster().is_aistore_running()


async def test_a_question_about_jobs_may_be_sent_on_to_another_proxy() -> None:
    async with nodes("p0", "p1") as (first, second):
        first.plan(to(second))
        second.plan(answer(body=b"null"))
        async with AIStore.connect(first.url, token="t") as client:
            assert await client.cluster().list_jobs_status() == []
        [asked] = second.asked
        assert asked.body == b'{"kind":"","node":"","show_active":false}'
        assert asked.headers["Authorization"] == "Bearer t"
