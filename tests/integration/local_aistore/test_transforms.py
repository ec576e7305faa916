"""Sorting of shards, and transforms (aistore.md §13, §14)."""

from __future__ import annotations

import base64
import io
import json
import sys
import tarfile
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import pytest

from neuro_client.local.services.aistore.cluster import Cluster

from .conftest import run
from .test_jobs import PATH, TO, members
from .wire import BUCKET, Wire, action

pytestmark = pytest.mark.thorough


def shard(*names: str) -> bytes:
    """Make a tar with a file and a class for each name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in names:
            for ending, content in (("jpg", b"x" * 100), ("cls", name[-1].encode())):
                entry = tarfile.TarInfo(f"{name}.{ending}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


async def check_sorting(wire: Wire, cluster: Cluster) -> None:
    for number, names in enumerate((("r9", "r3"), ("r1", "r7"))):
        await wire.put(f"in-{number}.tar", shard(*names))
    spec = {
        "input_bck": {"name": BUCKET, "provider": "ais"},
        "output_bck": TO,
        "input_extension": ".tar",
        "input_format": {"template": "in-{0..1}"},
        "output_format": "out-{00..09}",
        "output_shard_size": "150B",
        "description": "by class",
    }
    for algorithm, order in (
        ({"kind": "alphanumeric"}, ["r1", "r3", "r7", "r9"]),
        ({"kind": "alphanumeric", "decreasing": True}, ["r9", "r7", "r3", "r1"]),
        (
            {"kind": "content", "extension": ".cls", "content_key_type": "int"},
            ["r1", "r3", "r7", "r9"],
        ),
    ):
        sort = await wire.good("POST", "/v1/sort", json={**spec, "algorithm": algorithm})
        job = sort.text
        assert job.startswith("srt-")
        await wire.ended(job)
        made = await wire.names("dst")
        assert made == ["out-00.tar", "out-01.tar"]
        found = [name for one in made for name, _ in members(await wire.get(one, "dst"))]
        assert [name.partition(".")[0] for name in found[::2]] == order
        info = (await wire.good("GET", f"/v1/sort?uuid={job}")).json
        assert set(info) == {target.id for target in cluster.targets}
        first, second = (info[target.id] for target in cluster.targets)
        assert first["Metrics"]["shard_creation"]["created_count"] == "2"
        assert first["Metrics"]["local_extraction"]["extracted_record_count"] == "4"
        assert second["Metrics"]["shard_creation"]["finished"] and first["archived"]
    listed = (await wire.good("GET", "/v1/sort?regex=class")).json
    assert len(listed) == 3
    short = {**spec, "output_format": "out-{0..0}", "algorithm": {}}
    job = (await wire.good("POST", "/v1/sort", json=short)).text
    assert "too few names" in (await wire.ended(job))["err"]
    assert (await wire.good("GET", f"/v1/sort?uuid={job}")).json[first_of(cluster)]["aborted"]
    for bad in ({"dsorter_type": "x"}, {"input_extension": ".rar"}, {"output_format": "{a,b}"}):
        assert (await wire.call("POST", "/v1/sort", json={**spec, **bad})).status >= 400
    assert (await wire.call("DELETE", f"/v1/sort?uuid={job}")).status == 200
    assert (await wire.call("GET", f"/v1/sort?uuid={job}")).status == 404
    cluster.dsort = False
    refused = await wire.call("POST", "/v1/sort", json=spec)
    assert (refused.status, refused.headers["Content-Type"][:10]) == (501, "text/plain")
    assert (await wire.call("GET", "/v1/sort")).json == []


def first_of(cluster: Cluster) -> str:
    """Return the id of the first target."""
    return cluster.targets[0].id


class Upper:
    """Be a transform that comes as a class."""

    def transform(self, data: bytes, path: str, arguments: str) -> bytes:
        """Return what is stored instead."""
        sys.stdout.write("never among the bytes")
        return data.upper() + path.encode() + arguments.encode()


async def check_sorting_by_a_map(wire: Wire, cluster: Cluster) -> None:
    cluster.version = (3, 18)
    await wire.put("in-0.tar", shard("r1", "r2", "r3"))
    order = {
        "json": json.dumps({"even-%d": ["r2"], "odd-%d": ["r1", "r3"]}),
        "lines": "r2,even-%d\nr1,odd-%d\nr3,odd-%d\n",
    }
    for name, text in order.items():
        await wire.create("dst")
        await wire.put(name, text.encode())
        spec = {
            "bck": {"name": BUCKET, "provider": "ais"},
            "output_bck": TO,
            "extension": ".tar",
            "input_format": "in-{0..0}",
            "output_shard_size": "1MB",
            "order_file": f"{str(wire.url).rstrip('/')}/v1/objects/{BUCKET}/{name}",
            "order_file_sep": ",",
        }
        job = (await wire.good("POST", "/v1/sort", json=spec)).text
        assert (await wire.ended(job))["err"] == ""
        assert await wire.names("dst") == ["even-0.tar", "odd-0.tar"]
        odd = [member for member, _ in members(await wire.get("odd-0.tar", "dst"))]
        assert odd == ["r1.jpg", "r1.cls", "r3.jpg", "r3.cls"]
        told = (await wire.good("GET", f"/v1/sort?uuid={job}")).json[cluster.targets[0].id]
        assert told["shard_creation"]["created_count"] == "2"
        await wire.good("DELETE", "/v1/buckets/dst", json=action("destroy-bck"))
    missing = {**spec, "order_file": f"{str(wire.url).rstrip('/')}/v1/objects/{BUCKET}/none"}
    assert (await wire.call("POST", "/v1/sort", json=missing)).status == 400


async def check_transforms(wire: Wire, cluster: Cluster) -> None:
    await wire.put("a.txt", b"small ")
    cloudpickle.register_pickle_by_value(__import__(__name__, fromlist=["Upper"]))
    payload = base64.b64encode(cloudpickle.dumps(Upper)).decode()
    runtime = {"image": "python", "env": [{"name": "ETL_CLASS_PAYLOAD", "value": payload}]}
    given = {"name": "upper-case", "communication": "hpush://", "runtime": runtime}
    job = (await wire.good("PUT", "/v1/etl", json=given)).text
    again = await wire.call("PUT", "/v1/etl", json=given)
    assert (again.status, again.message) == (409, "etl job upper-case already exists")
    path = f"/v1/objects/{BUCKET}/a.txt?etl_name="
    read = await wire.good("GET", f"{path}upper-case&etl_args=!")
    assert read.body == b"SMALL b1/a.txt!"
    to = f"{PATH}?bck_to=ais%2F%40%23%2Fdst%2F"
    value = {"id": "upper-case", "request_timeout": "5m", "ext": {"txt": "up"}}
    await wire.ended(await wire.job("POST", to, "etl-bck", value))
    assert await wire.get("a.up", "dst") == b"SMALL b1/a.txt"
    (info,) = (await wire.good("GET", "/v1/etl")).json
    assert (info["xaction_id"], info["stage"], info["obj_count"]) == (job, "Running", 2)
    broken = {**given, "name": "no-python", "runtime": {"image": "any"}}
    await wire.good("PUT", "/v1/etl", json=broken)
    assert (await wire.follow("GET", f"{path}no-python")).told == (500, "ErrETL")
    await wire.good("POST", "/v1/etl/upper-case/stop")
    assert (await wire.follow("GET", f"{path}upper-case")).status == 404
    await wire.good("POST", "/v1/etl/upper-case/start")
    (logs, _) = (await wire.good("GET", "/v1/etl/upper-case/logs")).json
    assert b"never among the bytes" in base64.b64decode(logs["logs"])
    await wire.good("DELETE", "/v1/etl/upper-case")
    assert (await wire.call("GET", "/v1/etl/upper-case")).status == 404
    for bad in ({"name": "X"}, {"communication": "hrev://"}, {"runtime": None}):
        assert (await wire.call("PUT", "/v1/etl", json={**given, **bad})).status == 400, bad
    cluster.etl = False
    assert (await wire.call("GET", "/v1/etl")).told == (501, "ErrUnsupp")
    assert (await wire.follow("GET", f"{path}no-python")).told == (501, "ErrUnsupp")
    assert (await wire.call("POST", to, json=action("etl-bck", value))).told == (404, "ErrUnsupp")


async def check_transforms_by_code(wire: Wire, cluster: Cluster) -> None:
    cluster.version = (3, 28)
    await wire.put("o", b"text")
    sources: dict[str, tuple[str, dict[str, Any], bytes]] = {
        "plain": ("def transform(data):\n    return data[::-1]\n", {}, b"txet"),
        "stream": (
            "def transform(reader, writer):\n    writer.write(reader.read() * 2)\n",
            {"chunk_size": 10},
            b"texttext",
        ),
        "pipes": (
            "import sys\nsys.stdout.write(sys.stdin.read() + '!')\n",
            {"communication": "io://"},
            b"text!",
        ),
    }
    for name, (source, more, expected) in sources.items():
        code = base64.b64encode(source.encode()).decode()
        given = {"id": name, "communication": "hpush://", "code": code, "timeout": "5m"}
        await wire.good("PUT", "/v1/etl", json={**given, **more})
        read = await wire.good("GET", f"/v1/objects/{BUCKET}/o?etl_name={name}")
        assert read.body == expected, name
    given["code"] = base64.b64encode(b"def transform(data):\n    return 1 / 0\n").decode()
    await wire.good("PUT", "/v1/etl", json={**given, "id": "fails"})
    failed = await wire.follow("GET", f"/v1/objects/{BUCKET}/o?etl_name=fails")
    assert failed.status == 500 and "ZeroDivisionError" in failed.message


CHECKS = (check_sorting, check_sorting_by_a_map, check_transforms, check_transforms_by_code)


async def test_transforms(wire: Wire, cluster: Cluster) -> None:
    await run(CHECKS, wire, cluster)
