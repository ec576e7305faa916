"""ETLs on the local cluster, which records them and runs their Python (aistore.md §14)."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from neuro_client.aistore import (
    AISError,
    AIStore,
    ErrETLAlreadyExists,
    ErrETLNotFound,
    ErrUnsupp,
    Etl,
)
from neuro_client.aistore.etl.api import seconds_of
from neuro_client.errors import NotSupportedError, TransportTimeoutError
from neuro_client.retry import NEVER

from .nodes import Node, answer, nodes, to
from .world import FAST, World, run

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: an-etl\n"


def _shouted(text: bytes) -> bytes:
    return text.upper()


class Shout:
    """Be a transform; what it needs of this file goes along."""

    def transform(self, data: bytes, *_: object) -> bytes:
        """Return what is read instead."""
        sys.stdout.write("shouting\n")
        return _shouted(data)


def shout(data: bytes) -> bytes:
    """Be a transform of older servers."""
    return _shouted(data)


def twice(reader: BinaryIO, writer: BinaryIO) -> None:
    """Be a transform that reads in pieces."""
    writer.write(reader.read() * 2)


def by_pipes() -> None:
    """Be a transform that has no arguments."""
    sys.stdout.write(sys.stdin.read() + "!")


@asynccontextmanager
async def older(world: World, *version: int) -> AsyncIterator[AIStore]:
    """Open a client that meets an older server."""
    world.cluster.version = version
    async with AIStore.connect(world.ais.endpoint, retry_config=FAST) as client:
        yield client


async def check_a_class_is_run_on_objects(world: World) -> None:
    ais, bucket = world.ais, world.bucket
    thing = bucket.object("a.txt")
    await thing.put_content(b"quiet")
    etl = ais.etl("shouting")
    assert etl.name == "shouting"
    job = await etl.init_class(Shout, dependencies=["numpy", "pillow>=1"], LEVEL="9")
    assert job.startswith("etl-")
    with pytest.raises(ErrETLAlreadyExists):
        await etl.init_class(Shout)
    assert await thing.get(etl_name="shouting").read_all() == b"QUIET"
    other = ais.bucket("other")
    copied = await bucket.transform("shouting", other, ext={"txt": "up"}, prepend="x-")
    assert await ais.job(copied).wait(check=True)
    assert await other.object("x-a.up").get().read_all() == b"QUIET"
    [info] = await ais.cluster().list_running_etls()
    assert (info.id, info.xaction_id, info.obj_count) == ("shouting", job, 2)
    details = await etl.view(job)
    major, minor = sys.version_info[:2]
    assert isinstance(details.runtime, dict)
    assert details.runtime["image"] == f"aistorage/runtime_python:{major}.{minor}"
    env = {one["name"]: one["value"] for one in details.runtime["env"]}
    assert env["PACKAGES"] == "numpy,pillow>=1" and env["LEVEL"] == "9"
    assert (details.id, details.communication, details.timeout, details.obj_timeout) == (
        "shouting", "hpush://", "5m", "45s",
    )  # fmt: skip
    assert details.support_direct_put and not details.obj_errors
    logs = await etl.logs()
    assert {one.target_id for one in logs} == {one.id for one in world.cluster.targets}
    assert "shouting\n" in logs[0].logs
    [one] = await etl.logs(logs[1].target_id)
    assert one.target_id == logs[1].target_id
    assert [one.health_status for one in await etl.health()] == ["Running"] * 2
    assert [one.mem for one in await etl.metrics()] == [0, 0]
    await etl.stop()
    assert await ais.cluster().list_running_etls() == []
    assert [info.stage for info in await ais.cluster().list_etls()] == ["Aborted"]
    with pytest.raises(AISError, match="not running"):
        await thing.get(etl_name="shouting").read_all()
    await etl.start()
    await etl.delete()
    for call in (etl.view, etl.delete, etl.start, etl.stop, etl.logs):
        with pytest.raises(ErrETLNotFound):
            await call()
    with pytest.raises(ErrETLNotFound):
        await bucket.transform("shouting", other)


async def check_what_fails_is_told(world: World) -> None:
    thing = world.bucket.object("o")
    await thing.put_content(b"x")
    etl = world.ais.etl("an-image")
    await etl.init("some/image:1", "run --it 'all of it'", comm_type="hpull://", A="1")
    given = (await etl.view()).init_msg
    assert given["runtime"] == {
        "image": "some/image:1",
        "command": ["run", "--it", "all of it"],
        "env": [{"name": "A", "value": "1"}],
    }
    assert (given["communication"], given["support_direct_put"]) == ("hpull://", False)
    with pytest.raises(AISError, match="runs no containers"):
        await thing.get(etl_name="an-image").read_all()
    for call in (
        etl.init("i", init_timeout="soon"),
        etl.init("i", obj_timeout="5"),
        etl.init("i", comm_type="post"),
        etl.init_spec(POD, "io"),
        etl.init_spec(POD, timeout=""),
        etl.init_code(shout, preimported_modules=["os; boom"]),
        etl.init_code(shout, chunk_size=-1),
        world.ais.etl("Short").init("i"),
    ):
        with pytest.raises(ValueError, match=r"not a duration|communication|module|chunk|6 to 32"):
            await call
    for wrong in (etl.init_class(Shout()), etl.init_code("shout")):  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            await wrong
    for name in ("", "a/b"):
        with pytest.raises(ValueError, match="name of an ETL"):
            world.ais.etl(name)
    await etl.delete()
    pod = world.ais.etl("a-pod-etl")
    with pytest.raises(NotSupportedError, match=r"hrev needs AIStore before 4\.0"):
        await pod.init_spec(POD, "hrev")
    await pod.init_spec(POD, obj_timeout="10s")
    details = await pod.view()
    assert (details.spec, details.obj_timeout, details.runtime) == (POD, "10s", "")
    await pod.delete()


async def check_code_of_older_servers(world: World) -> None:
    thing = world.bucket.object("o")
    await thing.put_content(b"text")
    with pytest.raises(NotSupportedError, match=r"before 3\.30; this one is 5\.0: use init_class"):
        await world.ais.etl("function").init_code(shout)
    async with older(world, 3, 28) as ais:
        made: list[tuple[dict[str, Any], bytes]] = [
            ({"transform": shout, "dependencies": ["numpy"]}, b"TEXT"),
            ({"transform": twice, "chunk_size": 10}, b"texttext"),
            ({"transform": by_pipes, "communication_type": "io"}, b"text!"),
        ]
        for options, expected in made:
            etl = ais.etl(f"code{len(expected)}")
            await etl.init_code(preimported_modules=["json", "os.path"], **options)
            assert await thing.get(etl_name=etl.name).read_all() == expected
        details = await ais.etl("code4").view()
        assert details.dependencies.splitlines()[0] == "numpy"
        assert details.dependencies.splitlines()[1].startswith("cloudpickle==")
        assert b'importlib.import_module("os.path")\n' in details.code
        with pytest.raises(NotSupportedError, match=r"needs AIStore 3\.30.* is 3\.28"):
            await ais.etl("an-image").init("image")
        for name in ("code4", "code8", "code5"):
            await ais.etl(name).delete()
    async with older(world, 5, 1) as ais:
        with pytest.raises(NotSupportedError, match=r"before 5\.1"):
            await ais.etl("a-pod-etl").init_spec(POD)


async def check_a_server_without_etl(world: World) -> None:
    world.cluster.etl = False
    try:
        etl: Etl = world.ais.etl("any-name")
        for call in (etl.view(), etl.init("image"), etl.delete(), world.ais.cluster().list_etls()):
            with pytest.raises(ErrUnsupp):
                await call
        with pytest.raises(ErrUnsupp) as info:
            await world.bucket.transform("any-name", world.ais.bucket("other"))
        assert info.value.status == 404
    finally:
        world.cluster.etl = True


async def test_etl(tmp_path: Path) -> None:
    await run(
        [
            check_a_class_is_run_on_objects,
            check_what_fails_is_told,
            check_a_server_without_etl,
        ],
        tmp_path,
    )


@pytest.mark.thorough
async def test_etl_of_older_servers(tmp_path: Path) -> None:
    await run([check_code_of_older_servers], tmp_path)


async def test_both_ways_of_saying_it_are_sent_to_a_server_of_unknown_release() -> None:
    """aistore.md §15: servers ignore the members that they do not know."""
    async with nodes("proxy") as (proxy,):

        async def handle(node: Node, request: Any) -> Any:
            return await answer(body=b"etl-1" if request.method == "PUT" else b"{}")(node, request)

        proxy.plan(handle)
        async with AIStore.connect(proxy.url, retry_config=FAST) as client:
            assert await client.etl("e").init_spec(POD, "hrev", "1h30m") == "etl-1"
            spec = json.loads(proxy.asked[-1].body)
            await client.etl("e").init_code(shout, transform_url=True)
            code = json.loads(proxy.asked[-1].body)
            await client.etl("e").delete()
        assert proxy.methods[-2:] == ["POST", "DELETE"]  # an old one wants it stopped first
    assert spec == {
        "id": "e",
        "name": "e",
        "communication": "hrev://",
        "timeout": "1h30m",
        "init_timeout": "1h30m",
        "spec": base64.b64encode(POD.encode()).decode(),
    }
    assert (code["funcs"], code["transform_url"], code["argument"]) == (
        {"transform": "transform"}, True, "url",
    )  # fmt: skip
    assert "chunk_size" not in code and seconds_of("1h30m") == 5400.0


async def test_what_is_transformed_on_its_way_may_take_its_time() -> None:
    async def slow(node: Node, request: Any) -> Any:
        await asyncio.sleep(0.2)
        return await answer(body=b"done")(node, request)

    async with nodes("proxy", "target") as (proxy, target):
        proxy.plan(to(target))
        target.plan(slow)
        async with AIStore.connect(
            proxy.url, retry_config=NEVER, timeout=(5, 0.1), direct_reads=False
        ) as client:
            thing = client.bucket("b").object("o")
            assert await thing.get(etl_name="slow-one").read_all() == b"done"
            with pytest.raises(TransportTimeoutError):
                await thing.get().read_all()
