"""Lists, counts, batches, metrics and telemetry over all workloads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .conftest import TRAININGS, WORKLOADS, Api, span

NOWHERE = "00000000-0000-4000-8000-000000000000"


async def make_five(api: Api) -> dict[str, str]:
    """Make five trainings: two done, one failed, one running, one waiting in another project."""
    other = await api.platform.trainings.add_project("red")
    huge: dict[str, Any] = {"compute": {"cpuCoreRequest": 1000}}
    found = {
        "alpha": await api.create("alpha"),
        "beta": await api.create("beta", priorityClass="build"),
        "gamma": await api.create("gamma", "exit 1", backoffLimit=0),
        "delta-run": await api.create("delta-run", "sleep 60"),
        "huge": await api.create("huge", project=str(other.id), **huge),
    }
    for name in ("alpha", "beta", "gamma"):
        await api.done(found[name])
    await api.until(found["delta-run"], "Running")
    await api.until(found["huge"], "Pending")
    return found


async def check_lists(api: Api, five: dict[str, str]) -> None:
    every = list(five)
    cases: dict[str, list[str]] = {
        "": every,
        "sortOrder=desc": every[::-1],
        "sortBy=name": sorted(every),
        "sortBy=phase&sortOrder=desc&filterBy=phase!=Completed": ["delta-run", "huge", "gamma"],
        "filterBy=name==alpha": ["alpha"],
        "filterBy=name%3D%3Dalpha%2Cphase%3D%3DCompleted": ["alpha"],
        "filterBy=name==alpha,phase==Running": [],
        "filterBy=phase==Running,phase==Failed": ["gamma", "delta-run"],
        "filterBy=name=@ELT": ["delta-run"],
        "filterBy=name!@a": ["huge"],
        "filterBy=name=^delta": ["delta-run"],
        "filterBy=name=$a": ["alpha", "beta", "gamma"],
        "filterBy=name=$name-is-longer": [],
        "filterBy=projectName==red": ["huge"],
        f"filterBy=projectId=={api.ready['project_id']},priority>=100": ["beta"],
        "filterBy=createdAt<=2020-01-01T00:00:00Z": [],
        "filterBy=createdAt>=2020-01-01": every,
        "filterBy=departmentName==default,type==training,category==Train": every,
        "filterBy=totalPendingTimeSeconds<=1000": every,
        "search=ALPH": ["alpha"],
        f"search={five['gamma']}": ["gamma"],
        "deleted=true": [],
    }
    for query, names in cases.items():
        assert await api.names(query) == names, query
        count = await api.call("GET", f"{WORKLOADS}/count?{query}")
        assert count == {"count": len(names)}, query
    first = await api.call("GET", f"{WORKLOADS}?limit=3")
    assert first["next"] == 3 and len(first["workloads"]) == 3
    last = await api.call("GET", f"{WORKLOADS}?limit=3&offset=3")
    assert "next" not in last and len(last["workloads"]) == 2
    assert await api.names("offset=99") == []
    for query in (
        *("limit=0", "limit=501", "limit=x", "offset=-1", "sortOrder=up", "sortBy=shoe"),
        *("filterBy=name", "filterBy=shoe==1", "filterBy=createdAt==x", "filterBy=createdAt=@2"),
        *("filterBy=priority=^1", "filterBy=priority==x", "deleted=maybe"),
    ):
        refusal = await api.call("GET", f"{WORKLOADS}?{query}", status=400)
        assert refusal["code"] == 400, query


async def check_batches(api: Api, five: dict[str, str]) -> None:
    ids = [five["delta-run"], five["alpha"], NOWHERE, five["delta-run"]]
    answer = await api.call("POST", f"{WORKLOADS}/batch", json={"ids": ids, "action": "suspend"})
    assert answer["succeeded"] == [five["delta-run"]]
    assert {(one["id"], one["code"]) for one in answer["failed"]} == {
        (five["alpha"], 409),
        (NOWHERE, 404),
    }
    await api.until(five["delta-run"], "Stopped")
    body = {"ids": [five["alpha"], five["huge"]], "action": "delete"}
    await api.call("POST", f"{WORKLOADS}/batch", json=body)
    for name in ("alpha", "huge"):
        await api.gone(five[name])
    for bad in (
        {"ids": [], "action": "delete"},
        {"ids": [NOWHERE] * 101, "action": "delete"},
        {"ids": ["x"], "action": "delete"},
        {"ids": [7], "action": "delete"},
        {"ids": [NOWHERE], "action": "kill"},
    ):
        await api.call("POST", f"{WORKLOADS}/batch", json=bad, status=400)


async def check_pages(api: Api, five: dict[str, str]) -> None:
    path = f"{WORKLOADS}/{five['gamma']}"
    events = await api.call("GET", f"{path}/events?limit=1")
    assert events["events"][0]["reason"] == "BackoffLimitExceeded" and events["next"] == 1
    events = await api.call("GET", f"{path}/events?sortOrder=asc&limit=1")
    event = events["events"][0]
    assert event["reason"] == "SuccessfulCreate" and event["type"] == "Normal"
    assert event["involvedObject"]["namespace"] == "runai-default"
    history = await api.call("GET", f"{path}/history?limit=1")
    assert history["records"][0]["meta"]["type"] == "PhaseUpdate" and history["next"] == 1
    pods = await api.call("GET", f"{WORKLOADS}/pods?limit=2")
    assert len(pods["pods"]) == 2 and pods["next"] == 2
    assert await api.call("GET", f"{WORKLOADS}/pods/count") == {"count": 4}
    query = "filterBy=k8sPhase==Running"
    pods = await api.call("GET", f"{WORKLOADS}/pods?{query}")
    assert [pod["workloadName"] for pod in pods["pods"]] == ["delta-run"]
    await api.call("GET", f"{WORKLOADS}/pods?filterBy=x", status=400)
    for part in ("", "/events", "/history", "/pods"):
        await api.call("GET", f"{WORKLOADS}/{NOWHERE}{part}", status=404)


async def check_telemetry(api: Api, five: dict[str, str]) -> None:
    path = f"{WORKLOADS}/telemetry?telemetryType="
    total = await api.call("GET", f"{path}WORKLOADS_COUNT")
    assert total["type"] == "WORKLOADS_COUNT" and total["values"] == [{"value": "5"}]
    by = await api.call("GET", f"{path}WORKLOADS_COUNT&groupBy=Phase,ProjectId")
    found = {tuple(group["value"] for group in one["groups"]): one["value"] for one in by["values"]}
    mine = api.ready["project_id"]
    assert found[("Completed", mine)] == "2" and found[("Running", mine)] == "1"
    some = await api.call("GET", f"{path}WORKLOADS_COUNT&filterByPhases=Failed,Running")
    assert some["values"] == [{"value": "2"}]
    none = await api.call("GET", f"{path}GPU_ALLOCATION&clusterId={NOWHERE}")
    assert none["values"] == [{"value": "0"}]
    waits = await api.call("GET", f"{path}PENDING_TIME_DISTRIBUTION&groupBy=Type")
    assert [group["value"] for group in waits["values"][0]["groups"]] == [
        *("training", "under 1 minute"),
    ]
    for query in ("x", "WORKLOADS_COUNT&groupBy=Shoe", "WORKLOADS_COUNT&groupBy=Type,Phase,Type"):
        await api.call("GET", f"{path}{query}", status=400)


@pytest.mark.thorough
async def test_lists_pages_and_counts_over_all_workloads(api: Api) -> None:
    five = await make_five(api)
    await check_lists(api, five)
    await check_pages(api, five)
    await check_telemetry(api, five)
    await check_batches(api, five)


@pytest.mark.thorough
async def test_metrics_are_measured(api: Api) -> None:
    script = "x=$(head -c 50000000 /dev/zero | tr '\\0' x); while :; do :; done"
    busy = await api.create("busy", script, compute={"cpuCoreRequest": 0.5, "cpuCoreLimit": 1.5})
    path = f"{WORKLOADS}/{busy}"
    kinds = (
        "CPU_USAGE_CORES,CPU_MEMORY_USAGE_BYTES,CPU_LIMIT_CORES,RUNNING_POD_COUNT,GPU_UTILIZATION"
    )
    async with asyncio.timeout(20):
        while True:
            query = f"metricType={kinds}&{span()}&numberOfSamples=1000"
            answer = await api.call("GET", f"{path}/metrics?{query}")
            found = {one["type"]: one["values"] for one in answer["measurements"]}
            cores = [float(one["value"]) for one in found["CPU_USAGE_CORES"] or ()]
            memory = [float(one["value"]) for one in found["CPU_MEMORY_USAGE_BYTES"] or ()]
            if cores and max(cores) >= 0.2 and max(memory) >= 50_000_000:
                break
            await asyncio.sleep(0.05)
    assert {one["value"] for one in found["CPU_LIMIT_CORES"]} == {"1.5"}
    assert found["RUNNING_POD_COUNT"][-1]["value"] == "1"
    assert found["GPU_UTILIZATION"] is None
    [pod] = await api.pods(busy)
    of_pod = f"{path}/pods/{pod['id']}/metrics"
    answer = await api.call("GET", f"{of_pod}?metricType=CPU_USAGE_CORES&{span()}")
    assert answer["measurements"][0]["values"]
    query = f"metricType=CPU_USAGE_CORES&{span()}"
    text = await api.call("GET", f"{path}/metrics?{query}", headers={"Accept": "text/csv"})
    assert text.startswith("type,timestamp,value\r\nCPU_USAGE_CORES,2")
    for query in (
        *("", f"metricType=&{span()}", "metricType=CPU_USAGE_CORES", f"metricType=SHOES&{span()}"),
        f"metricType=CPU_USAGE_CORES&{span()}&numberOfSamples=1001",
        "metricType=CPU_USAGE_CORES&start=2024-01-02&end=2024-01-01",
    ):
        await api.call("GET", f"{path}/metrics?{query}", status=400)
    await api.call("GET", f"{of_pod}?metricType=POD_COUNT&{span()}", status=400)
    unknown = f"{path}/pods/{NOWHERE}/metrics?metricType=CPU_USAGE_CORES&{span()}"
    await api.call("GET", unknown, status=404)
    for zone in ("+00:00", "%2B00:00", ""):
        times = f"start=2024-05-01T10:00:00.5{zone}&end=2024-05-01T11:00:00{zone}"
        await api.call("GET", f"{path}/metrics?metricType=POD_COUNT&{times}")


async def test_the_tenant_can_be_looked_up(api: Api) -> None:
    await api.platform.trainings.add_project("red", gpus=2, cpus=0.5, memory=2**30)
    projects = (await api.call("GET", "/api/v1/org-unit/projects"))["projects"]
    assert [project["name"] for project in projects] == ["default", "red"]
    deserved = {
        key: projects[1]["resources"][0][key]["deserved"] for key in ("gpu", "cpu", "memory")
    }
    assert deserved == {"gpu": 2, "cpu": 500, "memory": 1024}
    one = await api.call("GET", f"/api/v1/org-unit/projects/{projects[0]['id']}")
    assert one == projects[0] and one["clusterId"] == api.ready["cluster_id"]
    [cluster] = await api.call("GET", "/api/v1/clusters")
    assert (cluster["uuid"], cluster["domain"]) == (one["clusterId"], api.ready["cluster_url"])
    assert await api.call("GET", f"/api/v1/clusters/{cluster['uuid']}") == cluster
    [department] = (await api.call("GET", "/api/v1/org-unit/departments"))["departments"]
    assert await api.call("GET", f"/api/v1/org-unit/departments/{department['id']}") == department
    [pool] = await api.call("GET", "/api/v1/node-pools")
    assert pool["name"] == "default"
    for name, key in (
        ("types", "Types"),
        ("priorities", "Priorities"),
        ("categories", "Categories"),
    ):
        assert (await api.call("GET", f"/api/v1/workload-{name}"))[f"workload{key}"]
    for path in ("clusters/x", "org-unit/projects/99", "org-unit/departments/x"):
        await api.call("GET", f"/api/v1/{path}", status=404)
    await api.call("GET", TRAININGS, status=405)
